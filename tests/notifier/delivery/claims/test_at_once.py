"""Claims beside another claim, a ticket or a cancel."""

from datetime import datetime
from functools import partial

import pytest

from notifier.broadcasts import lifecycle
from notifier.delivery import sweeps, tickets
from notifier.delivery.settlements import Verdict
from notifier.models import Channel, Delivery
from notifier.transport.database import DatabaseTransport
from tests.notifier.delivery.calls import addressed, claim, fresh, settle
from tests.support.database.connections import OtherConnection, at_once, impatient
from tests.support.factories import a_broadcast, a_delivery

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State = Delivery.State
concurrent = pytest.mark.django_db(transaction=True)


@concurrent
def test_each_row_goes_to_one_of_many_consumers(now: datetime) -> None:
    broadcast = a_broadcast()
    rows = [a_delivery(broadcast=broadcast) for _ in range(40)]

    for _ in range(5):
        taken_at_once = at_once(*[lambda: claim(*rows, now=now)] * 3)
        taken = [number for one in taken_at_once for number in addressed(one)]
        # With SKIP LOCKED a consumer may leave rows that another then took: together they took each once.
        assert sorted(taken) == [row.pk for row in rows]
        for one in taken_at_once:
            owned = Delivery.objects.filter(lease_token=one.token).order_by("pk").values_list("pk", flat=True)
            assert list(owned) == addressed(one)
        Delivery.objects.update(state=State.PENDING, lease_token=None)


@concurrent
@pytest.mark.usefixtures("only_postgresql")
def test_a_claim_does_not_wait_for_another_and_takes_none_of_its_rows(now: datetime) -> None:
    broadcast = a_broadcast()
    rows = [a_delivery(broadcast=broadcast) for _ in range(4)]

    with OtherConnection() as other:
        other.begin()
        theirs = other.call(lambda: claim(*rows[:2], now=now))
        with impatient():
            ours = claim(*rows, now=now)
        other.commit()

    assert addressed(theirs) == [rows[0].pk, rows[1].pk]
    assert addressed(ours) == [rows[2].pk, rows[3].pk]
    assert [fresh(row).lease_token for row in rows] == [theirs.token] * 2 + [ours.token] * 2


@concurrent
@pytest.mark.usefixtures("only_postgresql")
def test_what_is_being_claimed_is_not_issued_again(now: datetime) -> None:
    broadcast = a_broadcast()
    claimed, free = a_delivery(broadcast=broadcast, due_at=now), a_delivery(broadcast=broadcast, due_at=now)

    with OtherConnection() as other:
        other.begin()
        taken = other.call(lambda: claim(claimed, now=now))
        with impatient():
            issued = tickets.issue_tickets(channel=Channel.EMAIL, transport=DatabaseTransport("database://"), now=now)
        other.commit()

    assert issued == 1
    assert (fresh(claimed).state, fresh(claimed).lease_token) == (State.SENDING, taken.token)
    assert (fresh(free).state, fresh(free).lease_token) == (State.PENDING, None)


@concurrent
def test_claiming_and_issuing_at_once_never_leaves_a_row_to_two(now: datetime) -> None:
    broadcast = a_broadcast()
    rows = [a_delivery(broadcast=broadcast, due_at=now) for _ in range(30)]
    transport = DatabaseTransport("database://")

    for _ in range(5):
        taken, issued = at_once(
            lambda: claim(*rows, now=now),
            lambda: tickets.issue_tickets(channel=Channel.EMAIL, transport=transport, now=now),
        )
        assert isinstance(issued, int), issued
        sending = Delivery.objects.filter(state=State.SENDING).values_list("pk", "lease_token")
        assert sorted(sending) == [(number, taken.token) for number in addressed(taken)]
        assert Delivery.objects.exclude(state=State.SENDING).filter(lease_token=None, state=State.PENDING).count() == (
            len(rows) - len(taken.messages)
        )
        Delivery.objects.update(state=State.PENDING, lease_token=None, due_at=now)


@concurrent
def test_a_cancel_beside_a_claim_leaves_each_row_sending_or_cancelled(now: datetime) -> None:
    for _ in range(5):
        broadcast = a_broadcast()
        rows = [a_delivery(broadcast=broadcast, due_at=now) for _ in range(10)]

        at_once(
            partial(claim, *rows, now=now),
            partial(lifecycle.cancel, broadcast_id=broadcast.pk),
        )
        sweeps.sweep(now=now)

        states = {fresh(row).state for row in rows}
        assert len(states) == 1
        assert states <= {State.SENDING, State.CANCELLED}
        assert claim(*rows, now=now).messages == []


@concurrent
@pytest.mark.usefixtures("only_postgresql")
def test_a_cancel_does_not_wait_for_a_claim_and_what_was_claimed_is_settled(now: datetime) -> None:
    row = a_delivery(due_at=now)

    with OtherConnection() as other:
        other.begin()
        taken = other.call(lambda: claim(row, now=now))
        with impatient():
            lifecycle.cancel(broadcast_id=row.broadcast_id)
            assert sweeps.sweep(now=now) == 0
        other.commit()
    settle(taken, Verdict.SENT, now=now)

    assert fresh(row).state == State.SENT
