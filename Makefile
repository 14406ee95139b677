# A fresh clone needs nothing but Python 3.11–3.13 and make: each target installs what it needs into .venv first.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: serve test lint image-test clean

serve: .venv/service  ## install the service, then run it on port 8000
	$(BIN)/python -m service

test: .venv/all  ## install everything, then run the tests
	$(BIN)/python -m pytest

lint: .venv/all  ## style, types, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

image-test: .venv/service  ## build both images and run them: predict, train, publish, stop; needs podman or docker
	$(BIN)/python scripts/image_test.py

clean:  ## remove what the targets above made
	rm -rf .venv .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis build

.venv/service: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/all: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[train,test]'
	touch $@ .venv/service

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	  || { echo "error: Python 3.11, 3.12 or 3.13 is needed; name one with 'make PYTHON=python3.12 ...'"; exit 1; }
	$(PYTHON) -m venv .venv
