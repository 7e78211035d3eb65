"""What the dispatcher does to deliveries: make them, issue tickets for them, and bring back what was lost.

Any number of dispatchers may run; each call is safe to repeat and to kill.
"""

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction
from django.db.models import Case, Count, Exists, F, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce

from notifier.broadcasts import chains
from notifier.models import Breaker, Broadcast, Channel, Client, Delivery, Preference, Reason, Suppression
from notifier.policies import breakers, quiet_hours_sql
from notifier.runtime import failpoints
from notifier.transport.base import Ticket, Transport, TransportError

#: Rows that one UPDATE takes at the most, so that no transaction is long and no list of ids is large.
CHUNK = 10_000
#: How long nobody claims anything from an empty queue, or how much earlier than one that was claimed a ticket was
#: issued, before it counts as lost. To be wrong costs a repeated ticket, which claims nothing.
LOST_AFTER = timedelta(seconds=5)
#: How long no more of a channel's tickets are repeated after some were.
REISSUE_PAUSE = timedelta(seconds=30)

LEASE_RAN_OUT = "the consumer fell silent while sending: it may or may not have arrived"

State = Delivery.State
TABLE = Delivery._meta.db_table
_LEASE_TOKEN = Delivery._meta.get_field("lease_token")


# --- Expand -----------------------------------------------------------------------------------------------------------
def expand(*, broadcast_id: int, now: datetime) -> int | None:
    """Turn the next EXPAND_CHUNK clients of a running broadcast into deliveries.

    The rows, the cursor and the audience change in one transaction, so a kill leaves all of it or nothing. Returns how
    many rows were made; None when there was nothing to expand, or another dispatcher is at it.
    """
    unexpanded = Broadcast.objects.running().filter(pk=broadcast_id, cursor__lt=F("audience_upto"))
    with transaction.atomic():
        broadcast = unexpanded.select_for_update(skip_locked=True).first()
        if broadcast is None:
            return None
        upper = _upper_id(broadcast)
        made = sum(_insert(broadcast, channel, upper, now) for channel in broadcast.channels)
        failpoints.reached("expand.inserted")
        Broadcast.objects.filter(pk=broadcast.pk, cursor=broadcast.cursor).update(
            cursor=upper, audience=F("audience") + made
        )
    failpoints.reached("expand.committed")
    if broadcast.audience == 0 and made:
        _refresh_statistics()
    return made


def _upper_id(broadcast: Broadcast) -> int:
    """The last client id of the next chunk: chosen first, so that the cursor never depends on what was inserted."""
    ids = Client.objects.filter(pk__gt=broadcast.cursor, pk__lte=broadcast.audience_upto).order_by("pk")
    chunk = ids.values_list("pk", flat=True)[settings.EXPAND_CHUNK - 1 : settings.EXPAND_CHUNK]
    return next(iter(chunk), broadcast.audience_upto)


# Of the consenting clients in a range of ids, makes one row each; a row that cannot be sent is born SKIPPED, with the
# reason. Materialized, or the reason's subquery would run once for each column that it decides. 10,000 rows take about
# 50 ms on SQLite and 200 ms on PostgreSQL.
_INSERT = f"""
    INSERT INTO {TABLE} (broadcast_id, client_id, channel, address, state, detail, due_at, settled_at)
    WITH audience (client_id, address, reason) AS MATERIALIZED ({{select}})
    SELECT %s, client_id, %s, address,
           CASE WHEN reason = '' THEN '{State.PENDING}' ELSE '{State.SKIPPED}' END, reason,
           CASE WHEN reason = '' THEN %s END, CASE WHEN reason <> '' THEN %s END
    FROM audience WHERE true
    ON CONFLICT DO NOTHING
"""  # noqa: S608
# The same while it is night for some of them: their rows are due in the morning. They get a token, as those that are
# given back, or they would be looked for as travelling in a ticket that was lost.
_INSERT_BY_NIGHT = f"""
    INSERT INTO {TABLE} (broadcast_id, client_id, channel, address, state, detail, due_at, settled_at, lease_token)
    WITH audience (client_id, address, reason, opens_at) AS MATERIALIZED ({{select}})
    SELECT %s, client_id, %s, address,
           CASE WHEN reason = '' THEN '{State.PENDING}' ELSE '{State.SKIPPED}' END,
           CASE WHEN reason = '' AND opens_at IS NOT NULL THEN '{quiet_hours_sql.WAITS}' ELSE reason END,
           CASE WHEN reason = '' THEN COALESCE(opens_at, %s) END, CASE WHEN reason <> '' THEN %s END,
           CASE WHEN reason = '' AND opens_at IS NOT NULL THEN %s END
    FROM audience WHERE true
    ON CONFLICT DO NOTHING
"""  # noqa: S608


