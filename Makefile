# Everything a newcomer needs: `make run`. It asks for Python 3.11 or newer and make, nothing else.

PORT ?= 8000
export PORT

# A name on the PATH may be a shim that fails, or an old Python: each is tried before it is believed.
PYTHON ?= python3.13 python3.12 python3.11 python3 python
define bootstrap
@for python in $(PYTHON); do \
	if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
		exec "$$python" -I config/bootstrap.py $(1); \
	fi; \
done; \
echo "error: no Python 3.11 or newer was found (tried: $(PYTHON)). Install one, or name it: make $@ PYTHON=/path/to/python3" >&2; \
exit 1
endef

# The checks read no .env: they must say the same on every machine.
LINT_SETTINGS = ENV_FILE=/dev/null DEBUG=on SECRET_KEY=for-the-checks-only
# An index that a machine adds would put its own hashes, or its own address, into the lock.
LOCK = env -u UV_INDEX -u UV_EXTRA_INDEX_URL -u UV_DEFAULT_INDEX -u UV_INDEX_URL -u UV_FIND_LINKS -u PIP_EXTRA_INDEX_URL \
	-u PIP_INDEX_URL -u PIP_FIND_LINKS .venv/bin/uv pip compile -q --no-config --universal --generate-hashes \
	--python-version 3.11 --no-header --no-annotate

.DEFAULT_GOAL := help
.PHONY: help venv run test lint bench faults screenshots messages messages-staff lock clean

help: ## List what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: ## Start everything on http://localhost:8000 (PORT=… for another port)
	$(call bootstrap,run)
	@.venv/bin/python -m config.launcher

venv: ## Make the environment of the tests and checks, as they do by themselves
	$(call bootstrap,dev)

test: ## Run the tests (ARGS="notifier -k audience" for some of them)
	$(call bootstrap,dev)
	@.venv/bin/python manage.py test $(ARGS)

lint: ## Check style, types, imports, templates, settings and migrations
	$(call bootstrap,dev)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	$(LINT_SETTINGS) .venv/bin/mypy
	.venv/bin/lint-imports --no-cache
	.venv/bin/djlint --check --lint --allow-empty-input templates
	$(LINT_SETTINGS) .venv/bin/python manage.py check
	$(LINT_SETTINGS) .venv/bin/python manage.py makemigrations --check --dry-run
	$(LINT_SETTINGS) .venv/bin/python -m tests.support.checks.migration_lint
	$(LINT_SETTINGS) .venv/bin/python manage.py validate_templates

bench: ## Measure, beside the limit of this machine (ARGS=--help tells what can be chosen)
	$(call bootstrap,dev)
	@.venv/bin/python -m bench $(ARGS)

faults: ## Attack the running product and print the scoreboard (ARGS="--rounds 10 --seed 7"; --help tells the rest)
	$(call bootstrap,dev)
	@.venv/bin/python -m tests.faults $(ARGS)

screenshots: ## Take a picture of every page (ARGS="--docs" refreshes those of the documentation too)
	$(call bootstrap,dev)
	@.venv/bin/python -m tests.screenshots $(ARGS)

# Of what clients read alone: notifier/management/commands/makemessages.py says what that is.
messages: ## Bring the catalogues up to date and compile them (LANGUAGE=it begins one; needs gettext)
	$(call bootstrap,dev)
	$(LINT_SETTINGS) .venv/bin/python manage.py makemessages $(if $(LANGUAGE),-l $(LANGUAGE),--all) --no-wrap --add-location file \
		--ignore var --ignore tests --ignore bench --ignore docs
	$(LINT_SETTINGS) .venv/bin/python manage.py compilemessages $(if $(LANGUAGE),-l $(LANGUAGE)) --ignore .venv

messages-staff: ## Collect what staff read into locale_staff/django.pot, for a translator (LANGUAGE=it begins a catalogue)
	$(call bootstrap,dev)
	$(LINT_SETTINGS) .venv/bin/python manage.py makemessages --staff $(if $(LANGUAGE),-l $(LANGUAGE),--all) --no-wrap --add-location file \
		--ignore var --ignore tests --ignore bench --ignore docs

lock: ## Compile the hashed locks from requirements.in and requirements-dev.in
	$(call bootstrap,dev)
	$(LOCK) requirements.in -o requirements.txt
	$(LOCK) requirements-dev.in -o requirements-dev.txt

clean: ## Remove .venv and everything that is made again; .env and the data in var/ stay
	rm -rf .venv build .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis var/static
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
