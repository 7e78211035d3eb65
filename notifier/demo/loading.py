# ruff: noqa: S608 - what is put into SQL as text are names of tables and columns
"""Fills a database with invented clients: a thousand to try the product, a million to measure it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from notifier.consent import suppressions
from notifier.consent.suppressions import Evidence, Source
from notifier.demo import estate, people
from notifier.languages import offered
from notifier.messages import variants
from notifier.models import Channel, Client, ClientValues, ConsentChange, Notification, Preference, Suppression, Topic

#: Clients in one transaction. Memory is flat: nothing of one chunk is kept for the next.
CHUNK = 10_000
TOPICS = (("listings", "Listings"), ("offerings", "Offerings"))

_CLIENT = Client._meta.db_table
_PREFERENCE = Preference._meta.db_table
_CONSENT_CHANGE = ConsentChange._meta.db_table
_HISTORY = Client.history.model._meta.db_table
_SUPPRESSION = Suppression._meta.db_table
_VALUES = ClientValues._meta.db_table
#: The source of the suppressions with each of these reasons.
_SOURCES = dict(zip(people.REASONS, (Source.BOUNCE, Source.COMPLAINT, Source.CLIENT), strict=True))


@dataclass(frozen=True)
class Loaded:
    clients: int
    #: Clients that were not added, because somebody has their address already.
    known: int
    notifications: int


def load(*, clients: int, seed: int, now: datetime) -> Loaded:
    """Add what is not there yet. A client whose address exists is left as it is, with its preferences.

    Each consent and each client's first version are recorded. An interrupted load keeps whole chunks, and another one
    adds the rest.
    """
    invented = people.invent(count=clients, seed=seed, topics=len(TOPICS))
    added = notifications = 0
    with connection.cursor() as cursor:
        _make_staging(cursor)
        try:
            for number, chunk in enumerate(_chunks(invented)):
                with transaction.atomic():
                    if number == 0:
                        # Together with the first clients, so that an interrupted load has both.
                        topics = _topics()
                        fields = estate.add_fields()
                        notifications = _add_notifications(topics)
                    added += _add_clients(cursor, chunk, [topics[slug].pk for slug, _ in TOPICS], now)
                    estate.give(fields, now=now)
        finally:
            cursor.execute("DROP TABLE demo_client")
        estate.add_audiences(fields, topics["listings"])
        _analyze(cursor)
    return Loaded(clients=added, known=clients - added, notifications=notifications)


def _chunks(invented: Iterator[people.Person]) -> Iterator[list[people.Person]]:
    while chunk := list(islice(invented, CHUNK)):
        yield chunk


def _topics() -> dict[str, Topic]:
    return {slug: Topic.objects.get_or_create(slug=slug, defaults={"name": name})[0] for slug, name in TOPICS}


def _add_notifications(topics: dict[str, Topic]) -> int:
    made = [
        Notification.objects.get_or_create(
            topic=topics[text.topic],
            subject=text.subject,
            defaults={
                "email_body": text.email,
                "sms_body": text.sms,
                "variants": variants.write({code: one for code, one in text.others.items() if code in offered.codes()}),
            },
        )
        for text in people.TEXTS
    ]
    return sum(is_new for _, is_new in made)


# --- In bulk ----------------------------------------------------------------------------------------------------------
# With model instances, parsing the phone numbers of a million clients alone would take two minutes. Rows go to a
# temporary table, and from there by INSERT … SELECT, after those whose address exists were removed.


def _make_staging(cursor: CursorWrapper) -> None:
    consents = ", ".join(f"email_{number} boolean, sms_{number} boolean" for number, _ in enumerate(TOPICS))
    cursor.execute(
        "CREATE TEMPORARY TABLE demo_client (id bigint, name varchar(200), first_name varchar(200), last_name "
        "varchar(200), email varchar(254), phone varchar(128), language varchar(12), "
        f"is_active boolean, suppressed varchar(200), {consents})"
    )


def _add_clients(cursor: CursorWrapper, people: Sequence[people.Person], topics: Sequence[int], now: datetime) -> int:
    cursor.execute("DELETE FROM demo_client")
    _stage(cursor, zip(_new_ids(cursor, len(people)), people, strict=True))
    for address in ("email", "phone"):
        cursor.execute(
            f"DELETE FROM demo_client AS d WHERE EXISTS (SELECT 1 FROM {_CLIENT} c WHERE c.{address} = d.{address})"
        )
    moment = connection.ops.adapt_datetimefield_value(now)
    cursor.execute(
        f"INSERT INTO {_CLIENT} (id, name, first_name, last_name, email, phone, language, is_active, created_at, "
        "updated_at) SELECT id, name, first_name, last_name, email, phone, language, is_active, %s, %s "
        "FROM demo_client ORDER BY id",
        [moment, moment],
    )
    added: int = cursor.rowcount
    cursor.execute(
        f"INSERT INTO {_HISTORY} (id, name, first_name, last_name, email, phone, language, is_active, created_at, "
        "history_date, history_type) SELECT id, name, first_name, last_name, email, phone, language, is_active, %s, "
        "%s, '+' FROM demo_client ORDER BY id",
        [moment, moment],
    )
    for number, topic in enumerate(topics):
        cursor.execute(
            f"INSERT INTO {_PREFERENCE} (client_id, topic_id, email, sms) "
            f"SELECT id, %s, email_{number}, sms_{number} FROM demo_client ORDER BY id",
            [topic],
        )
        for channel in Channel:
            cursor.execute(
                f"INSERT INTO {_CONSENT_CHANGE} (client_id, topic_id, channel, agreed, at, source, detail) "
                f"SELECT id, %s, %s, true, %s, %s, 'demo data' FROM demo_client WHERE {channel.value}_{number} "
                "ORDER BY id",
                [topic, channel.value, moment, ConsentChange.Source.COMMAND.value],
            )
    _suppress(cursor, now)
    return added


def _suppress(cursor: CursorWrapper, now: datetime) -> None:
    for channel in Channel:
        field = channel.address_field
        cursor.execute(f"SELECT {field} FROM demo_client WHERE {field} IS NOT NULL ORDER BY id")
        addresses = [address for (address,) in cursor.fetchall()] if suppressions.any_erased() else []
        suppressions.restore_plaintext(channel=channel, addresses=addresses)
        cursor.execute(
            f"SELECT {field}, suppressed FROM demo_client WHERE suppressed <> '' AND {field} IS NOT NULL ORDER BY id"
        )
        evidence = {address: Evidence(_SOURCES[reason], reason) for address, reason in cursor.fetchall()}
        suppressions.suppress_many(channel=channel, evidence_of=evidence, now=now)


def _stage(cursor: CursorWrapper, numbered: Iterable[tuple[int, people.Person]]) -> None:
    rows = [
        (
            *(pk, person.name, person.first_name, person.last_name, person.email, person.phone),
            *(person.language, person.is_active, person.suppressed),
            *(flag for consent in person.consents for flag in consent),
        )
        for pk, person in numbered
    ]
    marks = ", ".join(["%s"] * len(rows[0]))
    cursor.executemany(f"INSERT INTO demo_client VALUES ({marks})", rows)
    if connection.vendor == "postgresql":
        cursor.execute("ANALYZE demo_client")


def _new_ids(cursor: CursorWrapper, count: int) -> list[int]:
    """Ids that nobody else will get; unused ones leave a gap."""
    if connection.vendor == "postgresql":
        cursor.execute(
            f"SELECT nextval(pg_get_serial_sequence('{_CLIENT}', 'id')) FROM generate_series(1, %s)", [count]
        )
        return [pk for (pk,) in cursor.fetchall()]
    # SQLite has one writer, which is this transaction. From the sequence, so that a deleted id does not come back.
    cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [_CLIENT])
    row = cursor.fetchone()
    last: int = row[0] if row else 0
    return list(range(last + 1, last + 1 + count))


def _analyze(cursor: CursorWrapper) -> None:
    """Statistics for the planner: PostgreSQL gathers them by itself only after a while, SQLite never."""
    for table in (_CLIENT, _PREFERENCE, _CONSENT_CHANGE, _SUPPRESSION, _VALUES):
        cursor.execute(f"ANALYZE {table}")
