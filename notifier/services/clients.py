"""What staff do to clients, one or many at once. Who did it and when is written in the transaction that does it."""

from datetime import datetime

from django.contrib.auth.models import User
from django.db import connection, transaction

from notifier.models.clients import Client, ClientQuerySet

#: Clients that one transaction changes: the whole list may be a million.
CHUNK = 5_000

_CLIENT = Client._meta.db_table
_HISTORY = Client.history.model._meta.db_table
_TRACKED = ", ".join(field.column for field in Client.history.model.tracked_fields)


def archive(*, clients: ClientQuerySet, by: User | None, now: datetime) -> int:
    """From now on they are sent nothing, not even what is under way; returns how many were active before."""
    return _set_active(clients.active(), False, by, now)


def restore(*, clients: ClientQuerySet, by: User | None, now: datetime) -> int:
    """They get again what they consented to; returns how many had been archived. Who was erased stays away."""
    return _set_active(clients.restorable(), True, by, now)


def _set_active(clients: ClientQuerySet, is_active: bool, by: User | None, now: datetime) -> int:
    """A chunk after the other: after a crash, what was done is on record, and the same call does the rest."""
    changed, last = 0, 0
    # By key alone: what the list joins or sorts by must not come into the locks.
    chosen = Client.objects.filter(pk__in=clients.order_by().values("pk")).exclude(is_active=is_active).order_by("pk")
    while True:
        with transaction.atomic():
            chunk = chosen.filter(pk__gt=last).select_for_update(of=("self",)).values_list("pk", flat=True)
            ids = list(chunk[:CHUNK])
            if not ids:
                return changed
            changed += Client.objects.filter(pk__in=ids).update(is_active=is_active, updated_at=now)
            write_history(client_ids=ids, by=by, why="", now=now)
        last = ids[-1]


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
