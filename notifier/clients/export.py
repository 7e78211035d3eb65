"""Clients with their preferences, in the form that an import reads: importing an export changes nothing."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any

from django.db.models import CharField, QuerySet
from django.db.models.functions import Cast

from notifier.clients.imports.columns import CHANNELS, NOTHING, TopicRef, field_meaning, guess
from notifier.fields import definitions, values
from notifier.fields.definitions import Definition
from notifier.files.base import quoted
from notifier.languages import offered
from notifier.models import Channel, Client, ClientTag, Preference, Suppression
from notifier.values.base import FieldKind

#: Rows in one query.
CHUNK = 2_000
LEADING_COLUMNS = ("Client number", "Name", "First name", "Last name", "E-mail", "Phone", "Language", "Time zone")
TRAILING_COLUMNS = ("Client status", "Client since", "Suppressed")
_MEANINGS = (NOTHING, "name", "first_name", "last_name", "email", "phone", "language", "time_zone")
#: Kinds whose values are numbers in a sheet.
_NUMBERS = frozenset({FieldKind.WHOLE, FieldKind.DECIMAL, FieldKind.MONEY})


def header(
    topics: Sequence[TopicRef],
    fields: Sequence[Definition] = (),
    *,
    has_tags: bool = False,
    known: Sequence[Definition] = (),
) -> list[str]:
    """The names of topics and fields; their short names and keys where an import would not understand the names.

    `known`: all fields that there are.
    """
    named = [f"{topic.name} {Channel(channel).in_words}" for topic in topics for channel in CHANNELS]
    exact = [f"{topic.slug}.{channel}" for topic in topics for channel in CHANNELS]
    keys = [field_meaning(one) for one in fields]
    tags = ["Tags"] if has_tags else []
    names = [*LEADING_COLUMNS, *named, *(one.label for one in fields), *tags, *TRAILING_COLUMNS]
    # Of a field that was retired nothing is imported.
    read = [key if one.field.retired_at is None else NOTHING for key, one in zip(keys, fields, strict=True)]
    meanings = [*_MEANINGS, *exact, *read, *(["tags"] * has_tags), *[NOTHING] * len(TRAILING_COLUMNS)]
    active = [one for one in known if one.field.retired_at is None]
    if guess(names, topics, active) == meanings:
        return names
    return [*LEADING_COLUMNS, *exact, *keys, *tags, *TRAILING_COLUMNS]


def rows(
    clients: QuerySet[Client],
    topics: Sequence[TopicRef],
    fields: Sequence[Definition] = (),
    *,
    has_tags: bool = False,
) -> Iterator[list[object]]:
    """By id, a few thousand at a time, without erased clients."""
    # As text: a PhoneNumber object for each would take longer than everything else.
    found = (
        clients.filter(erased_at=None)
        .order_by("pk")
        .prefetch_related(None)
        .annotate(phone_text=Cast("phone", CharField()))
        .values_list(
            "pk",
            "name",
            "first_name",
            "last_name",
            "email",
            "phone_text",
            "language",
            "time_zone",
            "is_active",
            "created_at",
        )
        .iterator(chunk_size=CHUNK)
    )
    while chunk := list(islice(found, CHUNK)):
        ids = [row[0] for row in chunk]
        agreed = _agreed(ids)
        own = dict(values.of_clients(ids, fields)) if fields else {}
        tagged = _tagged(ids) if has_tags else {}
        suppressed = _suppressed({"email": [row[4] for row in chunk], "sms": [row[5] for row in chunk]})
        for pk, name, first, last, email, phone, language, zone, is_active, created_at in chunk:
            wishes = ["yes" if wish else "no" for one in topics for wish in agreed[pk].get(one.pk, (False, False))]
            theirs = [("email", email), ("sms", phone)]
            never = "; ".join(f"{Channel(key[0]).in_words}: {suppressed[key]}" for key in theirs if key in suppressed)
            state = "active" if is_active else "archived"
            called = [quoted(name), first and quoted(first), last and quoted(last)]
            cells = [_cell(one, own.get(pk, {}).get(one.id)) for one in fields]
            cells += [tagged.get(pk, "")] * has_tags
            # One that is no longer offered is not read back, and so it is left out.
            known = language if language in offered.codes() else ""
            written = [*called, email and quoted(email), phone, known, zone]
            yield [pk, *written, *wishes, *cells, state, created_at, never]


def _cell(definition: Definition, value: Any) -> object:
    """As an import reads it: a number or a date for spreadsheets, or else text."""
    if value is None or definition.type.kind == FieldKind.DATE:
        return value
    written = definition.type.write(value)
    return Decimal(written) if definition.type.kind in _NUMBERS else quoted(written)


def _agreed(clients: Sequence[int]) -> defaultdict[int, dict[int, tuple[bool, bool]]]:
    agreed: defaultdict[int, dict[int, tuple[bool, bool]]] = defaultdict(dict)
    found: Any = Preference.objects.filter(client__in=clients).values_list("client_id", "topic_id", "email", "sms")
    for client, topic, email, sms in found:
        agreed[client][topic] = (email, sms)
    return agreed


def _suppressed(addresses: Mapping[str, Sequence[str | None]]) -> dict[tuple[str, str | None], str]:
    """The source of each suppression, by channel and address."""
    found: dict[tuple[str, str | None], str] = {}
    for channel, some in addresses.items():
        rows = Suppression.objects.filter(channel=channel, address__in=[address for address in some if address])
        for row in rows.only("channel", "address", "source"):
            found[row.channel, row.address] = row.get_source_display()
    return found


def _tagged(clients: Sequence[int]) -> dict[int, str]:
    found: defaultdict[int, list[str]] = defaultdict(list)
    rows = ClientTag.objects.filter(client__in=clients).order_by("tag__folded").values_list("client_id", "tag__name")
    for client, name in rows:
        found[client].append(name)
    return {client: quoted("; ".join(names)) for client, names in found.items()}


def choosable_fields() -> list[Definition]:
    """The fields that an export may have; retired ones too, of which clients may have values."""
    return list(definitions.every())
