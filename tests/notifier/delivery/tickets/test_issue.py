import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from pytest_django.fixtures import Settings

from notifier.delivery import claims, sweeps, tickets
from notifier.models import Broadcast, Channel, Delivery, QueuedTicket
from notifier.transport.base import Ticket, TransportError
from notifier.transport.database import DatabaseTransport
from tests.notifier.delivery.calls import BrokenTransport, fresh, issue, issued_tickets, some_due
from tests.support.database.connections import OtherConnection, at_once, impatient
from tests.support.factories import a_broadcast, a_delivery

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State = Delivery.State
EMAIL, SMS = Channel.EMAIL, Channel.SMS
SECOND = timedelta(seconds=1)
LIFETIME = timedelta(seconds=900)
concurrent = pytest.mark.django_db(transaction=True)


def test_due_rows_travel_in_tickets_of_the_given_size(now: datetime, settings: Settings) -> None:
    settings.TICKET_SIZE = 3
    broadcast = a_broadcast()
    rows = some_due(7, broadcast, now)

    assert issue(now) == 7

    tickets = issued_tickets()
    assert [len(ticket.deliveries) for ticket in tickets] == [3, 3, 1]
    assert {(ticket.broadcast, ticket.channel) for ticket in tickets} == {(broadcast.pk, EMAIL)}
    assert sorted(number for ticket in tickets for number in ticket.deliveries) == [row.pk for row in rows]


def test_a_reserved_row_is_not_due_again_before_its_tickets_lifetime_ends(now: datetime, settings: Settings) -> None:
    settings.TICKET_LIFETIME_SECONDS = 900
    (row,) = some_due(1, a_broadcast(), now)

    assert issue(now) == 1
    assert fresh(row).due_at == now + LIFETIME
    assert issue(now + LIFETIME - SECOND) == 0
    assert issue(now + LIFETIME) == 1


