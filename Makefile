# loyaltycore: everything runs from here, on a machine that has Python 3.11+ and make.

# An outer environment must not leak into ours.
unexport PYTHONPATH VIRTUAL_ENV
SHELL := /bin/sh
.DEFAULT_GOAL := help

# The first Python that runs and is new enough.
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13 python3.14 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; exit; }; done; echo python3)
PY := .venv/bin/python
BIN := .venv/bin
STAMP := .venv/.stamp

# Shared data and cases: given to tests and tools as one absolute path when the folder is there.
SHARED ?= ../shared
export LOYALTYCORE_SHARED := $(abspath $(SHARED))

CODE := src tests examples benchmarks tools docs conftest.py
MODULE ?= points
SUITE ?= points
DOMAIN ?=
NAME ?=
ARGS ?=
URL ?=

.PHONY: help demo django fastapi test check gates lint format types floors examples doctypes laws cases bench mutants fire docs wheel coverage faults clean

help: ## List the targets.
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

$(STAMP): pyproject.toml constraints.txt tools/setup.sh
	@tools/setup.sh $(PYTHON)
	@touch $@

# ---- what it does ----

demo: $(STAMP) ## Run two years of a bicycle shop through its loyalty program.
	@mkdir -p build/velo
	@rm -f build/velo/loyalty.db*
	@$(PY) examples/velo/generate.py --out build/velo/history.jsonl
	@$(PY) -m loyaltycore replay examples/velo/program.toml build/velo/history.jsonl --store sqlite:///build/velo/loyalty.db \
		--codes-key-file build/velo/codes.key --cards-key-file build/velo/cards.key

django: $(STAMP) ## Run the Django shop, on http://127.0.0.1:8000/.
	@$(PY) examples/django_shop/manage.py demo

fastapi: $(STAMP) ## Run the FastAPI shop, on http://127.0.0.1:8000/docs.
	@$(BIN)/uvicorn --app-dir examples/fastapi_shop app:app

# ---- tests ----

test: $(STAMP) ## Run the tests, doctests and documented examples, measuring branch coverage.
	@mkdir -p build
	$(PY) -m pytest -n auto --dist loadfile -m "not slow" --cov --cov-report= --cov-fail-under=0 $(ARGS)

fire: $(STAMP) ## Lose answers, kill processes and fight for few places, also over the store URL=…: nothing may happen twice.
	$(PY) tests/fire.py $(ARGS)
	$(PY) -m tests.fire_cap $(URL)
	$(if $(URL),,$(PY) -m tests.fire_cap postgresql)
	$(PY) tests/fire_replay.py

cases: $(STAMP) ## Compare with known answers: make cases SUITE=points [DOMAIN=points].
	@$(PY) -m tools.cases $(SUITE) $(if $(DOMAIN),--domain $(DOMAIN))

laws: $(STAMP) ## List the numbered laws with the tests that carry them.
	@$(PY) -m tools.laws

mutants: $(STAMP) ## Change one module in small ways and see which changes no test notices: MODULE=points.
	@$(PY) -m tools.mutants $(MODULE)

bench: $(STAMP) ## Measure against naive code in the same run, into build/bench.json: [NAME=burn] [ARGS=--peers].
	@$(PY) -m benchmarks.run $(NAME) $(ARGS)

# ---- gates ----

check: test gates ## Run every gate.

gates: lint types floors examples doctypes laws docs wheel faults coverage

lint: $(STAMP) ## Check style, docstrings and banned calls.
	$(BIN)/ruff check $(wildcard $(CODE))
	$(BIN)/ruff format --check $(wildcard $(CODE))

format: $(STAMP) ## Rewrite the code in the house's format.
	$(BIN)/ruff check --fix $(wildcard $(CODE))
	$(BIN)/ruff format $(wildcard $(CODE))

types: $(STAMP) ## Check types strictly, and that the wheel's public names are all typed.
	$(BIN)/mypy $(wildcard src tests examples benchmarks tools conftest.py)
	$(BIN)/pyright
	$(PY) -m tools.wheel

floors: $(STAMP) ## Check that every floor imports lower ones only.
	$(BIN)/lint-imports --no-cache --no-logo

examples: $(STAMP) ## Run the examples of README, docs and docstrings.
	$(PY) -m pytest $(wildcard README.md docs src) tests/test_docs.py

doctypes: $(STAMP) ## Check the types of the examples that people copy from README and docs.
	$(PY) -m tools.doc_types
	$(PY) -m pytest -m slow tests/test_doc_types.py

docs: $(STAMP) ## Build the documentation, warnings being errors.
	$(PY) -m sphinx -W --keep-going -n -E -q -b html -d build/docs/doctrees docs build/docs/html

wheel: $(STAMP) ## Build the wheel and try it in an environment of its own.
	$(PY) -m pytest -m slow tests/test_wheel.py

faults: $(STAMP) ## Plant a fault for each gate and see it caught.
	$(PY) -m pytest -n auto -m slow tests/test_gates.py

coverage: $(STAMP) ## Report the branch coverage of the last `make test` and fail when it is too low.
	$(PY) -m coverage report

clean: ## Remove the environment and everything built.
	rm -rf .venv build dist mutants .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
