"""What a database's errors mean: it can't be used now, it refuses the data for good, or it is about one statement."""

import sqlite3

from django import db
from django.db import connection

#: The database answered, and refused the data. It would refuse the same data again.
WRONG_DATA = (db.DataError, db.IntegrityError)
#: The beginnings of the SQLSTATEs that are about the whole database, or pass at once. All others are about one
#: statement: it took too long (57014), waited too long for a lock (55P03), or somebody's trigger refused it.
#: https://www.postgresql.org/docs/current/errcodes-appendix.html
_POSTGRESQL = (
    "08",  # the connection
    "25006",  # read only: a standby, or a primary that was made one
    "28",  # the log-in
    "3D000",  # the database's name
    "40",  # a deadlock that it ended: the same statement succeeds when it is tried again
    "53100",  # disk; not 53400, the limit on one statement's temporary files
    "53200",  # memory
    "53300",  # connections
    "57P",  # it starts, stops, or ended our session
    "58",  # its files
)
#: The primary codes of https://www.sqlite.org/rescode.html. SQLite has one write lock, so it is busy for everything.
_SQLITE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOTADB,
}


def is_away(error: BaseException) -> bool:
    """Whether nothing else would succeed either: the database can't be reached, has no room, or ended a deadlock."""
    if not may_pass(error):
        return False
    cause = error.__cause__
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF in _SQLITE
    if state := getattr(cause, "sqlstate", None):
        return str(state).startswith(_POSTGRESQL)
    # Without a state no server has answered: refused, closed, timed out, or the pool is empty.
    return isinstance(error, db.OperationalError | db.InterfaceError)


def may_pass(error: BaseException) -> bool:
    """Whether the same data may be taken later, however long that takes."""
    return isinstance(error, db.Error) and not isinstance(error, WRONG_DATA)


def limit_lock_waits(seconds: float) -> None:
    """Let no statement of this session wait longer than that for a lock; then it fails, which is not `is_away`.

    SQLite has one lock, and a limit for it in its settings.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", [f"{seconds * 1000:.0f}ms"])
