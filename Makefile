# Every target does its own set-up in .venv and says what it does.
# Needs: python3 (3.11 or newer, with venv and pip), git, make. Tests also need chromium and ffprobe.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# Tests run in as many processes as there are cores where each can have a network of its own (root, iproute2), else one after
# another: more would finish sooner, but the simulated cameras and browsers would miss their own times.
ifndef WORKERS
WORKERS := $(shell unshare -n ip link add name vuon0 type veth peer name vuon1 2>/dev/null && nproc || echo 0)
endif
export PYTHONDONTWRITEBYTECODE = 1

.PHONY: help demo test check bench browser soak foreign clean lock

help:
	@echo "make demo    a sample school on this machine (ARGS=\"--cameras 8 --port 9000\")"
	@echo "make test    all tests but the soak"
	@echo "make foreign only the cameras and clients of others, against ours"
	@echo "make check   lint, types, import order, docs"
	@echo "make browser only the tests in a real browser"
	@echo "make bench   the benches, with their controls (PEERS=... for other programs)"
	@echo "make soak    the long tests: kills and cuts by the hundred"
	@echo "make clean   remove .venv, caches and the demo's data"

$(BIN)/python:
	@echo "==> making a virtual environment in $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "python3-venv is missing: apt-get install python3-venv"; exit 1; }

# $(1) lock file, $(2) what for. Every wheel is checked against its hash.
define install
	@echo "==> installing $(2) from $(1) (checked by hash; a minute or two the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@
endef

$(VENV)/.runtime: $(BIN)/python constraints.lock pyproject.toml
	$(call install,constraints.lock,what the gateway needs)

$(VENV)/.dev: $(BIN)/python constraints-dev.lock pyproject.toml
	$(call install,constraints-dev.lock,what the gateway and its tests need)
	@touch $(VENV)/.runtime

# Cameras and clients of others, which only the tests run: beside the environment, never in it (two are called `onvif`).
$(VENV)/.foreign: $(VENV)/.dev tests/foreign/requirements.txt tests/foreign/package.json tests/foreign/package-lock.json
	@echo "==> installing foreign cameras and clients in $(VENV)/foreign (checked by hash)"
	@rm -rf $(VENV)/foreign && mkdir -p $(VENV)/foreign/node
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
		--target $(VENV)/foreign/python -r tests/foreign/requirements.txt
	@cp tests/foreign/package.json tests/foreign/package-lock.json $(VENV)/foreign/node
	@if command -v npm > $(VENV)/npm.txt; then cd $(VENV)/foreign/node && npm ci --silent --ignore-scripts --no-audit --no-fund; \
		else echo "    npm is missing (apt-get install npm): the test of its client will be skipped"; fi
	@touch $@

demo: $(VENV)/.runtime
	@echo "==> starting the sample school (Ctrl+C stops it)"
	@$(BIN)/vuon demo $(ARGS)

test: $(VENV)/.foreign
	@echo "==> running the tests ($(if $(filter 0,$(WORKERS)),one after another,$(WORKERS) processes))"
	@$(BIN)/python -m pytest -m "not soak" -n $(WORKERS) --dist loadfile --no-loadscope-reorder --max-worker-restart 0 $(ARGS)

browser: $(VENV)/.dev
	@echo "==> running the tests in a real browser"
	@$(BIN)/python -m pytest tests/browser $(ARGS)

foreign: $(VENV)/.foreign
	@echo "==> running the tests with foreign cameras and clients"
	@$(BIN)/python -m pytest tests/foreign $(ARGS)

soak: $(VENV)/.dev
	@echo "==> running the long tests"
	@$(BIN)/python -m pytest -m soak --timeout=3600 $(ARGS)

check: $(VENV)/.dev
	@echo "==> ruff: format and lint"
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet .
	@echo "==> mypy --strict"
	@$(BIN)/mypy --no-error-summary
	@echo "==> import order"
	@$(BIN)/lint-imports --no-cache > $(VENV)/lint-imports.txt || { cat $(VENV)/lint-imports.txt; exit 1; }
	@echo "==> documents against code"
	@$(BIN)/python -m pytest tests/docs $(ARGS)

bench: $(VENV)/.dev
	@$(BIN)/python -m bench $(ARGS)

lock: $(VENV)/.dev
	@echo "==> pinning the newest allowed versions, with hashes (needs uv)"
	uv pip compile pyproject.toml --upgrade --generate-hashes --universal --python-version 3.11 --no-emit-index-url --no-header -q --annotation-style line -o constraints.lock
	uv pip compile pyproject.toml --extra dev -c constraints.lock --generate-hashes --universal --python-version 3.11 --no-emit-index-url --no-header -q --annotation-style line -o constraints-dev.lock

clean:
	@echo "==> removing .venv, caches and demo-data"
	@rm -rf $(VENV) demo-data .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache test-results build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