def _insert(broadcast: Broadcast, channel: Channel, upper: int, now: datetime) -> int:
    """Insert the deliveries of the clients up to `upper`; returns how many were not there yet."""
    moment = connection.ops.adapt_datetimefield_value(now)
    values: list[Any] = [broadcast.pk, channel.value, moment, moment]
    opens_at = None if broadcast.is_critical else quiet_hours_sql.moment(channel=channel, client="client", now=now)
    if opens_at is None:
        statement, audience = _INSERT, _audience(broadcast, channel, upper)
    else:
        statement, audience = _INSERT_BY_NIGHT, _audience(broadcast, channel, upper, opens_at)
        values.append(_LEASE_TOKEN.get_db_prep_save(uuid.uuid4(), connection))
    select, params = audience.query.get_compiler(connection=connection).as_sql()
    with connection.cursor() as cursor:
        cursor.execute(statement.format(select=select), [*params, *values])
        return int(cursor.rowcount)


def _audience(broadcast: Broadcast, channel: Channel, upper: int, *more: Case) -> QuerySet[Preference, tuple[Any, ...]]:
    """(client id, address, reason not to send or "", …) of each active client of the next chunk who consents."""
    address = "client__email" if channel == Channel.EMAIL else "client__phone"
    suppressed = Exists(Suppression.objects.filter(channel=channel, address=OuterRef(address)))
    consents = Preference.objects.filter(
        topic=broadcast.topic_id,
        client__gt=broadcast.cursor,
        client__lte=upper,
        client__is_active=True,
        **{channel.value: True},
    )
    if broadcast.follows_id:
        consents = _missed(consents, broadcast, channel).filter(~suppressed, **{f"{address}__isnull": False})
    return consents.values_list(
        "client_id",
        Coalesce(address, Value("")),
        Case(
            When(**{address: None}, then=Value(Reason.no_address(channel))),
            When(suppressed, then=Value(Reason.SUPPRESSED)),
            default=Value(""),
        ),
        *more,
    )


def _missed(consents: QuerySet[Preference], broadcast: Broadcast, channel: Channel) -> QuerySet[Preference]:
    """Of those, whom no broadcast of the chain has reached on this channel, and none may yet."""
    chain = chains.others(broadcast_id=broadcast.pk, notification_id=broadcast.notification_id)
    return consents.filter(~Exists(chains.reached(broadcast_ids=chain, channel=channel, client=OuterRef("client_id"))))


