"""Tickets that no queue holds any more, and those that others overtook."""

import uuid
from datetime import datetime, timedelta

import pytest
from pytest_django.fixtures import Settings

from notifier.delivery import claims, settlements, tickets
from notifier.models import Broadcast, Channel, Delivery
from tests.notifier.delivery.calls import fresh, issue, looks_lost, some_due
from tests.support.factories import a_broadcast, a_delivery, an_open_breaker

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State = Delivery.State
EMAIL, SMS = Channel.EMAIL, Channel.SMS
SECOND = timedelta(seconds=1)
LIFETIME = timedelta(seconds=900)


def test_rows_in_tickets_that_no_queue_holds_look_lost(now: datetime) -> None:
    some_due(1, a_broadcast(), now)
    assert not looks_lost(now)

    issue(now)

    assert looks_lost(now)
    assert not looks_lost(now, depth=1)


def test_while_one_is_being_sent_nothing_looks_lost(now: datetime) -> None:
    broadcast = a_broadcast()
    some_due(2, broadcast, now)
    issue(now)
    a_delivery(broadcast=broadcast, state=State.SENDING, due_at=now + LIFETIME)

    assert not looks_lost(now)


def test_a_consumer_that_stands_still_does_not_hide_what_is_lost(now: datetime, settings: Settings) -> None:
    """It keeps what it has claimed until its lease ends, and that is minutes."""
    settings.LEASE_SECONDS = 300
    broadcast = a_broadcast()
    some_due(2, broadcast, now)
    issue(now)
    a_delivery(broadcast=broadcast, state=State.SENDING, due_at=now + 300 * SECOND)

    assert not looks_lost(now + 4 * SECOND)
    assert looks_lost(now + 5 * SECOND)


def test_what_waits_for_its_own_time_is_not_lost(now: datetime) -> None:
    broadcast = a_broadcast()
    given_back, released, _ = some_due(3, broadcast, now)
    claims.release(delivery_ids=[given_back.pk], due_at=now + LIFETIME)
    taken = claims.claim(
        broadcast_id=broadcast.pk, channel=EMAIL, delivery_ids=[released.pk], token=uuid.uuid4(), now=now
    )
    (message,) = taken.messages
    away = settlements.Outcome(message, settlements.Verdict.RELEASED, wait=LIFETIME)
    settlements.settle(claim=taken, outcomes=[away], now=now)
    retrying = a_delivery(broadcast=broadcast, state=State.RETRYING, due_at=now + LIFETIME)

    assert not looks_lost(now)
    assert tickets.reissue_lost(channel=EMAIL, now=now) == 0
    assert {fresh(row).due_at for row in (given_back, released, retrying)} == {now + LIFETIME}


@pytest.mark.parametrize("state", [Broadcast.State.PAUSED, Broadcast.State.CANCELLED])
def test_only_a_running_broadcast_loses_tickets(now: datetime, state: Broadcast.State) -> None:
    broadcast = a_broadcast(state=state)
    row = a_delivery(broadcast=broadcast, due_at=now + LIFETIME)

    assert not looks_lost(now)
    assert tickets.reissue_lost(channel=EMAIL, now=now) == 0
    assert fresh(row).due_at == now + LIFETIME


def test_lost_rows_of_this_channel_are_due_at_once(now: datetime) -> None:
    broadcast = a_broadcast()
    mail = some_due(2, broadcast, now)
    (text,) = some_due(1, broadcast, now, channel=SMS)
    issue(now)
    issue(now, SMS)

    assert tickets.reissue_lost(channel=EMAIL, now=now + SECOND) == 2

    assert {fresh(row).due_at for row in mail} == {now + SECOND}
    assert fresh(text).due_at == now + LIFETIME


def issue_one(broadcast: Broadcast, at: datetime) -> Delivery:
    (row,) = some_due(1, broadcast, at)
    assert issue(at) == 1
    return row


def claim_one(row: Delivery, at: datetime) -> None:
    claim = claims.claim(
        broadcast_id=row.broadcast_id, channel=EMAIL, delivery_ids=[row.pk], token=uuid.uuid4(), now=at
    )
    assert len(claim.messages) == 1


def look(overtaken: tickets.Overtaken, at: datetime) -> int:
    """As the dispatcher does; returns how many are issued again."""
    before = overtaken.look(tickets.travelling(channel=EMAIL, now=at), at)
    return tickets.reissue_lost(channel=EMAIL, now=at, issued_before=before) if before else 0


@pytest.fixture
def overtaken() -> tickets.Overtaken:
    return tickets.Overtaken()


