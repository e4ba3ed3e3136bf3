# Everything a person or a CI needs to run mailcrm from its source; `make` lists it.
# Each target sets up what it needs: Python 3.11 or newer is enough to start with.

VENV ?= .venv
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

bin := $(VENV)/bin
pip := $(bin)/python -m pip -qq
# Two processes, each with servers of its own: one waits while the other works. Who has done its half helps.
in_two := -n 2 --dist worksteal

.PHONY: help demo test test-long check fuzz bench bench-growth bench-reading bench-records format clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1: /p' Makefile | awk -F ': ' '{ printf "make %-14s %s\n", $$1, $$2 }'

demo: $(VENV)/.demo-installed ## show mailcrm with a mail server of its own, in a minute
	@$(bin)/mailcrm demo

test: $(VENV)/.dev-installed ## run the tests, with a real Dovecot and a real PostgreSQL
	@tools/install-servers
	$(bin)/python -m pytest -m 'not slow' $(in_two)

test-long: $(VENV)/.dev-installed ## run the slow tests, too
	@tools/install-servers
	$(bin)/python -m pytest $(in_two)

check: $(VENV)/.dev-installed ## check formatting, style, types and the layers
	$(bin)/ruff format --check
	$(bin)/ruff check
	$(bin)/mypy
	$(bin)/lint-imports

fuzz: $(VENV)/.fuzz-installed ## look ten minutes for emails that break the reading; FUZZ_SECONDS sets another time
	$(bin)/python -m tests.fuzz

bench: $(VENV)/.dev-installed ## compare the speed with that of other programs
	@tools/install-servers bench
	@$(bin)/python -m compileall -q mailcrm
	$(bin)/python -m tests.bench

bench-growth: $(VENV)/.dev-installed ## measure mailcrm alone on mailboxes of several sizes
	@tools/install-servers
	@$(bin)/python -m compileall -q mailcrm
	$(bin)/python -m tests.bench.growth

bench-reading: $(VENV)/.dev-installed ## measure how fast emails are read
	@$(bin)/python -m compileall -q mailcrm
	$(bin)/python -m tests.bench.reading

bench-records: $(VENV)/.dev-installed ## measure links and timelines in a store with 100,000 emails
	@tools/install-servers
	@$(bin)/python -m compileall -q mailcrm
	$(bin)/python -m tests.bench.linking
	$(bin)/python -m tests.bench.timeline

format: $(VENV)/.dev-installed ## format the source, and repair what can be repaired
	$(bin)/ruff format
	$(bin)/ruff check --fix

clean: ## remove all that make has made
	rm -rf $(VENV) build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find mailcrm tests -name __pycache__ -prune -exec rm -rf {} +

# ensurepip writes pip last, so that its presence proves a complete environment.
$(bin)/pip:
	@test -n '$(PYTHON)' || { echo 'mailcrm needs Python 3.11 or newer: install it, or name it with PYTHON=…' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
		{ echo '$(PYTHON) cannot make virtual environments: on Debian and Ubuntu run "apt-get install python3-venv".' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo-installed: $(bin)/pip pyproject.toml constraints.txt
	$(pip) install --constraint constraints.txt --editable '.[demo]'
	@touch $@

# Dependency groups (PEP 735) need pip 25.1.
$(VENV)/.dev-installed: $(bin)/pip pyproject.toml constraints.txt
	$(pip) install --upgrade 'pip>=25.1'
	$(pip) install --constraint constraints.txt --editable '.[postgres,demo]' --group dev
	@touch $(VENV)/.demo-installed $@

# There are wheels of atheris for some systems and versions of Python only, and its source needs Clang.
$(VENV)/.fuzz-installed: $(VENV)/.dev-installed
	$(pip) install --constraint constraints.txt --only-binary atheris --group fuzz || \
		echo 'atheris is not to be had for this Python on this system: Hypothesis looks alone.' >&2
	@touch $@
