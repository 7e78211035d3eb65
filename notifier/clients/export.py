"""Clients with their preferences, in the form that an import reads: importing an export changes nothing."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from django.db.models import CharField, QuerySet
from django.db.models.functions import Cast

from notifier.clients.imports.columns import CHANNELS, NOTHING, TopicRef, guess
from notifier.files.base import quoted
from notifier.languages import offered
from notifier.models import Channel, Client, Preference, Suppression

#: Rows in one query.
CHUNK = 2_000
LEADING_COLUMNS = ("Client number", "Name", "E-mail", "Phone", "Language", "Time zone")
TRAILING_COLUMNS = ("Client state", "Client since", "Suppressed")
_MEANINGS = (NOTHING, "name", "email", "phone", "language", "time_zone")


def header(topics: Sequence[TopicRef]) -> list[str]:
    """The topics' names; their short names where an import would not understand the names."""
    named = [f"{topic.name} {Channel(channel).in_words}" for topic in topics for channel in CHANNELS]
    exact = [f"{topic.slug}.{channel}" for topic in topics for channel in CHANNELS]
    names = [*LEADING_COLUMNS, *named, *TRAILING_COLUMNS]
    meanings = [*_MEANINGS, *exact, *[NOTHING] * len(TRAILING_COLUMNS)]
    return names if guess(names, topics) == meanings else [*LEADING_COLUMNS, *exact, *TRAILING_COLUMNS]


def rows(clients: QuerySet[Client], topics: Sequence[TopicRef]) -> Iterator[list[object]]:
    """By id, a few thousand at a time, without erased clients."""
    # As text: a PhoneNumber object for each would take longer than everything else.
    found = (
        clients.filter(erased_at=None)
        .order_by("pk")
        .prefetch_related(None)
        .annotate(phone_text=Cast("phone", CharField()))
        .values_list("pk", "name", "email", "phone_text", "language", "time_zone", "is_active", "created_at")
        .iterator(chunk_size=CHUNK)
    )
    while chunk := list(islice(found, CHUNK)):
        agreed = _agreed([row[0] for row in chunk])
        suppressed = _suppressed({"email": [row[2] for row in chunk], "sms": [row[3] for row in chunk]})
        for pk, name, email, phone, language, zone, is_active, created_at in chunk:
            wishes = ["yes" if wish else "no" for one in topics for wish in agreed[pk].get(one.pk, (False, False))]
            theirs = [("email", email), ("sms", phone)]
            never = "; ".join(f"{Channel(key[0]).in_words}: {suppressed[key]}" for key in theirs if key in suppressed)
            state = "active" if is_active else "archived"
            address = email and quoted(email)
            # One that is no longer offered is not read back, and so it is left out.
            known = language if language in offered.codes() else ""
            yield [pk, quoted(name), address, phone, known, zone, *wishes, state, created_at, never]


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
