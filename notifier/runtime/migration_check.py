"""Whether the database has the tables that this program was written for."""

from django import db
from django.db import connection
from django.db.migrations.executor import MigrationExecutor


class NotMigrated(Exception):
    """The database lacks tables or columns, and waiting brings none."""


def require_migrated() -> None:
    """Raises `NotMigrated` with the cure; says nothing of a database that is away, for which the loops wait."""
    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except db.Error:
        connection.close()
        return
    if missing:
        raise NotMigrated(f"The database lacks {len(missing)} migrations: run `python manage.py migrate` first.")
