"""What consumers do to deliveries: claim them before sending, settle them after. Short transactions, no I/O inside."""

import random
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Case, DateTimeField, F, QuerySet, Value, When

from notifier.broadcasts import chains
from notifier.consent import suppressions
from notifier.messages import email, placeholders, signed_links
from notifier.models import Breaker, Broadcast, Channel, Client, Delivery, Preference, Reason, Suppression, Topic
from notifier.policies import quiet_hours, quiet_hours_sql
from notifier.runtime import failpoints

LONGEST_RETRY = timedelta(hours=1)
#: Retries of one bad moment are spread by this share either way, so that they don't come back all at once.
JITTER = 0.2

NEVER_SENT = "its consumer was held up until the lease had ended, and did not send it"


@dataclass(frozen=True, slots=True)
class Message:
    """One claimed delivery, rendered and ready to send."""

    delivery_id: int
    broadcast_id: int
    channel: Channel
    address: str
    subject: str
    #: Plain text, for both channels.
    body: str
    attempts: int
    #: An e-mail's other form; empty for an SMS.
    html: str = ""
    #: Token of the unsubscribe link (`signed_links`) and slug of the topic; empty for an SMS.
    link_token: str = ""
    list_id: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """Deliveries that are ours to send until the lease ends. `token` proves it when they are settled."""

    token: uuid.UUID
    claimed_at: datetime
    lease_ends_at: datetime
    messages: list[Message] = field(default_factory=list)
    #: The channel's breaker is open: nothing was claimed but its probe, if that was among the deliveries.
    breaker_open: bool = False
    #: Since when the breaker is open whose probe this is. It may have no message: the client no longer wants it.
    probe_of: datetime | None = None


class Verdict(Enum):
    """How a send ended, as the provider's answer was understood."""

    SENT = "SENT"
    TEMPORARY = "TEMPORARY"
    PERMANENT = "PERMANENT"
    UNKNOWN = "UNKNOWN"
    #: Never handed to the provider, or refused before any recipient was named: back to PENDING, no attempt used.
    RELEASED = "RELEASED"
    #: The recipient has opted out at the provider: skipped, and no failure of anybody's.
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True)
class Outcome:
    message: Message
    verdict: Verdict
    detail: str = ""
    provider_id: str = ""
    #: How long to wait before the next try, where the provider or the channel's back-off said so.
    wait: timedelta | None = None
    #: The address is to be sent nothing any more: by whose word, and the provider's answer as the evidence.
    suppress: suppressions.Evidence | None = None

    def postponed(self, wait: timedelta) -> "Outcome":
        return replace(self, wait=wait)


def claim(
    *, broadcast_id: int, channel: Channel, delivery_ids: Sequence[int], token: uuid.UUID, now: datetime
) -> Claim:
    """Take those deliveries that are PENDING and whose client still wants the message, for LEASE_SECONDS.

    The others: consent gone, suppressed, archived, or reached by a broadcast that this one follows → SKIPPED with the
    reason; over the channel's cap → SKIPPED as well; in the client's quiet hours → PENDING still, due when they end; of
    a paused broadcast → left PENDING, due now; of one that has expired → left for the dispatcher, which ends it;
    anything else (taken, settled, cancelled, of another broadcast) → untouched. While the channel's breaker is open
    only its probe is taken, and the rest is left to be given back. Committed on return. After a database error it may
    have been committed all the same: `release_claim` the token, which must be new each time.
    """
    lease_ends_at = now + timedelta(seconds=settings.LEASE_SECONDS)
    with transaction.atomic(), connection.cursor() as cursor:
        frozen = _running_content(cursor, broadcast_id, channel, now)
        if frozen is None:
            paused = _unclaimed(delivery_ids).filter(broadcast=broadcast_id, broadcast__state=Broadcast.State.PAUSED)
            paused.update(due_at=now)
            return Claim(token, now, lease_ends_at)
        opened_at = None
        if frozen.is_held:
            delivery_ids, opened_at = _probe_among(delivery_ids, channel)
            if not delivery_ids:
                return Claim(token, now, lease_ends_at, breaker_open=True)
        limits = _Limits.of(channel, frozen)
        if limits.cap:
            _take_turns(cursor, channel, delivery_ids)
        rows = _lock_pending(cursor, broadcast_id, channel, frozen, limits, delivery_ids, now)
        wanted, unwanted, early = _sorted_out(rows, limits, now)
        _skip(unwanted, now)
        _defer(early)
        _take(cursor, [row.id for row in wanted], token, lease_ends_at)
        failpoints.reached("claim.taken")
    # Not before the commit: SQLite's one write lock is free again.
    messages = [_message(broadcast_id, channel, frozen, row) for row in wanted]
    return Claim(token, now, lease_ends_at, messages, breaker_open=frozen.is_held, probe_of=opened_at if rows else None)


