"""The dispatcher's loop in this process; killing it as a process is the fault tests' part."""

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from notifier.broadcasts import lifecycle
from notifier.clients import counts
from notifier.clients.imports import retention
from notifier.delivery import daily_stats, dispatcher, sweeps
from notifier.delivery.dispatcher import Dispatcher
from notifier.models import Broadcast, Channel, ClientCounts, ClientImport, Delivery, QueuedTicket
from notifier.runtime import clock
from notifier.runtime.shutdown import StopFlag
from tests.notifier.delivery.dispatcher.neighbours import Switchable, send_everything
from tests.support.factories import a_broadcast, a_client, a_delivery, a_notification

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State = Delivery.State
EMAIL, SMS = Channel.EMAIL, Channel.SMS


# --- One broadcast, end to end ----------------------------------------------------------------------------------------
def test_a_broadcast_is_expanded_issued_and_finished(loop: Dispatcher) -> None:
    for consent in ("email", "sms", "both", "neither"):
        a_client(listings=consent)
    broadcast = a_broadcast()

    assert loop.cycle()
    assert (send_everything(EMAIL), send_everything(SMS)) == (2, 2)
    assert loop.cycle()
    assert not loop.cycle()

    broadcast.refresh_from_db()
    assert (broadcast.state, broadcast.audience) == (Broadcast.State.FINISHED, 4)
    assert broadcast.tally["counts"] == {"email": {"SENT": 2}, "sms": {"SENT": 2}}
    assert not QueuedTicket.objects.exists()


def test_a_cycle_goes_on_with_every_broadcast(loop: Dispatcher) -> None:
    a_client(listings="email")
    made = [a_broadcast(notification=a_notification(sms_body="")) for _ in range(3)]

    loop.cycle()

    assert QueuedTicket.objects.count() == 3
    assert [broadcast.deliveries.count() for broadcast in made] == [1, 1, 1]


def test_a_scheduled_broadcast_starts_at_its_time_and_goes_all_the_way(
    loop: Dispatcher, watch: SimpleNamespace
) -> None:
    a_client(listings="both")
    moment = clock.now() + timedelta(hours=1)
    broadcast = a_broadcast(state="SCHEDULED", scheduled_for=moment, started_at=None, audience_upto=0)

    assert not loop.cycle()
    assert not broadcast.deliveries.exists()

    Broadcast.objects.update(scheduled_for=clock.now())
    watch.seconds += 1
    assert loop.cycle()
    assert (send_everything(EMAIL), send_everything(SMS)) == (1, 1)
    watch.seconds += 1
    loop.cycle()

    broadcast.refresh_from_db()
    assert broadcast.state == Broadcast.State.FINISHED


def test_until_idle_does_not_wait_for_what_is_still_to_come(loop: Dispatcher) -> None:
    a_broadcast(state="SCHEDULED", scheduled_for=clock.now() + timedelta(days=1), started_at=None)
    a_broadcast(state="AWAITING_APPROVAL", started_at=None)

    loop.run(until_idle=True)

    assert not Delivery.objects.exists()


def test_what_was_due_and_expired_during_an_outage_is_never_sent(loop: Dispatcher) -> None:
    a_client(listings="both")
    now = clock.now()
    broadcast = a_broadcast(
        state="SCHEDULED",
        scheduled_for=now - timedelta(hours=2),
        expires_at=now - timedelta(hours=1),
        started_at=None,
        audience_upto=0,
    )

    loop.run(until_idle=True)

    broadcast.refresh_from_db()
    assert (broadcast.state, broadcast.started_at) == (Broadcast.State.CANCELLED, None)
    assert broadcast.finished_at is not None
    assert not Delivery.objects.exists()


