from datetime import datetime, timedelta

import pytest

from notifier.delivery import bulk_updates, sweeps
from notifier.models import Broadcast, Channel, Delivery
from tests.notifier.delivery.calls import fresh, some_due
from tests.support.factories import a_broadcast, a_delivery

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State = Delivery.State
EMAIL, SMS = Channel.EMAIL, Channel.SMS
SECOND = timedelta(seconds=1)
LIFETIME = timedelta(seconds=900)


@pytest.mark.parametrize("state", [Broadcast.State.RUNNING, Broadcast.State.PAUSED, Broadcast.State.CANCELLED])
def test_a_send_whose_lease_ran_out_is_unknown(now: datetime, state: Broadcast.State) -> None:
    row = a_delivery(broadcast=a_broadcast(state=state), state=State.SENDING, due_at=now - SECOND)

    assert sweeps.sweep(now=now) == 1

    after = fresh(row)
    assert (after.state, after.due_at, after.settled_at) == (State.UNKNOWN, None, now)
    assert "may or may not have arrived" in after.detail


def test_a_send_whose_lease_still_runs_is_left_alone(now: datetime) -> None:
    row = a_delivery(state=State.SENDING, due_at=now)

    assert sweeps.sweep(now=now) == 0
    assert fresh(row).state == State.SENDING


def test_a_lease_that_ends_further_ahead_than_any_can_was_taken_before_the_clock_was_set_back(now: datetime) -> None:
    """An hour's wait for a dead consumer's rows would hold up the end, and the search for lost tickets."""
    row = a_delivery(state=State.SENDING, due_at=now + timedelta(hours=1))

    assert sweeps.sweep(now=now) == 1
    assert (fresh(row).state, fresh(row).due_at) == (State.UNKNOWN, None)


def test_what_waits_in_a_cancelled_broadcast_is_cancelled(now: datetime) -> None:
    broadcast = a_broadcast(state=Broadcast.State.CANCELLED)
    pending = a_delivery(broadcast=broadcast, due_at=now + LIFETIME)
    retrying = a_delivery(broadcast=broadcast, channel=SMS, state=State.RETRYING, due_at=now + LIFETIME)
    sending = a_delivery(broadcast=broadcast, state=State.SENDING, due_at=now + SECOND)
    sent = a_delivery(broadcast=broadcast, state=State.SENT)

    assert sweeps.sweep(now=now) == 2

    for row in (fresh(pending), fresh(retrying)):
        assert (row.state, row.due_at, row.settled_at) == (State.CANCELLED, None, now)
        assert row.detail == "broadcast cancelled"
    assert (fresh(sending).state, fresh(sent).state) == (State.SENDING, State.SENT)


@pytest.mark.parametrize("state", [Broadcast.State.RUNNING, Broadcast.State.PAUSED])
def test_what_waits_in_a_broadcast_that_is_not_cancelled_goes_on_waiting(now: datetime, state: Broadcast.State) -> None:
    broadcast = a_broadcast(state=state)
    a_delivery(broadcast=broadcast, due_at=now - LIFETIME)
    a_delivery(broadcast=broadcast, state=State.RETRYING, due_at=now - LIFETIME)

    assert sweeps.sweep(now=now) == 0


def test_a_large_cancelled_broadcast_is_swept_in_chunks(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_updates, "CHUNK", 2)
    some_due(5, a_broadcast(state=Broadcast.State.CANCELLED), now)

    assert [sweeps.sweep(now=now) for _ in range(4)] == [2, 2, 1, 0]