def test_a_ticket_that_hangs_while_a_later_one_is_claimed_is_issued_again(
    now: datetime, overtaken: tickets.Overtaken
) -> None:
    broadcast = a_broadcast()
    hangs = issue_one(broadcast, now)
    goes_on, waits = (issue_one(broadcast, now + seconds * SECOND) for seconds in (6, 7))
    now += 7 * SECOND
    assert look(overtaken, now) == 0

    claim_one(goes_on, now)

    assert look(overtaken, now + SECOND) == 1
    assert fresh(hangs).due_at == now + SECOND
    assert fresh(waits).due_at == now + LIFETIME
    assert issue(now + SECOND) == 1


def test_a_long_and_slow_queue_overtakes_nothing(now: datetime, overtaken: tickets.Overtaken) -> None:
    broadcast = a_broadcast()
    rows = [issue_one(broadcast, now + 10 * second * SECOND) for second in range(10)]
    now += 100 * SECOND

    for row in rows:
        assert look(overtaken, now) == 0
        claim_one(row, now)
        now += 20 * SECOND
    assert look(overtaken, now) == 0


def test_tickets_that_were_issued_together_end_in_any_order(now: datetime, overtaken: tickets.Overtaken) -> None:
    """Two consumers with one each, and one of them is slower."""
    broadcast = a_broadcast()
    issue_one(broadcast, now)
    later = issue_one(broadcast, now + 5 * SECOND)
    now += 5 * SECOND
    look(overtaken, now)

    claim_one(later, now)

    assert look(overtaken, now + SECOND) == 0


def test_what_was_issued_again_is_not_issued_over_and_over(now: datetime, overtaken: tickets.Overtaken) -> None:
    """Its first ticket comes after all, and claims what belongs to the second: that has overtaken nothing."""
    broadcast = a_broadcast()
    hangs = issue_one(broadcast, now)
    goes_on, waits = (issue_one(broadcast, now + seconds * SECOND) for seconds in (6, 7))
    now += 8 * SECOND
    look(overtaken, now)
    claim_one(goes_on, now)
    assert look(overtaken, now + SECOND) == 1
    now += 20 * SECOND
    assert issue(now) == 1
    look(overtaken, now)

    claim_one(hangs, now)

    assert look(overtaken, now + SECOND) == 0
    assert look(overtaken, now + 60 * SECOND) == 0
    assert fresh(waits).state == State.PENDING


def test_the_end_of_a_tickets_lifetime_is_no_claim(now: datetime, overtaken: tickets.Overtaken) -> None:
    broadcast = a_broadcast()
    some_due(1, broadcast, now)
    some_due(1, broadcast, now + 10 * SECOND)
    Delivery.objects.filter(due_at=now).update(due_at=now + LIFETIME)
    Delivery.objects.filter(due_at=now + 10 * SECOND).update(due_at=now + LIFETIME - 6 * SECOND)
    look(overtaken, now)

    assert look(overtaken, now + LIFETIME) == 0


def test_a_clock_that_was_set_back_overtakes_nothing(now: datetime, overtaken: tickets.Overtaken) -> None:
    broadcast = a_broadcast()
    issue_one(broadcast, now)
    look(overtaken, now)

    earlier = now - timedelta(hours=1)
    waits = issue_one(broadcast, earlier)

    assert look(overtaken, earlier) == 0
    assert look(overtaken, earlier + 20 * SECOND) == 0
    assert fresh(waits).due_at == earlier + LIFETIME


def test_while_the_breaker_is_open_nothing_travels(now: datetime) -> None:
    issue_one(a_broadcast(), now)
    assert tickets.travelling(channel=EMAIL, now=now) == {now + LIFETIME: 1}

    an_open_breaker(now=now)

    assert tickets.travelling(channel=EMAIL, now=now) == {}


def test_only_tickets_travel(now: datetime) -> None:
    broadcast = a_broadcast()
    some_due(1, broadcast, now)
    a_delivery(broadcast=broadcast, state=State.RETRYING, due_at=now + SECOND)
    a_delivery(broadcast=broadcast, state=State.SENDING, due_at=now + SECOND)
    a_delivery(broadcast=broadcast, due_at=now + SECOND, lease_token=uuid.uuid4())
    a_delivery(broadcast=broadcast, due_at=now + SECOND, channel=SMS)
    a_delivery(broadcast=a_broadcast(state=Broadcast.State.PAUSED), due_at=now + SECOND)

    assert tickets.travelling(channel=EMAIL, now=now) == {}
