"""The statements that claiming and settling run for every window, up to hundreds of times a second.

They are written out because building them with the ORM, and its rows into models, was most of a consumer's processor
time.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection

from notifier.audience import chains
from notifier.messages import placeholders, variants
from notifier.models import (
    Breaker,
    Broadcast,
    Channel,
    Client,
    Delivery,
    Installation,
    Preference,
    Reason,
    Receipt,
    Suppression,
    Topic,
)
from notifier.policies import quiet_hours
from notifier.policies.client_values import Sources

DELIVERY, CLIENT, BROADCAST, TOPIC, PREFERENCE, SUPPRESSION, BREAKER = (
    model._meta.db_table for model in (Delivery, Client, Broadcast, Topic, Preference, Suppression, Breaker)
)
RECEIPT = Receipt._meta.db_table
_INSTALLATION = Installation._meta.db_table
_LEASE_TOKEN = Delivery._meta.get_field("lease_token")


# --- What the broadcast says ------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Content:
    """What a broadcast says on one channel, frozen when it was started, and whether that channel's breaker is open."""

    topic_id: int
    topic: str
    topic_slug: str
    subject: str
    preheader: str
    body: str
    breaker_open: bool
    notification_id: int
    follows_id: int | None
    is_critical: bool
    #: As the database gave it, to be compared with what it holds.
    started_at: Any
    #: The installation's code.
    installation: str
    #: The brand as JSON; None where the broadcast has none.
    brand: str | None
    #: The texts in other languages, as `messages.variants` reads them.
    variants: str
    #: What a client reads: of an SMS the body alone.
    channel: Channel

    @property
    def texts(self) -> tuple[str, ...]:
        """In each language that some client reads."""
        own = (self.subject, self.preheader, self.body) if self.channel == Channel.EMAIL else (self.body,)
        return (*own, *variants.sent(variants.read(self.variants), self.channel.value))


_CONTENT = f"""
    SELECT t.id, t.name, t.slug, b.subject, b.preheader, b.{{channel}}_body,
           EXISTS (SELECT 1 FROM {BREAKER} k WHERE k.channel = %s AND k.opened_at IS NOT NULL),
           b.notification_id, b.follows_id, b.is_critical, b.started_at,
           COALESCE((SELECT i.code FROM {_INSTALLATION} i ORDER BY i.id LIMIT 1), ''), b.brand, b.variants
    FROM {BROADCAST} b JOIN {TOPIC} t ON t.id = b.topic_id
    WHERE b.id = %s AND b.state = '{Broadcast.State.RUNNING}' AND (b.expires_at IS NULL OR b.expires_at > %s)
"""  # noqa: S608


def running_content(cursor: Any, broadcast_id: int, channel: Channel, now: datetime) -> Content | None:
    """None where the broadcast is not running, or has expired."""
    moment = connection.ops.adapt_datetimefield_value(now)
    cursor.execute(_CONTENT.format(channel=channel.value), [channel.value, broadcast_id, moment])
    row = cursor.fetchone()
    return Content(*(*row, channel)) if row else None


# --- Whom it may go to ------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Restrictions:
    """The channel's quiet hours and frequency cap; neither where none is set, or where the broadcast is critical."""

    quiet: quiet_hours.Hours | None
    #: So many messages, in so many days.
    cap: tuple[int, int] | None

    @classmethod
    def of(cls, channel: Channel, content: Content) -> "Restrictions":
        if content.is_critical:
            return cls(None, None)
        return cls(settings.QUIET_HOURS[channel.value], settings.CAPS[channel.value])


class PendingRow(NamedTuple):
    """A locked PENDING delivery, and what is true of its client at this moment."""

    id: int
    broadcast_id: int
    client_id: int
    channel: str
    address: str
    attempts: int
    is_active: bool
    consents: bool
    #: None where the address is not suppressed; otherwise `_SINCE_THE_START`, or 1.
    suppressed: int | None
    #: Whether the address is a landline's, to which no SMS goes; by the last digits, as `policies.landlines` has it.
    landline: bool
    #: Whether another broadcast of the same chain turned out, after the fan-out, to have reached the client.
    reached: bool
    #: Whether the client reached the frequency cap.
    over_cap: bool
    #: Only asked for where there are quiet hours.
    time_zone: str
    phone: str | None
    #: As it is on record now.
    language: str | None
    #: Of the placeholders that the text has, as the database has them.
    values: Sequence[Any]
    #: Whether one is missing for which the text, in one of its languages, has no fallback.
    lacks_value: bool

    def skip_reason(self) -> str:
        """Why the client must not get it at all, or "" if they may."""
        if self.reached:
            return Reason.REACHED
        if not self.is_active:
            return Reason.ARCHIVED
        if not self.consents or self.suppressed == _SINCE_THE_START:
            return Reason.CONSENT_GONE
        if self.suppressed:
            return Reason.SUPPRESSED
        if self.landline:
            return Reason.LANDLINE
        return Reason.NO_VALUE if self.lacks_value else ""


