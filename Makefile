# Two commands for a machine that has only Python and make: `make run` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8080
# Tests wait more than they compute. `make test PARALLEL=` runs them one by one.
PARALLEL ?= -n 7 --dist loadfile --no-loadscope-reorder
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Whatever the environment says: seven processes of pytest would compile all tests anew each time.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: run test test-image test-deb test-resume test-churn test-crowd test-queue test-axe test-outcomes test-store test-kits check lint types bench docs lock changelog dist deb system-packages clean

run: $(VENV)/run
	$(BIN)/twistd -n --pidfile= signald --port $(PORT)

test: $(VENV)/dev system-packages
	CI=$(CI) $(BIN)/python -m pytest --durations=10 $(PARALLEL) $(ARGS)

# Builds the Dockerfile without Docker and runs the result: root, a Debian machine and some minutes.
test-image: $(VENV)/dev
	@sh tests/system-packages.sh image
	CI=$(CI) $(BIN)/python -m pytest -m slow tests/ops/test_image.py $(ARGS)

# Calls through losses of connections, restarts, deaths and an emptied store, behind HAProxy too: some minutes.
test-resume: $(VENV)/dev system-packages
	CI=$(CI) $(BIN)/python -m pytest -s -m 'slow or not slow' tests/integration/test_resume_churn.py tests/ops/test_resume.py $(ARGS)

# Churn with every fault, with failovers of Sentinel, and of people with wishes: DURATION seconds each.
test-churn: $(VENV)/dev system-packages
	DURATION=$${DURATION:-300} CI=$(CI) $(BIN)/python -m pytest -s -m 'slow or not slow' tests/integration/test_churn.py \
		tests/integration/test_wishes_churn.py $(ARGS)

# The demo page in all views by axe-core, on small and large screens, dark and light: a minute and a half.
test-axe: $(VENV)/dev system-packages
	CI=$(CI) $(BIN)/python -m pytest -m slow tests/browser/test_accessible.py $(ARGS)

# What the operator is told of real calls: a direct one, one by a real coturn, one that is blocked. A minute.
test-outcomes: $(VENV)/dev system-packages
	CI=$(CI) $(BIN)/python -m pytest -s -m slow tests/browser/test_outcomes.py $(ARGS)

# The queue beside a list in which each search looks at everybody: STEPS steps that SEED decides, some minutes.
test-queue: $(VENV)/dev
	STEPS=$${STEPS:-1000000} CI=$(CI) $(BIN)/python -m pytest -s -m slow tests/unit/core/test_matching.py $(ARGS)

# A crowd of one address beside a call of another: a quarter of a minute.
test-crowd: $(VENV)/dev
	CI=$(CI) $(BIN)/python -m pytest -s -m slow tests/hostile $(ARGS)

# The kits and their examples, from the packages as they would be published, in real browsers too: three minutes on an idle machine.
test-kits: $(VENV)/release system-packages
	CI=$(CI) $(BIN)/python -m pytest -m 'slow or not slow' tests/integration/test_client_package.py tests/browser/test_examples.py \
		tests/browser/test_network_switch.py tests/browser/test_kit_media.py tests/integration/test_python_package.py tests/browser/test_bot.py $(ARGS)

# The scripts and commands on any server of Redis or Valkey: make test-store STORE_BIN=/path/to/valkey-server
test-store: $(VENV)/dev system-packages
	STORE_BIN=$(STORE_BIN) CI=$(CI) $(BIN)/python -m pytest $(PARALLEL) tests/contract tests/model tests/integration/test_failover.py \
		tests/integration/test_store_address.py tests/integration/test_store_refuses.py $(ARGS)

# Builds the Debian package and installs, upgrades and purges it in a Debian of its own: root, and some minutes.
test-deb: $(VENV)/dev
	@sh tests/system-packages.sh deb
	CI=$(CI) $(BIN)/python -m pytest -m slow tests/ops/test_deb.py $(ARGS)

check: lint types test

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/dev
	$(BIN)/mypy

bench: $(VENV)/bench
	$(BIN)/python -m bench all

docs: $(VENV)/run
	$(BIN)/python -m tools.schema

# Versions and hashes for the image, newest of each that setup.py allows.
LOCK = $(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-index-url --custom-compile-command "make lock"
lock: $(VENV)/bin/python
	$(BIN)/python -m pip install -q uv
	$(LOCK) setup.py -o requirements/run.txt
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"])' \
	| tr " " "\n" | $(LOCK) - -o requirements/build.txt

# The news fragments become the changelog of the version in signald/__init__.py, and are deleted.
changelog: $(VENV)/dev
	$(BIN)/towncrier build --yes --version "$$($(BIN)/python -c 'import signald; print(signald.__version__)')"

# A source distribution, a wheel for this kind of machine and one for all others in dist/, looked at and tried in empty
# environments: two minutes, and a C compiler.
dist: $(VENV)/release
	rm -rf build dist/signald-*
	$(BIN)/python -m build
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/auditwheel repair -w dist dist/signald-*-linux_*.whl
	rm dist/signald-*-abi3-linux_*.whl
	SIGNALD_PURE=1 $(BIN)/python -m build --wheel
	DIST=dist $(BIN)/python -m pytest -m slow tests/ops/test_dist.py $(ARGS)

# A Debian package in dist/, for the release of Debian that this is: two minutes.
deb:
	@sh tests/system-packages.sh deb
	sh debian/build dist

# An editable install hides the plugin from twistd unless it is made in this mode.
$(VENV)/run: setup.py pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install -q -e . --config-settings editable_mode=compat
	touch $@

$(VENV)/dev: setup.py pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install -q -e '.[dev]' --config-settings editable_mode=compat
	touch $@

$(VENV)/release: $(VENV)/dev
	$(BIN)/python -m pip install -q -e '.[release]' --config-settings editable_mode=compat
	touch $@

$(VENV)/bench: setup.py pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install -q -e '.[bench]' --config-settings editable_mode=compat
	touch $@

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "signald needs Python 3.11 or newer; try make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

# What the tests need besides Python: a real Redis and a real browser, from Debian's packages.
system-packages:
	@sh tests/system-packages.sh

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .hypothesis