def _probe_among(delivery_ids: Sequence[int], channel: Channel) -> tuple[list[int], datetime | None]:
    """The one that the open breaker's newest probe was reserved for, if any, and since when that breaker is open."""
    breaker = Breaker.objects.open().filter(channel=channel).first()
    if breaker is None:  # closed this very moment
        return [], None
    probe = _unclaimed(delivery_ids).filter(due_at=breaker.probe_at).values_list("pk", flat=True)
    return list(probe), breaker.opened_at


def settle(*, claim: Claim, outcomes: Sequence[Outcome], now: datetime) -> int:
    """Record how each claimed delivery ended, and which addresses are suppressed by it, in one transaction.

    Returns how many rows were still ours to settle; fewer than `len(outcomes)` means that a lease ran out and
    someone else has decided. After an error the same call may be made again.
    """
    groups: dict[tuple[Any, ...], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.verdict is not Verdict.SENT:
            groups[outcome.verdict, outcome.detail, outcome.wait, outcome.message.attempts].append(outcome)
    sent = [outcome for outcome in outcomes if outcome.verdict is Verdict.SENT]
    settled = 0
    if not groups:
        # One statement, and so a transaction by itself. No broadcast has finished over a row that is SENDING: nothing
        # more is to do, unless some are no longer. Our clock can't tell: the one who swept them may have had another.
        settled = _settle_sent(claim, sent, now, states=[Delivery.State.SENDING])
        if settled == len(sent):
            return settled
    ours = _still_ours(claim).filter(pk__in=[outcome.message.delivery_id for outcome in outcomes])
    with transaction.atomic():
        is_late = Delivery.State.UNKNOWN in ours.order_by("pk").select_for_update().values_list("state", flat=True)
        settled += _settle_sent(claim, sent, now, states=[Delivery.State.SENDING, Delivery.State.UNKNOWN])
        for alike in groups.values():
            ids = [outcome.message.delivery_id for outcome in alike]
            settled += _still_ours(claim).filter(pk__in=ids).update(**_change(alike[0], now))
        _suppress([outcome for outcome in outcomes if outcome.suppress], now)
        if is_late:
            # Its broadcast may have finished over it, with a last tally that is no longer true; or may be finishing at
            # this moment. Hence no condition on `finished_at`: a row that does not fit is not waited for.
            broadcasts = {outcome.message.broadcast_id for outcome in outcomes}
            Broadcast.objects.filter(pk__in=broadcasts).update(tallied_at=None)
        failpoints.reached("settle.written")
    return settled


def _suppress(outcomes: Sequence[Outcome], now: datetime) -> None:
    """In the order of their addresses, so that two consumers never wait for each other.

    Not where the address is no longer the delivery's: its client was erased since its lease ran out.
    """
    for outcome in sorted(outcomes, key=lambda outcome: outcome.message.address):
        message, evidence = outcome.message, outcome.suppress
        if evidence and Delivery.objects.filter(pk=message.delivery_id, address=message.address).exists():
            suppressions.suppress(channel=message.channel, address=message.address, evidence=evidence, now=now)


def release_claim(*, token: uuid.UUID, delivery_ids: Sequence[int], now: datetime) -> int:
    """Undo a claim of which nothing was sent, if it was made at all; returns how many rows it had taken."""
    taken = Delivery.objects.filter(pk__in=delivery_ids, state=Delivery.State.SENDING, lease_token=token)
    return taken.update(state=Delivery.State.PENDING, due_at=now)


def release(*, delivery_ids: Sequence[int], due_at: datetime) -> int:
    """Return deliveries of a ticket that were not claimed, to be issued again at `due_at`; returns how many.

    They are marked with a token of their own: those without one count as travelling in a ticket.
    """
    return _unclaimed(delivery_ids).update(due_at=due_at, lease_token=uuid.uuid4())


def retry_delay(attempts: int) -> timedelta:
    """How long to wait after so many failed attempts: doubling, at most an hour, spread by a fifth either way."""
    seconds = min(LONGEST_RETRY.total_seconds(), settings.RETRY_BASE_SECONDS * 2**attempts)
    return timedelta(seconds=seconds * random.uniform(1 - JITTER, 1 + JITTER))


def _unclaimed(delivery_ids: Sequence[int]) -> QuerySet[Delivery]:
    return Delivery.objects.filter(pk__in=delivery_ids, state=Delivery.State.PENDING, lease_token=None)


# The statements below run once for every window, up to hundreds of times a second. They are written out because
# building them with the ORM, and its rows into models, was most of a consumer's processor time.
DELIVERY, CLIENT, BROADCAST, TOPIC, PREFERENCE, SUPPRESSION, BREAKER = (
    model._meta.db_table for model in (Delivery, Client, Broadcast, Topic, Preference, Suppression, Breaker)
)


@dataclass(frozen=True, slots=True)
class _Content:
    """What a broadcast says on one channel, frozen when it was started, and whether that channel's breaker is open."""

    topic_id: int
    topic: str
    topic_slug: str
    subject: str
    body: str
    is_held: bool
    notification_id: int
    follows_id: int | None
    is_critical: bool
    #: As the database gave it, to be compared with what it holds.
    started_at: Any


@dataclass(frozen=True, slots=True)
class _Limits:
    """What keeps back a message that the client has agreed to; nothing does where none is set, or it is critical."""

    quiet: quiet_hours.Hours | None
    #: So many, in so many days.
    cap: tuple[int, int] | None

    @classmethod
    def of(cls, channel: Channel, frozen: _Content) -> "_Limits":
        if frozen.is_critical:
            return cls(None, None)
        return cls(settings.QUIET_HOURS[channel.value], settings.CAPS[channel.value])


_CONTENT = f"""
    SELECT t.id, t.name, t.slug, b.subject, b.{{channel}}_body,
           EXISTS (SELECT 1 FROM {BREAKER} k WHERE k.channel = %s AND k.opened_at IS NOT NULL),
           b.notification_id, b.follows_id, b.is_critical, b.started_at
    FROM {BROADCAST} b JOIN {TOPIC} t ON t.id = b.topic_id
    WHERE b.id = %s AND b.state = '{Broadcast.State.RUNNING}' AND (b.expires_at IS NULL OR b.expires_at > %s)
"""  # noqa: S608


def _running_content(cursor: Any, broadcast_id: int, channel: Channel, now: datetime) -> _Content | None:
    moment = connection.ops.adapt_datetimefield_value(now)
    cursor.execute(_CONTENT.format(channel=channel.value), [channel.value, broadcast_id, moment])
    row = cursor.fetchone()
    return _Content(*row) if row else None


class _Row(NamedTuple):
    """A locked PENDING delivery, with today's word on its client."""

    id: int
    broadcast_id: int
    client_id: int
    channel: str
    address: str
    attempts: int
    name: str
    is_active: bool
    consents: bool
    #: None where the address is not suppressed; `_SINCE`, or 1.
    suppressed: int | None
    #: Somebody has found since the fan-out that it did arrive.
    reached: bool
    #: Has had as many of late as the cap allows.
    is_sated: bool
    #: Only asked for where there are quiet hours.
    time_zone: str
    phone: str | None

    def why_not(self) -> str:
        if self.reached:
            return Reason.REACHED
        if not self.is_active:
            return Reason.ARCHIVED
        if not self.consents or self.suppressed == _SINCE:
            return Reason.CONSENT_GONE
        return Reason.SUPPRESSED if self.suppressed else ""


_OWN_WORD = ", ".join(f"'{source.value}'" for source in Suppression.CLIENT_REQUESTED)
#: Suppressed by the client's own word since the broadcast began: whoever was before that is not among the rows.
_SINCE = 2

# Found by id alone: with a second indexed term SQLite walks the unique key, 20 times slower. `state` stands in the
# WHERE of the delivery itself, so that PostgreSQL looks again after waiting for a lock; rows that another
# consumer holds are skipped and left to it.
_SELECT_PENDING = f"""
    SELECT d.id, d.broadcast_id, d.client_id, d.channel, d.address, d.attempts, c.name, c.is_active,
           EXISTS (SELECT 1 FROM {PREFERENCE} p WHERE p.client_id = d.client_id AND p.topic_id = %s AND p.{{channel}}),
           (SELECT CASE WHEN s.source IN ({_OWN_WORD}) AND s.created_at > %s THEN {_SINCE} ELSE 1 END
             FROM {SUPPRESSION} s WHERE s.channel = %s AND s.address = d.address),
           {{reached}}, {{over_cap}}, {{zone}}
    FROM {DELIVERY} d JOIN {CLIENT} c ON c.id = d.client_id
    WHERE d.id IN ({{ids}}) AND d.state = '{Delivery.State.PENDING}'
    ORDER BY d.id {{lock}}
"""  # noqa: S608


# By the unique key. Only of a broadcast that follows others; the rest is spared the look.
_REACHED = f"""
    EXISTS (SELECT 1 FROM {DELIVERY} e
            WHERE e.broadcast_id IN ({{chain}}) AND e.client_id = d.client_id AND e.channel = d.channel
                  AND (e.state IN ({", ".join(f"'{state}'" for state in chains.ARRIVED)}) OR e.due_at IS NOT NULL))
"""  # noqa: S608


# By the index on the client, of whom there are few deliveries among millions. The row itself is PENDING.
_OVER_CAP = f"""
    (SELECT COUNT(*) FROM {DELIVERY} e
     WHERE e.client_id = d.client_id AND e.channel = d.channel
           AND (e.state = '{Delivery.State.SENDING}'
                OR (e.state IN ('{Delivery.State.SENT}', '{Delivery.State.UNKNOWN}') AND e.settled_at > %s))
    ) >= %s
"""  # noqa: S608


#: Clients share this many locks, so that no window fills PostgreSQL's table of them.
TURNS = 4096
_CLIENT_LOCKS = f"""
    SELECT pg_advisory_xact_lock(%s, turn)
    FROM (SELECT DISTINCT (client_id %% {TURNS})::int AS turn FROM {DELIVERY} WHERE id IN ({{ids}}) ORDER BY turn) turns
"""  # noqa: S608
#: The first half of those locks' names: nobody else's, and another for each channel.
_LOCK_OF = {channel: 0x4E54_0000 + number for number, channel in enumerate(Channel)}


def _take_turns(cursor: Any, channel: Channel, delivery_ids: Sequence[int]) -> None:
    """Two claims that count for the same client go one after the other, or each would miss what the other takes.

    Until the commit, in one order for all, and before the statement that counts: it then sees what the one before has
    committed. Not by the clients' rows: an import changes those in an order of its own, for minutes. SQLite's
    transactions take turns anyway.
    """
    if connection.vendor == "postgresql" and delivery_ids:
        cursor.execute(_CLIENT_LOCKS.format(ids=_listed(delivery_ids)), [_LOCK_OF[channel]])


def _lock_pending(
    cursor: Any,
    broadcast_id: int,
    channel: Channel,
    frozen: _Content,
    limits: _Limits,
    delivery_ids: Sequence[int],
    now: datetime,
) -> list[_Row]:
    """The PENDING rows among these that belong to the broadcast and channel, locked in the order of their ids."""
    lock = "FOR UPDATE OF d SKIP LOCKED" if connection.features.has_select_for_update_skip_locked else ""
    reached = "false"
    if frozen.follows_id:
        chain = chains.others(broadcast_id=broadcast_id, notification_id=frozen.notification_id)
        reached = _REACHED.format(chain=_listed(chain))
    over_cap: str = "false"
    params: list[Any] = [frozen.topic_id, frozen.started_at, channel.value]
    if limits.cap:
        most, days = limits.cap
        over_cap = _OVER_CAP
        params += [connection.ops.adapt_datetimefield_value(now - timedelta(days=days)), most]
    zone = "c.time_zone, c.phone" if limits.quiet else "'', NULL"
    ids = _listed(delivery_ids)
    cursor.execute(
        _SELECT_PENDING.format(
            channel=channel.value, ids=ids, lock=lock, reached=reached, over_cap=over_cap, zone=zone
        ),
        params,
    )
    rows = map(_Row._make, cursor.fetchall())
    return [row for row in rows if row.broadcast_id == broadcast_id and row.channel == channel.value]


def _sorted_out(
    rows: Sequence[_Row], limits: _Limits, now: datetime
) -> tuple[list[_Row], dict[str, list[int]], dict[datetime, list[int]]]:
    """Those to send; the ids of those to skip, by the reason; and of those to send later, by the moment.

    What comes too early is not judged by the cap yet: that is for the moment at which it would be sent.
    """
    wanted = []
    unwanted: dict[str, list[int]] = defaultdict(list)
    early: dict[datetime, list[int]] = defaultdict(list)
    for row in rows:
        if reason := row.why_not():
            unwanted[reason].append(row.id)
        elif limits.quiet and (opens_at := _opens_at(row, limits.quiet, now)) > now:
            early[opens_at].append(row.id)
        elif row.is_sated:
            unwanted[Reason.FREQUENCY_CAP].append(row.id)
        else:
            wanted.append(row)
    return wanted, unwanted, early


def _opens_at(row: _Row, quiet: quiet_hours.Hours, now: datetime) -> datetime:
    return quiet_hours.opens_at(
        zones=quiet_hours.zones_of(time_zone=row.time_zone, phone=row.phone), hours=quiet, now=now
    )


def _message(broadcast_id: int, channel: Channel, frozen: _Content, row: _Row) -> Message:
    replacements = placeholders.values(name=row.name, topic=frozen.topic)
    link_token = ""
    if channel == Channel.EMAIL:
        link_token = signed_links.token(signed_links.Link(row.client_id, frozen.topic_id, broadcast_id))
    text, html = _bodies(channel, frozen, replacements, link_token)
    return Message(
        delivery_id=row.id,
        broadcast_id=broadcast_id,
        channel=channel,
        address=row.address,
        subject=placeholders.one_line(placeholders.render(frozen.subject, replacements)),
        body=text,
        attempts=row.attempts,
        html=html,
        link_token=link_token,
        list_id=frozen.topic_slug,
    )


def _bodies(channel: Channel, frozen: _Content, replacements: dict[str, str], link_token: str) -> tuple[str, str]:
    if channel != Channel.EMAIL:
        return placeholders.sms(frozen.body, replacements), ""
    rendered = email.render(subject=frozen.subject, body=frozen.body)
    return rendered.text_for(replacements, link_token), rendered.html_for(replacements, link_token)


def _skip(unwanted: Mapping[str, Sequence[int]], now: datetime) -> None:
    for reason, ids in unwanted.items():
        Delivery.objects.filter(pk__in=ids).update(
            state=Delivery.State.SKIPPED, detail=reason, due_at=None, settled_at=now
        )


def _defer(early: Mapping[datetime, Sequence[int]]) -> None:
    """Marked as what is given back, or they would be looked for as travelling in a ticket that was lost."""
    for opens_at, ids in early.items():
        Delivery.objects.filter(pk__in=ids).update(
            due_at=opens_at, lease_token=uuid.uuid4(), detail=quiet_hours_sql.WAITS
        )


def _take(cursor: Any, delivery_ids: Sequence[int], token: uuid.UUID, lease_ends_at: datetime) -> None:
    if delivery_ids:
        cursor.execute(
            f"UPDATE {DELIVERY} SET state = '{Delivery.State.SENDING}', lease_token = %s, due_at = %s "  # noqa: S608
            f"WHERE id IN ({_listed(delivery_ids)})",
            [_token(token), connection.ops.adapt_datetimefield_value(lease_ends_at)],
        )


def _still_ours(claim: Claim) -> QuerySet[Delivery]:
    """The token, so that a slow consumer can still turn its own UNKNOWN into what it was, and never another's claim."""
    return Delivery.objects.filter(lease_token=claim.token, state__in=[Delivery.State.SENDING, Delivery.State.UNKNOWN])


_SENT = f"""
    UPDATE {DELIVERY} SET state = '{Delivery.State.SENT}', due_at = NULL, settled_at = %s, detail = '',
           attempts = attempts + 1, provider_id = {{provider_id}}
    WHERE id IN ({{ids}}) AND lease_token = %s AND state IN ({{states}})
"""  # noqa: S608


def _settle_sent(claim: Claim, outcomes: Sequence[Outcome], now: datetime, *, states: Sequence[Delivery.State]) -> int:
    if not outcomes:
        return 0
    ids = _listed([outcome.message.delivery_id for outcome in outcomes])
    known = [(outcome.message.delivery_id, outcome.provider_id[:100]) for outcome in outcomes if outcome.provider_id]
    provider_id = "CASE id " + "WHEN %s THEN %s " * len(known) + "ELSE '' END" if known else "''"
    with connection.cursor() as cursor:
        cursor.execute(
            _SENT.format(provider_id=provider_id, ids=ids, states=", ".join(f"'{state}'" for state in states)),
            [connection.ops.adapt_datetimefield_value(now), *sum(known, ()), _token(claim.token)],
        )
        return int(cursor.rowcount)


def _listed(ids: Sequence[int]) -> str:
    """Integers as they stand: nothing else can get into a statement this way."""
    return ", ".join(str(int(number)) for number in ids)


def _token(token: uuid.UUID) -> Any:
    return _LEASE_TOKEN.get_db_prep_value(token, connection)


_LEASE_TOKEN = Delivery._meta.get_field("lease_token")


def _change(outcome: Outcome, now: datetime) -> dict[str, Any]:
    """The columns that a failure sets."""
    state, detail = Delivery.State, outcome.detail[:300]
    used = F("attempts") + 1
    done = {"due_at": None, "settled_at": now, "detail": detail}
    match outcome.verdict:
        case Verdict.PERMANENT:
            return done | {"state": state.FAILED, "attempts": used}
        case Verdict.REFUSED:
            return done | {"state": state.SKIPPED, "attempts": used, "detail": Reason.OPTED_OUT}
        case Verdict.UNKNOWN:
            return done | {"state": state.UNKNOWN, "attempts": used}
        case Verdict.RELEASED:
            return _again(state.PENDING, due_at=now + (outcome.wait or timedelta()), detail=detail, now=now)
    tries = outcome.message.attempts + 1
    if tries >= settings.MAX_ATTEMPTS:
        return done | {
            "state": state.FAILED,
            "attempts": used,
            "detail": f"gave up after {tries} attempts: {detail}"[:300],
        }
    due_at = now + (outcome.wait or retry_delay(outcome.message.attempts))
    return _again(state.RETRYING, due_at=due_at, detail=detail, now=now) | {"attempts": used}


def _again(state: Delivery.State, *, due_at: datetime, detail: str, now: datetime) -> dict[str, Any]:
    """To be tried again, unless it is UNKNOWN by now: its broadcast may be finished, and it would wait for ever."""
    late = When(state=Delivery.State.UNKNOWN, then=Value(Delivery.State.FAILED))
    moment = {"output_field": DateTimeField()}
    return {
        "state": Case(late, default=Value(state)),
        "due_at": Case(When(state=Delivery.State.UNKNOWN, then=None), default=Value(due_at, **moment), **moment),
        "settled_at": Case(When(state=Delivery.State.UNKNOWN, then=Value(now, **moment)), default=None, **moment),
        # What was released for want of time has no detail, and what has failed must say why.
        "detail": Case(When(state=Delivery.State.UNKNOWN, then=Value(detail or NEVER_SENT)), default=Value(detail)),
    }