_CLIENT_REQUESTED = ", ".join(f"'{source.value}'" for source in Suppression.CLIENT_REQUESTED)
#: Suppressed on the client's own request since the broadcast began. Those who were before it are not among the rows.
_SINCE_THE_START = 2

# Rows are found by id alone: with a second indexed term SQLite walks the unique key, 20 times slower. `state` stands in
# the WHERE of the delivery itself, so that PostgreSQL checks it again after waiting for a lock; rows that another
# consumer holds are skipped and left to it.
_SELECT_PENDING = f"""
    SELECT d.id, d.broadcast_id, d.client_id, d.channel, d.address, d.attempts, c.is_active,
           EXISTS (SELECT 1 FROM {PREFERENCE} p WHERE p.client_id = d.client_id AND p.topic_id = %s AND p.{{channel}}),
           (SELECT CASE WHEN s.source IN ({_CLIENT_REQUESTED}) AND s.created_at > %s
                        THEN {_SINCE_THE_START} ELSE 1 END
             FROM {SUPPRESSION} s WHERE s.channel = %s AND s.address = d.address),
           {{landline}}, {{reached}}, {{over_cap}}, {{zone}}, c.language{{values}}
    FROM {DELIVERY} d JOIN {CLIENT} c ON c.id = d.client_id {{fields}}
    WHERE d.id IN ({{ids}}) AND d.state = '{Delivery.State.PENDING}'
    ORDER BY d.id {{lock}}
"""  # noqa: S608


# Twice the sign, for the statement has parameters.
_LANDLINE = "COALESCE(d.address LIKE '%%' || c.landline_ending, false)"


# By the unique key. Only for a broadcast that follows others; the rest is spared the look.
_REACHED = f"""
    EXISTS (SELECT 1 FROM {DELIVERY} e
            WHERE e.broadcast_id IN ({{chain}}) AND e.client_id = d.client_id AND e.channel = d.channel
                  AND (e.due_at IS NOT NULL OR (
                      e.state IN ({", ".join(f"'{state}'" for state in chains.ARRIVED)})
                      AND NOT EXISTS (SELECT 1 FROM {RECEIPT} r WHERE r.delivery_id = e.id AND r.state IN (
                          {", ".join(f"'{state}'" for state in Receipt.MISSED)})))))
"""  # noqa: S608


# By the index on the client, who has few deliveries among millions. The row itself is PENDING, so it does not count.
_OVER_CAP = f"""
    (SELECT COUNT(*) FROM {DELIVERY} e
     WHERE e.client_id = d.client_id AND e.channel = d.channel
           AND (e.state = '{Delivery.State.SENDING}'
                OR (e.state IN ('{Delivery.State.SENT}', '{Delivery.State.UNKNOWN}') AND e.settled_at > %s))
    ) >= %s
"""  # noqa: S608


def lock_pending(
    cursor: Any,
    *,
    broadcast_id: int,
    channel: Channel,
    content: Content,
    sources: Sources,
    restrictions: Restrictions,
    delivery_ids: Sequence[int],
    now: datetime,
) -> list[PendingRow]:
    """The PENDING rows among these that belong to the broadcast and channel, locked in the order of their ids.

    `sources`: of the placeholders that the text has.
    """
    needed = placeholders.needed(*content.texts)
    params: list[Any] = [content.topic_id, content.started_at, channel.value]
    over_cap = "false"
    if restrictions.cap:
        maximum, days = restrictions.cap
        over_cap = _OVER_CAP
        params += [connection.ops.adapt_datetimefield_value(now - timedelta(days=days)), maximum]
    statement = _SELECT_PENDING.format(
        channel=channel.value,
        ids=_listed(delivery_ids),
        lock="FOR UPDATE OF d SKIP LOCKED" if connection.features.has_select_for_update_skip_locked else "",
        landline=_LANDLINE if channel == Channel.SMS else "false",
        reached=_reached(broadcast_id, content),
        over_cap=over_cap,
        zone="c.time_zone, c.phone" if restrictions.quiet else "'', NULL",
        values=sources.columns(client="c", values="v"),
        fields=sources.join(client="c", values="v"),
    )
    cursor.execute(statement, params)
    rows = (_row(found, sources, needed) for found in cursor.fetchall())
    return [row for row in rows if row.broadcast_id == broadcast_id and row.channel == channel.value]


