# `make demo` and `make test` set up everything they need in .venv; `make
# test-web` sets up all but Node.js and Chromium.
PYTHON ?= python3
DATASET ?= glyphs
DATA_DIR ?=
TARGETS ?= //...
CHROMIUM ?= /usr/bin/chromium
BIN := .venv/bin

.PHONY: demo docs stress test test-web bazel-test lint lock clean

demo: .venv/installed
	$(BIN)/python benchmarks/demo.py --dataset=$(DATASET) \
		$(if $(DATA_DIR),--data_dir=$(DATA_DIR))

# The documentation's site, from docs/: .build/site/index.html.
docs: .venv/installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

test: .venv/installed
	$(BIN)/python -m pytest -n auto --maxprocesses=4 --dist=loadfile \
		--no-loadscope-reorder

# Damaged files and killed commands: .build/stress.json has the counts.
stress: .venv/installed
	$(BIN)/python -m tests.stress.main

# The page of `--formats=web`, in a browser without a screen.
test-web: .venv/installed tests/web/node_modules/.package-lock.json
	@test -x "$(CHROMIUM)" || { echo "Chromium is needed: install it \
	(Debian: apt-get install chromium) or name it: make test-web \
	CHROMIUM=PATH"; exit 1; }
	PYTHONPATH=. $(BIN)/python tests/web_fixtures.py .build/web-test
	CHROMIUM="$(CHROMIUM)" node --test --test-concurrency=2 \
		tests/web/*.test.mjs

tests/web/node_modules/.package-lock.json: tests/web/package-lock.json
	@command -v npm > /dev/null || { echo "Node.js 20 or newer is needed, \
	with npm: https://nodejs.org"; exit 1; }
	npm ci --silent --prefix tests/web
	touch $@

# BUILD, with the Bazel that npm has: docs/bazel.md.
bazel-test: .venv/installed
	tools/bazel_offline/run.sh test $(TARGETS)

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	npx --yes @bazel/buildifier@8.2.1 -mode=check -lint=warn \
		BUILD MODULE.bazel $(wildcard tools/bazel_offline/[BWs]*)

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
	.build/lock-venv/bin/python -m pip freeze --all --exclude pip \
		--exclude bagnet-tf > requirements.lock
	rm -rf .build/lock-venv

clean:
	rm -rf .venv .build
