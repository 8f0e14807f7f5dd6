BIN := .venv/bin
INSTALLED := .venv/.installed
UV := $(or $(shell command -v uv),$(BIN)/uv)
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help setup writable run test test-faults test-browser lint types migrate reset requirements openapi client texts bench profile

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## Create .venv with the pinned requirements (with the Python of PYTHON)

$(INSTALLED): requirements-dev.txt dev/setup.sh
	@dev/setup.sh
	@touch $@

writable:
	@test -w . || { echo "make: $(CURDIR) can't be written: copy the checkout to a folder of your own" >&2; exit 1; }

run: setup ## Run the whole clinic on 127.0.0.1:PORT (5000), with its data in VAR_DIR (var)
	@$(BIN)/python -m dev.run

test: export SUITE_LOGS := $(CURDIR)/.pytest_cache/suite-logs
test: export PYTHONDONTWRITEBYTECODE := # or all processes would compile all modules
test: writable setup ## Run the tests on their own servers; LONG=1 adds the long ones and measures the coverage
	@rm -rf "$$SUITE_LOGS"
	@$(BIN)/python -m pytest -rs --ignore tests/whole_suite --numprocesses 3 --dist loadfile $(if $(LONG),--cov --cov-report= -m "not matrix",-m "not long and not matrix")
ifdef LONG
	@$(BIN)/coverage report
	@$(BIN)/coverage report --include '*/rules.py,*/access.py,*/fees.py,*/booking_rules.py,*/appointments/rescheduling.py' --fail-under 100
endif
	@$(BIN)/python -m pytest -rs --confcutdir tests/whole_suite tests/whole_suite

test-faults: writable setup ## Run the fault injection tests at full size (about 15 minutes)
	@FAULTS=full $(BIN)/python -m pytest -rs tests/faults tests/contract

test-browser: writable setup ## Run the tests of the dashboard in Chromium (Debian's package chromium); LONG=1 adds each look of each screen
	@$(BIN)/python -m pytest -rs tests/browser $(if $(LONG),,-m "not long and not matrix")

lint: types ## Check style, types, import directions, known vulnerabilities and secrets
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/lint-imports
	@$(BIN)/bandit --quiet --configfile pyproject.toml --recursive arthomed workers dev migrations *.py
	@$(BIN)/python -m dev.lint_advisories requirements.txt requirements-dev.txt
	@$(BIN)/python -m dev.lint_history

types: writable setup ## Check types
	@$(BIN)/mypy

migrate: setup ## Apply the migrations to the data of `make run`, or to MONGODB_URI
	@$(BIN)/python -m dev.run flask migrate up

reset: setup ## Remove VAR_DIR with all data of `make run`
	@$(BIN)/python -m dev.reset

openapi: writable setup ## Write the OpenAPI document and the Postman collection into clients
	@APP_ENV=test $(BIN)/flask openapi write --format json clients/openapi.json
	@$(BIN)/python -m dev.postman

client: openapi ## Generate the TypeScript client from the OpenAPI document (needs Node 20 and npm)
	@cd clients/typescript && npm ci --silent --no-audit --no-fund && npm run --silent generate && npm run --silent build

texts: writable setup ## Find the texts of the dashboard, and compile their translations
	@$(BIN)/python -m dev.texts

bench: writable setup ## Benchmark the endpoints; PEER=folder of a Node server compares with it (bench/README.md)
	@$(BIN)/python -m bench $(if $(PEER),--peer $(PEER))

profile: writable setup ## Draw a flame graph of ENDPOINT (slots)
	@$(BIN)/python -m bench.profile $(or $(ENDPOINT),slots)

requirements: setup ## Compile the requirement files from pyproject.toml
	$(COMPILE) --output-file requirements.txt
	$(COMPILE) --group dev --constraint requirements.txt --output-file requirements-dev.txt