def test_one_that_expires_under_way_sends_nothing_more_and_ends(loop: Dispatcher, watch: SimpleNamespace) -> None:
    a_client(listings="both")
    broadcast = a_broadcast(expires_at=clock.now() + timedelta(hours=1))
    loop.cycle()
    assert send_everything(EMAIL) == 1

    Broadcast.objects.update(expires_at=clock.now())
    assert send_everything(SMS) == 0
    for _ in range(3):
        watch.seconds += 1
        loop.cycle()

    broadcast.refresh_from_db()
    assert broadcast.state == Broadcast.State.CANCELLED
    assert broadcast.tally["counts"] == {"email": {"SENT": 1}, "sms": {"CANCELLED": 1}}
    assert broadcast.finished_at is not None


def test_paused_nothing_moves_and_resumed_it_goes_on(loop: Dispatcher) -> None:
    a_client(listings="email")
    broadcast = a_broadcast()
    lifecycle.pause(broadcast_id=broadcast.pk, now=clock.now())

    assert not loop.cycle()
    assert not broadcast.deliveries.exists()

    lifecycle.resume(broadcast_id=broadcast.pk)
    assert loop.cycle()
    assert QueuedTicket.objects.count() == 1


def test_a_cancelled_broadcast_ends_with_every_row_told(loop: Dispatcher, watch: SimpleNamespace) -> None:
    a_client(listings="both")
    broadcast = a_broadcast()
    loop.cycle()
    lifecycle.cancel(broadcast_id=broadcast.pk)

    watch.seconds += dispatcher.SWEEP_SECONDS
    loop.cycle()

    broadcast.refresh_from_db()
    assert broadcast.finished_at
    assert broadcast.tally["counts"] == {"email": {"CANCELLED": 1}, "sms": {"CANCELLED": 1}}
    assert send_everything(EMAIL) == 0


def test_the_tally_is_written_once_a_second_at_most(loop: Dispatcher, watch: SimpleNamespace) -> None:
    broadcast = a_delivery(broadcast=a_broadcast(audience=1)).broadcast
    tallied = []

    for seconds in (0, 0.5, 0.4, 0.2):
        watch.seconds += seconds
        loop.cycle()
        broadcast.refresh_from_db()
        tallied.append(broadcast.tallied_at)

    assert tallied[0] is not None
    assert tallied[0] == tallied[1] == tallied[2] != tallied[3]


