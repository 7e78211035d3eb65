"""The schema that migrations build from nothing, and what makes a migration safe while old processes run."""

import sqlite3
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, migrations, models, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation

from notifier.runtime.migration_operations import AddIndexOnline
from tests.support.checks import migration_lint

#: What no model can say: see the migration 0002.
BY_HAND = {"client_name_search"}
Schema = set[tuple[Any, ...]]

COLUMNS = """
    SELECT table_name, column_name, data_type, is_nullable, column_default, character_maximum_length, is_identity
    FROM information_schema.columns WHERE table_schema = %s AND table_name LIKE 'notifier%%'
"""
INDEXES = """
    SELECT tablename, indexname, replace(indexdef, schemaname || '.', '')
    FROM pg_indexes WHERE schemaname = %s AND tablename LIKE 'notifier%%'
"""
CONSTRAINTS = """
    SELECT conrelid::regclass::text, contype, pg_get_constraintdef(c.oid) FROM pg_constraint c
    JOIN pg_namespace n ON n.oid = connamespace WHERE nspname = %s AND conrelid::regclass::text LIKE '%%notifier%%'
"""


def statements() -> list[str]:
    """What would make the tables of the models as they are, with no migration in between."""
    with connection.schema_editor(collect_sql=True, atomic=False) as editor:
        for model in apps.get_app_config("notifier").get_models(include_auto_created=True):
            editor.create_model(model)
    return [str(statement) for statement in editor.collected_sql]


def on_sqlite(database: Any) -> Schema:
    tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found: Schema = set()
    for table in (name for name in tables if name.startswith("notifier")):
        # Not in which order the columns stand.
        found |= {(table, *row[1:]) for row in database.execute(f"PRAGMA table_xinfo({table})")}
        found |= {(table, *row[2:5]) for row in database.execute(f"PRAGMA foreign_key_list({table})")}
    named = "SELECT tbl_name, name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name LIKE 'notifier%'"
    return found | {(table, name, sql) for table, name, sql in database.execute(named) if name not in BY_HAND}


def on_postgres(cursor: Any, schema: str) -> Schema:
    found: Schema = set()
    for query in (COLUMNS, INDEXES, CONSTRAINTS):
        cursor.execute(query, [schema])
        rows = (tuple(str(cell).replace(f"{schema}.", "") for cell in row) for row in cursor.fetchall())
        found |= {row for row in rows if not BY_HAND & set(row)}
    return found


@pytest.mark.both_engines
@pytest.mark.django_db(transaction=True)
def test_the_migrations_build_what_the_models_say() -> None:
    """The tests' own database was made by the migrations from nothing."""
    if connection.vendor == "sqlite":
        fresh = sqlite3.connect(":memory:")
        # SQLite has none of its own, and looks for it when a check is made.
        fresh.create_function("REGEXP", 2, lambda pattern, text: True, deterministic=True)
        fresh.executescript(";\n".join(statement.rstrip(";") for statement in statements()) + ";")
        connection.ensure_connection()
        assert on_sqlite(connection.connection) == on_sqlite(fresh)
        return
    with transaction.atomic(), connection.cursor() as cursor:
        migrated = on_postgres(cursor, "public")
        cursor.execute("CREATE SCHEMA fresh")
        cursor.execute("SET LOCAL search_path TO fresh, public")
        for statement in statements():
            cursor.execute(statement)
        made = on_postgres(cursor, "fresh")
        transaction.set_rollback(True)
    assert len(made) > 100
    assert migrated == made


# --- Safe with old processes running ----------------------------------------------------------------------------------
def faults(*operations: Operation, atomic: bool = True, safe_because: str = "") -> list[str]:
    """What the lint says of a migration that follows the last one."""
    loader = MigrationLoader(None)
    (last,) = loader.graph.leaf_nodes("notifier")
    said = {"operations": list(operations), "atomic": atomic, "safe_because": safe_because}
    migration = type("Migration", (migrations.Migration,), said)("9999_next", "notifier")
    return migration_lint.faults(migration, loader.project_state(last))


def test_every_migration_is_safe() -> None:
    assert migration_lint.check(MigrationLoader(None)) == []


INDEX = models.Index(fields=["host"], name="process_host")
FLAG = models.BooleanField(default=False)


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        (migrations.RenameField("process", "host", "machine"), "ask for the old name"),
        (migrations.RenameModel("Process", "Program"), "ask for the old name"),
        (migrations.RemoveField("process", "host"), "may still use it"),
        (migrations.DeleteModel("Process"), "may still use it"),
        (migrations.AddField("process", "is_old", FLAG), "insert rows without it"),
        (migrations.AddField("process", "code", models.IntegerField(null=True, db_index=True)), "AddIndexOnline"),
        (migrations.AlterField("process", "host", models.CharField(max_length=20)), "add another column"),
        (migrations.AlterField("process", "host", models.CharField(max_length=255, null=True)), "add another column"),
        (migrations.AddIndex("process", INDEX), "AddIndexOnline"),
        (
            migrations.AddConstraint("process", models.CheckConstraint(condition=models.Q(pid__gt=0), name="p")),
            "refuses what old processes write",
        ),
        (migrations.RunSQL("SELECT 1"), "what it locks"),
        (migrations.RunPython(migrations.RunPython.noop), "in batches"),
    ],
    ids=lambda case: type(case).__name__ if isinstance(case, Operation) else "",
)
def test_what_old_processes_would_stumble_over_is_named(operation: Operation, said: str) -> None:
    (fault,) = faults(operation)

    assert fault.startswith("notifier/9999_next: ")
    assert said in fault
    assert faults(operation, safe_because="no release that was published ever used it") == []


@pytest.mark.parametrize(
    "operation",
    [
        migrations.CreateModel("Thing", [("id", models.BigAutoField(primary_key=True))]),
        migrations.AddField("process", "is_old", models.BooleanField(db_default=False)),
        migrations.AddField("process", "release", models.CharField(max_length=20, null=True)),
        migrations.AlterField("process", "host", models.CharField("the machine", max_length=255)),
        migrations.AlterModelOptions("process", {"verbose_name": "running process"}),
    ],
    ids=lambda operation: type(operation).__name__,
)
def test_what_old_processes_do_not_notice_passes(operation: Operation) -> None:
    assert faults(operation) == []


def test_what_is_new_may_have_indexes_of_its_own() -> None:
    thing = migrations.CreateModel("Thing", [("id", models.BigAutoField(primary_key=True))])
    index = migrations.AddIndex("thing", models.Index(fields=["id"], name="thing_id"))

    assert faults(thing, index) == []


@pytest.mark.both_engines
@pytest.mark.django_db(transaction=True)
def test_an_index_is_added_online_and_taken_away_again() -> None:
    loader = MigrationLoader(None)
    before = loader.project_state(loader.graph.leaf_nodes("notifier")[0])
    operation = AddIndexOnline("process", INDEX)
    after = before.clone()
    operation.state_forwards("notifier", after)

    with connection.schema_editor(atomic=False) as editor:
        operation.database_forwards("notifier", editor, before, after)
    assert INDEX.name in _indexes()
    with connection.schema_editor(atomic=False) as editor:
        operation.database_backwards("notifier", editor, after, before)
    assert INDEX.name not in _indexes()
    assert faults(operation, atomic=False) == []


def _indexes() -> set[str]:
    with connection.cursor() as cursor:
        return set(connection.introspection.get_constraints(cursor, "notifier_process"))
