# Every target that `make help` lists does all the set-up that it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The version that the built-in avatar was trained with; its CPU build is enough.
TORCH := torch==2.13.0
# Where the tests are whose time counts: to read all tests again takes as long as some of them.
FIRST := tests/cli tests/page tests/serving

.DEFAULT_GOAL := help
.PHONY: help install install-train demo test test-first test-rest soak soak-page soak-render check avatar evaluate wheel clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

install: $(VENV)/.installed ## make .venv with the package and all that development needs

install-train: $(VENV)/.installed-train ## add the studio: drawing and training

demo: install ## render the built-in avatar speaking
	@mkdir -p out
	$(BIN)/viseme demo -o out/demo.mp4

test: install ## install what the tests need, and run them
	@scripts/system-packages
	@if [ -n "$$CI" ]; then $(MAKE) --no-print-directory install-train; fi
	@mkdir -p out
	@$(MAKE) --no-print-directory -j2 test-first test-rest; status=$$?; cat out/test-first.log; exit $$status
	$(BIN)/python -m pytest -m alone $(FIRST)

# What has to come in time mostly waits for it. The rest fills the cores and gives way.
test-first:
	@{ $(BIN)/python -m pytest -m waiting -n 2 --dist loadfile $(FIRST) && \
		$(BIN)/python -m pytest -m in_time $(FIRST); } >out/test-first.log 2>&1

# Each worker has one core: a network's threads in each would only wait for each other.
test-rest:
	@OMP_NUM_THREADS=1 nice $(BIN)/python -m pytest \
		-m 'not (soak or waiting or in_time or alone)' -n auto --maxprocesses 4 --dist worksteal

soak: install ## ten minutes of clients that come, go, stall and die
	$(BIN)/python -m pytest -m soak -s tests/soak/test_soak.py

soak-page: install ## an hour of the page at rest and speaking
	@scripts/system-packages
	$(BIN)/python -m pytest -m soak -s tests/soak/test_soak_page.py

soak-render: install ## ten hours of sound in one render
	$(BIN)/python -m pytest -m soak -s tests/soak/test_soak_render.py

check: install-train ## the quick gate: format, lint, types, duplicates, generated files
	scripts/check

DEVICE ?= cpu

avatar: install-train ## make the built-in avatar (hours; DEVICE=cuda: minutes)
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m viseme.studio.demo --device $(DEVICE)

evaluate: install-train ## measure the built-in avatar and write docs/quality.md
	$(BIN)/viseme evaluate demo --out docs

wheel: install ## build dist/*.whl
	$(BIN)/python -m build --wheel

clean: ## remove what was made
	rm -rf $(VENV) build dist out

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[openvino,serve,trace]' --group dev
	@touch $@

$(VENV)/.installed-train: $(VENV)/.installed
	@scripts/system-packages
	$(BIN)/python -m pip install --quiet --editable '.[openvino,serve,trace,train]' '$(TORCH)'
	@touch $@
