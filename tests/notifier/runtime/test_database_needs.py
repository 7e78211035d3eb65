"""What a database lacks is said before the first migration; and none is refused for a right that it doesn't need."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.core.checks import run_checks
from django.db import connection

from notifier.runtime import database_needs
from tests.settings import NEUTRAL
from tests.support.servers.postgres import PostgresServer
from tests.support.servers.processes import PATIENCE_SECONDS

PROJECT = Path(__file__).resolve().parents[3]
APP = f"app_{os.getpid()}"


def lacking_in(database: Any) -> list[str]:
    """By a connection of psycopg's own, as Django's would say."""
    found = database_needs.lacking(SimpleNamespace(vendor="postgresql", cursor=database.cursor))
    return [f"{lack.what} {lack.remedy}" for lack in found]


@pytest.mark.both_engines
@pytest.mark.django_db
def test_the_database_of_the_tests_lacks_nothing() -> None:
    assert database_needs.lacking(connection) == []
    assert "notifier.E011" not in {message.id for message in run_checks(databases=["default"])}


# --- SQLite -----------------------------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_check_names_an_sqlite_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_needs, "OLDEST_SQLITE", (99, 1))

    [message] = [message for message in run_checks(databases=["default"]) if message.id == "notifier.E011"]

    assert "has no full-text search (FTS5) with trigrams" in message.msg
    assert "SQLite 99.1 or newer" in (message.hint or "")
    assert not [one for one in run_checks() if one.id == "notifier.E011"], "it asks only where a database is named"


def test_an_sqlite_without_full_text_search_is_named() -> None:
    answers = SimpleNamespace(execute=lambda statement: None, fetchone=lambda: ("3.45.1", 0))

    assert len(list(database_needs._of_sqlite(answers))) == 1


# --- PostgreSQL -------------------------------------------------------------------------------------------------------
@pytest.fixture
def bare(postgres_server: PostgresServer, postgres_url: str) -> Iterator[str]:
    """A database of somebody else's, in which our user may make tables, and no extension."""
    postgres_server.execute(f'CREATE ROLE "{APP}" LOGIN')
    with psycopg.connect(postgres_url, autocommit=True) as administrator:
        administrator.execute(f'GRANT CREATE, USAGE ON SCHEMA public TO "{APP}"')
        yield postgres_url
        administrator.execute(f'DROP OWNED BY "{APP}" CASCADE')
    postgres_server.execute(f'DROP ROLE "{APP}"')


def as_app(url: str) -> str:
    return url.replace("postgres@", f"{APP}@")


def migrate(url: str) -> subprocess.CompletedProcess[str]:
    known = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME")}
    environment = known | NEUTRAL | {"DATABASE_URL": url}
    return subprocess.run(
        [sys.executable, "manage.py", "migrate"],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


def test_a_user_who_may_not_create_the_extension_is_told_who_can_and_migrates_once_it_is_there(bare: str) -> None:
    refused = migrate(as_app(bare))

    assert refused.returncode != 0
    assert "Traceback" not in refused.stderr
    assert f"doesn’t have the extension pg_trgm, by which clients are found by name, and the user {APP}" in (
        refused.stderr
    )
    assert "Have an administrator run this in it: CREATE EXTENSION pg_trgm;" in refused.stderr

    with psycopg.connect(bare, autocommit=True) as administrator:
        assert administrator.execute("SELECT to_regclass('django_migrations')").fetchone() == (None,)
        administrator.execute("CREATE EXTENSION pg_trgm")
    migrated = migrate(as_app(bare))

    assert migrated.returncode == 0, migrated.stderr
    with psycopg.connect(as_app(bare)) as database:
        index = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'client_folded_name'::regclass"
        assert database.execute(index).fetchone() == (True,)


def test_an_extension_in_a_schema_where_the_user_does_not_look_is_named(bare: str) -> None:
    with psycopg.connect(bare, autocommit=True) as administrator:
        administrator.execute("CREATE SCHEMA extensions")
        administrator.execute("CREATE EXTENSION pg_trgm SCHEMA extensions")
        administrator.execute(f'GRANT USAGE ON SCHEMA extensions TO "{APP}"')
    with psycopg.connect(as_app(bare)) as database:
        [said] = lacking_in(database)
        database.execute("SET search_path TO public, extensions")
        found = lacking_in(database)

    assert "but in the schema extensions, where the user" in said
    assert "SET search_path TO public, extensions;" in said
    assert found == []


def test_an_owner_of_the_database_lacks_nothing(bare: str) -> None:
    with psycopg.connect(bare) as owner:
        assert lacking_in(owner) == []


def test_a_database_of_another_encoding_is_named(postgres_server: PostgresServer) -> None:
    name = f"latin_{os.getpid()}"
    postgres_server.execute(f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    try:
        with psycopg.connect(postgres_server.url(name)) as database:
            [said] = lacking_in(database)
    finally:
        postgres_server.drop_database(postgres_server.url(name))

    assert f"The database {name} has the encoding LATIN1" in said


def test_a_server_without_the_extension_is_named() -> None:
    answer = (False, None, False, True, "app", "notifier", "UTF8")
    cursor = SimpleNamespace(execute=lambda statement: None, fetchone=lambda: answer)

    [lack] = database_needs._of_postgresql(cursor)

    assert "The PostgreSQL server doesn’t have the extension pg_trgm" in lack.what
