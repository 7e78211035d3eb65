"""Fields that staff defined, and tags: how fast they are written, and how fast clients are found by them.

Settings come from the environment; bench/__main__.py makes it.
"""

import json
import sys
import time
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.db.models import Q  # noqa: E402

from notifier.broadcasts import lifecycle  # noqa: E402
from notifier.delivery import fanout, tickets  # noqa: E402
from notifier.fields import conditions, definitions, tags  # noqa: E402
from notifier.fields.applying import ChangeOrigin, wanted  # noqa: E402
from notifier.fields.definitions import Definition, OptionChange  # noqa: E402
from notifier.models import (  # noqa: E402
    Broadcast,
    Channel,
    Client,
    ClientField,
    Delivery,
    Notification,
    Preference,
    Tag,
    Topic,
)
from notifier.runtime import clock  # noqa: E402
from notifier.saved_audiences import compiling, freezing, saving  # noqa: E402
from notifier.saved_audiences import document as documents  # noqa: E402
from notifier.saved_audiences.document import Document, Line  # noqa: E402
from notifier.transport.base import Transport  # noqa: E402

#: Clients in one transaction.
CHUNK = 100_000
#: Of the fan-out.
EXPANDED = 10_000
#: Eight fields, each with what stands in its column for the client `id`.
FIELDS = {
    "City": ("TEXT", "'city ' || (id / 17 * 13 + id) % 1000"),
    "Reference": ("TEXT", "'ref ' || id"),
    "Visits": ("WHOLE", "(id / 11 * 37 + id) % 100"),
    "Score": ("DECIMAL", "id * 7907 % 1000000 * 10000"),
    "Seen": ("DATE", "20200101 + id / 23 % 5 * 10000 + id * 7 / 3 % 12 * 100 + id * 3 % 28"),
    "Member": ("YES_NO", "id % 2"),
    "Plan": ("CHOICE", "1 + id / 7 % 5"),
    "Interests": ("CHOICES", "1 + id / 3 % 7"),
}
TAGS = 20


