# `make run` serves the project, `make test` lints and tests it, `make help` lists all targets.

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
WORKERS ?= 2
CASES ?= 2000
APP ?= healthcare.wsgi:application
BIN := .venv/bin
MANAGE := $(BIN)/python manage.py
# Tests ignore .env and variables of the shell.
ISOLATED := $(BIN)/python .ci/isolated.py
PRODUCTION_LIKE := PRODUCTION=True SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(50))') \
      ALLOWED_HOSTS=api.example.com PASSWORD_REJECT_COMMON=True EMAIL_URL=smtp://mail.example.com \
      PASSWORD_RESET_URL='https://app.example.com/reset/{uid}/{token}'
IN_PRODUCTION := $(BIN)/python -c 'from healthcare import settings; raise SystemExit(not settings.PRODUCTION)' 2>/dev/null
AUDIT := $(BIN)/pip-audit --no-deps --disable-pip --progress-spinner off --timeout 10 --requirement /dev/stdin
# Two iterations, because the collection must also work on a database that is not empty.
NEWMAN := npx --yes newman@6.2.2 run samples/healthcare.postman_collection.json \
      --environment samples/healthcare.postman_environment.json --iteration-count 2 \
      --reporter-cli-no-banner --reporter-cli-no-success-assertions
PYTEST := $(BIN)/python -W error::ResourceWarning -m pytest -q -n 2 --dist loadfile --durations 3

.DEFAULT_GOAL := help
.PHONY: help coverage run serve clean-expired test lint check audit test-sqlite test-postgresql postman clients fuzz faults cluster cluster-faults bench bench-scale bench-staff bench-layers install browser screenshots

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 18

.venv/.runtime: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or later is required (PYTHON=...)")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/.tests: requirements.txt requirements-dev.txt .venv/.runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

install: .venv/.runtime ## Create .venv and install the requirements

run: .venv/.runtime ## Install, migrate and serve on SQLite (PORT=8000; DB_LIVE=True for PostgreSQL)
	@! $(IN_PRODUCTION) || { echo "error: PRODUCTION=True requires HTTPS, which make run does not provide: use make serve behind nginx." >&2; exit 1; }
	$(MANAGE) migrate --verbosity 0
	@echo "API    http://127.0.0.1:$(PORT)/api/docs/"
	@echo "Admin  http://127.0.0.1:$(PORT)/admin/   (log-in: $(MANAGE) createsuperuser)"
	$(MANAGE) runserver --noreload 127.0.0.1:$(PORT)

serve: .venv/.runtime ## Serve with gunicorn, for production behind deploy/nginx.conf (HOST=127.0.0.1, PORT=8000, WORKERS=2)
	@! $(IN_PRODUCTION) || $(MANAGE) collectstatic --noinput --verbosity 0
	PATH="$(CURDIR)/$(BIN):$$PATH" HOST=$(HOST) PORT=$(PORT) WORKERS=$(WORKERS) APP=$(APP) exec deploy/serve.sh

clean-expired: .venv/.runtime ## Delete expired tokens, sessions and counters (run it every night)
	$(MANAGE) clean_expired

test: lint check test-sqlite test-postgresql coverage ## Lint, check, and test on SQLite and on PostgreSQL

faults: .venv/.tests ## Inject faults into real servers under load (ROUNDS=1)
	$(BIN)/python -m faults --rounds $(or $(ROUNDS),1) $(if $(WITHOUT),--without $(WITHOUT))

# PostgreSQL does not run as root, so Patroni's Python must be executable by other users.
.venv-cluster/.patroni: deploy/cluster/requirements.txt .venv/.runtime
	@test -x .venv-cluster/bin/python || $(or $(wildcard /usr/bin/python3),$(PYTHON)) -m venv --without-pip .venv-cluster
	$(BIN)/python -m pip --python .venv-cluster/bin/python install --quiet --disable-pip-version-check -r $<
	@touch $@

cluster: .venv/.tests .venv-cluster/.patroni ## Run the cluster of deploy/cluster on this machine, until Ctrl+C
	$(BIN)/python -m faults.cluster serve

cluster-faults: .venv/.tests .venv-cluster/.patroni ## Kill, freeze and disconnect its machines under load (ROUNDS=1; SHORT=1)
	$(BIN)/python -m faults.cluster break --rounds $(or $(ROUNDS),1) $(if $(SHORT),--short)

