# The commands of the course. `make help` lists them. Python 3.11 or newer and make are all they need.

PY ?= python3
BIN := .venv/bin
PYTHON := $(BIN)/python
PIP := $(PYTHON) -m pip install -q --disable-pip-version-check -c constraints.txt
GATE := $(PYTHON) tests/gate.py
SETTINGS := .venv/share/jupyter/lab/settings

.DEFAULT_GOAL := help
.PHONY: help lab test test-fast test-browser check-notebooks lint notebooks experiments bench browser clean

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

lab: .venv/.lab ## open the course in JupyterLab (ARGS="--no-browser --port 9999" is passed on)
	$(PYTHON) -m jupyterlab --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb $(ARGS)

test: .venv/.test ## check everything: lint, unit, parity, notebooks, browser
	@$(GATE)

test-fast: .venv/.test ## check in less than two minutes what daily work breaks
	@$(GATE) lint fast

test-browser: .venv/.test ## check the lessons in a real JupyterLab and Chromium
	@$(GATE) browser

check-notebooks: .venv/.test ## check the built notebooks: rules, sources, outputs
	@$(GATE) notebooks outputs

lint: .venv/.test ## check the style of all Python
	@$(GATE) lint

notebooks: .venv/.test ## build the notebooks that changed (ONLY="04" picks, FORCE=1 builds all, BESIDE=1 writes *.new.ipynb)
	@$(PYTHON) -m tools.notebooks build $(if $(FORCE),--force) $(if $(BESIDE),--beside) $(ONLY)

experiments: .venv/.test ## train the models behind the lessons and measure them (a part: ARGS="--group controls --jobs 2")
	OMP_NUM_THREADS=1 $(PYTHON) -m experiments $(ARGS)

bench: .venv/.bench ## time our models beside their published peers (one pair: ARGS="--pairs vit --size small")
	@$(PYTHON) bench/peers.py $(ARGS)

browser: ## install Chromium and fonts with the system's package manager, where there is no Chromium
	@for name in "$$CHROMIUM" chromium chromium-browser google-chrome; do \
		if command -v "$$name" > /dev/null; then echo "Chromium is here: $$name"; exit 0; fi; \
	done; \
	if command -v apt-get > /dev/null; then \
		sudo=$$(test "$$(id -u)" = 0 || echo sudo); \
		$$sudo apt-get update -q && $$sudo env DEBIAN_FRONTEND=noninteractive \
			apt-get install -q -y --no-install-recommends chromium fonts-dejavu fonts-noto-color-emoji; \
	elif command -v dnf > /dev/null; then \
		$$(test "$$(id -u)" = 0 || echo sudo) dnf install -y chromium dejavu-sans-fonts google-noto-color-emoji-fonts; \
	elif command -v brew > /dev/null; then \
		brew install --cask chromium; \
	else \
		echo "No package manager that this target knows: install Chromium, or set CHROMIUM to its path." >&2; exit 1; \
	fi

clean: ## remove caches and reports (never a notebook, never .venv)
	rm -rf build .pytest_cache .ruff_cache
	find videoformer_edu tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment is made once, and brought up to date when the metadata changes.
$(PYTHON):
	@$(PY) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one: make $(MAKECMDGOALS) PY=python3.12" >&2; exit 1; }
	$(PY) -m venv .venv

.venv/.lab .venv/.test .venv/.bench: .venv/.%: pyproject.toml constraints.txt | $(PYTHON)
	@echo "Installing the package and its $* tools into .venv (the first time: some minutes and 2 GB) ..."
	@$(PIP) -e '.[$*]'
	@mkdir -p $(SETTINGS)
	@echo '{"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": false}}' \
		> $(SETTINGS)/overrides.json
	@touch $@