def test_dying_between_reserving_and_publishing_is_healed_by_the_due_time(
    now: datetime, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.TICKET_LIFETIME_SECONDS = 900
    (row,) = some_due(1, a_broadcast(), now)

    class Killed(BaseException):
        pass

    def die(self: DatabaseTransport, tickets: Sequence[Ticket]) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(DatabaseTransport, "publish", die)
        with pytest.raises(Killed):
            issue(now)

    assert issued_tickets() == []
    assert issue(now + LIFETIME) == 1
    assert [ticket.deliveries for ticket in issued_tickets()] == [(row.pk,)]


def test_a_publish_that_fails_makes_its_rows_due_again(now: datetime) -> None:
    rows = some_due(3, a_broadcast(), now)

    with pytest.raises(TransportError):
        tickets.issue_tickets(channel=EMAIL, transport=BrokenTransport(), now=now)

    assert {fresh(row).due_at for row in rows} == {now}
    assert issue(now) == 3


def test_what_was_claimed_from_a_publish_that_half_failed_stays_claimed(now: datetime, settings: Settings) -> None:
    settings.TICKET_SIZE = 1
    first, second = some_due(2, a_broadcast(), now)

    class Impatient(BrokenTransport):
        def publish(self, tickets: Sequence[Ticket]) -> None:
            claimed.append(
                claims.claim(
                    broadcast_id=tickets[0].broadcast,
                    channel=EMAIL,
                    delivery_ids=tickets[0].deliveries,
                    token=uuid.uuid4(),
                    now=now,
                )
            )
            super().publish(tickets)

    claimed: list[claims.Claim] = []
    with pytest.raises(TransportError):
        tickets.issue_tickets(channel=EMAIL, transport=Impatient(takes=1), now=now)

    assert [message.delivery_id for message in claimed[0].messages] == [first.pk]
    assert (fresh(first).state, fresh(first).due_at) == (State.SENDING, claimed[0].lease_ends_at)
    assert (fresh(second).state, fresh(second).due_at) == (State.PENDING, now)


def test_no_more_is_issued_than_the_queue_has_room_for(now: datetime, settings: Settings) -> None:
    settings.TICKET_SIZE, settings.QUEUE_ROOM = 2, 3
    some_due(10, a_broadcast(), now)

    assert issue(now) == 6
    assert issue(now) == 0
    QueuedTicket.objects.filter(pk__in=QueuedTicket.objects.values("pk")[:1]).delete()
    assert issue(now) == 0, "more than half of the room is still taken"
    QueuedTicket.objects.filter(pk__in=QueuedTicket.objects.values("pk")[:1]).delete()
    assert issue(now) == 4
    assert len(issued_tickets()) == 3


def test_each_channel_has_a_queue_and_a_room_of_its_own(now: datetime, settings: Settings) -> None:
    settings.TICKET_SIZE, settings.QUEUE_ROOM = 1, 1
    broadcast = a_broadcast()
    some_due(2, broadcast, now)
    some_due(2, broadcast, now, channel=SMS)

    assert (issue(now, EMAIL), issue(now, SMS)) == (1, 1)
    assert len(issued_tickets(EMAIL)) == len(issued_tickets(SMS)) == 1


def test_a_small_broadcast_does_not_wait_behind_a_huge_one(now: datetime, settings: Settings) -> None:
    settings.TICKET_SIZE, settings.QUEUE_ROOM = 2, 4
    huge, small = a_broadcast(), a_broadcast()
    some_due(50, huge, now)
    some_due(2, small, now)

    assert issue(now) == 6

    numbers = [ticket.broadcast for ticket in issued_tickets()]
    assert sorted(numbers) == [huge.pk, huge.pk, small.pk]


def test_what_one_broadcast_does_not_need_goes_to_the_next(now: datetime, settings: Settings) -> None:
    settings.TICKET_SIZE, settings.QUEUE_ROOM = 2, 4
    small, huge = a_broadcast(), a_broadcast()
    some_due(1, small, now)
    some_due(50, huge, now)

    assert issue(now) == 1 + 3 * 2


def test_a_retry_that_is_due_becomes_pending_and_travels_again(now: datetime) -> None:
    broadcast = a_broadcast()
    due = a_delivery(broadcast=broadcast, state=State.RETRYING, due_at=now, attempts=2, lease_token=uuid.uuid4())
    early = a_delivery(broadcast=broadcast, state=State.RETRYING, due_at=now + SECOND)

    assert issue(now) == 1

    assert (fresh(due).state, fresh(due).attempts, fresh(due).lease_token) == (State.PENDING, 2, None)
    assert fresh(early).state == State.RETRYING
    assert [ticket.deliveries for ticket in issued_tickets()] == [(due.pk,)]


def test_rows_that_are_being_sent_or_settled_are_not_issued(now: datetime) -> None:
    broadcast = a_broadcast()
    for state in (State.SENDING, *Delivery.SETTLED):
        a_delivery(broadcast=broadcast, state=state, due_at=now - SECOND)

    assert issue(now) == 0


@pytest.mark.parametrize("state", [Broadcast.State.PAUSED, Broadcast.State.CANCELLED, Broadcast.State.FINISHED])
def test_nothing_is_issued_for_a_broadcast_that_does_not_run(now: datetime, state: Broadcast.State) -> None:
    some_due(2, a_broadcast(state=state), now)

    assert issue(now) == 0
    assert issued_tickets() == []


def test_without_anything_due_the_broker_is_not_even_asked(now: datetime) -> None:
    a_broadcast()

    class Unreachable(BrokenTransport):
        def depth(self, channel: Channel) -> int:
            raise TransportError("asked")

    assert tickets.issue_tickets(channel=EMAIL, transport=Unreachable(), now=now) == 0


@concurrent
def test_dispatchers_that_issue_at_once_never_issue_the_same_row(now: datetime, settings: Settings) -> None:
    settings.TICKET_SIZE = 3
    rows = some_due(40, a_broadcast(), now)

    issued = at_once(*[lambda: issue(now)] * 3)

    assert sum(issued) <= 40
    issue(now)
    numbers = [number for ticket in issued_tickets() for number in ticket.deliveries]
    assert sorted(numbers) == [row.pk for row in rows]


@concurrent
@pytest.mark.usefixtures("only_postgresql")
@pytest.mark.parametrize("step", ["reserve", "sweep", "reissue", "give back"])
def test_the_dispatcher_never_waits_for_a_consumer(now: datetime, step: str) -> None:
    """Rows that a claim holds are passed over: two statements that wait for each other would deadlock."""
    state = Broadcast.State.CANCELLED if step == "sweep" else Broadcast.State.RUNNING
    broadcast = a_broadcast(state=state)
    late = now + LIFETIME if step in ("reissue", "give back") else now
    held, free = (a_delivery(broadcast=broadcast, due_at=late) for _ in range(2))

    class HeldWhilePublishing(BrokenTransport):
        def publish(self, tickets: Sequence[Ticket]) -> None:
            other.begin()
            other.call(lambda: Delivery.objects.select_for_update().get(pk=held.pk))
            super().publish(tickets)

    with OtherConnection() as other:
        if step == "give back":
            Delivery.objects.update(due_at=now)
            with pytest.raises(TransportError), impatient():
                tickets.issue_tickets(channel=EMAIL, transport=HeldWhilePublishing(), now=now)
        else:
            other.begin()
            other.call(lambda: Delivery.objects.select_for_update().get(pk=held.pk))
            with impatient():
                {
                    "reserve": lambda: issue(now),
                    "sweep": lambda: sweeps.sweep(now=now),
                    "reissue": lambda: tickets.reissue_lost(channel=EMAIL, now=now),
                }[step]()
        other.commit()

    changed, left = fresh(free), fresh(held)
    assert (changed.state, changed.due_at) != (left.state, left.due_at)
