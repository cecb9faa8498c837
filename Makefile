# `make demo` and `make test` need nothing but Python 3.11 or newer, make, and a package registry.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test test-slow campaigns fuzz coverage check format docs

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

# Changed files of every kind for FUZZ_MINUTES, and DRAWN_CASES heads with options by chance: docs/reliability.md.
FUZZ_MINUTES ?= 10
DRAWN_CASES ?= 5000
fuzz: $(VENV)/.installed-test
	PYTHONPATH=tests $(BIN)/python -m fuzz.campaign --minutes $(FUZZ_MINUTES) --output build/fuzz.json
	GLOT_DRAWN_CASES=$(DRAWN_CASES) $(BIN)/python -m pytest -n auto tests/model/test_drawn_heads.py

# bandit: random numbers here are no secrets (B311), tokens are words (B105, B106), and revisions are the user's (B615).
check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/bandit -q -r glot_hf --skip B105,B106,B311,B615
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
