# Everything that is typed often. `make` alone lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help environment tools web-types install run down clean test lint bench
.SILENT:

BIN := .venv/bin
PYTHON := $(or $(shell command -v python3),$(error Python 3.11 or newer is missing: install python3 and python3-venv))
# The tests often wait. Each process has a Kafka and a PostgreSQL of its own (0.7 GB); a file's tests stay together.
TEST_PROCESSES := 2

help: ## List the targets
	awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' Makefile

run: install ## Start the stack, send 200 requests through it, show what they cost; leaves it running
	echo "Starting the stack"
	$(BIN)/observatory up
	echo "Sending 200 requests through it"
	$(BIN)/observatory demo

down: environment ## Stop the stack and keep its data
	echo "Stopping the stack; its data stays"
	$(BIN)/observatory down

clean: environment ## Stop the stack and remove the data of Kafka and PostgreSQL
	echo "Stopping the stack and removing its data"
	$(BIN)/observatory down --clean

test: lint ## Check the code and run all tests, on ports and data of their own
	echo "Running the tests"
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

bench: install ## Measure throughput and latency, with CPU by process
	echo "Measuring"
	$(BIN)/python -m loadtests.bench

lint: tools ## Check style, types and who imports whom
	echo "Checking style, types and imports"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTHON) infra/native/web.py --run types lint

install: ## Install what is missing: Kafka, PostgreSQL with TimescaleDB, Python packages; build the web page
	echo "Checking what is installed"
	$(PYTHON) infra/native/install.py

tools: # With what checks and tests the code and the web page.
	echo "Checking what is installed"
	$(PYTHON) infra/native/install.py --tools

environment: # What is needed to stop a stack.
	$(PYTHON) infra/native/environment.py

web-types: tools ## Make the web page's types of the API anew
	$(BIN)/python -m workers.gateway.openapi web/openapi.json
	$(PYTHON) infra/native/web.py --run api
