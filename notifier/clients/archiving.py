"""Archiving clients and returning them. Who did it and when is recorded in the same transaction."""

from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import QuerySet

from notifier.models.clients import Client, ClientQuerySet
from notifier.runtime import versions
from notifier.runtime.versions import NotAsShown

#: Clients in one transaction; a list may have a million.
CHUNK = 5_000

_CLIENT = Client._meta.db_table
_HISTORY = Client.history.model._meta.db_table
_TRACKED = ", ".join(field.column for field in Client.history.model.tracked_fields)


def archive(*, clients: ClientQuerySet, by: User | None, now: datetime, seen: str | None = None) -> int:
    """From now on they are sent nothing, not even of running broadcasts; returns how many were active.

    `seen`: the digest of the ids of those that somebody was asked about. Raises `NotAsShown`, and does nothing, where
    these are others.
    """
    return _set_active(ids_of(clients.active()), False, by, now, seen)


def restore(*, clients: ClientQuerySet, by: User | None, now: datetime, seen: str | None = None) -> int:
    """They get again what they agreed to; returns how many were archived. Erased clients stay archived. `seen`: as for
    `archive`.
    """
    return _set_active(ids_of(clients.restorable()), True, by, now, seen)


def ids_of(clients: QuerySet[Client]) -> array:
    """In their order, eight bytes each."""
    ids = clients.prefetch_related(None).order_by("pk").values_list("pk", flat=True)
    with _read_to_the_end():
        return array("q", ids.iterator(chunk_size=CHUNK))


@contextmanager
def _read_to_the_end() -> Iterator[None]:
    """Tell PostgreSQL that all rows of the cursor inside are read.

    By itself it plans for the first tenth, and would fold a million names in the order of ids to find those that an
    index knows.
    """
    if connection.vendor != "postgresql":
        yield
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL cursor_tuple_fraction = 1")
        yield
        cursor.execute("SET LOCAL cursor_tuple_fraction = DEFAULT")


def _set_active(found: array, is_active: bool, by: User | None, now: datetime, seen: str | None) -> int:
    """In chunks, each a transaction: after a crash, the same call does the rest.

    The ids were found once: a million clients are 200 chunks, and some lists take a second to find.
    """
    if seen is not None and seen != versions.digest_of_ids(found):
        raise NotAsShown
    changed = 0
    for start in range(0, len(found), CHUNK):
        # Select by key alone: tables that the list joins must not be locked.
        rows = Client.objects.filter(pk__in=found[start : start + CHUNK]).order_by("pk")
        with transaction.atomic():
            # Filter again: somebody may have archived or erased one of them meanwhile.
            still = rows.restorable() if is_active else rows.active()
            ids = list(still.select_for_update(of=("self",)).values_list("pk", flat=True))
            if ids:
                changed += Client.objects.filter(pk__in=ids).update(is_active=is_active, updated_at=now)
                write_history(client_ids=ids, by=by, why="", now=now)
    return changed


def write_history(*, client_ids: list[int], by: User | None, why: str, now: datetime) -> None:
    """Add a version of each as it is now, in the caller's transaction.

    Instances would cost two minutes a million in the parsing of phone numbers alone.
    """
    listed = ", ".join(str(int(pk)) for pk in client_ids)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {_HISTORY} ({_TRACKED}, history_date, history_change_reason, history_type, history_user_id) "  # noqa: S608
            f"SELECT {_TRACKED}, %s, %s, '~', %s FROM {_CLIENT} WHERE id IN ({listed}) ORDER BY id",
            [connection.ops.adapt_datetimefield_value(now), why[:100] or None, by.pk if by else None],
        )