.venv-bench/.peers: requirements.txt benchmarks/requirements.txt
	@test -x .venv-bench/bin/python || $(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	@touch $@

bench: .venv/.runtime .venv-bench/.peers ## Benchmark against other implementations, into benchmarks/RESULTS.md (ROUNDS=5, SECONDS=3)
	.venv-bench/bin/python -m benchmarks bench --rounds $(or $(ROUNDS),5) --seconds $(or $(SECONDS),3)
	.venv-bench/bin/python -m benchmarks pressure --rounds $(or $(ROUNDS),5) --seconds $(or $(SECONDS),3)

bench-scale: .venv/.runtime .venv-bench/.peers ## Benchmark with 1,000 and with 1,000,000 patients (ROUNDS=5, SECONDS=3)
	.venv-bench/bin/python -m benchmarks scale --rounds $(or $(ROUNDS),5) --seconds $(or $(SECONDS),3)

bench-staff: .venv/.runtime .venv-bench/.peers ## Benchmark the admin, imports and exports, and the commands (ROUNDS=5, SECONDS=3)
	.venv-bench/bin/python -m benchmarks staff --rounds $(or $(ROUNDS),5) --seconds $(or $(SECONDS),3)

bench-layers: .venv/.runtime .venv-bench/.peers ## Profile where a request's time goes, layer by layer
	.venv-bench/bin/python -m benchmarks layers

lint: .venv/.tests ## Check style, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	DB_LIVE=False $(ISOLATED) $(BIN)/mypy .

check: .venv/.tests ## Check migrations, production settings and the OpenAPI document
	DB_LIVE=False $(ISOLATED) $(MANAGE) makemigrations --check --dry-run
	DB_LIVE=False $(ISOLATED) env $(PRODUCTION_LIKE) $(MANAGE) check --deploy --fail-level WARNING
	DB_LIVE=False $(ISOLATED) $(MANAGE) spectacular --validate --fail-on-warn --file /dev/null

# Probe with a vulnerable release first, because pip-audit also reports success if the service cannot be reached.
audit: .venv/.tests ## Fail on known vulnerabilities in installed packages, if an advisory service is reachable
	@for service in pypi osv; do \
	  if echo Django==2.0 | $(AUDIT) -s $$service --format json 2>/dev/null | grep -q '"fix_versions"'; \
	  then $(BIN)/python -m pip freeze | $(AUDIT) -s $$service --strict; exit; fi; \
	done; echo "Not audited: neither PyPI's advisories nor osv.dev can be reached."

.venv/.fuzz: requirements-fuzz.txt .venv/.runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-fuzz.txt
	@touch $@

fuzz: .venv/.fuzz ## Fuzz the API according to its OpenAPI document (CASES=2000, SEED=; DB_LIVE=True for PostgreSQL)
	$(ISOLATED) env ACCESS_TOKEN_MINUTES=1440 LOGIN_FAILURES=1000000 $(if $(SEED),SEED=$(SEED)) .ci/with-server .ci/fuzz/run $(CASES)

coverage: ## Report the coverage of the last test run; fails under 98 % (94 % without PostgreSQL)
	@if [ -f .postgresql-covered ]; then $(BIN)/coverage report --fail-under 98; \
	else $(BIN)/coverage report --fail-under 94 --omit="healthcare/db/postgresql/*"; fi
	@rm -f .coverage .postgresql-covered

test-sqlite: .venv/.tests ## Test on SQLite, with coverage
	DB_LIVE=False $(ISOLATED) $(PYTEST) --cov --cov-report=

test-postgresql: .venv/.tests ## Test on the PostgreSQL of the DB_* variables, if it is running
	@DB_LIVE=True $(ISOLATED) sh -c '$(PYTEST) --cov --cov-append --cov-report= && touch .postgresql-covered'

postman: .venv/.runtime ## Run the Postman collection on SQLite, and on PostgreSQL if it is running (needs Node.js)
	@command -v npx >/dev/null || { echo "error: make postman needs Node.js 16 or later, with npx" >&2; exit 1; }
	@DB_LIVE=False $(ISOLATED) .ci/with-server sh -c '$(NEWMAN) --env-var base_url=$$BASE'
	@DB_LIVE=True $(ISOLATED) .ci/with-server sh -c '$(NEWMAN) --env-var base_url=$$BASE'

.venv-clients/.installed: .ci/clients/requirements.txt .ci/clients/package.json
	@command -v npm >/dev/null || { echo "error: make clients needs Node.js 20 or later with npm: https://nodejs.org" >&2; exit 1; }
	@test -x .venv-clients/bin/python || $(PYTHON) -m venv .venv-clients
	.venv-clients/bin/python -m pip install --quiet --disable-pip-version-check -r .ci/clients/requirements.txt
	npm install --prefix .ci/clients --no-package-lock --no-audit --no-fund --loglevel error
	@touch $@

clients: .venv/.runtime .venv-clients/.installed ## Generate clients from the OpenAPI document, and run them on both databases
	@DB_LIVE=False $(ISOLATED) .ci/with-server .ci/clients/run
	@DB_LIVE=True $(ISOLATED) .ci/with-server .ci/clients/run

# axe-core checks pages against WCAG: https://github.com/dequelabs/axe-core
.browser/axe-core-4.14.1:
	@command -v npm >/dev/null || { echo "error: make browser needs Node.js 16 or later, with npm" >&2; exit 1; }
	npm install --silent --no-save --no-package-lock --prefix .browser axe-core@4.14.1
	@touch $@

browser: .venv/.tests .browser/axe-core-4.14.1 ## Click through the admin and the docs in Chromium (DB_LIVE=True for PostgreSQL)
	@if [ -x /usr/bin/chromium ]; then $(ISOLATED) $(BIN)/python -m pytest -q healthcare/tests/browser; \
	elif [ -n "$$REQUIRE_CHROMIUM" ]; then echo "error: no /usr/bin/chromium" >&2; exit 1; \
	else echo "Skipped, because there is no /usr/bin/chromium."; fi

screenshots: .venv/.tests ## Take the screenshots of the documentation, in Chromium
	DB_LIVE=False $(ISOLATED) $(BIN)/python -m pytest -q healthcare/tests/browser/screenshots.py
