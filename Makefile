# The contributor's day: `make setup`, then `check`, `test`, `demo`. Needs only Python 3.11, git and make.

PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
# One process a core; the tests of a file stay together, since they share what is costly to make, and the files
# stay in the order of tests/conftest.py: xdist would begin those of many tests first, however short.
SPREAD := -n auto --dist loadfile --no-loadscope-reorder

# pip compiles every module of every package, most of which are never imported; Python compiles those that are.
# -qq keeps errors and leaves out pip's remarks.
PIP_FLAGS := -qq --progress-bar off --no-compile --disable-pip-version-check
INSTALL   := $(BIN)/python -m pip install $(PIP_FLAGS) -c constraints.txt

# The torch that constraints.txt pins: the rest of the set is what pip finds to go with it.
TORCH_VERSION := 2.13.0

DEMO_STUDY   := demo-study
DEMO_COMMAND := $(BIN)/autotune tune demo --out $(DEMO_STUDY)
CPU_STUDY    := studies/demo-cpu
RECORD_STUDY := studies/search-cpu
RECORD_WORK  := build/record
# One core of the machine is kept for the recording alone; make record ALONE= takes whichever is free.
ALONE        ?= taskset -c 1
RUN          := $(BIN)/python

# Compiled modules are kept: pip compiled none, and every trial server and test would compile torch again.
export PYTHONDONTWRITEBYTECODE =

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast check bench bench-measure bench-forecast bench-cases bench-tiers bench-search docs golden study record gpu-check gpu-wheels gpu-keep constraints clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# Two stamps: the demo needs no developer's tools, and installing those brings the demo's packages along.
$(VENV)/.runtime: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) -e .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) -e '.[dev]'
	@touch $(VENV)/.runtime $@

setup: $(VENV)/.dev ## Install autotune and the developer's tools into .venv

demo: $(VENV)/.runtime ## Tune the small pipeline that ships with the package
	$(DEMO_COMMAND)

test: setup ## Every test that needs no GPU
	$(PYTEST) $(SPREAD) -m "not gpu"

test-fast: setup ## The tests that take less than a minute together
	$(PYTEST) $(SPREAD) -m "not gpu and not slow and not browser and not postgres and not ray"

check: setup ## Format, lint, types, floors and shape: half a minute
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict autotune tests
	$(PYTEST) -q tests/test_floors.py tests/test_shape.py

bench: setup ## What autotune itself costs, as ratios measured in one run
	$(BIN)/python -m tests.bench.overheads

# OPTIMUM=python names an interpreter that has optimum-benchmark, which is then timed beside autotune.
bench-measure: setup ## How far a measurement can be trusted, beside other rules of timing: eight minutes on an idle machine
	$(BIN)/python -m tests.bench.measure $(if $(OPTIMUM),--optimum $(OPTIMUM)) $(if $(KEEP),--json $(KEEP))

bench-forecast: setup ## How far the forecast of memory is from all that was measured, and that it refuses nothing feasible
	$(BIN)/python -m tests.bench.forecast

bench-cases: setup ## Measure on this CPU what recipes need, the demo model's and full-size ones; results under studies/forecast-cpu
	$(BIN)/python -m tests.bench.weigh_cases

bench-tiers: setup ## How faithful every value of every knob is on the demo model
	$(BIN)/python -m tests.bench.tiers

# JOBS=n runs so many searches at a time. One that was ended goes on where it was: runs are kept under build/bench-search.
bench-search: setup ## How good the search is, beside Optuna's samplers and a clairvoyant; hours, resumable; results under studies/search-bench
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.bench.search --out studies/search-bench $(if $(JOBS),--jobs $(JOBS))
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.bench.search_lessons --out studies/search-bench $(if $(JOBS),--jobs $(JOBS))
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.bench.screening --out studies/search-bench
	$(BIN)/python -m tests.bench.search --readme

docs: setup ## Write the reference again from the code
	$(BIN)/python docs/generate.py

golden: setup ## Write the golden files again; review the diff
	$(PYTEST) -m "golden and not gpu" --rewrite-golden -p no:randomly

