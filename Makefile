# The project's commands. `make` alone lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RESULTS ?= results
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup run quick test lint format clean

help: ## this list
	@echo "coordbench: make TARGET"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' Makefile
	@echo "variables: PYTHON=$(PYTHON) (3.11 or newer)  RESULTS=$(RESULTS)  ARGS= (passed on to bench or pytest)"

setup: $(READY) ## make .venv and install (run and test do it by themselves)

run: $(READY) ## train the coordination suite at the smoke budget (minutes) and show its leaderboard
	$(BIN)/bench run --suite coordination --budget smoke --results "$(RESULTS)" $(ARGS)

quick: $(READY) ## the same at the quick budget (hours: a first honest ranking)
	$(BIN)/bench run --suite coordination --budget quick --results "$(RESULTS)" $(ARGS)

test: $(READY) ## run the tests
	$(BIN)/python -m pytest $(ARGS)

lint: $(READY) ## ruff, pyright, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

format: $(READY) ## let ruff format and mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove .venv and everything built or cached; results stay
	rm -rf $(VENV) .mapped build dist *.egg-info .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find agents analysis benchmarks envs examples leaderboard tests -name __pycache__ -type d -prune -exec rm -rf {} +

# One stamp for the whole set-up, touched at the very end: whatever was interrupted is done again. An environment
# that works is kept, so that a changed pin costs one download and not all.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "coordbench needs Python 3.11 or newer; name one: make run PYTHON=python3.12" >&2; exit 2; }
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && \
	  $(BIN)/python -m pip --version >/dev/null 2>&1 || \
	  { echo "making $(VENV)" && $(PYTHON) -m venv --clear $(VENV); }
	@echo "installing (minutes the first time)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e ".[dev,multiwalker]"
	@mkdir -p .mapped && ln -sfn .. .mapped/coordbench
	@touch $@
