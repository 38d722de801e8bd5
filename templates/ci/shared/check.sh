#!/bin/sh
# Everything that CI checks. Needs Python and no account; can be run anywhere. What it wrote is in reports/.
set -eu
cd "$(dirname "$0")/.."
python -m pip install --quiet --requirement ci/requirements.txt
mkdir -p reports

# A local cloud of our own: one that somebody works with on this machine is left alone.
ORCHESTRATOR_STATE_DIR=$(mktemp -d)
ORCHESTRATOR_ENV=local
export ORCHESTRATOR_STATE_DIR ORCHESTRATOR_ENV
stop() {
    orchestrator local-cloud stop || true
    rm -rf "$ORCHESTRATOR_STATE_DIR"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

orchestrator package
orchestrator verify model.tar.gz
orchestrator test --archive model.tar.gz --junit reports/archive.xml
python -m pytest --junit-xml reports/pytest.xml tests
orchestrator deploy --yes --reason "ci/check.sh"
orchestrator test --remote --junit reports/endpoint.xml
