"""The schema that migrations build from nothing is the one that the models say."""

import sqlite3
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, transaction

#: What no model can say: see the migrations 0002 and 0018.
BY_HAND = {"client_name_search", "client_folded_name"}
#: By which SQLite keeps what finds clients by name. A later migration that makes the table anew takes them with it, for
#: Django knows nothing of them: it has to make them once more.
TRIGGERS = {"client_name_added", "client_name_changed", "client_name_gone"}
TRIGGERS |= {"client_parts_added", "client_parts_changed", "client_parts_outdated"}
#: By which a database of either kind keeps broadcasts to an audience from processes that know of none, as above.
OF_BROADCASTS = {"broadcast_expanded", "broadcast_followed"}
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


@pytest.mark.both_engines
@pytest.mark.django_db
def test_what_finds_clients_by_name_is_still_there_after_all_migrations() -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'notifier_client'")
            assert {name for (name,) in cursor.fetchall()} == TRIGGERS
            return
        cursor.execute("SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indisvalid")
        assert {name for (name,) in cursor.fetchall()} >= BY_HAND


@pytest.mark.both_engines
@pytest.mark.django_db
def test_what_keeps_old_processes_from_audiences_is_still_there_after_all_migrations() -> None:
    found = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'notifier_broadcast'"
    if connection.vendor == "postgresql":
        found = "SELECT tgname FROM pg_trigger WHERE tgrelid = 'notifier_broadcast'::regclass AND NOT tgisinternal"
    with connection.cursor() as cursor:
        cursor.execute(found)
        assert {name for (name,) in cursor.fetchall()} == OF_BROADCASTS
