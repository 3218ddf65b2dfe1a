# Every target works on a fresh clone: the environment is made when it is missing, and made again when its inputs change.
PYTHON ?= python3
BIN := .venv/bin
N ?= 1000
PROFILE ?= offline
SEED ?= 1
DAYS ?= 30
KILLS ?= 300
MINUTES ?= 20
WORKERS ?= 2
export DAGSTER_HOME := $(CURDIR)/dagster_home
export VIDEO

.DEFAULT_GOAL := help
.PHONY: help install demo analyze backfill prune ui test test-slow wheel-test browser-test cluster-test cluster-demo .postgres test-dagster-matrix check compact models models-pull down \
	bench bench-warm bench-check bench-archive fuzz chaos soak accuracy docs docs-serve clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

.venv/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev,interchange,notebook]"
	touch $@

install: .venv/.installed  ## Make .venv and install everything

models-pull: .venv/.installed  ## Fetch the models of PROFILE (offline, cpu, gpu) ahead
	@$(BIN)/vid-assets models pull --profile $(PROFILE)

demo: .venv/.installed  ## Three real clips through every analyzer, with a table at the end
	@$(BIN)/vid-assets demo

analyze: .venv/.installed  ## Every analyzer for one file: make analyze VIDEO=path/to/clip.mp4
	@$(BIN)/vid-assets analyze -- "$$VIDEO"

backfill: .venv/.installed  ## Take in the archive and run what is missing, failed or out of date; DRY=1 only says; RETRY=1 also what was given up
	@$(BIN)/vid-assets backfill $(if $(DRY),--dry-run) $(if $(RETRY),--retry) $(if $(WAIT),--wait)

prune: .venv/.installed  ## Clear away what nobody used for DAYS (30); RESULTS=1 those of vanished files; DRY=1 only says
	@$(BIN)/vid-assets prune --older-than $(DAYS) $(if $(RESULTS),--results) $(if $(DRY),--dry-run)

compact: .venv/.installed  ## Merge the results of many runs into few large files; ALL=1 the large ones too
	@$(BIN)/vid-assets compact $(if $(ALL),--all)

ui: .venv/.installed  ## Dagster's UI on http://127.0.0.1:3000
	@chmod 700 dagster_home
	@$(BIN)/vid-assets ui

test: .venv/.installed  ## The tests that take minutes, not more, side by side: WORKERS (2)
	@$(BIN)/vid-assets models pull --profile offline
	$(BIN)/python -m pytest -m "not slow and not browser and not cluster" -n $(WORKERS) --dist loadfile

test-slow: .venv/.installed  ## The long tests: kills, parity with Dagster's executors, many seeds
	$(BIN)/python -m pytest -m "slow and not cluster" --timeout 3600

wheel-test: .venv/.installed  ## Build the wheel, install it into an empty environment, run the demo from it
	$(BIN)/python -m pytest -m "slow or not slow" tests/packaging --timeout 3600

browser-test: .venv/.installed  ## The reports and the UI in headless chromium, and the UI behind nginx; installs both by apt if they are missing
	command -v chromium >/dev/null && command -v nginx >/dev/null || { apt-get update && apt-get install -y --no-install-recommends chromium nginx-light; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev,browser]"
	$(BIN)/python -m pytest -m browser
	$(BIN)/python -m pytest tests/ui/test_proxy.py

# An environment of its own: DuckLake's extension is published up to DuckDB 1.5.5.
.venv-cluster/.installed: pyproject.toml constraints.txt
	test -x .venv-cluster/bin/python || $(PYTHON) -m venv .venv-cluster
	.venv-cluster/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev,cluster,moto]"
	touch $@