def _refresh_statistics() -> None:
    """Without them PostgreSQL's plan for the next step is up to 20 times slower: 4,400 rows/s against 83,000."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE {TABLE}")


# --- Issue tickets ----------------------------------------------------------------------------------------------------
def issue_tickets(*, channel: Channel, transport: Transport, now: datetime) -> int:
    """Reserve due deliveries of the running broadcasts, in turn, and publish tickets for them; returns how many rows.

    Takes as many as the channel's queue has room for, so that a pause is prompt and a small broadcast does not wait
    behind a huge one; while the channel's breaker is open, one delivery whenever a probe is due. After a
    `TransportError` the reserved rows are due again.
    """
    waiting = [
        pk
        for pk in Broadcast.objects.running().order_by("pk").values_list("pk", flat=True)
        if _due(pk, channel, now).exists()
    ]
    if not waiting:
        return 0
    room = settings.QUEUE_ROOM - transport.depth(channel)
    if room < settings.QUEUE_ROOM / 2:
        # Enough to go on with: fewer and larger transactions leave consumers more of SQLite's one write lock.
        return 0
    if breaker := breakers.find_open(channel=channel):
        return _issue_probe(breaker, channel, waiting, transport, now)
    reserved_until = now + timedelta(seconds=settings.TICKET_LIFETIME_SECONDS)
    issued = 0
    for position, broadcast_id in enumerate(waiting):
        share = -(-room // (len(waiting) - position))
        if share <= 0:
            break
        most = min(share * settings.TICKET_SIZE, CHUNK)
        rows = _issue(broadcast_id, channel, transport, now, most=most, until=reserved_until)
        room -= -(-rows // settings.TICKET_SIZE)
        issued += rows
    return issued


def _issue_probe(breaker: Breaker, channel: Channel, waiting: list[int], transport: Transport, now: datetime) -> int:
    """One delivery in a ticket of its own, if it is time and nobody else does the same."""
    until = breakers.reserve_probe(breaker=breaker, now=now)
    if until is None:
        return 0
    # In turn: what the provider refuses may be the content of one broadcast, which would hold up the others for ever.
    return _issue(waiting[breaker.probes % len(waiting)], channel, transport, now, most=1, until=until)


def _issue(
    broadcast_id: int, channel: Channel, transport: Transport, now: datetime, *, most: int, until: datetime
) -> int:
    # Reserve before publishing: a crash in between delays a row by one ticket lifetime, and then it is due again.
    # The other way round, two dispatchers would issue the same rows, and a slow one would move rows already claimed.
    ids = _reserve(broadcast_id, channel, most, until, now)
    failpoints.reached("reserve.committed")
    tickets = [
        Ticket(broadcast=broadcast_id, channel=channel, deliveries=tuple(ids[start : start + settings.TICKET_SIZE]))
        for start in range(0, len(ids), settings.TICKET_SIZE)
    ]
    try:
        transport.publish(tickets)
    except TransportError:
        # Some may have arrived: their claims and those of the tickets to come settle who sends.
        reserved = Delivery.objects.filter(pk__in=ids, state=State.PENDING, due_at=until)
        _update_returning(reserved, len(ids), {"due_at": now})
        raise
    failpoints.reached("publish.confirmed")
    return len(ids)


def _due(broadcast_id: int, channel: Channel, now: datetime) -> "QuerySet[Delivery]":
    return Delivery.objects.active().filter(
        broadcast=broadcast_id, channel=channel, state__in=[State.PENDING, State.RETRYING], due_at__lte=now
    )


def _reserve(broadcast_id: int, channel: Channel, most: int, until: datetime, now: datetime) -> list[int]:
    """Put up to `most` due rows into PENDING until `until`, in no owner's hands; returns their ids in order.

    The rows are not asked for in the order of their ids: PostgreSQL would walk the primary key (78 ms against 0.6).
    """
    due = _due(broadcast_id, channel, now)
    ids = _update_returning(due, most, {"state": State.PENDING, "due_at": until, "lease_token": None})
    return sorted(ids)


# --- Sweep ------------------------------------------------------------------------------------------------------------
def sweep(*, now: datetime) -> int:
    """Settle what nobody else will: sends whose lease ran out become UNKNOWN, rows of cancelled broadcasts CANCELLED.

    Returns how many rows it changed, at most CHUNK a broadcast and kind.
    """
    changed = 0
    # No lease ends that far ahead: the clock was set back. If its consumer is dead, these rows would hold up the end of
    # their broadcast, and the search for lost tickets, for as long; if it lives, its result is still to come.
    too_far = now + 2 * timedelta(seconds=settings.LEASE_SECONDS)
    over = Q(due_at__lt=now) | Q(due_at__gt=too_far)
    for broadcast in Broadcast.objects.to_sweep().order_by("pk").only("state", "ended_because"):
        active = Delivery.objects.active().filter(broadcast=broadcast.pk, channel__in=Channel.values)
        changed += _settle(active.filter(over, state=State.SENDING), State.UNKNOWN, LEASE_RAN_OUT, now)
        if broadcast.state == Broadcast.State.CANCELLED:
            waiting = active.filter(state__in=[State.PENDING, State.RETRYING])
            changed += _settle(waiting, State.CANCELLED, broadcast.ended_because or "broadcast cancelled", now)
    return changed


def _settle(rows: "QuerySet[Delivery]", state: Delivery.State, detail: str, now: datetime) -> int:
    if not rows.exists():  # without taking SQLite's one write lock
        return 0
    changes = {"state": state, "detail": detail, "due_at": None, "settled_at": now}
    number = len(_update_returning(rows, CHUNK, changes))
    failpoints.reached("sweep.committed")
    return number


def looks_lost(*, channel: Channel, depth: int, now: datetime) -> bool:
    """Whether rows of running broadcasts wait for tickets that nobody seems to hold.

    True once is no proof, a consumer may be between two windows: ask again a few seconds later. While the channel's
    breaker is open only probes travel, and each of them is followed by another; the rest can wait until it closes.
    """
    if depth or breakers.find_open(channel=channel):
        return False
    running = _running_rows(channel)
    # What was claimed before that is no sign of life: a consumer that stands still keeps its window until the lease
    # ends, for minutes, and with it the tickets that it has at hand.
    claimed_since = now + timedelta(seconds=settings.LEASE_SECONDS) - LOST_AFTER
    is_at_work = running.filter(state=State.SENDING, due_at__gt=claimed_since).exists()
    return not is_at_work and _ticketed(running, now).exists()


def travelling(*, channel: Channel, now: datetime) -> dict[datetime, int]:
    """How many rows of running broadcasts wait for their tickets, by the time at which these count as lost.

    That tells them apart by when they were issued. They are as many as the queue has room for, and what consumers hold.
    """
    if breakers.find_open(channel=channel):
        return {}
    latest = now + timedelta(seconds=settings.TICKET_LIFETIME_SECONDS)
    rows = _ticketed(_running_rows(channel), now).filter(due_at__lte=latest)
    return dict(rows.values_list("due_at").annotate(Count("pk")).order_by())


def reissue_lost(*, channel: Channel, now: datetime, issued_before: datetime | None = None) -> int:
    """Make the rows whose tickets are lost due now: a wiped or purged queue heals in seconds, not in a lifetime.

    All of them, or those whose tickets would count as lost before that time.
    """
    lost = _ticketed(_running_rows(channel), now)
    if issued_before:
        lost = lost.filter(due_at__lt=issued_before)
    number = len(_update_returning(lost, CHUNK, {"due_at": now}))
    failpoints.reached("reissue.committed")
    return number


class Overtaken:
    """Finds the tickets of one channel that hang while others finish: some issued later are claimed already.

    A queue hands tickets out in the order in which they were issued. Whoever has one that was overtaken stands still,
    or nobody has it, whatever the broker says. Only the rows are asked, so that it works with any transport and beside
    any number of dispatchers; a queue that is merely long or slow overtakes nothing.
    """

    def __init__(self) -> None:
        self._seen: Mapping[datetime, int] = {}
        self._newest_claimed: datetime | None = None
        self._rests_until: datetime | None = None

    def look(self, rows: Mapping[datetime, int], now: datetime) -> datetime | None:
        """Given what travels now: the time that `reissue_lost` takes, if any was overtaken by LOST_AFTER.

        Rests for REISSUE_PAUSE after that: what is issued twice is claimed by its first ticket as well, and would look
        as if the second one had come all the way.
        """
        before, self._seen = self._seen, rows
        if self._rests_until and now < self._rests_until <= now + REISSUE_PAUSE:
            self._newest_claimed = None
            return None
        # Later than any can be issued now: the clock was set back.
        latest = now + timedelta(seconds=settings.TICKET_LIFETIME_SECONDS)
        claimed = [until for until, number in before.items() if rows.get(until, 0) < number]
        claimed += [self._newest_claimed] if self._newest_claimed else []
        self._newest_claimed = max((until for until in claimed if until <= latest), default=None)
        if self._newest_claimed is None or min(rows, default=latest) >= self._newest_claimed - LOST_AFTER:
            return None
        self._rests_until = now + REISSUE_PAUSE
        return self._newest_claimed - LOST_AFTER


def _running_rows(channel: Channel) -> "QuerySet[Delivery]":
    return Delivery.objects.active().filter(broadcast__in=list(_running_ids()), channel=channel)


def _running_ids() -> "QuerySet[Broadcast, int]":
    return Broadcast.objects.running().values_list("pk", flat=True)


def _ticketed(rows: "QuerySet[Delivery]", now: datetime) -> "QuerySet[Delivery]":
    # A row that a consumer gave back, because its provider is away, has a token and waits for its own time.
    return rows.filter(state=State.PENDING, due_at__gt=now, lease_token=None)


def _update_returning(rows: "QuerySet[Delivery]", most: int, changes: dict[str, Any]) -> list[int]:
    """Change up to `most` of `rows` in one statement; returns their ids.

    Rows that another process holds are skipped: two multi-row UPDATEs in different orders deadlock (36 times in one
    bench run). MATERIALIZED, or the planner may run the limited query more than once and take too many.
    """
    query = rows.values_list("pk", flat=True)[:most]
    if connection.features.has_select_for_update_skip_locked:
        query = query.select_for_update(of=("self",), skip_locked=True)
    with transaction.atomic():
        try:
            select, params = query.query.get_compiler(connection=connection).as_sql()
        except EmptyResultSet:  # e.g. the last running broadcast was paused a moment ago
            return []
        fields = {field.name: field for field in Delivery._meta.concrete_fields}
        values = [fields[name].get_db_prep_save(value, connection) for name, value in changes.items()]
        assignments = ", ".join(f"{fields[name].column} = %s" for name in changes)
        with connection.cursor() as cursor:
            cursor.execute(
                # `chosen_id`, so that a column of the wrong name is an error and not the outer row's own id.
                f"WITH chosen (chosen_id) AS MATERIALIZED ({select}) "  # noqa: S608
                f"UPDATE {TABLE} SET {assignments} WHERE id IN (SELECT chosen_id FROM chosen) RETURNING id",
                [*params, *values],
            )
            return [row[0] for row in cursor.fetchall()]
