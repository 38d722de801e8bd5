#!/bin/sh
# Carry out release.plan, which ci/plan.sh has made, in the environment $1, for the reason $2. Exactly that: if the
# world has changed since, it is refused (3 or 7), and planning again is right.
set -eu
cd "$(dirname "$0")/.."
environment=${1:?usage: ci/deploy.sh ENVIRONMENT [REASON]}
reason=${2:-"by CI"}
mkdir -p reports

code=0
orchestrator deploy --env "$environment" --plan release.plan --reason "$reason" --yes || code=$?
case $code in
0) ;;
4) echo "FAILED: rolled back; the previous revision serves" >&2 ;;
5) echo "FAILED: the endpoint is NOT HEALTHY: orchestrator doctor --env $environment" >&2 ;;
7) echo "FAILED: somebody else changes the endpoint, or has changed it since the plan was made" >&2 ;;
8) echo "UNKNOWN: still in progress; this finishes it: orchestrator resume --env $environment" >&2 ;;
9) echo "FAILED: credentials or a permission; if it had begun: orchestrator resume --env $environment" >&2 ;;
10) echo "FAILED: old and new revision serve SIDE BY SIDE: orchestrator status --env $environment" >&2 ;;
11 | 12) echo "FAILED: AWS has no such machine free, or the account may not have that many" >&2 ;;
130) echo "INTERRUPTED: what was begun goes on; this finishes it: orchestrator resume --env $environment" >&2 ;;
*) echo "FAILED with exit code $code" >&2 ;;
esac
[ "$code" -eq 0 ] || exit "$code"

orchestrator test --remote --env "$environment" --junit reports/endpoint.xml