.postgres: ; command -v pg_ctl >/dev/null || ls /usr/lib/postgresql/*/bin/pg_ctl >/dev/null 2>&1 || { apt-get update && apt-get install -y --no-install-recommends postgresql; }

cluster-test: .venv-cluster/.installed .postgres  ## DuckLake, Postgres and Ray, with the warehouse's own tests under their DuckDB
	.venv-cluster/bin/python -m pytest -m "cluster or not slow" tests/cluster tests/warehouse --timeout 3600

cluster-demo: .venv-cluster/.installed .postgres  ## Two Ray nodes on this machine analyse generated clips: CLIPS (8)
	@.venv-cluster/bin/python -m deploy.demo $(if $(CLIPS),--clips $(CLIPS))

test-dagster-matrix: .venv/.installed  ## What leans on Dagster, under the oldest and the newest version allowed: VERSIONS="..." for others
	$(BIN)/python tools/dagster_matrix.py $(VERSIONS)

check: .venv/.installed  ## ruff, basedpyright, import-linter, deptry
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/deptry .

.venv/.audit: .venv/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev,audit]"
	touch $@

.PHONY: sbom audit
sbom: .venv/.audit  ## What is installed, as a bill of materials in CycloneDX: sbom.json
	$(BIN)/cyclonedx-py environment --output-reproducible --of JSON -o sbom.json $(BIN)/python

audit: .venv/.audit  ## Known vulnerabilities of what is installed; asks pypi.org, and fails for packages that it does not know
	$(BIN)/python -m pip freeze --exclude-editable > .venv/audited.txt
	$(BIN)/pip-audit --strict --no-deps --disable-pip -r .venv/audited.txt

models: .venv/.installed  ## What the model hosts hold: state, memory, calls
	@$(BIN)/vid-assets models

down: .venv/.installed  ## Stop all model hosts
	@$(BIN)/vid-assets models down

bench: .venv/.installed  ## All figures, written to benchmarks/results.md and .json: ONLY="parts"; an hour and more
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev,peers]"
	@$(BIN)/vid-assets bench $(if $(ONLY),-- --only $(ONLY))

bench-warm: .venv/.installed  ## Only the figures of the warm models
	@$(BIN)/vid-assets bench -- --only reuse memory overhead records blocking blip2 baseline

bench-check: .venv/.installed  ## Measure again and name what got slower than benchmarks/results.json says: ONLY="parts"
	@$(BIN)/vid-assets bench -- --check --only $(or $(ONLY),overhead blocking light)

bench-archive: .venv/.installed  ## How the warehouse grows to VIDEOS="1000 5000 20000", written to benchmarks/archive.json
	@$(BIN)/python -m benchmarks.archive $(if $(VIDEOS),--videos $(VIDEOS))

fuzz: .venv/.installed  ## N (1000) hostile files of a SEED (1) through the pipeline; CASE=n only that one
	@$(BIN)/python -m harness.fuzz --seed $(SEED) --n $(N) $(if $(CASE),--case $(CASE)) $(if $(JOBS),--jobs $(JOBS))

chaos: .venv/.installed  ## SIGKILL everything during a backfill, and compare the results: SEED (1), KILLS (300)
	@$(BIN)/vid-assets models pull --profile offline
	@$(BIN)/python -m harness.chaos --seed $(SEED) --kills $(KILLS)

soak: .venv/.installed  ## 20 minutes of clips through sensor and runs, with the slopes of what grows: SEED (1), MINUTES (20)
	@$(BIN)/vid-assets models pull --profile offline
	@$(BIN)/python -m harness.soak --seed $(SEED) --minutes $(MINUTES)

accuracy: .venv/.installed  ## How right every analyzer is on generated clips, written to docs/accuracy.md: SEED (1), ONLY="names"
	@$(BIN)/vid-assets models pull --profile offline
	@$(BIN)/python -m evaluation --seed $(SEED) $(if $(ONLY),--only $(ONLY))

.venv/.docs: .venv/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev,docs]"
	touch $@

docs: .venv/.docs  ## The documentation as a site in site/; broken links are errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

docs-serve: .venv/.docs  ## The documentation on http://127.0.0.1:8000, built again at each change
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs serve

clean:  ## Remove the environment; data and results stay
	rm -rf .venv
