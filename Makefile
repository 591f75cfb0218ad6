PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo check test slow lint browser docs bench clean

help:
	@echo "make demo   install into .venv, and compare ordinary recommenders and a learned one on generated data"
	@echo "make check  install into .venv, then run linters, types, import contract and fast tests: a minute and a half"
	@echo "make test   make check, and the tests that need a browser, Ray or real data"
	@echo "make slow   the tests that take long: training to a bar, many cases"
	@echo "make docs   install into .venv, then build the documentation site: build/docs/index.html"
	@echo "make bench  install into .venv, then measure speed beside other simulators"

demo: .venv/installed
	$(BIN)/pydeeprecsys demo

check: lint
	$(BIN)/pytest -n 2 --dist loadgroup -m "not (slow or browser or ray or data)"

test: lint browser
	$(BIN)/pytest -n 2 --dist loadgroup -m "not slow"

slow: .venv/installed-dev
	$(BIN)/pytest -n 2 --dist loadgroup -m slow

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The tests of the report need Chromium. They are skipped without it, except in CI, which installs it.
browser:
	@if [ -n "$$CI" ] && ! command -v chromedriver > /dev/null && command -v apt-get > /dev/null; then \
	  apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends chromium chromium-driver; \
	fi

# Warnings are errors, among them links inside the site that lead nowhere. Links to other sites are listed in
# build/docs/external-links.txt, not followed.
docs: .venv/installed-docs
	$(BIN)/sphinx-build --builder html --jobs 2 --fail-on-warning --keep-going --nitpicky docs build/docs

bench: .venv/installed-dev
	$(BIN)/python -m benchmarks

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "PyDeepRecSys needs Python 3.11 or newer; name one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/pip install --constraint constraints.txt --editable '.[train]'
	@touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/pip install --constraint constraints.txt --editable '.[dev,envs,graphs,bench,ray]'
	@touch $@

.venv/installed-docs: .venv/installed
	$(BIN)/pip install --constraint constraints.txt --editable '.[docs]'
	@touch $@

clean:
	rm -rf .venv build src/*.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