# One button, for minutes on a card: stages that go on where they ended. DEVICE=cpu proves all of it without a card;
# STAGES=a,b runs some, MINUTES=5 ends in time, NAME=x names the results: another name measures all of it anew, and
# FRESH=1 looks into stages that are done for what they lack.
# A bare machine without a network: NO_SETUP=1 RUN=python3 WHEELS=build/wheels installs only what its Python lacks;
# PACK=file.tar.gz packs state and results after every stage, STATE=file.tar.gz goes on from it on the next machine.
# Without make: python3 -m tests.gpu_check --help
gpu-check: $(if $(NO_SETUP),,setup) ## All that only a CUDA card can show, in stages that go on; results under studies/gpu
	$(RUN) -m tests.gpu_check --device $(or $(DEVICE),cuda) --minutes $(or $(MINUTES),9.5) \
	  $(if $(STAGES),--stages $(STAGES)) $(if $(NAME),--name $(NAME)) $(if $(FRESH),--fresh) \
	  $(if $(WHEELS),--wheels $(WHEELS)) $(if $(STATE),--state $(STATE)) $(if $(PACK),--pack $(PACK))

# HAVE=file names what the machine has, as pip freeze prints it: less is carried, and what is unmet is said.
gpu-wheels: setup ## Download into build/wheels what a bare machine lacks for gpu-check; PYTHON_VERSION=3.12 is its Python
	$(BIN)/python -m tests.gpu_check.carry --python $(or $(PYTHON_VERSION),3.12) $(if $(HAVE),--have $(HAVE))

gpu-keep: setup ## Keep what another machine packed: STATE=file.tar.gz; results under studies/gpu, and in the README
	$(BIN)/python -m tests.gpu_check.pack unpack $(STATE)
	$(BIN)/python -m tests.gpu_check.readme

study: setup ## The demo model with every knob of a CPU, a quarter of an hour; results under studies/demo-cpu
	mkdir -p build/study
	$(BIN)/autotune tune $(CPU_STUDY)/plan.toml --storage build/study/study.db
	$(BIN)/autotune show demo-cpu --storage build/study/study.db > $(CPU_STUDY)/front.txt
	$(BIN)/autotune show demo-cpu --all --json --storage build/study/study.db > $(CPU_STUDY)/trials.json
	$(BIN)/autotune export demo-cpu --force -o $(CPU_STUDY)/recipe.json --storage build/study/study.db

# Each study goes on where it was when the same command is given again.
record: setup ## Measure every recipe of three small spaces on this CPU, hours, resumable; the tables under studies/search-cpu
	mkdir -p $(RECORD_WORK)
	for part in eager compiled engines; do \
	  $(ALONE) $(BIN)/autotune tune $(RECORD_STUDY)/$$part.toml --storage $(RECORD_WORK)/$$part.db || exit 1; \
	  $(BIN)/autotune show $$part --storage $(RECORD_WORK)/$$part.db > $(RECORD_STUDY)/$$part.txt || exit 1; \
	done
	$(RUN) -m tests.bench.record $(RECORD_WORK)/eager.db $(RECORD_WORK)/compiled.db --name torch -o $(RECORD_STUDY)/torch.jsonl.gz
	$(RUN) -m tests.bench.record $(RECORD_WORK)/engines.db --name engines -o $(RECORD_STUDY)/engines.jsonl.gz

constraints: ## Pin again what a clean install brings today
	rm -rf build/constraints
	$(PYTHON) -m venv build/constraints
	build/constraints/bin/python -m pip install $(PIP_FLAGS) torch==$(TORCH_VERSION) -e '.[dev,ray]'
	{ sed -n '/^#/p' constraints.txt; \
	  build/constraints/bin/python -m pip freeze --exclude-editable \
	  | sed -E 's/\+[a-z0-9.]+$$//' | grep -Ev '^(nvidia-c|nvidia-n[cv]|cuda-|triton)' | LC_ALL=C sort -f; \
	} > build/constraints.txt
	mv build/constraints.txt constraints.txt
	rm -rf build/constraints

clean: ## Remove what was made, the environment included
	rm -rf $(VENV) build dist *.egg-info $(DEMO_STUDY) .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
