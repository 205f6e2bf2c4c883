# make reproduce: set-up, then the whole experiment of params.yaml; make check: lint, unit tests and contracts; make test: every check;
# make portable, make exact and make faults: the long forms of three of them; make mutation: do the tests see a missing guard?
# VENV names another environment folder.
VENV ?= .venv
PYTHON ?= python3.11
export PATH := $(abspath $(VENV))/bin:$(PATH)
export DVC_NO_ANALYTICS := 1
export MLFLOW_DISABLE_TELEMETRY := true
unexport PYTHONDONTWRITEBYTECODE  # as containers set it: each stage and each worker of the tests would compile all modules again
MUTATION := build/mutation/venv-$(shell cksum < benchmarks/mutation.txt | cut -d' ' -f1)
READY := $(VENV)/.ganflow-$(shell cksum < requirements.lock | cut -d' ' -f1)

.PHONY: reproduce check test exact portable faults mutation lint ui environment lock

reproduce: environment
	@python -m ganflow runs
	@dvc repro --keep-going
	@python -m ganflow publish || echo "The results are complete all the same"
	@echo "Report: results/$$(sed -n 's/^experiment: *//p' params.yaml)/report/index.html; 'make ui' compares the runs in MLflow"
	@python -m ganflow verify --published --brief || true
	@python -m ganflow status --brief

check: lint
	pytest -n 2 --dist loadgroup -m "not slow" tests/unit tests/contracts

portable: environment
	GANFLOW_PORTABLE=long pytest tests/end_to_end/test_portable.py --verbose --durations=0

test: lint  # three workers on two cores: engines, servers and browsers wait a good part of their time
	pytest -n 3 --dist loadgroup

exact: environment
	GANFLOW_EXACT=long pytest tests/end_to_end/test_exact.py tests/end_to_end/test_engines.py --verbose --durations=0

faults: environment
	python benchmarks/faults.py

mutation: environment $(MUTATION)
	$(MUTATION)/bin/python benchmarks/mutation.py --python $(abspath $(VENV))/bin/python --record $(OPTIONS)

$(MUTATION):  # Cosmic Ray has an environment of its own: no version of the project's depends on it
	$(PYTHON) -m venv $@.new
	$@.new/bin/pip install --quiet --disable-pip-version-check --no-deps -r benchmarks/mutation.txt
	mv $@.new $@

LINTERS := mypy ruff-check ruff-format snakefmt snakemake-lint lint-imports  # the longest first
.PHONY: $(LINTERS)

lint: environment  # side by side, each with its output in one piece; all of them run, and any that fails fails it
	@$(MAKE) --no-print-directory --jobs 2 --output-sync --keep-going $(LINTERS)

ruff-check:
	ruff check

ruff-format:
	ruff format --check

snakefmt:
	snakefmt --check Snakefile workflow

snakemake-lint:
	snakemake --lint

lint-imports:
	lint-imports

mypy:
	mypy

ui: export MLFLOW_TRACKING_URI :=
ui: environment
	python -m ganflow publish
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false mlflow server --host 127.0.0.1 --port 5000 --workers 1 \
	  --backend-store-uri sqlite:///mlflow.db --artifacts-destination mlartifacts

environment: $(READY)
	@$(VENV)/bin/python -I -c 'import ganflow' 2>/dev/null || \
	  $(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .

$(READY):  # its name says for which lock; by its date, a newer clone that shares the environment would install all again
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || \
	  { echo "make: ganflow runs on Python 3.11; install it, or say where it is: make PYTHON=/path/to/python3.11"; exit 2; }
	@echo "Installing the locked requirements into $(VENV) (7 GB, some minutes) ..."
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	$(VENV)/bin/pip check
	@rm -f $(VENV)/.ganflow-* && touch $@

lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	  --all-extras pyproject.toml -o requirements.lock
	sed -i "s/^# requirements.lock sha256 .*/# requirements.lock sha256 $$(sha256sum requirements.lock | cut -d' ' -f1)/" envs/ganflow.yaml
