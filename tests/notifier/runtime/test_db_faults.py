import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from django import db
from django.db import connection

from notifier.runtime import db_faults


def wrapped(kind: type[db.Error], cause: Exception) -> db.Error:
    error = kind(str(cause))
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "cause",
    [
        psycopg.OperationalError("connection refused"),
        psycopg.InterfaceError("the connection is closed"),
        psycopg.errors.ConnectionFailure("gone"),
        psycopg.errors.AdminShutdown("terminating connection"),
        psycopg.errors.CannotConnectNow("the database system is starting up"),
        psycopg.errors.DiskFull("no space left"),
        psycopg.errors.TooManyConnections("sorry"),
        psycopg.errors.IoError("can't read"),
        psycopg.errors.ReadOnlySqlTransaction("a standby"),
        psycopg.errors.DeadlockDetected("deadlock"),
    ],
)
def test_a_server_that_serves_nobody_is_away(cause: Exception) -> None:
    assert db_faults.is_away(wrapped(db.OperationalError, cause))


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        (db.OperationalError, psycopg.errors.QueryCanceled("statement timeout")),
        (db.OperationalError, psycopg.errors.LockNotAvailable("lock timeout")),
        (db.OperationalError, psycopg.errors.ConfigurationLimitExceeded("temporary files")),
        (db.ProgrammingError, psycopg.errors.UndefinedColumn("no such column")),
        (db.ProgrammingError, psycopg.errors.InsufficientPrivilege("denied")),
        (db.InternalError, psycopg.errors.RaiseException("no")),
        (db.InternalError, psycopg.errors.DataCorrupted("a page")),
        (db.DataError, psycopg.errors.NumericValueOutOfRange("out of range")),
        (db.IntegrityError, psycopg.errors.UniqueViolation("twice")),
    ],
)
def test_what_is_about_one_statement_is_not(kind: type[db.Error], cause: Exception) -> None:
    assert not db_faults.is_away(wrapped(kind, cause))


def test_a_busy_file_is_away_and_a_missing_table_is_not(tmp_path: Path) -> None:
    path = tmp_path / "one.sqlite3"
    with closing(sqlite3.connect(path, timeout=0)) as file, closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(db.OperationalError) as busy, connection.wrap_database_errors:
            file.execute("BEGIN IMMEDIATE")
        with pytest.raises(db.OperationalError) as missing, connection.wrap_database_errors:
            file.execute("SELECT * FROM no_such_table")

    assert (db_faults.is_away(busy.value), db_faults.is_away(missing.value)) == (True, False)


def test_an_error_without_a_cause_is_judged_by_its_class() -> None:
    assert db_faults.is_away(db.OperationalError("gone"))
    assert db_faults.is_away(db.InterfaceError("connection already closed"))
    assert not db_faults.is_away(db.ProgrammingError("no table"))
    assert not db_faults.is_away(ValueError("boom"))


def test_all_but_wrong_data_may_be_taken_later() -> None:
    assert db_faults.may_pass(wrapped(db.OperationalError, psycopg.errors.QueryCanceled("statement timeout")))
    assert not db_faults.may_pass(db.IntegrityError("twice"))
    assert not db_faults.may_pass(ValueError("boom"))
