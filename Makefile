# Everything a person needs; each target sets up what it uses. Only Python 3.11+, make and git have to be there.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# make test SEED=N has the order and the chance of the run that printed N.
ORDER  := $(if $(SEED),--randomly-seed=$(SEED))

.DEFAULT_GOAL := help
.PHONY: help setup check test demo bench docs conformance fuzz clean

help:  ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

setup: $(STAMP)  ## create .venv and install the project with all it needs

$(STAMP): pyproject.toml constraints.txt data-packages.txt examples/digits/requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/pip install --quiet --constraint constraints.txt --no-deps --requirement examples/digits/requirements.txt \
		--requirement data-packages.txt
	@touch $(STAMP)

check: $(STAMP)  ## format, lint, types and import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: $(STAMP)  ## all tests, two at a time, and the core's coverage
	$(BIN)/pytest $(ORDER) --numprocesses 2 --dist loadfile --no-loadscope-reorder --cov=orchestrator/core \
		tests/unit tests/contract orchestrator entrypoints
	$(BIN)/pytest $(ORDER) --numprocesses 2 --dist loadfile --no-loadscope-reorder \
		tests --ignore=tests/unit --ignore=tests/contract

demo: $(STAMP)  ## the main job on the embedded local cloud, with real data
	@PATH="$(CURDIR)/$(BIN):$$PATH" bash examples/digits/tour.sh

bench: $(STAMP)  ## the figures of docs/benchmarks.md, as ratios measured in one run
	$(BIN)/python -m tests.benchmarks.startup
	$(BIN)/python -m tests.benchmarks.invocations
	$(BIN)/python -m tests.benchmarks.decoding
	$(BIN)/python -m tests.benchmarks.inspecting
	$(BIN)/python -m tests.benchmarks.repackaging
	$(BIN)/python -m tests.benchmarks.uploading
	$(BIN)/python -m tests.benchmarks.packing
	$(BIN)/python -m tests.benchmarks.deploying
	$(BIN)/python -m tests.benchmarks.localcloud_start
	$(BIN)/python -m tests.benchmarks.localcloud_creating
	$(BIN)/python -m tests.benchmarks.localcloud_invoking
	$(BIN)/python -m tests.benchmarks.localcloud_objects
	$(BIN)/python -m tests.benchmarks.localcloud_rollout
	$(BIN)/python -m tests.benchmarks.serving
	$(BIN)/python -m tests.benchmarks.serving_footprint
	$(BIN)/python -m tests.benchmarks.serving_reload
	$(BIN)/python -m tests.benchmarks.serving_soak

docs: $(STAMP)  ## the site of the documentation, in build/site
	$(BIN)/python -m docs.generate
	$(BIN)/sphinx-build -q -W --keep-going -n -E -c docs -d build/doctrees . build/site
	@echo "open build/site/index.html"

conformance: $(STAMP)  ## ask the real toolkit what it answers, and run real clients against the local cloud
	$(BIN)/python -m tests.conformance.recording
	$(BIN)/python -m tests.conformance.models
	$(BIN)/python -m tests.conformance.rehearsal
	$(BIN)/python -m tests.conformance.infrastructure

fuzz: $(STAMP)  ## fuzzers and faults, up to fifty times as long as in the tests
	ORCHESTRATOR_FUZZ=50 $(BIN)/pytest --numprocesses 2 -o faulthandler_timeout=14400 tests/security -k fuzz
	ORCHESTRATOR_FUZZ=20 $(BIN)/pytest --numprocesses 2 -o faulthandler_timeout=14400 \
		tests/integration/test_lock_races.py tests/integration/test_real_kills.py \
		tests/property/test_bit_flips.py tests/property/test_no_false_drift.py
	ORCHESTRATOR_FUZZ=50 $(BIN)/pytest -o faulthandler_timeout=14400 tests/integration/test_deploying_in_bad_weather.py

clean:  ## remove what was installed and built
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
