"""Tickets: issue them for due deliveries, and issue again those that were lost on their way.

Any number of dispatchers may run; each call is safe to repeat and to kill.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Case, Count, DateTimeField, F, QuerySet, When

from notifier.broadcasts.faults import RAISED, Faults
from notifier.delivery import bulk_updates
from notifier.models import Breaker, Broadcast, Channel, Delivery
from notifier.policies import breakers
from notifier.runtime import failpoints
from notifier.transport.base import Ticket, Transport, TransportError

#: How long nobody claims anything from an empty queue before its tickets count as lost; and how much earlier than one
#: that was claimed a ticket was issued. A wrong guess costs a repeated ticket, which claims nothing.
LOST_AFTER = timedelta(seconds=5)
#: After tickets of a channel were issued again, how long none of that channel are.
REISSUE_PAUSE = timedelta(seconds=30)

State = Delivery.State


# --- Issue ------------------------------------------------------------------------------------------------------------
def issue_tickets(*, channel: Channel, transport: Transport, now: datetime, faults: Faults = RAISED) -> int:
    """Reserve due deliveries of the running broadcasts, in turn, and publish tickets for them; returns how many rows.

    It takes as many as the channel's queue has room for, so that a pause takes effect soon and a small broadcast does
    not wait behind a huge one. While the channel's breaker is open it takes one delivery whenever a probe is due. After
    a `TransportError` the reserved rows are due again. A fault in one broadcast is contained.
    """
    waiting = [
        pk
        for pk in Broadcast.objects.running().order_by("pk").values_list("pk", flat=True)
        if not faults.waits(_step(channel), pk) and _has_due(pk, channel, now, faults)
    ]
    if not waiting:
        return 0
    room = settings.QUEUE_ROOM - transport.depth(channel)
    if room < settings.QUEUE_ROOM / 2:
        # Consumers have enough to do. Fewer and larger transactions leave them more of SQLite's one write lock.
        return 0
    if breaker := breakers.find_open(channel=channel):
        return _issue_probe(breaker, channel, waiting, transport, now, faults)
    reserved_until = now + timedelta(seconds=settings.TICKET_LIFETIME_SECONDS)
    issued = 0
    for position, broadcast_id in enumerate(waiting):
        share = -(-room // (len(waiting) - position))
        if share <= 0:
            break
        most = min(share * settings.TICKET_SIZE, bulk_updates.CHUNK)
        with faults.contained(_step(channel), broadcast_id):
            rows = _issue(broadcast_id, channel, transport, now, most=most, until=reserved_until)
            room -= -(-rows // settings.TICKET_SIZE)
            issued += rows
    return issued


def _has_due(broadcast_id: int, channel: Channel, now: datetime, faults: Faults) -> bool:
    # A step of its own: that this one succeeds does not show that its rows can be handed out.
    step = f"its {channel.units} that are due can’t be looked for"
    if not faults.waits(step, broadcast_id):
        with faults.contained(step, broadcast_id):
            return _due(broadcast_id, channel, now).exists()
    return False


def _step(channel: Channel) -> str:
    return f"its {channel.units} can’t be queued for sending"


def _issue_probe(
    breaker: Breaker, channel: Channel, waiting: list[int], transport: Transport, now: datetime, faults: Faults
) -> int:
    """Issue one delivery in a ticket of its own, if a probe is due and no other dispatcher issues it."""
    until = breakers.reserve_probe(breaker=breaker, now=now)
    if until is None:
        return 0
    # Broadcasts take turns, whatever became of the probe before: the provider may refuse the content of one, or we may
    # fail to send it, which would hold up the others for ever.
    round_number, turn = divmod(breaker.issued, len(waiting))
    issued = 0
    with faults.contained(_step(channel), waiting[turn]):
        ids = _reserve_probe(waiting[turn], channel, until, now, retry_first=round_number % 2 == 0)
        issued = _publish(waiting[turn], channel, transport, ids, now, until=until)
    return issued


def _issue(
    broadcast_id: int, channel: Channel, transport: Transport, now: datetime, *, most: int, until: datetime
) -> int:
    # Reserve before publishing: a crash in between delays a row by one ticket lifetime, and then it is due again.
    # The other way round, two dispatchers would issue the same rows, and a slow one would change rows already claimed.
    ids = _reserve(broadcast_id, channel, most, until, now)
    return _publish(broadcast_id, channel, transport, ids, now, until=until)


def _publish(
    broadcast_id: int, channel: Channel, transport: Transport, ids: list[int], now: datetime, *, until: datetime
) -> int:
    failpoints.reached("reserve.committed")
    tickets = [
        Ticket(broadcast=broadcast_id, channel=channel, deliveries=tuple(ids[start : start + settings.TICKET_SIZE]))
        for start in range(0, len(ids), settings.TICKET_SIZE)
    ]
    try:
        transport.publish(tickets)
    except TransportError:
        # Some tickets may have arrived. If their rows are issued again, the first claim decides who sends.
        reserved = Delivery.objects.filter(pk__in=ids, state=State.PENDING, due_at=until)
        bulk_updates.update_returning(reserved, len(ids), {"due_at": now})
        raise
    failpoints.reached("publish.confirmed")
    return len(ids)


def _due(broadcast_id: int, channel: Channel, now: datetime) -> QuerySet[Delivery]:
    return Delivery.objects.active().filter(
        broadcast=broadcast_id, channel=channel, state__in=[State.PENDING, State.RETRYING], due_at__lte=now
    )


def _reserve(broadcast_id: int, channel: Channel, most: int, until: datetime, now: datetime) -> list[int]:
    """Make up to `most` due rows PENDING, without a token and due at `until`; returns their ids in order.

    The rows are not asked for in the order of their ids: PostgreSQL would walk the primary key (78 ms against 0.6).
    """
    due = _due(broadcast_id, channel, now)
    ids = bulk_updates.update_returning(due, most, {"state": State.PENDING, "due_at": until, "lease_token": None})
    return sorted(ids)


def _reserve_probe(
    broadcast_id: int, channel: Channel, until: datetime, now: datetime, *, retry_first: bool
) -> list[int]:
    """One delivery, reserved as by `_reserve`: a retry, or one that was not put off, and the other where there is none.

    A server that puts everybody off at first (greylisting) refuses each delivery that was never tried, however well it
    works. But of retries alone, one mailbox that stays full would keep the channel paused for hours. Of the retries it
    is the one whose first try lies furthest back, since greylisting takes a time from then on; those that were put off
    more than twice come last, because a mailbox may stay full.
    """
    due = _due(broadcast_id, channel, now)
    is_often = Case(When(attempts__gt=breakers.MAX_TRIES_FORGIVEN, then=1), default=0)
    retries = due.filter(state=State.RETRYING).order_by(is_often, _first_try())
    others = due.filter(state=State.PENDING)
    values = {"state": State.PENDING, "due_at": until, "lease_token": None}
    for rows in (retries, others) if retry_first else (others, retries):
        if ids := bulk_updates.update_returning(rows, 1, values):
            return ids
    return []


def _first_try() -> Case:
    """When a retry was tried for the first time, or later: the waits between its tries were this long, or longer."""
    most, base = breakers.MAX_TRIES_FORGIVEN, settings.RETRY_BASE_SECONDS
    waited = [timedelta(seconds=base * (2**tries - 1)) for tries in range(most + 1)]
    whens = [When(attempts=tries, then=F("due_at") - waited[tries]) for tries in range(most)]
    return Case(*whens, default=F("due_at") - waited[most], output_field=DateTimeField())


# --- Issue again ------------------------------------------------------------------------------------------------------
def looks_lost(*, channel: Channel, depth: int, now: datetime) -> bool:
    """Whether rows of running broadcasts wait for tickets that nobody seems to hold.

    One True is no proof, since a consumer may be between two windows: ask again a few seconds later. False while the
    channel's breaker is open: then only probes travel, each is followed by another, and the rest can wait.
    """
    if depth or breakers.find_open(channel=channel):
        return False
    running = _running_rows(channel)
    # Older claims are no sign of life: a consumer that hangs keeps its window until the lease ends, for minutes, and
    # with it the tickets that it received.
    claimed_since = now + timedelta(seconds=settings.LEASE_SECONDS) - LOST_AFTER
    is_at_work = running.filter(state=State.SENDING, due_at__gt=claimed_since).exists()
    return not is_at_work and _ticketed(running, now).exists()


def travelling(*, channel: Channel, now: datetime) -> dict[datetime, int]:
    """How many rows of running broadcasts wait for their tickets, by the time at which these count as lost.

    Tickets issued together share that time. There are as many rows as the queue has room for and consumers hold.
    """
    if breakers.find_open(channel=channel):
        return {}
    latest = now + timedelta(seconds=settings.TICKET_LIFETIME_SECONDS)
    rows = _ticketed(_running_rows(channel), now).filter(due_at__lte=latest)
    return dict(rows.values_list("due_at").annotate(Count("pk")).order_by())


def reissue_lost(*, channel: Channel, now: datetime, issued_before: datetime | None = None) -> int:
    """Make rows that wait for tickets due now, so that an emptied queue recovers in seconds; returns how many.

    All of them, or only those whose tickets count as lost before `issued_before`.
    """
    lost = _ticketed(_running_rows(channel), now)
    if issued_before:
        lost = lost.filter(due_at__lt=issued_before)
    number = len(bulk_updates.update_returning(lost, bulk_updates.CHUNK, {"due_at": now}))
    failpoints.reached("reissue.committed")
    return number


class Overtaken:
    """Finds the tickets of one channel that hang: some that were issued later are claimed already.

    A queue hands out tickets in the order in which they were issued. So if one was overtaken, the consumer that has it
    hangs, or nobody has it, whatever the broker says. Only the rows are looked at, which works with any transport and
    any number of dispatchers. In a queue that is merely long or slow, nothing is overtaken.
    """

    def __init__(self) -> None:
        self._seen: Mapping[datetime, int] = {}
        self._newest_claimed: datetime | None = None
        self._paused_until: datetime | None = None

    def look(self, rows: Mapping[datetime, int], now: datetime) -> datetime | None:
        """The `issued_before` for `reissue_lost`, if a ticket was overtaken by LOST_AFTER or more; otherwise None.

        `rows` is what `travelling` returns now. After a find it returns None for REISSUE_PAUSE: rows that are issued
        twice may be claimed by their first ticket, which would look as if the second one had overtaken others.
        """
        before, self._seen = self._seen, rows
        if self._paused_until and now < self._paused_until <= now + REISSUE_PAUSE:
            self._newest_claimed = None
            return None
        # What lies further ahead was issued before the clock was set back.
        latest = now + timedelta(seconds=settings.TICKET_LIFETIME_SECONDS)
        claimed = [until for until, number in before.items() if rows.get(until, 0) < number]
        claimed += [self._newest_claimed] if self._newest_claimed else []
        self._newest_claimed = max((until for until in claimed if until <= latest), default=None)
        if self._newest_claimed is None or min(rows, default=latest) >= self._newest_claimed - LOST_AFTER:
            return None
        self._paused_until = now + REISSUE_PAUSE
        return self._newest_claimed - LOST_AFTER


def _running_rows(channel: Channel) -> QuerySet[Delivery]:
    return Delivery.objects.active().filter(broadcast__in=list(_running_ids()), channel=channel)


def _running_ids() -> QuerySet[Broadcast, int]:
    return Broadcast.objects.running().values_list("pk", flat=True)


def _ticketed(rows: QuerySet[Delivery], now: datetime) -> QuerySet[Delivery]:
    # Rows that a consumer gave back, because its provider is away, have a token and wait for their own time.
    return rows.filter(state=State.PENDING, due_at__gt=now, lease_token=None)
