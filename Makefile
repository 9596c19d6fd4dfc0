# make demo   install what is missing, then run examples/quickstart.yaml and write report.html
# make test   run the tests           make lint   check style, types and imports
# make bench  run the benchmarks      make docs   build the documentation
# make lock   renew constraints/, the tested versions of all packages, which the others install
# make test-pythons   run the unit tests on the other Pythons of this machine
# make test-hpc   run the tests that start SLURM, an SSH server, PostgreSQL and RabbitMQ on this machine, as root;
#                 SELECT="-m 'not long'" leaves out those that take more than a minute or two
# PYTHON=/path/to/python3 chooses the Python that .venv is made with.

INSTALL := sh qdsim/machine/install.sh
BIN := .venv/bin
export PYTHON
export PATH := $(PATH):$(CURDIR)/.conda/bin

.PHONY: demo test test-hpc test-pythons lint bench docs lock venv cp2k browser hpc

demo: venv cp2k
	@$(BIN)/qdsim init
	@$(BIN)/qdsim run examples/quickstart.yaml
	@$(BIN)/qdsim report -o report.html --force
	@echo "The report is in $(CURDIR)/report.html"

test: .venv/.installed-dev cp2k browser  # each of the two processes has a core, and threads that wait for another spin
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --durations 30

test-hpc: .venv/.installed-dev cp2k hpc
	$(BIN)/python -m pytest tests/hpc --durations 30 $(SELECT)

test-pythons: .venv/.installed-dev
	$(BIN)/python tests/pythons.py

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

lock: .venv/.installed
	$(BIN)/python constraints/packages.py renew

# An environment that does not run, as after an upgrade of Debian with its Python, is made again.
ifneq ($(shell $(BIN)/python -m pip --version >/dev/null 2>&1 && echo runs),runs)
.PHONY: .venv/.installed
endif

.venv/.installed: pyproject.toml $(wildcard constraints/*.txt)
	@$(INSTALL) venv
	$(BIN)/python constraints/packages.py install
	@touch $@

.venv/.installed-dev .venv/.installed-docs: .venv/.installed-%: .venv/.installed
	$(BIN)/python constraints/packages.py install $*
	@touch $@
