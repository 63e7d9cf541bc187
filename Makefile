# Everything is set up on the way: `make demo` and `make test` need only python3, make and a package registry.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet
CODE   := $(wildcard src tests bench)

# A stamp says which lock file the environment was last installed from.
CREATED := $(VENV)/.created
RUN     := $(VENV)/.installed-run
DEV     := $(VENV)/.installed-dev
DOCS    := $(VENV)/.installed-docs

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test format lint types contracts unit quick fix bench crash kills simulate sabotage fuzz docs wheel lock clean

help: ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(RUN) ## the shop under three placements and by events, with a kill on the way
	$(BIN)/duetto demo

# The parts -------------------------------------------------------------------------------------

test: format lint types contracts unit ## everything that CI checks

format: $(DEV) ## is the code formatted?
	@echo '== format'
	$(BIN)/ruff format --check $(CODE)

lint: $(DEV) ## ruff
	@echo '== lint'
	$(BIN)/ruff check $(CODE)

types: $(DEV) ## pyright, strict
	@echo '== types'
	$(BIN)/pyright

contracts: $(DEV) ## who may import whom
	@echo '== contracts'
	$(BIN)/lint-imports --no-logo --no-cache

unit: $(DEV) ## the tests; ARGS="-k kernel" picks some
	@echo '== tests'
	$(BIN)/python -m pytest $(ARGS)

quick: $(DEV) ## the tests without the slow ones
	$(BIN)/python -m pytest -m 'not slow' $(ARGS)

fix: $(DEV) ## format, and mend what ruff can
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

# The longer ones -------------------------------------------------------------------------------

bench: $(DEV) ## the benchmarks, as a table
	$(BIN)/python -m bench $(ARGS)

kills: $(DEV) ## kill -9 at random instants and named points: the shop several hundred times, the sensors with rows in flight
	$(BIN)/python -m tests.kills $(ARGS)
	$(BIN)/python -m tests.sensors

crash: $(DEV) ## generated workflows on real files, killed on the way; RUNS=2000
	$(BIN)/python -m tests.crashes $(if $(RUNS),--runs $(RUNS)) $(ARGS)

simulate: $(DEV) ## one seed, every fault, every promise: SEEDS=N FIRST=F; SEED=N CLASS=C replays, shrinks and draws
	$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED)) $(if $(SEEDS),--seeds $(SEEDS)) \
	  $(if $(FIRST),--first $(FIRST)) $(if $(CLASS),--class $(CLASS)) $(if $(JOBS),--jobs $(JOBS)) $(ARGS)

sabotage: $(DEV) ## switch one guard off at a time: which promise notices, at which seed
	$(BIN)/python -m tests.sabotage $(ARGS)

fuzz: $(DEV) ## more examples for every property test
	HYPOTHESIS_PROFILE=long $(BIN)/python -m pytest --timeout=0 -k property

docs: $(DOCS) ## build the documentation into site/
	$(BIN)/zensical build

wheel: $(DEV) ## build the wheel into dist/
	$(BIN)/python -m hatchling build --target wheel

# The environment -------------------------------------------------------------------------------

$(CREATED):
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("found Python " + sys.version.split()[0] + "; expected 3.11 or later; do: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv $(VENV) || { echo 'the venv module of Python is missing (on Debian: the package python3-venv)'; exit 1; }
	@touch $@

$(RUN): $(CREATED) requirements/run.txt pyproject.toml
	@echo '== setting up $(VENV) (runtime)'
	@$(PIP) install --require-hashes -r requirements/run.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV): $(RUN) requirements/dev.txt
	@echo '== setting up $(VENV) (development)'
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

$(DOCS): $(DEV) requirements/docs.txt
	@$(PIP) install --require-hashes -r requirements/docs.txt
	@touch $@

# uv makes a lock that holds for every platform and Python; it is needed for nothing else.
COMPILE := $(VENV)/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
           --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock'

lock: ## resolve the dependencies again; UPGRADE=--upgrade takes newer versions
	$(PYTHON) -m venv $(VENV)/lock
	$(VENV)/lock/bin/python -m pip install --quiet uv
	$(COMPILE) $(UPGRADE) pyproject.toml --extra all --group build -o requirements/run.txt
	$(COMPILE) $(UPGRADE) pyproject.toml --extra all --group dev -c requirements/run.txt -o requirements/dev.txt
	$(COMPILE) $(UPGRADE) --group docs -c requirements/dev.txt -o requirements/docs.txt

clean: ## remove the environment, caches and what was built
	rm -rf $(VENV) build dist site .pytest_cache .ruff_cache .hypothesis .import_linter_cache duetto-demo
