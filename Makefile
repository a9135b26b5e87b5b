# `make demo` and `make test` set up everything they need in .venv.
PYTHON ?= python3
DATASET ?= glyphs
DATA_DIR ?=
BIN := .venv/bin

.PHONY: demo test lint lock clean

demo: .venv/installed
	$(BIN)/python benchmarks/demo.py --dataset=$(DATASET) \
		$(if $(DATA_DIR),--data_dir=$(DATA_DIR))

test: .venv/installed
	$(BIN)/python -m pytest -n auto --maxprocesses=4 --dist=loadfile \
		--no-loadscope-reorder

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	npx --yes @bazel/buildifier@8.2.1 -mode=check -lint=warn BUILD

# Installs again only when what is required has changed.
.venv/installed: requirements.txt requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
		"Python 3.11 or newer is needed; name one: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint requirements.lock \
		--editable '.[dev]'
	touch $@

# Writes requirements.lock anew, from a fresh environment.
lock:
	rm -rf .build/lock-venv
	$(PYTHON) -m venv .build/lock-venv
	.build/lock-venv/bin/python -m pip install --quiet '.[dev]'
	.build/lock-venv/bin/python -m pip freeze --exclude bagnet-tf \
		> requirements.lock
	rm -rf .build/lock-venv

clean:
	rm -rf .venv .build