def main() -> None:
    clients = json.loads(sys.argv[1])["large"]
    call_command("migrate", verbosity=0)
    fill(clients)
    fields = {label: a_field(label, kind) for label, (kind, _) in FIELDS.items()}
    given = [tags.add(f"Tag {number}") for number in range(1, TAGS + 1)]
    rate(f"eight values and two tags of {clients:,} clients", clients, lambda: give(clients, fields, given))
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")
    five = audience(fields, given[2])
    seconds("count with five conditions", lambda: agreed(five).count())
    saved = saving.create(name="Five conditions", description="", document=document(fields, given[2]), by=None)
    members = compiling.of_saved(saved, now=clock.now())
    seconds("exact count of a saved audience of five conditions", members.clients().count)
    compare(clients, fields, given[2])
    middle = Q(client__gt=clients // 2, client__lte=clients // 2 + EXPANDED)
    seconds("10,000 clients of the fan-out", lambda: list(agreed(middle).values_list("client", "client__email")))
    seconds("the same with five conditions", lambda: list(agreed(middle & five).values_list("client", "client__email")))
    lists = {
        "one in a thousand": conditions.is_one_of(fields["City"], ["City 500"]),
        "one in five": conditions.is_one_of(fields["Plan"], [2]),
        "nobody": conditions.is_between(fields["Visits"], least=1_000),
    }
    for what, condition in lists.items():
        seconds(f"list of 50 by name: {what}", partial(first_by_name, condition))


def fill(clients: int) -> None:
    topic = Topic.objects.get(slug="listings")
    moment = connection.ops.adapt_datetimefield_value(clock.now())
    execute(
        "INSERT INTO notifier_client (id, name, email, time_zone, is_active, created_at, updated_at) SELECT id, "
        f"'Name ' || id * 7919 % {clients}, 'client' || id || '@example.com', "
        f"CASE WHEN id / 5 % 4 = 0 THEN 'Europe/Berlin' ELSE '' END, id % 40 <> 7, %s, %s FROM {numbers(1, clients)}",
        moment,
        moment,
    )
    execute(
        "INSERT INTO notifier_preference (client_id, topic_id, email, sms) "
        "SELECT id, %s, id % 4 <> 0, false FROM notifier_client ORDER BY id",
        topic.pk,
    )


def numbers(first: int, last: int) -> str:
    if connection.vendor == "postgresql":
        return f"generate_series({first}::bigint, {last}::bigint) g (id)"
    step = f"SELECT {first} AS id UNION ALL SELECT id + 1 FROM g WHERE id < {last}"
    return f"(WITH RECURSIVE g AS ({step}) SELECT id FROM g) g"


def a_field(label: str, kind: str) -> Definition:
    field = ClientField(label=label, key=definitions.suggested_key(label), kind=kind)
    definitions.save(field)
    if field.is_chosen:
        options = [OptionChange(None, f"Option {number}") for number in range(1, 6)]
        definitions.set_options(field=field, options=options, now=clock.now())
    (definition,) = definitions.of(field)
    return definition


def give(clients: int, fields: dict[str, Definition], given: list[Tag]) -> None:
    """As an import does: from a table that is there."""
    columns = [column for (kind, value) in FIELDS.values() for column in ([value] * 2 if kind == "TEXT" else [value])]
    for first in range(1, clients + 1, CHUNK):
        last = min(first + CHUNK - 1, clients)
        with transaction.atomic(), wanted([one.field for one in fields.values()], keeps_blank=True) as table:
            table.add_values_from(f"SELECT id, {', '.join(columns)} FROM {numbers(first, last)}")
            for offset in (0, 7):
                chosen = f"{given[0].pk} + (id / 3 + {offset}) % {TAGS}"
                table.add_tags_from(f"SELECT id, {chosen}, true FROM {numbers(first, last)}")
            table.apply(origin=ChangeOrigin(reason="bench"), now=clock.now())


def audience(fields: dict[str, Definition], tag: Tag) -> Q:
    return (
        Q(client__time_zone="")
        & ~conditions.has_tag(tag, client="client__")
        & conditions.is_one_of(fields["Plan"], [1, 2, 3], client="client__")
        & conditions.is_between(fields["Visits"], least=50, client="client__")
        & conditions.is_between(fields["Seen"], least=fields["Seen"].type.read("2022-06-01"), client="client__")
    )


def document(fields: dict[str, Definition], tag: Tag) -> Document:
    """The same five conditions, as staff save them."""
    plan, visits, seen = (fields[name] for name in ("Plan", "Visits", "Seen"))
    return Document(
        (
            Line(documents.TIME_ZONE, documents.KNOWN, 0, (), True),
            Line(documents.TAG, documents.HAS, tag.pk, (), True),
            Line(documents.FIELD, documents.ONE_OF, plan.id, (1, 2, 3)),
            Line(documents.FIELD, documents.LEAST, visits.id, (50,)),
            Line(documents.FIELD, documents.LEAST, seen.id, (20220601,)),
        )
    )


def nearly_everybody(fields: dict[str, Definition], tag: Tag) -> Document:
    """Five conditions that hold for nine in ten: nearly as many deliveries as without an audience."""
    plan, visits, seen = (fields[name] for name in ("Plan", "Visits", "Seen"))
    return Document(
        (
            Line(documents.FIELD, documents.ONE_OF, plan.id, (1, 2, 3, 4, 5)),
            Line(documents.FIELD, documents.LEAST, visits.id, (0,)),
            Line(documents.FIELD, documents.LESS, seen.id, (20300101,)),
            Line(documents.TIME_ZONE, documents.ONE_OF, 0, ("Asia/Tokyo",), True),
            Line(documents.TAG, documents.HAS, tag.pk, (), True),
        )
    )


def compare(clients: int, fields: dict[str, Definition], tag: Tag) -> None:
    """Press → tickets, by all chunks of a broadcast and the tickets of it, with an audience and without, in one run."""
    audience = saving.create(name="Nearly everybody", description="", document=nearly_everybody(fields, tag), by=None)
    notification = Notification.objects.create(topic=Topic.objects.get(slug="listings"), subject="News", email_body="N")
    # Without, with, without: the table grows meanwhile.
    before, narrowed, after = (issued(notification, columns) for columns in ({}, freezing.columns(audience), {}))
    plain = (before + after) / 2
    what = f"{'press → tickets, to an audience of five conditions':<50} {narrowed:>10,.0f}/s"
    print(f"{what}   without {plain:>10,.0f}/s {narrowed / plain:>6.0%}", flush=True)


class Nowhere:
    """A broker that takes every ticket, and has room for more."""

    def depth(self, channel: Channel) -> int:
        return 0

    def publish(self, *_: Any, **__: Any) -> None:
        return


def issued(notification: Notification, columns: dict[str, Any]) -> float:
    """Deliveries a second, until all have a ticket."""
    made = lifecycle.make(
        notification,
        notification=notification,
        request_id=uuid.uuid4(),
        **columns,
        **lifecycle.running_columns(now=clock.now()),
    )
    began = time.monotonic()
    while fanout.expand(broadcast_id=made.pk, now=clock.now()) is not None:
        pass
    while tickets.issue_tickets(channel=Channel.EMAIL, transport=cast(Transport, Nowhere()), now=clock.now()):
        pass
    took = time.monotonic() - began
    number = Delivery.objects.filter(broadcast=made).count()
    Broadcast.objects.filter(pk=made.pk).update(state=Broadcast.State.PAUSED)
    return number / took


def agreed(which: Q) -> Any:
    topic = Topic.objects.get(slug="listings")
    return Preference.objects.filter(which, topic=topic, email=True, client__is_active=True)


def first_by_name(which: Q) -> list[Any]:
    """As a list looks: for up to 10,000 ids, and then for those of the page."""
    ids = list(Client.objects.filter(which).values_list("pk", flat=True)[:10_001])
    found = Client.objects.filter(pk__in=ids) if len(ids) <= 10_000 else Client.objects.filter(which)
    return list(found.order_by("name")[:50])


def execute(statement: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement.replace(" % ", " %% ") if parameters else statement, parameters or None)


# --- What is printed --------------------------------------------------------------------------------------------------
def rate(what: str, rows: int, act: Callable[[], Any]) -> None:
    began = time.monotonic()
    act()
    print(f"{what:<50} {rows / (time.monotonic() - began):>10,.0f}/s", flush=True)


def seconds(what: str, act: Callable[[], Any]) -> None:
    """The better of two: the first reads from the disk."""
    took = []
    for _ in range(2):
        began = time.monotonic()
        act()
        took.append(time.monotonic() - began)
    print(f"{what:<50} {min(took) * 1000:>10,.0f} ms", flush=True)


if __name__ == "__main__":
    main()
