# Two commands do everything:  make demo   and   make test.
# Both make a virtual environment in .venv first, from the pins in requirements.lock; the second time at once.

PYTHON ?= python3
ARGS ?=
# Tests wait for processes more than they compute.
JOBS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))

BIN := .venv/bin
# The environment is made anew when the folder, the pins or the project's own requirements change.
STAMP := .venv/ready-$(shell { pwd -P; cat requirements.lock pyproject.toml; } | cksum | tr ' ' '-')
UV := UV_PYTHON_DOWNLOADS=never $(BIN)/uv
# Another Python, named on the command line or in the environment, takes the place of the one that is there.
ifneq ($(origin PYTHON),file)
$(shell [ "$$($(PYTHON) -V 2>&1)" = "$$($(BIN)/python -V 2>&1)" ] || rm -f .venv/ready-*)
endif
# No setting of the person who runs the tests may reach them: a test must never cost money.
UNSET := $(shell env | grep -Eo '^(RUNPOD[A-Z_]*|YANDEX_[A-Z_]*|S3_[A-Z_]*|REDIS_URL)=' | sed 's/^/-u /; s/=$$//')

.PHONY: help venv demo test test-live unit notebooks lint audit docs lock clean
.DEFAULT_GOAL := help

help:  ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' Makefile

venv: $(STAMP)  ## make .venv with everything in it

$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "runpodkit needs Python 3.11 or newer, and '$(PYTHON)' is $$($(PYTHON) -V 2>&1 | head -n 1); name another one: make PYTHON=python3.12 $(or $(MAKECMDGOALS),demo)" >&2; exit 1; }
	@# One that was moved here still belongs to the folder it was made in; one of another Python cannot be mended.
	@if { [ -e .venv/made-by ] && [ "$$(cat .venv/made-by)" != "$$(pwd -P) $$($(PYTHON) -V)" ]; } || \
	    { [ -e $(BIN)/python ] && [ "$$($(BIN)/python -V 2>&1)" != "$$($(PYTHON) -V)" ]; }; then rm -rf .venv; fi
	@rm -f .venv/ready-*
	@$(PYTHON) -m venv .venv >.venv.log 2>&1 || { cat .venv.log >&2; rm -f .venv.log; \
	    echo "$(PYTHON) cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@rm -f .venv.log
	@echo "$$(pwd -P) $$($(PYTHON) -V)" >.venv/made-by
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	    "$$(sed -n 's/^\(uv==[^ ]*\).*/\1/p' requirements.lock)"
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode requirements.lock
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --offline -e .
	@touch $@
	@echo "installed into .venv"

demo: venv  ## a sampler comparison from nothing to a grid: runs/demo/grid.png (ARGS=--quick: the short one)
	@$(BIN)/runpodkit demo $(ARGS)

test: unit notebooks  ## every test, the notebooks included

# A file's tests stay together on one core, files side by side on all of them, the long ones of `browser` and
# `chaos` first; what measures follows by itself.
unit: venv
ifeq ($(ARGS),)
	$(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder -m "not alone" --durations=15
	$(BIN)/pytest -m alone
else
	$(BIN)/pytest $(ARGS)
endif

# Twice: with an empty RUNPODKIT_HOME and with the one the first pass left.  In a copy, because a `.env`
# above the notebooks, with a key in it, would make them cost money.
notebooks: venv
	@box=$$(mktemp -d) && cp -R notebooks "$$box/notebooks" || exit 1; \
	run() { env $(UNSET) RUNPODKIT_HOME="$$box/home" "$$@"; }; \
	trap 'run $(BIN)/runpodkit stack down >/dev/null; rm -rf "$$box"' EXIT; trap 'exit 130' INT TERM; \
	for home in fresh warm; do \
	    echo "notebooks, $$home RUNPODKIT_HOME"; \
	    run $(BIN)/pytest -c pyproject.toml --rootdir "$$box" -p nbval.plugin \
	        --nbval --nbval-current-env --nbval-cell-timeout 120 --nbval-sanitize-with notebooks/sanitize.cfg \
	        "$$box/notebooks" || exit; \
	done

# With a home of its own: names of runs are free, and nothing that was paid for before is reused.
test-live: venv  ## with RUNPOD_URL and RUNPOD_API_KEY: live tests, notebooks 01 to 05 with short axes, $1 at most
	@[ -n "$$RUNPOD_URL" ] || { echo "RUNPOD_URL is not set: this would only try the simulator; make test does that" >&2; exit 1; }
	$(BIN)/pytest tests/live $(ARGS)
	@box=$$(mktemp -d) || exit 1; export RUNPODKIT_HOME="$$box/home" RUNPODKIT_USD_PER_DAY="$${RUNPODKIT_USD_PER_DAY:-1}"; \
	trap '$(BIN)/runpodkit stack down >/dev/null; rm -rf "$$box"' EXIT; trap 'exit 130' INT TERM; \
	$(BIN)/python notebooks/shorten.py "$$box" notebooks/0[1-5]*.ipynb && \
	$(BIN)/pytest -c pyproject.toml --rootdir "$$box" -p nbval.plugin --nbval-lax --nbval-current-env \
	    --nbval-cell-timeout 900 --nbval-sanitize-with notebooks/sanitize.cfg "$$box"

lint: venv  ## style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

audit: venv  ## known vulnerabilities of what requirements.lock pins; "not run" where their database cannot be reached
	@$(BIN)/python .ci/audit.py

# The notice of the theme's makers on every build tells nothing about ours.
docs: venv  ## the documentation as a site: site/index.html, to be read without a network
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "written: site/index.html"

lock: venv  ## bring requirements.lock up to date with pyproject.toml; UPGRADE=1 takes newer versions
	$(UV) pip compile pyproject.toml --all-extras --universal --generate-hashes --no-emit-index-url \
	    --no-annotate --no-header --python-version 3.11 --quiet $(if $(UPGRADE),--upgrade) -o requirements.lock

clean:  ## remove .venv and what tools left; results in runs/ stay
	rm -rf .venv build dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
