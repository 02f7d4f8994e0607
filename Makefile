# Everything is set up below this folder: .venv (erlctl and its tests), .venv-tools (lint and types),
# .venv-bench (the peers that `make bench` measures against), .venv-docs (mkdocs), .venv-lock and .venv-uv (uv). `rm -rf` them
# and start again at will.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Python 3.10 to 3.13; empty: the first one that is found. `make install PYTHON=/path/to/python3.12`.
PYTHON ?=
RUNS_DIR ?= runs
JOBS ?= 2
PYTHONS ?= 3.10 3.11 3.12 3.13
ARGS ?=

VENV ?= .venv
TOOLS := .venv-tools
PEERS := .venv-bench
DOCS := .venv-docs
LOCKER := .venv-lock/bin/uv
UPGRADE ?= --upgrade
LOCK = $(LOCKER) pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-annotate --no-header $(UPGRADE)
BIN := $(VENV)/bin
SOURCES := erlctl tests benchmarks docs experiments
QUICKSTART := experiments/quickstart.yaml

# Matplotlib would write its font cache to the home directory.
export MPLCONFIGDIR := $(CURDIR)/$(VENV)/matplotlib
export PIP_DISABLE_PIP_VERSION_CHECK := 1

INSTALLED := $(VENV)/.installed
TOOLS_INSTALLED := $(TOOLS)/.installed
PEERS_INSTALLED := $(PEERS)/.installed
DOCS_INSTALLED := $(DOCS)/.installed
RAY_INSTALLED := $(VENV)/.ray

.PHONY: help
help:  ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: install
install: $(INSTALLED)  ## Install erlctl with its tests into .venv (pinned by locks/erlctl.txt)
	@echo "erlctl is installed: source $(BIN)/activate, or call $(BIN)/erlctl"

.PHONY: quickstart
quickstart: $(INSTALLED)  ## Train DQN and Munchausen-DQN on CartPole, compare them, draw the curves
	$(BIN)/erlctl train $(QUICKSTART) --runs-dir $(RUNS_DIR) $(ARGS)
	$(BIN)/erlctl compare $(RUNS_DIR)/quickstart
	$(BIN)/erlctl plot $(RUNS_DIR)/quickstart -o $(RUNS_DIR)/quickstart.png
	@echo "The picture is $(RUNS_DIR)/quickstart.png"

.PHONY: figures
figures: $(INSTALLED)  ## Make the published figures that take minutes, and check what they must show
	$(BIN)/python experiments/figures.py --runs-dir $(RUNS_DIR) $(ARGS)

.PHONY: test
test: $(INSTALLED)  ## Run the quick tests (a few minutes on 2 cores; JOBS=1 for one process)
	$(BIN)/pytest -m "not slow" -n $(JOBS) --dist loadfile $(ARGS)

.PHONY: test-all-pythons
test-all-pythons:  ## Run the quick tests on Python 3.10, 3.11, 3.12 and 3.13, each in .venv-<version>
	set -e; for version in $(PYTHONS); do \
		$(MAKE) test VENV=.venv-$$version PYTHON=python$$version; \
	done

.PHONY: test-slow
test-slow: $(INSTALLED)  ## Run the tests that train, kill and resume for longer
	$(BIN)/pytest -m slow -n $(JOBS) --dist loadfile $(ARGS)

.PHONY: check
check: lint typecheck arch test  ## Lint, types, import contracts and quick tests: what CI runs

.PHONY: lint
lint: $(TOOLS_INSTALLED)  ## Check style and likely mistakes with ruff
	$(TOOLS)/bin/ruff check $(SOURCES)

.PHONY: format
format: $(TOOLS_INSTALLED)  ## Sort imports and apply ruff's safe fixes
	$(TOOLS)/bin/ruff check --fix $(SOURCES)

.PHONY: typecheck
typecheck: $(TOOLS_INSTALLED)  ## Check types with mypy --strict
	$(TOOLS)/bin/mypy

.PHONY: arch
arch: $(TOOLS_INSTALLED)  ## Check who imports whom with import-linter
	$(TOOLS)/bin/lint-imports

.PHONY: docs
docs: $(DOCS_INSTALLED)  ## Build the documentation into build/site (no network, once installed)
	PYTHONPATH=$(CURDIR) NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict --quiet
	@echo "Open build/site/index.html"

.PHONY: cov
cov: $(INSTALLED)  ## Run the quick tests and report the lines and branches they miss
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -m "not slow" $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

.PHONY: lock
lock: $(LOCKER)  ## Resolve every dependency anew into locks/ (UPGRADE= keeps what still fits)
	$(LOCK) setup.cfg --extra test --extra tune --extra slurm --override locks/overrides.txt -o locks/erlctl.txt
	sed '/^numpy==/,/[^\\]$$/d' locks/erlctl.txt > .venv-lock/shared.txt  # NumPy: see locks/tools.in
	$(LOCK) locks/tools.in -c .venv-lock/shared.txt -o locks/tools.txt