def test_a_tally_that_takes_long_is_made_less_often(
    loop: Dispatcher, watch: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_delivery()
    made = []

    def slow(**values: Any) -> None:
        made.append(watch.seconds)
        watch.seconds += 1.0

    monkeypatch.setattr("notifier.delivery.tallies.tally", slow)
    for _ in range(100):
        loop.cycle()
        watch.seconds += 0.5

    # A twentieth of the time, so each second of counting earns twenty.
    assert 3 <= len(made) <= 4


def test_a_finished_broadcast_that_asks_for_a_tally_gets_one(loop: Dispatcher, now: datetime) -> None:
    row = a_delivery(state=State.SENT, broadcast=a_broadcast(state=Broadcast.State.FINISHED, finished_at=now))

    loop.cycle()

    row.broadcast.refresh_from_db()
    assert row.broadcast.tally["counts"] == {"email": {"SENT": 1}}


def test_sweeping_is_done_a_few_times_a_second_at_most(
    loop: Dispatcher, watch: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept = []

    def sweep(*, now: datetime, faults: Any) -> int:
        swept.append(watch.seconds)
        return 0

    monkeypatch.setattr(sweeps, "sweep", sweep)

    for _ in range(21):
        loop.cycle()
        watch.seconds += 0.1

    assert len(swept) <= 5


# --- What the overview shows ------------------------------------------------------------------------------------------
def test_a_finished_broadcast_is_counted_by_day_at_once(loop: Dispatcher, watch: SimpleNamespace) -> None:
    loop.cycle()
    broadcast = a_delivery(state=State.SENT, broadcast=a_broadcast(audience_upto=0)).broadcast

    loop.cycle()

    broadcast.refresh_from_db()
    assert broadcast.state == Broadcast.State.FINISHED
    assert list(broadcast.days.values_list("state", "number")) == [("SENT", 1)]


def test_a_running_broadcast_is_counted_by_day_once_a_minute(
    loop: Dispatcher, watch: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = []
    monkeypatch.setattr(daily_stats, "count", lambda broadcast_id, now: counted.append(broadcast_id))
    broadcast = a_delivery(broadcast=a_broadcast(days_counted_at=clock.now())).broadcast

    loop.cycle()
    assert counted == []
    Broadcast.objects.update(days_counted_at=clock.now() - timedelta(minutes=1))
    watch.seconds += dispatcher.TALLY_SECONDS
    loop.cycle()

    assert counted == [broadcast.pk]


def test_counting_takes_a_small_share_of_the_time(
    loop: Dispatcher, watch: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = []

    def count(*, broadcast_id: int, now: datetime) -> None:
        counted.append(broadcast_id)
        watch.seconds += 3

    monkeypatch.setattr(daily_stats, "count", count)
    old = [
        a_broadcast(state=Broadcast.State.FINISHED, finished_at=clock.now(), tallied_at=clock.now()).pk for _ in "12"
    ]

    loop.cycle()
    watch.seconds += 56
    loop.cycle()
    assert counted == old[:1]
    watch.seconds += 1
    loop.cycle()

    assert counted == [old[0], old[0]]  # which it did not record, or the other's turn would have come


def test_clients_are_counted_once_a_minute(loop: Dispatcher, watch: SimpleNamespace) -> None:
    a_client()
    loop.cycle()
    a_client()
    watch.seconds += 30
    loop.cycle()

    assert ClientCounts.objects.get().counts["clients"] == 1
    ClientCounts.objects.update(counted_at=clock.now() - timedelta(minutes=1))
    watch.seconds += 1
    loop.cycle()
    assert ClientCounts.objects.get().counts["clients"] == 2


def test_what_cannot_be_counted_does_not_hold_up_the_sending(
    loop: Dispatcher, watch: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**arguments: Any) -> None:
        raise ValueError("not to be counted")

    monkeypatch.setattr(daily_stats, "count", fail)
    monkeypatch.setattr(counts, "count", fail)
    broadcast = a_broadcast(state=Broadcast.State.PAUSED)

    loop.cycle()

    broadcast.refresh_from_db()
    assert broadcast.fault == "its daily numbers can’t be counted: ValueError"


def test_uploads_that_were_kept_for_long_enough_are_emptied(loop: Dispatcher, now: datetime) -> None:
    row = ClientImport.objects.create(file_name="spring.csv", content=b"ann@example.com")
    ClientImport.objects.update(created_at=now - retention.KEEP_UPLOADED - timedelta(minutes=1))

    loop.cycle()

    row.refresh_from_db()
    assert (row.state, bytes(row.content)) == ("DISCARDED", b"")


def test_rejections_of_the_release_before_are_told_apart_once_its_web_processes_have_gone(
    watch: SimpleNamespace, transport: Switchable, stop: StopFlag
) -> None:
    ended: dict[str, Any] = {
        "started_at": None,
        "finished_at": clock.now(),
        "ended_because": "rejected by bob: a misprint",
    }
    broadcast = a_broadcast(state=Broadcast.State.CANCELLED, **ended)
    loop = Dispatcher(transport=transport, stop=stop)

    loop.cycle()
    broadcast.refresh_from_db()
    assert broadcast.state == Broadcast.State.CANCELLED

    watch.seconds += dispatcher.ADOPT_SECONDS
    loop.cycle()
    broadcast.refresh_from_db()
    assert broadcast.state == Broadcast.State.REJECTED


def test_mails_to_staff_that_are_due_are_sent_beside_it(loop: Dispatcher, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[datetime] = []
    monkeypatch.setattr(loop._staff_mails, "start_if_due", asked.append)

    loop.cycle()

    assert len(asked) == 1
