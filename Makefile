# The commands of the course. `make help` lists them. Python 3.11 or newer and make are all they need.

PY ?= python3
PYTHON := .venv/bin/python
INSTALL := @$(PY) -m tools.install
GATE := @$(PYTHON) tests/gate.py

.DEFAULT_GOAL := help
.PHONY: help lab test test-fast test-browser test-processors check-notebooks lint notebooks site experiments bench bench-grading browser clean

help: ## list the targets
	@echo "Targets (make TARGET):"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "Without make (Windows), make lab is:"
	@echo "  python -m venv .venv"
	@echo "  .venv\\Scripts\\python -m pip install -c constraints.txt -e .[lab]"
	@echo "  .venv\\Scripts\\python -m jupyterlab --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb"
	@echo "and make test is:"
	@echo "  .venv\\Scripts\\python -m pip install -c constraints.txt -e .[test]"
	@echo "  .venv\\Scripts\\python tests\\gate.py"

lab: ## open the course in JupyterLab (ARGS="--no-browser --port 9999" is passed on)
	$(INSTALL) lab
	@$(PYTHON) -m videoformer_edu.lab $(ARGS)

test: browser ## check everything: lint, unit, parity, notebooks, browser
	$(INSTALL) test
	$(GATE)

test-fast: ## check in less than two minutes what daily work breaks
	$(INSTALL) test
	$(GATE) lint fast

test-browser: browser ## check the lessons in a real JupyterLab and Chromium; photographs are left in build/browser
	$(INSTALL) test
	@ALBUM=1 $(PYTHON) tests/gate.py browser

test-processors: ## check all that compares numbers as older processors compute it, and as this one does
	$(INSTALL) test
	$(GATE) processors

check-notebooks: ## check the built notebooks: rules, sources, outputs
	$(INSTALL) test
	$(GATE) notebooks outputs

lint: ## check the style of all Python
	$(INSTALL) test
	$(GATE) lint

notebooks: ## build the notebooks that changed (ONLY="04" picks, FORCE=1 builds all, BESIDE=1 writes *.new.ipynb)
	$(INSTALL) test
	@$(PYTHON) -m tools.notebooks build $(if $(FORCE),--force) $(if $(BESIDE),--beside) $(ONLY)

site: ## build the course as static pages in dist/site, to read without running
	$(INSTALL) test
	@$(PYTHON) -m tools.site

experiments: ## train the models behind the lessons and measure them (a part: ARGS="--group controls --jobs 2")
	$(INSTALL) test
	OMP_NUM_THREADS=1 $(PYTHON) -m experiments $(ARGS)

bench: ## time our models beside their published peers (one pair: ARGS="--pairs vit --size small")
	$(INSTALL) bench
	@$(PYTHON) bench/peers.py $(ARGS)

bench-grading: ## time the grader of a class beside nbgrader and otter (a look: ARGS="--sheets 03 --students 20 --dry")
	$(INSTALL) test
	@OMP_NUM_THREADS=1 $(PYTHON) bench/grading.py $(ARGS)

browser: ## install Chromium and fonts with the system's package manager, where there is no Chromium
	@$(PY) -m tools.system browser

clean: ## remove caches and reports (never a notebook, never .venv)
	rm -rf build .pytest_cache .ruff_cache
	find videoformer_edu tests -name __pycache__ -type d -prune -exec rm -rf {} +
