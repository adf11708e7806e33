# The two commands of a newcomer are `make demo` and `make test`; each sets up all it needs.
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: setup demo test lint types layers dist clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt tools/setup.sh
	@sh tools/setup.sh $(VENV)
	@touch $@

demo: setup
	@$(BIN)/windrow demo

# The longest files come first, in this order, and a file stays on one worker, so that what it starts is started once.
# Three workers even on two cores: much of the time is spent in waiting for processes. What is compiled at its first call
# is compiled before them, or each would do it anew.
test: setup
	@$(BIN)/python tools/compile_kernels.py
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder tests/simulation tests/windrow tests

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: setup
	@$(BIN)/mypy

layers: setup
	@$(BIN)/lint-imports

dist: setup
	@rm -rf dist
	@$(BIN)/python -m build --wheel --outdir dist .

clean:
	rm -rf $(VENV) dist
