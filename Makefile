# The two commands a newcomer needs are `make analyze` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN ?= runs/digits

.DEFAULT_GOAL := help
.PHONY: help analyze test lint format docs coverage wheel bench clean

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
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

coverage: $(VENV)/installed ## run the tests and show which lines they never reach
	$(BIN)/python -m pytest -n auto --cov=featgeom --cov=featgeom_cli --cov-report=term-missing:skip-covered

wheel: $(VENV)/package      ## build the wheel, install it into an environment of its own, try it there
	rm -rf build/wheel && $(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir build/wheel .
	$(PYTHON) -m venv build/wheel/env
	build/wheel/env/bin/python -m pip install --quiet build/wheel/featgeom-*.whl
	cd build/wheel && env/bin/featgeom analyze -o run --quiet && env/bin/featgeom verify run | tail -n 1

bench: $(VENV)/installed    ## run every benchmark (FEATGEOM_DATA names the folder of real data)
	@for file in benchmarks/bench_*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

clean:           ## remove the environment and everything made in it
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
