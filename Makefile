# Two commands do everything from nothing: `make run` and `make test`. Each sets up what it needs and says so.
SHELL := /bin/bash
PY ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
V := .venv
BIN := $(V)/bin
UV := .uv/bin/uv
UV_VERSION := 0.13.9
export UV_PYTHON_DOWNLOADS := never
RUN_SCENARIO ?= baseline
RUN_SAMPLE ?= 0.01

.PHONY: base-year docs run test lint types layers tests bench bench-peers app clean

run: $(V)/.stamp
	@echo "== Beijing 2020-2030, $(RUN_SCENARIO), a sample of $(RUN_SAMPLE) of the people =="
	@$(BIN)/transport-abm run $(RUN_SCENARIO) --sample $(RUN_SAMPLE) --out runs --report

test: $(V)/.stamp
	@$(MAKE) --no-print-directory lint types layers tests

lint: $(V)/.stamp
	@echo "== ruff =="
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(V)/.stamp
	@echo "== mypy =="
	@$(BIN)/mypy

layers: $(V)/.stamp
	@echo "== import layers =="
	@$(BIN)/lint-imports

tests: $(V)/.stamp
	@echo "== tests =="
	@$(BIN)/python -m pytest -n 2 --dist loadfile

bench: $(V)/.stamp
	@for file in benchmarks/bench_*.py; do name=$${file##*/}; echo "== $$file =="; $(BIN)/python -m benchmarks.$${name%.py} || exit 1; done
	@$(BIN)/python -m benchmarks.figures

# Other people's tools, in an environment of their own: users never need them.
PEERS := .venv-peers
bench-peers: $(V)/.stamp $(PEERS)/.stamp
	@$(BIN)/python -m benchmarks.bench_queue
	@for file in benchmarks/peers_*.py; do name=$${file##*/}; echo "== $$file =="; $(PEERS)/bin/python -m benchmarks.$${name%.py} || exit 1; done
	@$(BIN)/python -m benchmarks.figures

$(PEERS)/.stamp: pyproject.toml
	@echo "== Setting up the environment of peers in $(PEERS) =="
	@rm -rf $(PEERS) && $(PY) -m venv $(PEERS) && $(PEERS)/bin/python -m pip install -q --disable-pip-version-check -U "pip>=25.1"
	@$(PEERS)/bin/python -m pip install -q --disable-pip-version-check --group peers -e .
	@touch $@

clean:
	rm -rf $(V) $(PEERS) .uv runs .pytest_cache .mypy_cache .ruff_cache

# The stamp is written last and the environment is made anew before, so that a set-up that was killed is no harm.
$(V)/.stamp: requirements.lock pyproject.toml
	@$(PY) -c 'import sys; sys.exit(0 if (3,11) <= sys.version_info < (3,14) else "Python 3.11, 3.12 or 3.13 is needed, this is %d.%d; name one with make PY=python3.11" % sys.version_info[:2])'
	@echo "== Setting up the environment in $(V) ($$($(PY) --version)); this takes a minute the first time =="
	@rm -rf $(V)
	@$(UV) --version >/dev/null 2>&1 || { echo "   installer"; rm -rf .uv; $(PY) -m venv .uv && .uv/bin/python -m pip install -q --disable-pip-version-check uv==$(UV_VERSION); } || echo "   no uv: pip will do"
	@echo "   packages"
	@if $(UV) --version >/dev/null 2>&1 && $(UV) venv -q --clear --python $(PY) $(V) && $(UV) pip sync -q --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock && $(UV) pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .; then :; \
	else echo "   uv failed, falling back to pip"; rm -rf $(V); $(PY) -m venv $(V) && $(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock && $(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .; fi
	@touch $@
	@echo "== Ready =="

# Base-year constants of the bundled city; to be made again whenever a parameter or the bundled city changes.
BASE_YEAR := transport_abm/networks/reference/data/base_year
base-year: $(V)/.stamp
	rm -f $(BASE_YEAR)/*.npz && mkdir -p $(BASE_YEAR) && $(BIN)/transport-abm city fit beijing-reference --out $(BASE_YEAR)

docs: $(V)/.stamp
	$(BIN)/python docs/build.py
