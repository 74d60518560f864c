# Everything is run from here, on a machine that has only make and python3 (3.11 or later).

PYTHON ?= python3
VENV := .venv
BACKENDS := .venv-backends
PY := $(VENV)/bin/python
PIP_FLAGS := --disable-pip-version-check -qq
# What each environment holds. The backends one has no TensorFlow, and the newest release of torch
# that exists as a build for the CPU alone (without gigabytes of CUDA).
EXTRAS := recipes,tuner,dev
BACKENDS_EXTRAS := jax,torch,reports,dev
TORCH := torch==2.13.0
# The tests that hold on every backend of Keras.
PORTABLE := tests/test_imports.py tests/data/test_resident.py tests/training/test_any_backend.py \
	$(wildcard $(addprefix tests/,diagnosis regularization gradients callbacks models))

# The tests of a file share what they have set up, so a file is not divided among processes.
PYTEST := -m pytest -q -n auto --maxprocesses 4 --dist loadfile

# TensorFlow greets with a page of log lines otherwise.
export TF_CPP_MIN_LOG_LEVEL ?= 3
# The locked versions are to be used, not what the user's shell puts before them.
unexport PYTHONPATH PYTHONHOME

.DEFAULT_GOAL := help
.PHONY: help install install-backends lint format typecheck test test-backends test-all benchmark \
	benchmark-gpu article article-full lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# $(call environment,FOLDER,LOCK,EXTRAS): a virtual environment with the locked versions.
# The build backend comes first and is locked too: packages are built with it, not with the newest.
define environment
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "keras-ext needs Python 3.11 or later, but $(PYTHON) is " + sys.version.split()[0] + ": make PYTHON=python3.11")'
@echo "Installing into $(1) (once; several minutes)"
@$(PYTHON) -m venv $(1) || { echo "$(PYTHON) cannot make environments: on Debian, apt-get install python3-venv"; exit 1; }
@$(1)/bin/python -m pip install $(PIP_FLAGS) -c $(2) setuptools
@$(1)/bin/python -m pip install $(PIP_FLAGS) -c $(2) --no-build-isolation -e '.[$(3)]'
@touch $@
endef

install: $(VENV)/.installed ## Install everything into .venv (the other targets do it by themselves)

install-backends: $(BACKENDS)/.installed ## Install JAX and PyTorch, without TensorFlow, into .venv-backends

$(VENV)/.installed: pyproject.toml requirements/main.txt
	$(call environment,$(VENV),requirements/main.txt,$(EXTRAS))

$(BACKENDS)/.installed: pyproject.toml requirements/backends.txt
	$(call environment,$(BACKENDS),requirements/backends.txt,$(BACKENDS_EXTRAS))

lint: install ## Check style, format and types
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(MAKE) --no-print-directory typecheck

format: install ## Format the code and mend what can be mended
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

typecheck: install ## Check types
	@$(PY) -m mypy

test: export KERAS_BACKEND = tensorflow
test: install ## Run the quick tests; ARGS="-k dropout" chooses
	@$(PY) $(PYTEST) -m "not slow" $(ARGS)

test-all: export KERAS_BACKEND = tensorflow
test-all: install ## Run all tests
	@$(PY) $(PYTEST) $(ARGS)

test-backends: install-backends ## Run the portable tests on JAX and on PyTorch
	@for backend in jax torch; do \
		echo "KERAS_BACKEND=$$backend"; \
		KERAS_BACKEND=$$backend $(BACKENDS)/bin/python $(PYTEST) -m "not slow" $(PORTABLE) $(ARGS) || exit 1; \
	done

benchmark: export KERAS_BACKEND = tensorflow
benchmark: install ## Measure the ratios that README and docs state
	@$(PY) tests/benchmarks/run.py $(ARGS)

benchmark-gpu: export KERAS_BACKEND = tensorflow
benchmark-gpu: install ## Measure resident images and augmentation on a GPU, where there is one
	@$(PY) tests/benchmarks/gpu.py $(ARGS)

recipe-%: export KERAS_BACKEND = tensorflow
recipe-%: install ## Run a recipe: make recipe-mnist ARGS="--preset fast"
	@$(PY) -m recipes.$(subst -,_,$*) $(ARGS)

sweep-%: export KERAS_BACKEND = tensorflow
sweep-%: install ## Search hyperparameters: make sweep-mnist ARGS="--max-trials 10 --limit 2000"
	@$(PY) -m recipes.sweep $(subst -,_,$*) $(ARGS)

article: export KERAS_BACKEND = tensorflow
article: install ## Put the claims of the article to the test: runs/article/index.html
	@$(PY) -m recipes.article $(ARGS)

article-full: export KERAS_BACKEND = tensorflow
article-full: install ## The same with more seeds and the whole data; goes on where it was stopped
	@$(PY) -m recipes.article --full $(ARGS)

lock: ## Resolve the newest versions and write them to requirements/
	$(call resolve,requirements/main.txt,'.[$(EXTRAS)]')
	$(call resolve,requirements/backends.txt,'.[$(BACKENDS_EXTRAS)]' '$(TORCH)')

# $(call resolve,LOCK,REQUIREMENTS): ask pip what it would install into an empty environment.
define resolve
@echo "Resolving $(1)"
@rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
@.venv-lock/bin/python -m pip install $(PIP_FLAGS) --dry-run --ignore-installed \
	--report .venv-lock/report.json $(2)
@.venv-lock/bin/python requirements/lock.py .venv-lock/report.json $(1)
@rm -rf .venv-lock
endef

clean: ## Remove the environments, caches and build results (runs/ stays)
	rm -rf $(VENV) $(BACKENDS) .venv-lock build dist *.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find keras_ext recipes tests requirements -name __pycache__ -type d -prune -exec rm -rf {} +
