import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg.errors
import pytest
from django import db
from django.db import connection
from django.test import Client as Browser
from django.urls import reverse

from notifier.web import db_errors
from tests.support.factories import a_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser() -> Browser:
    """Logged in; a fault of a page comes as the page that visitors get."""
    browser = Browser(raise_request_exception=False)
    browser.force_login(a_user(username="root", is_superuser=True))
    return browser


@pytest.fixture
def broken_by() -> Iterator[Callable[..., None]]:
    """`broken_by(error, "django_session")`: from now on every statement with that text fails with it."""
    wrappers: list[Any] = []

    def break_it(error: Exception, text: str = "") -> None:
        def fail(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
            if text in sql:
                raise error
            return execute(sql, *rest)

        wrappers.append(connection.execute_wrapper(fail))
        wrappers[-1].__enter__()

    yield break_it
    for wrapper in reversed(wrappers):
        wrapper.__exit__(None, None, None)


def away() -> db.OperationalError:
    return db.OperationalError("connection to server at 10.0.0.7 failed: Connection refused\nIs the server running?")


@pytest.mark.both_engines
@pytest.mark.parametrize("debug", [True, False])
def test_without_its_database_a_page_says_so_in_plain_words(
    browser: Browser, broken_by: Callable[..., None], settings: Any, debug: bool
) -> None:
    settings.DEBUG = debug
    broken_by(away())

    answer = browser.get("/admin/notifier/client/")

    text = answer.content.decode()
    assert answer.status_code == 503
    assert "The database can’t be reached." in text
    assert "Nothing is lost" in text
    assert (answer["Retry-After"], answer["Cache-Control"]) == ("10", "no-store")
    assert "10.0.0.7" not in text
    assert "Traceback" not in text


def test_the_log_says_why_in_one_line(
    browser: Browser, broken_by: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    broken_by(away())

    browser.get("/admin/")

    (line,) = [record.getMessage() for record in caplog.records if record.name == "notifier.web.db_errors"]
    assert line == "GET /admin/ can’t be answered: connection to server at 10.0.0.7 failed: Connection refused"


def test_who_asked_for_a_change_is_told_to_look_before_asking_again(
    browser: Browser, broken_by: Callable[..., None]
) -> None:
    broken_by(away())

    asked = browser.post("/admin/notifier/broadcast/1/act/pause/").content.decode()
    looked = browser.get("/admin/").content.decode()

    assert "check before you try again" in asked
    assert "check before you try again" not in looked


def test_a_live_page_gets_only_the_piece_that_it_asked_for(browser: Browser, broken_by: Callable[..., None]) -> None:
    broken_by(away())

    answer = browser.get("/admin/notifier/broadcast/1/progress/", headers={"HX-Request": "true"})

    assert answer.status_code == 503
    assert "The database can’t be reached." in answer.content.decode()
    assert "<html" not in answer.content.decode()


def test_what_fails_outside_a_view_is_told_alike(broken_by: Callable[..., None]) -> None:
    # A session is written after the view that changed it has answered.
    a_user(username="ann", password="secret", is_superuser=True)
    browser = Browser(raise_request_exception=False)
    broken_by(away(), 'UPDATE "django_session"')

    answer = browser.post(reverse("admin:login"), {"username": "ann", "password": "secret"})

    assert answer.status_code == 503
    assert "The database can’t be reached." in answer.content.decode()


def test_any_other_bad_request_stays_one(browser: Browser) -> None:
    answer = browser.get("/admin/", headers={"Host": "somebody.else.example"})

    assert (answer.status_code, b"database" in answer.content) == (400, False)


def test_any_other_fault_is_a_page_in_plain_words_too(browser: Browser, broken_by: Callable[..., None]) -> None:
    broken_by(ValueError("boom"), "notifier_client")

    answer = browser.get("/admin/notifier/client/")

    assert answer.status_code == 500
    assert "Something went wrong" in answer.content.decode()
    assert "boom" not in answer.content.decode()
    assert "Nothing is lost" not in answer.content.decode()


# --- Why --------------------------------------------------------------------------------------------------------------
@pytest.fixture
def file(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "one.sqlite3", timeout=0)) as file:
        file.execute("CREATE TABLE texts (text)")
        file.commit()
        yield file


def test_a_lock_that_another_program_holds_is_told(file: sqlite3.Connection, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "one.sqlite3")) as other:
        other.execute("BEGIN IMMEDIATE")

        assert reason_of(file, "BEGIN IMMEDIATE") == (
            "The database is busy: another program has locked it for too long."
        )


def test_a_full_disk_is_told(file: sqlite3.Connection) -> None:
    file.execute("PRAGMA max_page_count = 10")

    said = reason_of(file, "INSERT INTO texts VALUES (zeroblob(1000000))")

    assert said == "The disk that holds the database is full."


def test_a_file_that_can_t_be_opened_is_told(tmp_path: Path) -> None:
    with pytest.raises(db.OperationalError) as caught, connection.wrap_database_errors:
        sqlite3.connect(tmp_path / "no-such-folder" / "one.sqlite3")

    assert db_errors.reason(caught.value) == "The database’s file can’t be opened."


def test_a_missing_table_is_no_outage(file: sqlite3.Connection) -> None:
    assert reason_of(file, "SELECT * FROM no_such_table") == ""


def reason_of(file: sqlite3.Connection, statement: str) -> str:
    with pytest.raises(db.OperationalError) as caught, connection.wrap_database_errors:
        file.execute(statement)
    return db_errors.reason(caught.value)


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        (psycopg.OperationalError("refused"), "The database can’t be reached."),
        (psycopg.errors.AdminShutdown("terminating connection"), "The database can’t be reached."),
        (psycopg.errors.DiskFull("no space left"), "The disk that holds the database is full."),
        (psycopg.errors.TooManyConnections("sorry"), "The database is out of connections or memory."),
        (
            psycopg.errors.DeadlockDetected("deadlock"),
            "The database is busy: two changes were made at once. Try again.",
        ),
    ],
)
def test_what_postgresql_says_is_told(cause: Exception, said: str) -> None:
    error = db.OperationalError(str(cause))
    error.__cause__ = cause

    assert db_errors.reason(error) == said


@pytest.mark.parametrize("error", [db.IntegrityError("twice"), db.ProgrammingError("no table"), ValueError("boom")])
def test_a_fault_of_ours_is_no_outage(error: Exception) -> None:
    assert db_errors.reason(error) == ""
