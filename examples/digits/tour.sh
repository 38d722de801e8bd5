#!/usr/bin/env bash
# The main job from end to end, on real data and the embedded local cloud. Ends with 1 at the first surprise.
set -euo pipefail

# The tour works on a copy, with a local cloud of its own: it disturbs nobody, and can be run twice at once.
tour=$(mktemp -d -t orchestrator-tour-XXXXXX)
cp -r "$(dirname "$0")"/. "$tour"
rm -rf "$tour/artifacts" "$tour/golden" "$tour/model.tar.gz"
cd "$tour"
export ORCHESTRATOR_STATE_DIR="$tour/state"
unset "${!ORCHESTRATOR_ENV@}" AWS_PROFILE AWS_SESSION_TOKEN 2>/dev/null || true
serving=""

finish() {
    [ -z "$serving" ] || kill "$serving" 2>/dev/null || true
    orchestrator local-cloud stop --quiet >/dev/null 2>&1 || true
    rm -rf "$tour"
}
trap finish EXIT

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
run() { printf '\033[36m$ %s\033[0m\n' "$*"; "$@"; }
expect() { # expect CODE COMMAND...: the command has to end with just that code
    local wanted=$1 code=0
    shift
    run "$@" || code=$?
    printf 'exit code %s\n' "$code"
    [ "$code" -eq "$wanted" ] || { echo "the tour expected exit code $wanted"; exit 1; }
}

say "1. Train a network on 4,000 real handwritten digits, hold 1,000 out"
run python train.py --seed 1
python -c 'import json, sys; sys.exit(json.load(open("artifacts/metrics.json"))["accuracy"] < 0.96)' ||
    { echo "less than 96 % of the held-out digits were told right"; exit 1; }

say "2. Build model.tar.gz with its generated entry point"
run orchestrator package --verbose
run orchestrator verify model.tar.gz
run tar -xzOf model.tar.gz code/predict.py

say "3. Serve the same archive on a port, as the container would"
python - <<'PY' > request.json
import json
print(json.dumps(json.load(open("golden/first.json"))["request"]["body"]))
PY
printf '\033[36m$ orchestrator local-serve model.tar.gz --port 0 &\033[0m\n'
orchestrator local-serve model.tar.gz --port 0 --output json > serving.json 2> serving.log &
serving=$!
until [ -s serving.json ]; do
    kill -0 "$serving" 2>/dev/null || { cat serving.log; exit 1; }
    read -rt 0.2 <> <(:) || true
done
url=$(python -c 'import json; print(json.load(open("serving.json"))["url"])')
if command -v curl >/dev/null; then
    run curl -sf "$url/ping"
    run curl -sf "$url/invocations" -H "Content-Type: application/json" -d @request.json
else
    python -c 'import sys, urllib.request as r; print(r.urlopen(r.Request(sys.argv[1] + "/invocations", open("request.json", "rb").read(), {"Content-Type": "application/json"})).read().decode())' "$url"
fi
echo
kill "$serving" && wait "$serving"
serving=""

say "4. Deploy it to the embedded local cloud, which is started on the way"
run orchestrator deploy --env local --reason "first model"

say "5. Ask the endpoint all held-out digits with plain boto3"
eval "$(orchestrator local-cloud status --quiet)"
run python ask.py first.json

say "6. Deploy a second model to the same endpoint, and go back"
run python train.py --seed 2
run orchestrator deploy --reason "another seed"
run python ask.py second.json
run orchestrator status
run orchestrator rollback --reason "to show the way back"
run python ask.py back.json --same-as first.json
run orchestrator history

say "7. Deploy a model that works on this machine only: the deployment fails, and says so"
export DIGITS_CALIBRATION=1.5
expect 4 orchestrator deploy --config calibrated.toml
run python ask.py still.json --same-as first.json
run orchestrator sweep --yes

say "8. Remove everything, and stop the local cloud"
run orchestrator destroy --yes
run orchestrator history
expect 0 orchestrator local-cloud stop
left=$(pgrep -f "$tour" || true)
[ -z "$left" ] || { echo "these processes were left behind:"; ps -o pid,args -p "$left"; exit 1; }
echo "no process was left behind"