.PHONY: outdated
outdated: $(INSTALLED)  ## List what is behind the newest releases, and what the pins of others hold back
	$(BIN)/python -m pip list --outdated
	-$(BIN)/python -m pip check

.PHONY: bench
bench: $(INSTALLED) $(PEERS_INSTALLED) $(RAY_INSTALLED)  ## Measure speed beside JAX, TF-Agents' own loop and Stable-Baselines3
	$(BIN)/python benchmarks/speed.py --peer-python $(PEERS)/bin/python $(ARGS)
	$(if $(ARGS),,$(BIN)/python benchmarks/algorithms.py)
	$(if $(ARGS),,$(BIN)/python benchmarks/environments.py)
	$(if $(ARGS),,$(BIN)/python benchmarks/checkpoints.py)
	$(if $(ARGS),,$(BIN)/python benchmarks/shares.py)
	$(if $(ARGS),,$(BIN)/python benchmarks/startup.py)
	$(if $(ARGS),,$(BIN)/python benchmarks/launchers.py)

.PHONY: soak
soak: $(INSTALLED)  ## Kill and resume a run at random moments for MINUTES (default 10), then compare bytes
	$(BIN)/python benchmarks/soak.py --minutes $(or $(MINUTES),10) $(ARGS)

.PHONY: clean
clean:  ## Remove caches, build output and every environment; runs are kept
	rm -rf .venv .venv-* build dist *.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.* htmlcov
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +

# Finds a usable Python 3.10 to 3.13, or has uv bring one below .venv-uv. Each candidate is run,
# because a pyenv shim can exist and fail.
define find_python
is_usable() { \
	"$$1" -c 'import sys, ensurepip, venv; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' \
	>/dev/null 2>&1; \
}; \
found=''; \
for name in $(or $(PYTHON),python3.12 python3.13 python3.11 python3.10 python3 python); do \
	if [ "$$name" != "$${name#*/}" ]; then candidates="$$name"; \
	else candidates="$$(IFS=:; for folder in $$PATH; do echo "$$folder/$$name"; done) $$HOME/.pyenv/versions/$${name#python}.*/bin/python"; fi; \
	for candidate in $$candidates; do \
		if [ -z "$$found" ] && is_usable "$$candidate"; then found="$$candidate"; fi; \
	done; \
done; \
if [ -z "$$found" ] && [ -z "$(PYTHON)" ]; then \
	echo "No Python 3.10 to 3.13 on PATH: asking uv for one"; \
	uv=uv; \
	if ! uv --version >/dev/null 2>&1; then \
		uv=.venv-uv/bin/uv; \
		{ python3 -m venv .venv-uv && .venv-uv/bin/python -m pip install --quiet uv; } || true; \
	fi; \
	if "$$uv" python install --install-dir .venv-uv/python 3.12; then \
		found=$$(ls .venv-uv/python/*/bin/python3.12 | head -n 1); \
	fi; \
fi; \
if [ -z "$$found" ]; then \
	echo "erlctl needs Python 3.10 to 3.13 with the modules venv and ensurepip; $(if $(PYTHON),$(PYTHON) is not,there is none on PATH and uv could not bring one)."; \
	echo "  fix: install one (Debian: python3-venv; or pyenv, conda, uv), then: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; \
	exit 1; \
fi
endef

# An environment whose interpreter still runs is used again, so that an interrupted install goes on.
define make_venv
@set -e; \
if ! $(1)/bin/python -m pip --version >/dev/null 2>&1; then \
	$(find_python) >&2; \
	echo "Creating $(1) with $$found" >&2; \
	"$$found" -m venv --clear $(1); \
fi
endef

# The lock is the whole of it: nothing is resolved here, because tf-agents' pins have no solution.
$(INSTALLED): setup.cfg pyproject.toml locks/erlctl.txt
	$(call make_venv,$(VENV))
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r locks/erlctl.txt
	$(BIN)/python -m pip install --quiet --no-deps -e .
	@touch $@

$(TOOLS_INSTALLED): locks/tools.txt
	$(call make_venv,$(TOOLS))
	$(TOOLS)/bin/python -m pip install --quiet --no-deps --require-hashes -r locks/tools.txt
	@touch $@

$(DOCS_INSTALLED): docs/requirements.txt
	$(call make_venv,$(DOCS))
	$(DOCS)/bin/python -m pip install --quiet -r docs/requirements.txt
	@touch $@

$(LOCKER):
	$(call make_venv,.venv-lock)
	.venv-lock/bin/python -m pip install --quiet uv

# Peers are optional: without them `make bench` says so and measures the rest.
$(PEERS_INSTALLED): benchmarks/requirements.txt
	$(call make_venv,$(PEERS))
	-$(PEERS)/bin/python -m pip install --quiet -r benchmarks/requirements.txt && touch $@

# Optional too, and of no weight for the rest: it takes what the lock has.
$(RAY_INSTALLED): $(INSTALLED)
	-$(BIN)/python -m pip install --quiet ray && touch $@
