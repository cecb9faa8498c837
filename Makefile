# `make demo` and `make test` need nothing but Python 3.11 or newer, make, and a package registry.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test test-slow campaigns coverage check format docs

demo: $(VENV)/.installed-demo
	HF_HUB_OFFLINE=1 $(BIN)/glot-hf demo

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n auto -m "not slow"

test-slow: $(VENV)/.installed-slow
	$(BIN)/python -m pytest -m slow

# Commands that are killed, interrupted and out of room, tens of times each: about an hour.
campaigns: $(VENV)/.installed-slow
	$(BIN)/python -m pytest -q -s -m slow tests/campaigns

# Lines and branches of glot_hf that the tests reach in the processes of pytest itself.
coverage: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n auto -m "not slow" --cov --cov-report=term --cov-report=html

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/pyright --pythonpath $(BIN)/python

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict -d site

# An extra of setup.cfg, at the versions of constraints.txt. Torch goes first: others would bring a newer one.
$(VENV)/.installed-%: setup.cfg setup.py constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$*]"
	touch $@
