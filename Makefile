# make run | test | check | docs | site | pages | bench | bench-host | bench-peers | burst | image | sbom | lock. A new machine needs Python >= 3.11 with venv, and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test check lint types layers docs pages site format bench bench-host bench-peers burst image images sbom lock clean

run: $(VENV)/runtime.stamp
	@exec $(BIN)/python -m runtime

# Two processes for each core; what shares a server, a container or a place stays in one. `python -m pytest PATH` for a few.
# The images first, where there is an engine: the tests' time limits are not for compiling them.
test: $(VENV)/dev.stamp
	@! docker info >/dev/null 2>&1 || $(MAKE) -s images || echo "The images cannot be built: their tests will say why, and fail."
	$(BIN)/python -m pytest -n auto

# The documentation as a site; strict, so that a link or heading that is not there ends it.
SITE := build/site
site: $(VENV)/dev.stamp
	PYTHONPATH=. NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict -d $(abspath $(SITE))

# Its parts are the hooks of .pre-commit-config.yaml.
check: lint types layers

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/dev.stamp
	$(BIN)/mypy
	$(BIN)/mypy __main__.py

# Which folder may import which; the contracts are in pyproject.toml.
layers: $(VENV)/dev.stamp
	$(BIN)/lint-imports --no-logo

# What pages and Pulumi.yaml have from the code; a test says where this was forgotten.
docs: $(VENV)/dev.stamp
	$(BIN)/python -m devtools.pages

# The pages for browsers, from web/ into PAGES; needs Node and npm. What they make is committed, so that nothing else needs them.
PAGES := runtime/http/pages/built
pages: web/node_modules/.package-lock.json
	cd web && npm run --silent types && npm run --silent build -- $(abspath $(PAGES))

web/node_modules/.package-lock.json: web/package-lock.json
	npm ci --prefix web --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $@

format: $(VENV)/dev.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# In the image, which is what runs programs; without its precompiled parts a machine's own toolchain takes longer.
bench: $(VENV)/dev.stamp image
	$(BIN)/python -m benchmarks --image executor-image:dev --json build/benchmarks.json --svg build/benchmarks.svg $(BENCH)

bench-host: $(VENV)/dev.stamp
	$(BIN)/python -m benchmarks --json build/benchmarks.json --svg build/benchmarks.svg $(BENCH)

bench-peers: $(VENV)/dev.stamp
	$(BIN)/python -m benchmarks --peers --json build/benchmarks.json --svg build/benchmarks.svg

burst: $(VENV)/dev.stamp
	$(BIN)/python -m loadtest.burst $(BURST)

# What the image says of itself; a checkout without Git, or with changes, is of no revision. An address can hold a password.
REVISION = $(shell git diff --quiet HEAD 2>/dev/null && git rev-parse HEAD 2>/dev/null || echo unknown)
SOURCE = $(shell git config --get remote.origin.url | sed 's,//[^/@]*@,//,' | grep . || echo unknown)
LABELS = --build-arg REVISION='$(REVISION)' --build-arg SOURCE='$(SOURCE)'

image:
	docker build --target judge $(LABELS) -t executor-image:dev runtime

sbom: $(VENV)/dev.stamp image
	$(BIN)/python -m devtools.sbom executor-image:dev build/sbom.json

images:
	@base=$$(docker image inspect -f '{{.Size}}' debian:trixie-slim); \
	for target in python node judge full; do \
	  docker build -q --target $$target $(LABELS) -t executor-image:$$target runtime >/dev/null || exit 1; \
	  size=$$(docker image inspect -f '{{.Size}}' executor-image:$$target); \
	  echo "executor-image:$$target $$((size / 1000000)) MB, $$(((size - base) / 1000000)) MB over its base"; \
	done

lock: $(VENV)/dev.stamp
	cd runtime && ../$(BIN)/pip-compile -q --generate-hashes --no-emit-index-url --no-emit-trusted-host \
	  --no-emit-find-links --strip-extras --no-header -o requirements.lock requirements.txt
	cd runtime && ../$(BIN)/pip-compile -q --generate-hashes --no-emit-index-url --no-emit-trusted-host \
	  --no-emit-find-links --strip-extras --no-header -o judge-packages.txt judge-packages.in
	cd runtime && ../$(BIN)/pip-compile -q --generate-hashes --no-emit-index-url --no-emit-trusted-host \
	  --no-emit-find-links --strip-extras --no-header -o science-packages.txt science-packages.in

clean:
	rm -rf $(VENV)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/runtime.stamp: runtime/requirements.lock | $(BIN)/python
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r runtime/requirements.lock
	@touch $@

$(VENV)/dev.stamp: $(VENV)/runtime.stamp requirements.txt requirements-dev.txt infra/requirements-state.txt policy/requirements.txt \
  infra/requirements-capacity.txt client/pyproject.toml
	$(BIN)/pip install -q --disable-pip-version-check -r requirements.txt -r requirements-dev.txt
	@touch $@
