# Anju on a machine that has git, make and Python 3.11 or newer. `make` alone lists what there is.
# All paths are relative and every tool is started as a module, so that a folder with spaces in its name will do.

.DEFAULT_GOAL := help
.PHONY: help run test lint bench audit sbom lock clean
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --no-input
INSTALL := $(PIP) install --quiet --require-hashes
# Take another Python with `make PYTHON=/path/to/python run`.
PYTHON ?=
TESTS ?=
# Tests side by side; half of the time they wait.
WORKERS ?= 3

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' Makefile

run: $(VENV)/.ready-run ## the whole service with a simulated neighbourhood; Ctrl-C stops it
	@$(PY) -m anju up --demo

test: $(VENV)/.ready-dev ## all tests, or some: make test TESTS=tests/unit
	@if [ -n '$(TESTS)' ]; then exec $(PY) -m pytest $(TESTS); fi; \
	$(PY) -m pytest -m 'not alone' --numprocesses $(WORKERS) --dist worksteal; beside=$$?; \
	$(PY) -m pytest -m alone && exit $$beside

lint: $(VENV)/.ready-dev ## style, types, and which package may import which
	@$(PY) -m ruff check
	@$(PY) -m ruff format --check
	@$(PY) -m mypy
	@$(PY) -c 'import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())'
	@$(VENV)/bin/squawk storage/migrations/versions/*.sql

bench: $(VENV)/.ready-dev ## measures what README promises; takes a while
	@$(PY) -m bench

audit: $(VENV)/.ready-dev ## asks for known vulnerabilities of what is locked
	@$(PY) .ci/audit.py requirements.lock

sbom: $(VENV)/.ready-dev ## writes what the service is made of (CycloneDX) to dist/anju.cdx.json
	@mkdir -p dist
	@$(PY) -W ignore -m cyclonedx_py requirements requirements.lock --pyproject pyproject.toml --short-PURLs \
	    --output-reproducible --spec-version 1.6 --output-format JSON --validate --output-file dist/anju.cdx.json

lock: $(VENV)/.ready-dev ## resolves the dependencies of pyproject.toml anew into requirements*.lock
	@$(PIP) install --quiet 'uv>=0.8'
	@for name in requirements requirements-dev; do \
	    group=build; constraint=; \
	    if [ $$name = requirements-dev ]; then group=dev; constraint="--constraint requirements.lock"; fi; \
	    $(PY) -m uv pip compile --quiet --universal --python-version 3.11 --upgrade --generate-hashes \
	        --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
	        pyproject.toml --group $$group $$constraint --output-file $$name.lock || exit 1; \
	done

clean: ## removes the virtual environment and all caches
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is written when everything is installed: from then on neither pip nor the network is needed.
$(VENV)/.ready-run: requirements.lock pyproject.toml | $(VENV)/.python
	@echo 'Installing what Anju needs into $(VENV) (once) ...'
	@$(INSTALL) -r requirements.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.ready-dev: requirements-dev.lock requirements.lock pyproject.toml | $(VENV)/.python
	@echo 'Installing what Anju and its tests need into $(VENV) (once) ...'
	@$(INSTALL) -r requirements-dev.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $(VENV)/.ready-run $@

# A name such as python3.13 may be there and yet not run (pyenv's shims), so each is tried.
$(VENV)/.python:
	@found=; \
	for python in $(if $(PYTHON),'$(PYTHON)',python3.13 python3.12 python3.11 python3); do \
	    if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	        found=$$python; break; \
	    fi; \
	done; \
	if [ -z "$$found" ]; then \
	    echo 'Anju needs Python 3.11 or newer, and none was found. Name one: make PYTHON=/path/to/python3 run' >&2; \
	    exit 1; \
	fi; \
	if ! "$$found" -c 'import ensurepip, venv' >/dev/null 2>&1; then \
	    version=$$("$$found" -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	    echo "$$found lacks the modules venv and ensurepip. On Debian or Ubuntu: apt-get install python$$version-venv" >&2; \
	    exit 1; \
	fi; \
	"$$found" -m venv --clear $(VENV) && touch $@
