# A fresh clone needs nothing but Python 3.11–3.14 and make: each target installs what it needs into .venv first.
PYTHON ?= python3
BIN := .venv/bin
DATA ?= $(SEEDLINGS_DATA)
RECIPE ?= seedlings
RUN ?= runs/$(notdir $(basename $(RECIPE)))
OUT ?= build/serving.json
BENCH ?=

.PHONY: data-is-named
.PHONY: help serve test test-slow test-all lint train bench docs image-test clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z.\/-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: .venv/service  ## install the service, then run it on port 8000
	$(BIN)/python -m service

# Bytecode is kept whatever the machine says: tests start a hundred processes, which would each compile the project anew.
# Files of tests begin in the order of tests/conftest.py: the slow ones first, not those of many tests.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test: .venv/all  ## install everything, then run the tests but for the slow ones
	$(PYTEST) -m "not slow"

test-slow: .venv/all  ## install everything, then run the slow tests
	$(PYTEST) -m slow

test-all: test-slow test  ## both, as .ci/run does

lint: .venv/all  ## style, types, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

train: data-is-named .venv/train  ## train on the images in DATA=FOLDER by RECIPE=seedlings into RUN=runs/RECIPE; resumes an interrupted run
	$(BIN)/python -m training fit --recipe "$(RECIPE)" --data "$(DATA)" --run "$(RUN)"

data-is-named:
	@test -n "$(DATA)" || { echo "error: say where the images are: make train DATA=FOLDER"; exit 2; }

bench: .venv/bench  ## the service beside other frameworks, into OUT=build/serving.json and detect.json beside it; needs an idle machine for over an hour, or some minutes for a short look: BENCH='--rounds 1 --seconds 1', without the others: BENCH='--only ours --rounds 1 --seconds 1'
	@mkdir -p "$(dir $(OUT))"
	$(BIN)/python -m benchmarks.serving --out "$(OUT)" $(BENCH); first=$$?; \
	$(BIN)/python -m benchmarks.detect --out "$(dir $(OUT))detect.json" $(BENCH) && exit $$first

docs: .venv/all  ## write anew what the documents take from the code
	$(BIN)/python -m scripts.generate_docs

image-test: engine-answers .venv/service  ## build both images and run them: predict, train, publish, stop; needs podman or docker
	$(BIN)/python scripts/image_test.py

engine-answers:
	@for engine in $${ENGINE:-podman docker}; do $$engine version >/dev/null 2>&1 && exit 0; done; \
	echo "error: no container engine answers ($${ENGINE:-podman, docker}); install podman, or docker and start its daemon"; exit 2

clean:  ## remove what the targets above made
	rm -rf .venv .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis build

.venv/service: pyproject.toml clients/python/pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable . --editable clients/python
	touch $@

.venv/train: pyproject.toml clients/python/pyproject.toml | .venv/bin/python  ## install what training needs into .venv
	$(BIN)/python -m pip install --quiet --editable '.[train]' --editable clients/python
	touch $@ .venv/service

.venv/bench: pyproject.toml clients/python/pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[bench]' --editable clients/python
	touch $@ .venv/service

.venv/all: pyproject.toml clients/python/pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[corrections,onnx,ray,s3,train,test]' --editable clients/python
	touch $@ .venv/service .venv/train

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' \
	  || { echo "error: Python 3.11 to 3.14 is needed; name one with 'make PYTHON=python3.12 ...'"; exit 1; }
	$(PYTHON) -m venv .venv
