# Everything runs in .venv, which is made from requirements.lock the first time and again when that file or
# pyproject.toml changes. Needed: git, make, and Python 3.11 or newer with venv. `make` lists the targets.

# Another interpreter: make PYTHON=python3.12 ...   More arguments for a command: make test ARGS="-k decide"
# One bench alone: make bench BENCH=engine_steps
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	$$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	&& { echo $$python; break; }; done)
ARGS ?=
BENCH ?= *

PY := .venv/bin/python
READY := .venv/.ready
# Whom the benches measure the engine beside; apart from .venv, because their dependencies are not ours.
PEERS := .venv-bench/.ready
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

.DEFAULT_GOAL := help
.PHONY: help demo test lint types simulate soak bench bench-peers docs lock clean

help: ## list the targets
	@echo 'make TARGET [ARGS="..."] [PYTHON=python3.12]'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-11s %s\n", $$1, $$2}' Makefile

demo: $(READY) ## make three videos on the emulator, no account needed
	$(PY) -m orchestrator demo $(ARGS)

test: $(READY) ## run the test-suite
	$(PY) -m pytest $(ARGS)

lint: $(READY) ## check style, the direction of imports, and generated files
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	.venv/bin/lint-imports --no-logo
	$(PY) tools/generate.py --check
	$(PY) tools/docs.py --check

types: $(READY) ## check the types, strictly
	$(PY) -m mypy orchestrator tests tools

simulate: $(READY) ## play thousands of crash schedules in virtual time (ARGS="--schedules 10000 --seed 1")
	$(PY) -m tests.simulation $(ARGS)

soak: $(READY) ## 1,000 rows under faults, the daemon killed every few seconds (ARGS="--rows 100")
	$(PY) -m tests.soak $(ARGS)

bench: $(READY) ## measure, beside the peers that are installed; a table each
	@set -e; for bench in tests/bench/$(BENCH).py; do echo "== $$bench"; $(PY) "$$bench" $(ARGS); done

bench-peers: $(PEERS) ## install the peers of the benches into .venv-bench

docs: $(READY) ## write the reference pages again and check every link
	$(PY) tools/docs.py

LOCK = UV_CUSTOM_COMPILE_COMMAND="make lock" $(PY) -m uv pip compile --universal --python-version 3.11 \
	--fork-strategy fewest --generate-hashes --no-emit-index-url --no-emit-find-links --quiet $(ARGS)

lock: $(READY) ## write the lock files again (ARGS=--upgrade takes newer versions)
	$(LOCK) pyproject.toml --extra media --group dev --output-file requirements.lock
	$(LOCK) --group bench --output-file requirements-bench.lock

clean: ## remove .venv, caches and what the demo made
	rm -rf .venv .venv-bench .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist demo-output
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or newer with venv was found." >&2; \
		echo "Install it (on Debian and Ubuntu: python3 and python3-venv), or name it: make PYTHON=/path/to/python3.11" >&2; \
		exit 1; }
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' || { \
		echo "error: $(PYTHON) is not a Python 3.11 or newer with venv." >&2; exit 1; }
	@$(PY) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	$(PY) -m pip install --quiet --require-hashes --requirement requirements.lock
	$(PY) -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(READY)

$(PEERS): $(READY) requirements-bench.lock
	$(PY) -m venv --clear .venv-bench
	.venv-bench/bin/python -m pip install --quiet --require-hashes --requirement requirements-bench.lock
	@touch $(PEERS)
