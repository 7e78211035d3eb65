"""What empties the database after a test that commits: as Django does, but for what it would make again at once.

Permissions and content types follow from the models alone. To delete them and to make them again, an app at a time,
takes nine tenths of the time that the whole takes. Where a test has changed them, Django's own way makes them anew.
Nor are tables emptied that are empty: of PostgreSQL's each would get a new file, and one for each of its indexes.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management.color import no_style
from django.db import connection, transaction

KEPT = (ContentType, Permission)


class Flush:
    """Takes the place of what Django does at the end of a `TransactionTestCase`, whose method it is given."""

    def __init__(self, whole: Callable[[Any], None]) -> None:
        self._whole = whole
        self._kept = _rows()

    def as_method(self) -> Callable[[Any], None]:
        @wraps(self._whole)
        def method(case: Any) -> None:
            # Whoever asks for a part of the apps, or for rows of before, has a way of their own.
            is_plain = case.available_apps is None and not case.serialized_rollback
            if not (is_plain and self.empty()):
                self._whole(case)
                self._kept = _rows()

        return method

    def empty(self) -> bool:
        """Empties every table but those that are kept; False, and nothing is done, where these were changed."""
        if _rows() != self._kept:
            return False
        tables = set(connection.introspection.django_table_names(only_existing=True, include_views=False))
        tables -= {model._meta.db_table for model in KEPT}
        is_postgresql = connection.vendor == "postgresql"
        with transaction.atomic():
            if filled := _filled(sorted(tables), is_postgresql=is_postgresql):
                # What refers to them is empty, or among them, but PostgreSQL wants to be told that it may go as well.
                statements = connection.ops.sql_flush(no_style(), filled, allow_cascade=is_postgresql)
                connection.ops.execute_sql_flush(statements)
        return True


def _filled(tables: list[str], *, is_postgresql: bool) -> list[str]:
    """Those with rows, once whoever still writes has ended: SQLite's transaction has waited for that already."""
    quoted = [connection.ops.quote_name(table) for table in tables]
    with connection.cursor() as cursor:
        if is_postgresql:
            # Not against readers: who commits now may still have to look at the rows that theirs refer to.
            cursor.execute(f"LOCK TABLE {', '.join(quoted)} IN SHARE MODE")
        selects = [f"SELECT {place} WHERE EXISTS (SELECT 1 FROM {table})" for place, table in enumerate(quoted)]
        cursor.execute(" UNION ALL ".join(selects))
        return [tables[place] for (place,) in cursor.fetchall()]


def _rows() -> list[list[tuple[Any, ...]]]:
    return [list(model._default_manager.order_by("pk").values_list()) for model in KEPT]
