"""The values that clients have in the fields that staff defined: setting, reading and counting them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from notifier.fields import usage
from notifier.fields.applying import ChangeOrigin, wanted
from notifier.fields.definitions import Definition, Definitions
from notifier.models import Client, ClientField, ClientValues, Tag
from notifier.values.base import Stored

#: Clients in one transaction; a list may have a million.
CHUNK = 5_000


# --- Setting ----------------------------------------------------------------------------------------------------------
def set_values(
    *,
    client_id: int,
    values: Mapping[Definition, Any],
    tags: Mapping[Tag, bool] | None = None,
    origin: ChangeOrigin,
    now: datetime,
) -> bool:
    """Give one client these values, None for nothing, and these tags or not; returns whether anything changed.

    All in one transaction. Raises `FieldGone` for a field that was retired or deleted meanwhile.
    """
    stored = {one.id: None if value is None else one.type.store(value) for one, value in values.items()}
    with transaction.atomic(), wanted([one.field for one in values]) as table:
        if stored:
            table.add_values([(client_id, stored)])
        table.add_tags((client_id, tag.pk, is_on) for tag, is_on in (tags or {}).items())
        return bool(table.apply(origin=origin, now=now))


def set_for_many(
    *, client_ids: Sequence[int], values: Mapping[Definition, Any], origin: ChangeOrigin, now: datetime
) -> int:
    """Give all of them the same values; returns how many changed.

    In chunks: after a crash, the same call does the rest.
    """
    fields = [one.field for one in values]
    stored = {one.id: None if value is None else one.type.store(value) for one, value in values.items()}
    changed = 0
    for start in range(0, len(client_ids), CHUNK):
        ids = ", ".join(str(int(pk)) for pk in client_ids[start : start + CHUNK])
        with transaction.atomic(), wanted(fields) as table:
            marks = ", ".join("CAST(%s AS bigint)" if one.startswith("n") else "%s" for one in table.columns)
            table.add_values_from(
                f"SELECT id, {marks} FROM {Client._meta.db_table} WHERE id IN ({ids})",  # noqa: S608
                list(table.record(stored)),
            )
            changed += table.apply(origin=origin, now=now)
    return changed


# --- Reading ----------------------------------------------------------------------------------------------------------
def of_clients(
    client_ids: Iterable[int], definitions: Definitions | Sequence[Definition]
) -> Iterator[tuple[int, dict[int, Any]]]:
    """Each of these clients who has any value, with the values by the field's id. One query."""
    if not definitions:
        return
    columns = [one.field.column for one in definitions]
    rows = ClientValues.objects.filter(pk__in=client_ids).values_list("pk", *columns)
    for client_id, *stored in rows.iterator(chunk_size=CHUNK):
        yield client_id, loaded(zip(definitions, stored, strict=True))


def of_client(client_id: int, definitions: Definitions | Sequence[Definition]) -> dict[int, Any]:
    """By the field's id; without those that the client has nothing in."""
    return dict(of_clients([client_id], definitions)).get(client_id, {})


def loaded(pairs: Iterable[tuple[Definition, Stored | None]]) -> dict[int, Any]:
    return {one.id: one.type.load(stored) for one, stored in pairs if stored is not None}


# --- Usage ------------------------------------------------------------------------------------------------------------
def uses(thing: ClientField | Tag) -> list[str]:
    """How many clients have a value; counted up to a point."""
    if not isinstance(thing, ClientField) or not thing.column:
        return []
    having = ClientValues.objects.filter(**{f"{thing.column}__isnull": False})
    return usage.counted_clients(having[: usage.MAX_COUNTED + 1].count())
