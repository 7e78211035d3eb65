"""Whether the database has the tables that this program was written for."""

from django import db
from django.db import connection
from django.db.migrations.executor import MigrationExecutor


class NotMigrated(Exception):
    """The database lacks tables or columns, so there is no use in waiting."""


def require_migrated() -> None:
    """Raises `NotMigrated`, which says what to do. An unreachable database is no error here: the loops wait for it."""
    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except db.Error:
        connection.close()
        return
    if missing:
        raise NotMigrated(f"The database is missing {len(missing)} migrations. Run `python manage.py migrate` first.")