def _row(found: Sequence[Any], sources: Sources, needed: Sequence[str]) -> PendingRow:
    facts = found[: len(found) - len(sources.each)]
    values = found[len(facts) :]
    return PendingRow._make((*facts, values, not sources.has(needed, values)))


def _reached(broadcast_id: int, content: Content) -> str:
    if not content.follows_id:
        return "false"
    chain = chains.others(broadcast_id=broadcast_id, notification_id=content.notification_id)
    return _REACHED.format(chain=_listed(chain))


# --- One claim after the other, for the same client -------------------------------------------------------------------
#: Clients share this many locks, so that no window fills PostgreSQL's table of them.
CLIENT_LOCKS = 4096
_LOCK_CLIENTS = f"""
    SELECT pg_advisory_xact_lock(%s, number)
    FROM (SELECT DISTINCT (client_id %% {CLIENT_LOCKS})::int AS number
          FROM {DELIVERY} WHERE id IN ({{ids}}) ORDER BY number) numbers
"""  # noqa: S608
#: The first half of those locks' names: nobody else's, and another for each channel.
_LOCK_OF = {channel: 0x4E54_0000 + number for number, channel in enumerate(Channel)}


def lock_clients(cursor: Any, channel: Channel, delivery_ids: Sequence[int]) -> None:
    """Make two claims that count for the same client go one after the other: each would miss what the other takes.

    The locks last until the commit and are taken in one order by all, before the statement that counts: that one then
    sees what the earlier claim has committed. The clients' rows are not locked instead, because an import changes those
    in an order of its own, for minutes. On SQLite write transactions go one after the other anyway.
    """
    if connection.vendor == "postgresql" and delivery_ids:
        cursor.execute(_LOCK_CLIENTS.format(ids=_listed(delivery_ids)), [_LOCK_OF[channel]])


# --- Writing the result -----------------------------------------------------------------------------------------------
_SENDING = f"""
    UPDATE {DELIVERY} SET state = '{Delivery.State.SENDING}', lease_token = %s, due_at = %s, language = {{language}}
    WHERE id IN ({{ids}})
"""  # noqa: S608
_SENT = f"""
    UPDATE {DELIVERY} SET state = '{Delivery.State.SENT}', due_at = NULL, settled_at = %s, detail = '',
           attempts = attempts + 1, provider_id = {{provider_id}}
    WHERE id IN ({{ids}}) AND lease_token = %s AND state IN ({{states}})
"""  # noqa: S608


def mark_sending(cursor: Any, rows: Sequence[PendingRow], *, token: uuid.UUID, lease_ends_at: datetime) -> None:
    """With the language in which each is written to, as it was read with the row: it may change later."""
    if not rows:
        return
    moment = connection.ops.adapt_datetimefield_value(lease_ends_at)
    known = [(row.id, row.language) for row in rows if row.language]
    language = "CASE id " + "WHEN %s THEN %s " * len(known) + "END" if known else "NULL"
    statement = _SENDING.format(ids=_listed([row.id for row in rows]), language=language)
    cursor.execute(statement, [_prepared(token), moment, *sum(known, ())])


def mark_sent(
    sent: Sequence[tuple[int, str]], *, token: uuid.UUID, states: Sequence[Delivery.State], now: datetime
) -> int:
    """Settle (delivery id, provider's id) pairs as SENT, where the token and one of `states` are theirs; how many."""
    if not sent:
        return 0
    known = [(delivery_id, provider_id) for delivery_id, provider_id in sent if provider_id]
    statement = _SENT.format(
        provider_id="CASE id " + "WHEN %s THEN %s " * len(known) + "ELSE '' END" if known else "''",
        ids=_listed([delivery_id for delivery_id, _ in sent]),
        states=", ".join(f"'{state}'" for state in states),
    )
    moment = connection.ops.adapt_datetimefield_value(now)
    with connection.cursor() as cursor:
        cursor.execute(statement, [moment, *sum(known, ()), _prepared(token)])
        return int(cursor.rowcount)


def _listed(ids: Sequence[int]) -> str:
    """Integers as they stand: nothing else can get into a statement this way."""
    return ", ".join(str(int(number)) for number in ids)


def _prepared(token: uuid.UUID) -> Any:
    return _LEASE_TOKEN.get_db_prep_value(token, connection)
