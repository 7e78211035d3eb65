"""The migration that lets clients be found by names without accents, beside processes of the release before."""

import re
import sqlite3
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import connection

from notifier.clients.name_search import called
from notifier.models import Client
from tests.support.factories import a_client

MIGRATION = import_module("notifier.migrations.0018_names_without_accents")


@pytest.fixture
def _undone(transactional_db: None) -> Iterator[None]:
    """As the database was before; and as it has to be for the tests that come after."""
    run("reverse_code")
    yield
    run("code")


def run(direction: str) -> None:
    with connection.schema_editor(atomic=False) as editor:
        for operation in MIGRATION.Migration.operations:
            getattr(operation, direction)(apps, editor)


def found(term: str) -> list[str]:
    return sorted(client.name for client in Client.objects.filter(called(term)))


def execute(statement: str, *parameters: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


@pytest.mark.both_engines
@pytest.mark.usefixtures("_undone")
def test_clients_of_before_are_found_however_many_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MIGRATION, "BATCH", 2)
    names = ["Pekka Hämäläinen", "Leo Groß", "王小明", "O’Brien-Smith", "Ann Example"]
    for name in names:
        a_client(name=name)
    Client.objects.get(name="Leo Groß").delete()

    run("code")

    assert found("hamalainen") == ["Pekka Hämäläinen"]
    assert found("小明") == ["王小明"]
    assert found("smith obrien") == ["O’Brien-Smith"]
    assert found("gross") == []
    assert found("e") == ["Ann Example"]


@pytest.mark.both_engines
@pytest.mark.usefixtures("_undone")
def test_it_may_be_stopped_at_any_point_and_run_again() -> None:
    """Each time it ends one step later, with a client who came in between."""
    steps = 0
    while True:
        a_client(name=f"Åsa {steps}")
        try:
            with connection.schema_editor(atomic=False) as editor:
                _stop_after(editor, steps)
                MIGRATION.add_search(apps, editor)
        except InterruptedError:
            steps += 1
            continue
        break

    assert steps > 1
    assert found("asa") == sorted(f"Åsa {number}" for number in range(steps + 1))


def _stop_after(editor: Any, steps: int) -> None:
    execute_it, done = editor.execute, iter(range(steps))

    def execute_or_stop(*args: Any, **kwargs: Any) -> None:
        if next(done, None) is None:
            raise InterruptedError
        execute_it(*args, **kwargs)

    editor.execute = execute_or_stop


@pytest.mark.django_db(transaction=True)
def test_a_process_that_knows_nothing_of_it_writes_clients_who_are_found() -> None:
    """On SQLite: by a connection that has no function but the one that a constraint of before asks for."""
    client = a_client(name="Ann Example")
    file = Path(connection.settings_dict["NAME"])
    insert = (
        "INSERT INTO notifier_client (name, email, is_active, created_at, updated_at) "
        "VALUES ('Pekka Hämäläinen', 'p@example.fi', 1, '2026-01-01', '2026-01-01')"
    )
    other = sqlite3.connect(file, timeout=60)
    other.create_function(
        "REGEXP", 2, lambda pattern, text: text and bool(re.search(pattern, text)), deterministic=True
    )
    try:
        other.execute(insert)
        other.execute("UPDATE notifier_client SET name = 'Jürgen Groß' WHERE id = ?", [client.pk])
        other.commit()
    finally:
        other.close()

    assert found("hamalainen") == ["Pekka Hämäläinen"]
    assert found("gross jurgen") == ["Jürgen Groß"]
    assert found("ann example") == []


@pytest.mark.both_engines
@pytest.mark.usefixtures("only_postgresql")
def test_postgresql_takes_the_function_for_dear_and_never_puts_its_text_into_a_query() -> None:
    a_client(name="Åsa")
    [(language, volatility, parallel, cost, strict)] = execute(
        "SELECT l.lanname, p.provolatile, p.proparallel, p.procost, p.proisstrict FROM pg_proc p "
        "JOIN pg_language l ON l.oid = p.prolang WHERE p.proname = 'notifier_folded_name'"
    )
    plan = Client.objects.filter(called("asa")).explain(verbose=True)

    # Of the languages, PostgreSQL puts SQL alone into the query that calls it.
    assert (language, volatility, parallel, strict) == ("plpgsql", "i", "s", True)
    assert cost >= 100
    assert "notifier_folded_name(" in plan
    assert "normalize" not in plan


@pytest.mark.both_engines
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("only_postgresql")
def test_an_index_whose_building_was_stopped_is_built_anew() -> None:
    is_valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'client_folded_name'::regclass"
    execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'client_folded_name'::regclass")
    assert execute(is_valid) == [(False,)]

    run("code")

    assert execute(is_valid) == [(True,)]
