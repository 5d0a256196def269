# Everything runs in a virtual environment of its own; nothing outside this folder is touched.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check docs format bench clean

demo: .venv/installed  ## the whole loop on synthetic machine sounds
	$(BIN)/earmark demo --out demo --overwrite

test: .venv/installed  ## the test suite
	$(BIN)/pytest --numprocesses=auto

check: .venv/installed  ## lint, format, types
	$(BIN)/ruff check src tests benchmarks notebooks docs
	$(BIN)/ruff format --check src tests benchmarks notebooks docs
	$(BIN)/mypy

docs: .venv/installed  ## the pages as HTML in docs/_build; warnings are errors
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build

format: .venv/installed
	$(BIN)/ruff check --fix src tests benchmarks notebooks docs
	$(BIN)/ruff format src tests benchmarks notebooks docs

bench: .venv/installed  ## the figures of benchmarks/RESULTS.md; needs the recordings; the first two take a day and go on where they stopped
	$(BIN)/python benchmarks/runs.py
	$(BIN)/python benchmarks/ablation.py
	$(BIN)/python benchmarks/training.py --profile
	$(BIN)/python benchmarks/busy.py
	$(BIN)/python benchmarks/clips.py
	$(BIN)/python benchmarks/esc10.py
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/scan.py
	$(BIN)/python benchmarks/million.py
	$(BIN)/python benchmarks/fuzz.py
	$(BIN)/python benchmarks/fuzz_labels.py
	$(BIN)/python benchmarks/shortcuts.py
	$(BIN)/python benchmarks/frontends.py
	$(BIN)/python benchmarks/images.py
	$(BIN)/python benchmarks/machines.py
	$(BIN)/python benchmarks/anomaly.py --data $(or $(EARMARK_DATA),../shared/data)/propeller_mimii

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	touch $@

clean:
	rm -rf .venv demo docs/_build .mypy_cache .ruff_cache .pytest_cache .hypothesis
