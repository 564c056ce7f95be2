# The commands to remember. Each sets up .venv first where it is missing.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: gpu structure demo test test-long robustness check check-portable mutations docs fmt lint types bench bench-smoke golden regression reproduce install

demo: install  ## restore photographs with DAVI and DDRM; print the table and the path of the picture
	$(BIN)/invbench run solver=ddrm,davi task=sr4

test: install  ## the test suite, a process per core
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal -m "not slow and not long"

test-long: install  ## the tests that run whole commands in processes of their own, or train
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal -m "long and not slow"

robustness: install  ## every cut, kill, full disk, hostile plugin and bad input, counted; half an hour
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/robustness -m slow -s

check: install lint types test test-long regression  ## everything CI runs

install: .venv/.installed

.venv/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "invbench needs Python 3.11 or newer: make PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@

check-portable: install  ## tests, golden and released records as on other processors; hours, resumable; PORTABLE holds options
	$(BIN)/python tests/portable.py $(PORTABLE)

mutations: install  ## small faults in the bookkeeping modules: do tests detect them? MUTATIONS holds options
	$(BIN)/python tests/mutations.py $(MUTATIONS)

fmt: install  ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: install
	$(BIN)/mypy invbench
	$(BIN)/mypy --explicit-package-bases solvers tasks datasets

bench: install  ## speed of the pieces, as ratios within one run; BENCH holds options of pytest-benchmark
	$(BIN)/python -m pytest tests/bench --override-ini addopts= -q $(BENCH)

bench-smoke: install  ## every benchmark once, untimed, and its ratios; some minutes
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/bench --override-ini addopts= -q --benchmark-disable

gpu: install  ## on a GPU: solvers against the CPU, and speed with its bars, as one table; DEVICE=cpu tries the code on small shapes
	DEVICE=$(or $(DEVICE),cuda) $(BIN)/python -m pytest tests/gpu --override-ini addopts= -q -rs

regression: install  ## run a small matrix and compare it with the golden records
	$(BIN)/python tests/golden/matrix.py check

golden: install  ## rewrite the golden tables and records; review the diff like code
	INVBENCH_GOLDEN=1 $(BIN)/python -m pytest tests/analysis/test_tables.py
	$(BIN)/python tests/golden/matrix.py write

docs: install  ## the documentation as a site, build/site/index.html, which works from disk; every link is checked
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --config-file docs/site/mkdocs.yml

structure: install  ## print the layers, what they import of each other, and the sizes of their parts
	$(BIN)/python tests/structure.py

reproduce: install  ## run every released experiment again, as results/reproduce.sh says; resumable; DEVICE=cuda on a GPU
	DEVICE=$(DEVICE) PATH="$(CURDIR)/$(BIN):$$PATH" sh results/reproduce.sh
