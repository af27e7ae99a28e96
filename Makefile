PYTHON ?= python3
VENV ?= .venv
CONSTRAINTS ?= /dev/null
PIP = $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS)

.PHONY: upscale run test pytest lint test-browser site

PHOTO ?= docs/photo.png

upscale: $(VENV)/installed  ## enlarge PHOTO four times into output/
	$(VENV)/bin/python -m srgan upscale $(PHOTO) -o output

run: $(VENV)/installed  ## train and evaluate the preset "quick": notebooks 01 to 05 in order
	$(VENV)/bin/python -m srgan run --preset quick

test: lint pytest  ## everything that .ci/run checks in this environment

pytest: $(VENV)/installed-test
	$(VENV)/bin/python -m pytest -n 2 --dist loadfile

lint: $(VENV)/installed-test
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

test-browser: $(VENV)/installed-browser  ## the notebooks in JupyterLab in a real browser; wants chromium, takes some minutes
	$(VENV)/bin/python -m pytest tests/browser/check_notebooks.py

site: .venv-site/installed  ## the manual, the tour and the API as a static site in build/site
	NO_MKDOCS_2_WARNING=1 .venv-site/bin/python -m mkdocs build --strict

.venv-site/installed: docs/requirements.txt
	$(PYTHON) -m venv .venv-site
	.venv-site/bin/python -m pip install --quiet --disable-pip-version-check -r docs/requirements.txt
	touch $@

$(VENV)/installed: requirements.txt $(CONSTRAINTS)
	$(PYTHON) -m venv $(VENV)
	$(PIP) -r requirements.txt
	touch $@

$(VENV)/installed-test: tests/requirements.txt $(VENV)/installed
	$(PIP) -r tests/requirements.txt
	touch $@

$(VENV)/installed-browser: tests/browser/requirements.txt $(VENV)/installed-test
	$(PIP) -r tests/browser/requirements.txt
	touch $@
