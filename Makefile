# Everything that is typed often. `make` alone lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help services web tools web-types install run down clean test lint bench
.SILENT:

BIN := .venv/bin
# The tests mostly wait. Each process has a Kafka and a PostgreSQL of its own (0.7 GB); a file's tests stay together.
TEST_PROCESSES := 2
# What the environment was made from: when it changes, the environment is brought up to date.
KEY := $(shell cat requirements.lock pyproject.toml | sha256sum | cut -c1-16)
STAMP := .venv/installed-$(KEY)

help: ## List the targets
	awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' Makefile

run: install ## Start the stack, send 200 requests through it, show what they cost; leaves it running
	echo "Starting the stack"
	$(BIN)/observatory up
	echo "Sending 200 requests through it"
	$(BIN)/observatory demo

down: install ## Stop the stack and keep its data
	echo "Stopping the stack; its data stays"
	$(BIN)/observatory down

clean: install ## Stop the stack and remove the data of Kafka and PostgreSQL
	echo "Stopping the stack and removing its data"
	$(BIN)/observatory down --clean

test: lint tools ## Check the code and run all tests, on ports and data of their own
	echo "Running the tests"
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

bench: install ## Measure throughput and latency, with CPU by process
	echo "Measuring"
	$(BIN)/python -m loadtests.bench

lint: install tools ## Check style, types and who imports whom
	echo "Checking style, types and imports"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	python3 infra/native/web.py --run types lint

install: services $(STAMP) web ## Install what is missing: Kafka, PostgreSQL with TimescaleDB, Python packages; build the web page

services:
	echo "Checking what is installed"
	python3 infra/native/install.py

# After the environment of Python, in which a Node.js may be put.
web: $(STAMP)
	python3 infra/native/web.py

tools: $(STAMP)
	python3 infra/native/web.py --tools
	python3 infra/native/install.py --browser

web-types: tools ## Make the web page's types of the API anew
	$(BIN)/python -m workers.gateway.openapi web/openapi.json
	python3 infra/native/web.py --run api

# uv lives in an environment of its own, since `uv pip sync` removes from ours whatever the lock file does not name.
$(STAMP): | services
	echo "  Python packages of requirements.lock ..."
	test -x $(BIN)/python || python3 -m venv --without-pip .venv
	test -x .venv/uv/bin/uv || { python3 -m venv .venv/uv && .venv/uv/bin/python -m pip install --quiet uv; }
	.venv/uv/bin/uv pip sync --quiet --compile-bytecode --python $(BIN)/python requirements.lock
	.venv/uv/bin/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	rm -f .venv/installed-*
	touch $@
