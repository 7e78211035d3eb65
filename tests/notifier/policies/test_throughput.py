from datetime import datetime, timedelta

import pytest

from notifier.delivery import tallies
from notifier.models import Broadcast, Channel, Delivery
from notifier.policies import throughput
from tests.support.factories import a_broadcast, a_delivery

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

SECOND = timedelta(seconds=1)
State = Delivery.State


def tally(broadcast: Broadcast, now: datetime) -> dict[str, object]:
    tallies.tally(broadcast_id=broadcast.pk, now=now)
    broadcast.refresh_from_db()
    return dict(broadcast.tally)


def test_nothing_is_known_before_anything_was_sent(now: datetime) -> None:
    broadcast = a_broadcast(started_at=now)
    a_delivery(broadcast=broadcast)
    tally(broadcast, now + SECOND)

    assert throughput.rates() == {}


def test_what_a_provider_was_given_counts_from_the_start_to_the_end(now: datetime) -> None:
    broadcast = a_broadcast(started_at=now)
    for state in (State.SENT, State.FAILED, State.UNKNOWN, State.SKIPPED):
        a_delivery(broadcast=broadcast, state=state)
    tally(broadcast, now + SECOND)
    for _ in range(3):
        a_delivery(broadcast=broadcast, state=State.SENT)

    assert tallies.finish(broadcast_id=broadcast.pk, now=now + 2 * SECOND)

    assert throughput.rates() == {Channel.EMAIL: 3.0}


def test_a_slow_send_takes_its_time_and_a_wait_takes_none(now: datetime) -> None:
    broadcast = a_broadcast(started_at=now)
    row = a_delivery(broadcast=broadcast, state=State.SENDING)
    waiting = a_delivery(broadcast=broadcast, state=State.RETRYING)
    for second in range(1, 4):
        tally(broadcast, now + second * SECOND)
    Delivery.objects.filter(pk=row.pk).update(state=State.SENT, due_at=None)
    tally(broadcast, now + 4 * SECOND)
    for second in range(5, 20):
        tally(broadcast, now + second * SECOND)

    assert waiting.state == State.RETRYING
    assert throughput.rates() == {Channel.EMAIL: 0.25}


def test_counts_that_lie_too_far_apart_tell_nothing(now: datetime) -> None:
    broadcast = a_broadcast(started_at=now)
    a_delivery(broadcast=broadcast, state=State.SENT)

    tally(broadcast, now + timedelta(minutes=5))

    assert throughput.rates() == {}


def test_a_new_count_of_an_ended_one_keeps_what_was_measured(now: datetime) -> None:
    measured = {"throughput": {"sms": {"given": 10, "seconds": 5.0}}}
    broadcast = a_broadcast(state="FINISHED", finished_at=now, tallied_at=None, tally=measured)

    tally(broadcast, now)

    assert throughput.rates() == {Channel.SMS: 2.0}


def test_channels_are_measured_apart_and_the_last_broadcasts_weigh_by_their_time(now: datetime) -> None:
    for email, sms in ((100, 10), (300, 0)):
        kept = {"email": {"given": email, "seconds": 10.0}, "sms": {"given": sms, "seconds": 2.0}}
        a_broadcast(tally={"throughput": kept})
    # Too long ago.
    old = a_broadcast(tally={"throughput": {"email": {"given": 9999, "seconds": 1.0}}})
    Broadcast.objects.filter(pk=old.pk).update(started_at=None)

    assert throughput.rates() == {Channel.EMAIL: 20.0, Channel.SMS: 2.5}
