# One word per chore; contributing.md says the same words. Each target sets up what it needs, once, in .venv.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
BIN := .venv/bin
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip
# Extra words for pytest, e.g. make test PYTEST_ARGS="-k windows".
PYTEST_ARGS ?=
# pytest runs one process per core, so that more threads inside each only get in each other's way.
PYTEST := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MPLBACKEND=Agg $(BIN)/python -m pytest -n auto

.PHONY: help demo test test-all fix check bench figures build clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-9s %s\n", $$1, $$2 }' Makefile

demo: .venv/.user  ## set up, then the main job on the synthetic world: skill, map, budget, explanation
	$(BIN)/xnee demo

test: .venv/.developer  ## set up, then the tests and doctests, warnings as errors
	$(PYTEST) -m "not slow" $(PYTEST_ARGS)

test-all: .venv/.developer  ## the tests and the slow ones
	$(PYTEST) $(PYTEST_ARGS)

fix: .venv/.developer  ## put the layout of the code right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

check: .venv/.developer  ## lint, layout, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict

bench: .venv/.developer  ## the benchmarks, one after the other
	for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python "$$script" || exit 1; done

# build/skill keeps what benchmarks/skill.py predicted.
figures: .venv/.developer  ## every picture of docs/, drawn again: about an hour; most are of the towers in ../shared
	$(BIN)/python benchmarks/skill.py --out build/skill --figure docs/figures/skill_towers.png
	$(BIN)/python benchmarks/search.py --figure docs/figures/search.png
	rm -rf build/china  # the example makes it, and refuses one that is there
	$(BIN)/python examples/towers_to_china.py --out build/china
	$(BIN)/python examples/why_and_where.py --out build/why
	$(BIN)/python examples/gallery.py --out docs/figures/gallery
	cp build/china/NEE_China_forest.png build/china/contribution.png docs/figures/
	cp build/why/lag_heat.png build/why/aoa_errors.png build/why/outside_china.png build/why/dominant_china.png \
	    build/why/map_china.png docs/figures/

build: .venv/.developer  ## a wheel, tested in an empty environment from an empty folder
	rm -rf build dist
	$(PIP) wheel -qq --no-deps -w dist .
	$(PYTHON) -m venv build/environment
	mkdir build/empty
	PIP_DISABLE_PIP_VERSION_CHECK=1 build/environment/bin/python -m pip install -qq -c constraints.txt "$$(ls dist/*.whl)[dev]"
	cd build/empty && OMP_NUM_THREADS=1 MPLBACKEND=Agg ../environment/bin/python -m pytest -n auto -m "not slow" \
	    -c ../../pyproject.toml ../../tests $(PYTEST_ARGS)

clean:  ## remove what the targets made, except .venv
	rm -rf build dist demo *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Set-up. pip comes last into a new environment, so that a broken one is tried again.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "xnee needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>/dev/null || echo not there)." \
	        "Name another: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.user: pyproject.toml constraints.txt | $(BIN)/pip
	@echo "Setting up .venv to use xnee; the first time downloads its dependencies, which takes minutes."
	@$(PIP) install -qq -c constraints.txt -e '.[all]'
	@touch $@

.venv/.developer: pyproject.toml constraints.txt | $(BIN)/pip
	@echo "Setting up .venv to work on xnee; the first time downloads its dependencies, which takes minutes."
	@$(PIP) install -qq -c constraints.txt -e '.[dev]'
	@touch .venv/.user $@
