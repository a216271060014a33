# Everything a checkout needs, from nothing: `make demo` and `make test` install what they use into .venv, once.
# PYTHON names another interpreter; ARGS goes to the program that runs: make test ARGS="-k ledger"

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c config/constraints.txt
NEEDS := $(VENV)/python.stamp pyproject.toml config/constraints.txt

.PHONY: help demo run test simulate lint bench clean
.DELETE_ON_ERROR:

help:
	@echo "make demo [REAL=1]  the whole thing once, in a temporary data directory; REAL=1 calls models and costs money"
	@echo "make run            the server, as the configuration says"
	@echo "make test           all tests but those that need the real Claude Code CLI; a few in one process: ARGS='-n 0 -k ledger'"
	@echo "make simulate       10,000 storms over the whole tree; another lot: ARGS='--from 1000 --seeds 50000', one again: ARGS='--replay 17'"
	@echo "make lint           ruff, mypy, pyright, import layers"
	@echo "make bench          what the claims about speed rest on"
	@echo "make clean          take away what the others made"

demo: $(VENV)/runtime.stamp
	@$(BIN)/symbiont demo $(if $(REAL),--real) $(ARGS)

run: $(VENV)/runtime.stamp
	@$(BIN)/symbiont serve $(ARGS)

test: $(VENV)/test.stamp
	@$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal $(ARGS)

simulate: $(VENV)/test.stamp
	@$(BIN)/python -m tests.actors.simulate $(ARGS)

lint: $(VENV)/lint.stamp
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/mypy tests/typing
	@$(BIN)/pyright --pythonpath $(BIN)/python
	@$(BIN)/lint-imports

bench: $(VENV)/runtime.stamp
	@for script in bench/bench_*.py; do echo "$$script"; $(BIN)/python "$$script" $(ARGS) || exit; done

clean:
	@rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment, in three sizes. The test environment holds the runtime one, so it stands in for it.

$(VENV)/python.stamp:
	@for python in "$(PYTHON)" python3.11 python3; do \
	    if "$$python" -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        "$$python" -m venv --clear $(VENV) && touch $@ && exit; \
	    fi; \
	done; \
	echo "expected Python 3.11 or newer with its venv module as $(PYTHON) or python3, got: $$(python3 --version 2>&1)" >&2; \
	echo "hint: install it (Debian, Ubuntu: apt install python3.11 python3.11-venv), or: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; \
	exit 1

$(VENV)/runtime.stamp: $(NEEDS)
	@$(INSTALL) -e .
	@touch $@

$(VENV)/test.stamp: $(NEEDS)
	@$(INSTALL) -e '.[test]'
	@touch $@ $(VENV)/runtime.stamp

$(VENV)/lint.stamp: $(NEEDS)
	@$(INSTALL) -e '.[test,lint]'
	@touch $@ $(VENV)/test.stamp $(VENV)/runtime.stamp
