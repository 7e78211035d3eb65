"""The migration that gives first and last names to clients of before, beside processes that write full names alone."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from notifier.clients.name_search import called
from notifier.models import Client
from tests.support.factories import a_client

MIGRATION = import_module("notifier.migrations.0032_first_and_last_names_of_before")
BEFORE, AFTER = ("notifier", "0029_rights_to_fields_and_tags"), ("notifier", "0032_first_and_last_names_of_before")


def migrate() -> None:
    with connection.schema_editor(atomic=False) as editor:
        MIGRATION.split_names(apps, editor)


def execute(statement: str, *parameters: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall()) if cursor.description else []


def all_names() -> list[tuple[str, str, str]]:
    return list(Client.objects.order_by("pk").values_list("name", "first_name", "last_name"))


def names_called(word: str) -> list[str]:
    # The name alone: later columns are not there yet.
    return list(Client.objects.filter(called(word)).values_list("name", flat=True))


@pytest.mark.parametrize(
    "name", ["Ann Lee", "Élodie O’Brien", "Ji-woo Kim", "Conor O'Neill", "Łukasz Żak", "Ольга Иванова", "Ηλίας Δήμου"]
)
def test_a_plain_name_of_two_words_is_split(name: str) -> None:
    assert MIGRATION.split(name) == tuple(name.split())


@pytest.mark.parametrize(
    "name",
    [
        *("Cher", "Fay, Mrs", "Lee, Ann", "Mrs Fay", "Dr. Lee", "Dr Lee", "J. Smith", "J Smith", "ANN LEE", "ann lee"),
        *("Ann de Vries", "De Vries", "Van Dyke", "Ann  Lee", " Ann Lee", "Ann Lee ", "Ann\tLee", "Ann 2nd", "Ann L33"),
        *(
            "Acme Ltd",
            "Harbour Bakery",
            "Familie Moss",
            "Ann & Bob",
            "Ann Bob Lee",
            "王 小明",
            "ليلى حداد",
            "Ann Jr",
            "",
        ),
        "Erased client 7",
    ],
)
def test_whatever_may_be_something_else_keeps_its_full_name(name: str) -> None:
    assert MIGRATION.split(name) is None


@pytest.mark.both_engines
@pytest.mark.django_db(transaction=True)
def test_it_goes_on_where_it_was_stopped_and_changes_nothing_that_has_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MIGRATION, "BATCH", 2)
    a_client(first_name="Anne Marie", last_name="Moss")
    for name in ("Ann Lee", "Cher", "Bea Hart", "Mrs Fay"):
        a_client(first_name="", name=name)

    migrate()
    found = all_names()
    migrate()

    assert found == [
        *(("Anne Marie Moss", "Anne Marie", "Moss"), ("Ann Lee", "Ann", "Lee"), ("Cher", "", "")),
        *(("Bea Hart", "Bea", "Hart"), ("Mrs Fay", "", "")),
    ]
    assert all_names() == found


@pytest.fixture
def _before(transactional_db: None) -> Iterator[None]:
    """The database as the release before has it; and as it has to be for the tests that come after."""
    recorded = list(MigrationRecorder.Migration.objects.values_list("app", "name", "applied").order_by("pk"))
    MigrationExecutor(connection).migrate([BEFORE])
    yield
    newest = MigrationExecutor(connection)
    newest.migrate(newest.loader.graph.leaf_nodes("notifier"))
    # The record too: by it one tells a database that was copied from one that was migrated.
    rows = MigrationRecorder.Migration.objects
    rows.all().delete()
    rows.bulk_create(MigrationRecorder.Migration(app=app, name=name, applied=at) for app, name, at in recorded)


@pytest.mark.both_engines
@pytest.mark.usefixtures("_before")
def test_the_upgrade_keeps_every_row_and_an_old_process_writes_on() -> None:
    insert = (
        "INSERT INTO notifier_client (name, email, is_active, created_at, updated_at) "
        "VALUES (%s, %s, true, '2026-01-01 00:00:00+00:00', '2026-01-01 00:00:00+00:00')"
    )
    names = ["Ann Lee", "Fay, Mrs", "Cher", "Pekka Hämäläinen", "ليلى حداد"]
    for number, name in enumerate(names):
        execute(insert, name, f"c{number}@example.com")

    MigrationExecutor(connection).migrate([AFTER])
    # What the statements of the release before write.
    execute("UPDATE notifier_client SET name = 'Bea Moss' WHERE name = 'Ann Lee'")
    execute(insert, "Late Comer", "late@example.com")

    assert all_names() == [
        *(("Bea Moss", "", ""), ("Fay, Mrs", "", ""), ("Cher", "", ""), ("Pekka Hämäläinen", "Pekka", "Hämäläinen")),
        *(("ليلى حداد", "", ""), ("Late Comer", "", "")),
    ]
    # What finds them by name is still there.
    assert names_called("hamalainen") == ["Pekka Hämäläinen"]
    assert names_called("moss") == ["Bea Moss"]
    assert names_called("comer") == ["Late Comer"]
