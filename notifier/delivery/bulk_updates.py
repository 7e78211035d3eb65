"""Changing many deliveries in one statement, beside other processes that do the same."""

from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction
from django.db.models import QuerySet

from notifier.models import Delivery

#: Rows that one UPDATE takes at the most, so that no transaction is long and no list of ids is large.
CHUNK = 10_000

TABLE = Delivery._meta.db_table


def update_returning(rows: QuerySet[Delivery], most: int, changes: dict[str, Any]) -> list[int]:
    """Change up to `most` of `rows` in one statement; returns their ids.

    Rows that another process holds are skipped: two UPDATEs of many rows in different orders deadlock (36 times in one
    bench run). MATERIALIZED, because otherwise the planner may run the limited query more than once and take too many.
    """
    query = rows.values_list("pk", flat=True)[:most]
    if connection.features.has_select_for_update_skip_locked:
        query = query.select_for_update(of=("self",), skip_locked=True)
    with transaction.atomic():
        try:
            select, params = query.query.get_compiler(connection=connection).as_sql()
        except EmptyResultSet:  # e.g. the last running broadcast was paused a moment ago
            return []
        fields = {field.name: field for field in Delivery._meta.concrete_fields}
        values = [fields[name].get_db_prep_save(value, connection) for name, value in changes.items()]
        assignments = ", ".join(f"{fields[name].column} = %s" for name in changes)
        with connection.cursor() as cursor:
            cursor.execute(
                # `chosen_id`, because `id` would be taken for the outer row's own where the subquery lacked it.
                f"WITH chosen (chosen_id) AS MATERIALIZED ({select}) "  # noqa: S608
                f"UPDATE {TABLE} SET {assignments} WHERE id IN (SELECT chosen_id FROM chosen) RETURNING id",
                [*params, *values],
            )
            return [row[0] for row in cursor.fetchall()]
