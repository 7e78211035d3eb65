"""Clients and documents made by chance, for tests that compare what SQL and Python make of them."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from notifier.fields import definitions
from notifier.fields.definitions import Definition
from notifier.models import Broadcast, Client, ClientTag, ClientValues, Delivery, FieldOption, Preference, Tag, Topic
from notifier.models.fields import folded_column
from notifier.saved_audiences import document as documents
from notifier.saved_audiences.document import Document, Group, Line
from notifier.saved_audiences.known import FIELD_VERBS
from notifier.values.amounts import DECIMAL_PLACES, MAX_DECIMAL, MAX_WHOLE, MONEY_PLACES
from notifier.values.dates import FIRST, LAST, DateType
from notifier.values.options import MAX_SEVERAL
from notifier.values.texts import folded
from tests.support.factories import a_broadcast, a_field, a_notification, a_tag, a_topic

TEXTS = ["Bonn", "bonn", "BONN", "Köln", "KÖLN", "50%", "a_b", "a\\b", "Straße", "STRASSE", "İzmir", "'; --", "B"]
#: Capitals that few engines know, letters that grow when they are folded, accents that stand alone, and the longest.
TEXTS += "Élan ÉLAN e\u0301lan ŁÓDŹ łódź ΟΔΟΣ οδος ﬁn FIN \u212aelvin ǅ Ꭰ [a] * ? a'b a\"b % _ \\ i\u0307 I ı".split()
TEXTS += ["😀 b", "ß" * 500]
PARTS = "o % _ \\ ß SS Ö ' nn i b kö A_ 50% É e e\u0301 \u0301 ł Σ ς K fi ﬁ Ꭰ 😀 [ * ? İ ı".split()
PARTS += ["Bonn ", "s" * 500, *TEXTS]
#: None, and one that clients could have once, are written to in the default, English.
LANGUAGES = [None, None, "en", "de", "fr", "it"]
ZONES = ["", "", "Europe/Berlin", "Asia/Tokyo", "America/New_York"]
NUMBERS = [-3, 0, 1, 2, 3, 1_000_000]
DAYS = [-40, -30, -29, -2, -1, 0, 1, 2, 29, 30, 31, 400, -36_000]
#: The largest that each kind of number may be, in small units.
LARGEST: dict[str, int] = {
    "WHOLE": MAX_WHOLE,
    "DECIMAL": MAX_DECIMAL * 10**DECIMAL_PLACES,
    "MONEY": MAX_DECIMAL * 10**MONEY_PLACES,
}


@dataclass
class World:
    fields: list[Definition]
    tags: list[Tag]
    topics: list[Topic]
    broadcasts: list[Broadcast]
    now: datetime


def a_world(rng: random.Random, now: datetime, *, clients: int) -> World:
    kinds: list[dict[str, Any]] = [
        {"kind": "TEXT"},
        {"kind": "WHOLE"},
        {"kind": "DECIMAL"},
        {"kind": "MONEY"},
        {"kind": "DATE"},
        {"kind": "YES_NO"},
        {"kind": "CHOICE", "options": ["Buyer", "Seller", "Tenant"]},
        {"kind": "CHOICES", "options": ["North", "South", "East", "West"]},
        # The most that there can be: a bit for each.
        {"kind": "CHOICES", "options": [f"Place {number}" for number in range(MAX_SEVERAL)]},
        # Nobody gets new values in it, and those that are there are still read.
        {"kind": "TEXT", "retired_at": now},
    ]
    made = [a_field(**one) for one in kinds]
    FieldOption.objects.filter(field=made[6], number=2).update(retired_at=now)
    fields = list(definitions.of(*made))
    sent = [
        a_broadcast(
            notification=a_notification(), started_at=now - timedelta(days=90), finished_at=now - timedelta(days=1)
        )
        for _ in range(2)
    ]
    world = World(fields, [a_tag(), a_tag()], [a_topic(slug="one"), a_topic(slug="two")], sent, now)
    for number in range(clients):
        _a_client(rng, world, number)
    return world


def _a_client(rng: random.Random, world: World, number: int) -> None:
    client = Client.objects.create(
        name=f"Client {number}",
        email=f"c{number}@example.com",
        time_zone=rng.choice(ZONES),
        language=rng.choice(LANGUAGES),
    )
    moments = {name: _a_moment(rng, world.now) for name in ("created_at", "updated_at")}
    Client.objects.filter(pk=client.pk).update(**moments)
    _its_values(rng, world, client)
    ClientTag.objects.bulk_create(ClientTag(client=client, tag=tag) for tag in world.tags if rng.random() < 0.4)
    for topic in world.topics:
        if rng.random() < 0.7:
            Preference.objects.create(client=client, topic=topic, email=rng.random() < 0.5, sms=rng.random() < 0.5)
    for broadcast in world.broadcasts:
        for channel in ("email", "sms"):
            if rng.random() < 0.4:
                _a_delivery(rng, world, broadcast=broadcast, client=client, channel=channel)


def _its_values(rng: random.Random, world: World, client: Client) -> None:
    if rng.random() < 0.8:
        columns: dict[str, Any] = {}
        for one in world.fields:
            if rng.random() < 0.6:
                columns[one.field.column] = a_value(rng, one, world.now)
                if one.field.is_text:
                    columns[folded_column(one.field.column)] = folded(columns[one.field.column])
        ClientValues.objects.create(client=client, **columns)


def _a_delivery(rng: random.Random, world: World, **of: Any) -> None:
    state = rng.choice(["SENT", "SENT", "UNKNOWN", "FAILED", "SKIPPED", "CANCELLED", "PENDING"])
    is_open = state == "PENDING"
    settled = None if is_open else min(_a_moment(rng, world.now), world.now - timedelta(days=1))
    Delivery.objects.create(state=state, settled_at=settled, due_at=world.now if is_open else None, **of)


def _a_moment(rng: random.Random, now: datetime) -> datetime:
    """Some at the very ends of days and spans."""
    moment = now - timedelta(days=rng.choice([0, 1, 2, 29, 30, 31, 60]))
    if rng.random() < 0.5:
        moment = moment.replace(hour=rng.choice([0, 21, 22, 23]), minute=0, second=0, microsecond=0)
    return moment + timedelta(microseconds=rng.choice([-1, 0, 1]))


def a_value(rng: random.Random, definition: Definition, now: datetime) -> int | str:
    kind, store = definition.field.kind, definition.type.store
    match kind:
        case "TEXT":
            return str(store(definition.type.read(rng.choice(TEXTS))))
        case "DATE":
            return store(rng.choice([FIRST, LAST, *(now.date() + timedelta(days=days) for days in DAYS)]))
        case "YES_NO":
            return rng.randrange(2)
        case "CHOICE":
            return rng.randint(1, 3)
        case "CHOICES":
            return store(some_options(rng, definition))
    largest = LARGEST[kind]
    # Amounts of euros have two places of the four that are kept.
    return rng.choice([-largest, largest, *(number * (100 if kind == "MONEY" else 1) for number in NUMBERS)])


def some_options(rng: random.Random, definition: Definition) -> tuple[int, ...]:
    numbers = list(definition.type.options)  # type: ignore[attr-defined]
    return tuple(rng.sample(numbers, rng.randint(1, 4)))


# --- Documents --------------------------------------------------------------------------------------------------------
def a_document(rng: random.Random, world: World) -> Document:
    parts: list[Line | Group] = [a_line(rng, world) for _ in range(rng.randint(0, 3))]
    for _ in range(rng.choice([0, 0, 1, 2]) if parts else 1):
        lines = tuple(a_line(rng, world) for _ in range(rng.randint(1, 3)))
        parts.append(Group(lines, rng.choice(documents.JOINS), rng.random() < 0.4))
    rng.shuffle(parts)
    return Document(tuple(parts), rng.choice(documents.JOINS))


def a_line(rng: random.Random, world: World) -> Line:
    about, no = rng.choice([documents.FIELD] * 8 + list(documents.ABOUT)), rng.random() < 0.4
    match about:
        case documents.FIELD:
            return _field_line(rng, world, no)
        case documents.TAG:
            return Line(about, documents.HAS, rng.choice(world.tags).pk, (), no)
        case documents.CONSENT:
            return Line(about, rng.choice(list(documents.VERBS[about])), rng.choice(world.topics).pk, (), no)
        case documents.BROADCAST:
            return Line(about, rng.choice(list(documents.VERBS[about])), rng.choice(world.broadcasts).pk, (), no)
        case documents.LANGUAGE:
            verb = rng.choice([documents.KNOWN, documents.ONE_OF])
            some = tuple(rng.sample(["en", "de", "fr", "es"], rng.randint(1, 3)))
            return Line(about, verb, 0, () if verb == documents.KNOWN else some, no)
        case documents.TIME_ZONE:
            verb = rng.choice([documents.KNOWN, documents.ONE_OF])
            return Line(about, verb, 0, () if verb == documents.KNOWN else tuple({rng.choice(ZONES[2:])}), no)
    verb = rng.choice(list(documents.VERBS[about]))
    if verb in (documents.LAST_DAYS, documents.NONE_FOR):
        return Line(about, verb, 0, (rng.choice([1, 2, 29, 30, 31, 60, 90]),), no)
    day = world.now.date() - timedelta(days=rng.choice([-1, 0, 1, 29, 30, 60]))
    return Line(about, verb, 0, (DateType().store(day),), no)


def _field_line(rng: random.Random, world: World, no: bool) -> Line:
    definition = rng.choice(world.fields)
    verb = rng.choice(FIELD_VERBS[definition.field.kind])
    if verb == documents.KNOWN:
        values: tuple[int | str, ...] = ()
    elif verb in (documents.LAST_DAYS, documents.NEXT_DAYS):
        values = (rng.choice([1, 2, 29, 30, 31]),)
    elif verb in (documents.ANY_OF, documents.ALL_OF):
        values = some_options(rng, definition)
    elif verb in (documents.CONTAINS, documents.BEGINS):
        values = (rng.choice(PARTS),)
    else:
        number = rng.randint(1, 3) if verb == documents.ONE_OF else 1
        values = tuple(a_value(rng, definition, world.now) for _ in range(number))
    return Line(documents.FIELD, verb, definition.id, values, no)
