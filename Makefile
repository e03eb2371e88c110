# Everything runs in .venv, which is made from requirements.lock the first time and again when that file or
# pyproject.toml changes. Needed: git, make, and Python 3.11 or newer with venv. `make` lists the targets.

# Another interpreter: make PYTHON=python3.12 ...   More arguments for a command: make test ARGS="-k decide"
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	$$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	&& { echo $$python; break; }; done)
ARGS ?=

PY := .venv/bin/python
READY := .venv/.ready
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

.DEFAULT_GOAL := help
.PHONY: help demo test lint types bench docs lock clean

help: ## list the targets
	@echo 'make TARGET [ARGS="..."] [PYTHON=python3.12]'
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  %-7s %s\n", $$1, $$2}' Makefile

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

bench: $(READY) ## measure, beside peers; a table each
	@set -e; for bench in tests/bench/*.py; do echo "== $$bench"; $(PY) "$$bench" $(ARGS); done

docs: $(READY) ## write the reference pages again and check every link
	$(PY) tools/docs.py

lock: $(READY) ## write requirements.lock again (ARGS=--upgrade takes newer versions)
	UV_CUSTOM_COMPILE_COMMAND="make lock" $(PY) -m uv pip compile pyproject.toml --extra media --group dev \
		--universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
		--no-emit-index-url --no-emit-find-links --quiet --output-file requirements.lock $(ARGS)

clean: ## remove .venv, caches and what the demo made
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist demo-output
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
