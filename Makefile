# make demo   install what is missing, then run examples/quickstart.yaml and write report.html
# make test   run the tests           make lint   check style, types and imports
# make bench  run the benchmarks      make docs   build the documentation
# make test-hpc   run the tests that start SLURM, an SSH server, PostgreSQL and RabbitMQ on this machine, as root;
#                 SELECT="-m 'not long'" leaves out those that take more than a minute or two
# PYTHON=/path/to/python3 chooses the Python that .venv is made with.

INSTALL := sh qdsim/machine/install.sh
BIN := .venv/bin
export PYTHON
export PATH := $(PATH):$(CURDIR)/.conda/bin

.PHONY: demo test test-hpc lint bench docs venv cp2k browser hpc

demo: venv cp2k
	@$(BIN)/qdsim init
	@$(BIN)/qdsim run examples/quickstart.yaml
	@$(BIN)/qdsim report -o report.html --force
	@echo "The report is in $(CURDIR)/report.html"

test: .venv/.installed-dev cp2k browser
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --durations 30

test-hpc: .venv/.installed-dev cp2k hpc
	$(BIN)/python -m pytest tests/hpc --durations 30 $(SELECT)

lint: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict
	$(BIN)/lint-imports

bench: .venv/.installed-dev cp2k hpc
	for benchmark in benchmarks/*.py; do $(BIN)/python "$$benchmark" || exit 1; done

docs: .venv/.installed-docs
	$(BIN)/sphinx-build -W -b html docs docs/_build/html
	@echo "The documentation is in $(CURDIR)/docs/_build/html/index.html"

venv: .venv/.installed

cp2k:
	@$(INSTALL) cp2k

browser:
	@$(INSTALL) browser

hpc:
	@$(INSTALL) hpc

.venv/.installed: pyproject.toml
	@$(INSTALL) venv
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

.venv/.installed-dev .venv/.installed-docs: .venv/.installed-%: .venv/.installed
	$(BIN)/python -m pip install --quiet --editable ".[$*]"
	@touch $@
