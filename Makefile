# The two commands a newcomer needs are `make analyze` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN ?= runs/digits

.DEFAULT_GOAL := help
.PHONY: help analyze test lint format docs bench clean

help:            ## what can be made
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 12

$(VENV)/package: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/installed: $(VENV)/package
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

analyze: $(VENV)/package    ## analyse the built-in digits network, print the path of its report
	$(BIN)/featgeom analyze -o $(RUN)

test: $(VENV)/installed     ## run the whole test suite
	$(BIN)/python -m pytest -n auto

lint: $(VENV)/installed     ## formatter, linter and type checker, changing nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/installed   ## let the formatter and the linter mend what they can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/installed     ## build the documentation in build/site, warnings as errors
	$(BIN)/python -m mkdocs build --strict --quiet

bench: $(VENV)/installed    ## run every benchmark (FEATGEOM_DATA names the folder of real data)
	@for file in benchmarks/bench_*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

clean:           ## remove the environment and everything made in it
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
