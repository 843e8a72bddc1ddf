# The two commands a newcomer needs are `make analyze` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN ?= runs/digits
# Several processes of one thread each: threads of matrix products that wait for each other take five times as long.
ALONE := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help analyze test batteries soak mutants lint format docs coverage wheel bench sweep clean

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
	$(ALONE) $(BIN)/python -m pytest -n auto --dist worksteal

batteries: $(VENV)/installed ## answers against exact rationals, fifty times as many as in the suite, counted
	$(ALONE) FEATGEOM_BATTERIES=50 $(BIN)/python -m pytest -n auto tests/batteries

soak: $(VENV)/installed     ## break runs, files, calls and processes some two thousand times (an hour); SOAK="--seed 7"
	$(BIN)/python -m tests.soak $(SOAK)

mutants: $(VENV)/installed  ## change each clause of the checks in turn and see whether a test notices (an hour)
	$(ALONE) $(BIN)/python tests/mutants/run.py

lint: $(VENV)/installed     ## formatter, linter and type checker, changing nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/installed   ## let formatter and linter mend what they can; write the README's table of studies
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/python docs/readme.py

docs: $(VENV)/installed     ## build the documentation in build/site, warnings as errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

coverage: $(VENV)/installed ## run the tests and show which lines they never reach
	$(ALONE) $(BIN)/python -m pytest -n auto --dist worksteal --cov=featgeom --cov=featgeom_cli --cov-report=term-missing:skip-covered

wheel: $(VENV)/package      ## build the wheel, install it into an environment of its own, try it there
	rm -rf build/wheel && $(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir build/wheel .
	$(PYTHON) -m venv build/wheel/env
	build/wheel/env/bin/python -m pip install --quiet build/wheel/featgeom-*.whl
	cd build/wheel && env/bin/featgeom analyze -o run --quiet && env/bin/featgeom verify run | tail -n 1

bench: $(VENV)/installed    ## run every benchmark (FEATGEOM_DATA names the folder of real data)
	@for file in benchmarks/bench_*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

sweep: $(VENV)/installed    ## try published classifiers, half an hour at a time, and write docs/sweep.md
	$(BIN)/python benchmarks/sweep.py benchmarks/sweep.jsonl --first-of-family --minutes 30
	$(BIN)/python benchmarks/sweep.py benchmarks/sweep.jsonl --table docs/sweep.md

clean:           ## remove the environment and everything made in it
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
