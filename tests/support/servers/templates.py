"""Databases that are migrated, and filled with demo clients, once a run: a copy takes a tenth of the time."""

import fcntl
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from tests.support.servers import shared

#: Brings a new database at this address up to date, or puts so many demo clients into one that is.
Fill = Callable[[str, int], None]


def copy(url: str, *, clients: int, fill: Fill) -> None:
    """Makes the database at `url`, which nobody uses yet, one with so many demo clients."""
    if url.startswith("sqlite"):
        shutil.copyfile(_sqlite_template(clients, fill), url.removeprefix("sqlite:///"))
        return
    server, _, name = url.rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        template = _postgres_template(connection, server, clients, fill)
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))
        _create(connection, name, template)


def _sqlite_template(clients: int, fill: Fill) -> Path:
    # The migrations run once for all of them: clients come into a copy.
    tables = _sqlite_template(0, fill) if clients else None
    template = shared.folder() / f"{clients}-clients.sqlite3"
    with _alone(template.stem):
        if not template.exists():
            unfinished = template.with_suffix(".unfinished")
            if tables:
                shutil.copyfile(tables, unfinished)
            fill(f"sqlite:///{unfinished}", clients)
            # Everything into the one file that is copied.
            with closing(sqlite3.connect(unfinished)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            unfinished.rename(template)
    return template


def _postgres_template(connection: psycopg.Connection, server: str, clients: int, fill: Fill) -> str:
    tables = _postgres_template(connection, server, 0, fill) if clients else "template1"
    name = f"template_of_{clients}_clients"
    with _alone(name):
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            unfinished = f"{name}_unfinished"
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(unfinished)))
            _create(connection, unfinished, tables)
            fill(f"{server}/{unfinished}", clients)
            rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
            connection.execute(rename.format(sql.Identifier(unfinished), sql.Identifier(name)))
    return name


def _create(connection: psycopg.Connection, name: str, template: str) -> None:
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    connection.execute(create.format(sql.Identifier(name), sql.Identifier(template)))


@contextmanager
def _alone(template: str) -> Iterator[None]:
    """One process of the run makes a template; others that want it wait, and find it. Another may be made meanwhile."""
    with (shared.folder() / f"{template}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
