#!/bin/sh
# Plan the deployment to the environment $1. For ci/deploy.sh: release.plan. For people: reports/plan.txt.
set -eu
cd "$(dirname "$0")/.."
environment=${1:?usage: ci/plan.sh ENVIRONMENT}
mkdir -p reports

# Warnings go to stderr, and whoever approves a plan has to see them.
code=0
orchestrator plan --env "$environment" --out release.plan >reports/plan.txt 2>&1 || code=$?
cat reports/plan.txt
exit "$code"
