"""What a worker of a whole run finds where its own database would be made."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection

from tests.support.database import copies
from tests.support.servers import shared
from tests.support.servers.postgres import PostgresServer

TOPICS = "SELECT slug FROM notifier_topic"


def settings_of(**changes: Any) -> dict[str, Any]:
    """Of a database, as Django has them."""
    return {"NAME": "notifier", "USER": "", "HOST": "", "PORT": "", "TEST": {"NAME": None, "MIGRATE": True}} | changes


def test_on_sqlite_it_is_a_file_with_all_that_the_migrations_make(tmp_path: Path) -> None:
    path = tmp_path / "test.sqlite3"
    settings = settings_of(ENGINE="django.db.backends.sqlite3", TEST={"NAME": str(path), "MIGRATE": True})

    copies.make(settings, folder=tmp_path)

    with closing(sqlite3.connect(path)) as database:
        assert ("listings",) in database.execute(TOPICS).fetchall()
    assert settings["TEST"] == {"NAME": str(path), "MIGRATE": False}


def test_on_postgresql_it_has_the_name_that_django_looks_for(tmp_path: Path, postgres_server: PostgresServer) -> None:
    name = f"copies_{os.getpid()}"
    settings = settings_of(
        ENGINE="django.db.backends.postgresql",
        NAME=name,
        USER="postgres",
        HOST="127.0.0.1",
        PORT=postgres_server.port,
    )

    copies.make(settings, folder=tmp_path)

    with psycopg.connect(postgres_server.url(f"test_{name}")) as database:
        assert ("listings",) in database.execute(TOPICS).fetchall()
    assert settings["TEST"] == {"NAME": f"test_{name}", "MIGRATE": False}
    postgres_server.drop_database(postgres_server.url(f"test_{name}"))


def test_outside_of_a_whole_run_none_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(shared.FOLDER, raising=False)
    assert not copies.are_worth_it()

    monkeypatch.setenv(shared.FOLDER, "/somewhere")
    assert copies.are_worth_it()


@pytest.mark.django_db
@pytest.mark.skipif(shared.FOLDER not in os.environ, reason="not in a whole run: only its databases are copies of one")
def test_the_tests_of_a_whole_run_have_one() -> None:
    # When each migration ran: what tests that commit leave alone.
    applied = "SELECT name, CAST(applied AS TEXT) FROM django_migrations ORDER BY id"
    with closing(sqlite3.connect(shared.folder() / "0-clients.sqlite3")) as template:
        expected = template.execute(applied).fetchall()

    with connection.cursor() as cursor:
        cursor.execute(applied)
        assert cursor.fetchall() == expected
