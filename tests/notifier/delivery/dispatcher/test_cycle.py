"""The dispatcher's loop in this process; killing it as a process is the fault tests' part."""

import logging
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from django import db
from django.db import connection
from django.db.models import F

from notifier.broadcasts import lifecycle, schedules
from notifier.clients import counts
from notifier.clients.imports import retention
from notifier.delivery import claims, daily_stats, dispatcher, fanout, settlements, sweeps, tallies, tickets
from notifier.delivery.dispatcher import Dispatcher
from notifier.delivery.settlements import Outcome, Verdict
from notifier.models import Broadcast, Channel, ClientCounts, ClientImport, Delivery, Process, QueuedTicket
from notifier.policies import breakers
from notifier.runtime import clock, faults
from notifier.runtime.shutdown import StopFlag
from notifier.transport.base import Ticket, TransportError, decode
from notifier.transport.database import DatabaseTransport
from tests.support.factories import a_broadcast, a_client, a_delivery, a_notification, an_open_breaker
from tests.support.servers.processes import wait_until

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State = Delivery.State
EMAIL, SMS = Channel.EMAIL, Channel.SMS


class Switchable(DatabaseTransport):
    """The queue in the database, with a plug to pull."""

    def __init__(self) -> None:
        super().__init__("database://")
        self.is_away = False
        self.is_alarmed = False
        self.calls = 0
        self.is_closed = False

    def check(self) -> None:
        self._reach()
        if self.is_alarmed:
            raise TransportError("RabbitMQ takes no messages.")

    def publish(self, tickets: Sequence[Ticket]) -> None:
        self.check()
        super().publish(tickets)

    def depth(self, channel: Channel) -> int:
        self._reach()
        return super().depth(channel)

    def close(self) -> None:
        self.is_closed = True

    def _reach(self) -> None:
        self.calls += 1
        if self.is_away:
            raise TransportError("RabbitMQ at broker can't be used: refused.")


@pytest.fixture
def transport() -> Switchable:
    return Switchable()


@pytest.fixture
def stop() -> StopFlag:
    return StopFlag()


@pytest.fixture
def loop(transport: Switchable, stop: StopFlag) -> Dispatcher:
    return Dispatcher(transport=transport, stop=stop)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The dispatcher's stopwatch, moved by the test: `watch.seconds += 5`."""
    watch = SimpleNamespace(seconds=1000.0)
    monkeypatch.setattr(dispatcher, "time", SimpleNamespace(monotonic=lambda: watch.seconds))
    monkeypatch.setattr("notifier.runtime.heartbeats.time", SimpleNamespace(monotonic=lambda: watch.seconds))
    return watch


def send_everything(channel: Channel, verdict: Verdict = Verdict.SENT) -> int:
    """As a consumer does, without a provider; returns how many."""
    sent = 0
    for row in QueuedTicket.objects.filter(channel=channel, dead=False):
        ticket = decode(bytes(row.body), channel=channel)
        claim = claims.claim(
            broadcast_id=ticket.broadcast,
            channel=channel,
            delivery_ids=ticket.deliveries,
            token=uuid.uuid4(),
            now=clock.now(),
        )
        settlements.settle(claim=claim, outcomes=[Outcome(m, verdict) for m in claim.messages], now=clock.now())
        sent += len(claim.messages)
        row.delete()
    return sent


def issued() -> list[Ticket]:
    rows = QueuedTicket.objects.filter(dead=False).order_by("pk")
    return [decode(bytes(row.body), channel=Channel(row.channel)) for row in rows]


def worker() -> Process:
    return Process.objects.get(kind=Process.Kind.DISPATCHER)


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
    lifecycle.pause(broadcast_id=broadcast.pk)

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


# --- The broker goes away ---------------------------------------------------------------------------------------------
def test_with_the_broker_away_it_waits_and_says_why_while_the_rest_goes_on(
    loop: Dispatcher, transport: Switchable, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    transport.is_away = True
    client = a_client(listings="email")
    fresh = a_broadcast()
    overdue = a_delivery(state=State.SENDING, broadcast=a_broadcast(audience_upto=0), due_at=now - timedelta(seconds=1))

    with caplog.at_level(logging.INFO):
        for _ in range(5):
            loop.cycle()

    assert (worker().state, worker().detail) == (Process.State.WAITING, "RabbitMQ at broker can't be used: refused.")
    assert [row.client for row in fresh.deliveries.all()] == [client]  # expanded
    overdue.refresh_from_db()
    assert overdue.state == State.UNKNOWN  # swept
    overdue.broadcast.refresh_from_db()
    assert overdue.broadcast.state == Broadcast.State.FINISHED
    fresh.refresh_from_db()
    assert fresh.tally["counts"] == {"email": {"PENDING": 1}}  # tallied
    assert sum("Broadcasts wait" in record.getMessage() for record in caplog.records) == 1  # and told once


def test_a_broker_that_takes_no_tickets_and_still_counts_them_is_not_back(
    loop: Dispatcher, transport: Switchable, watch: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport.is_alarmed = True
    a_delivery()

    def sweep(*, now: datetime, faults: Any) -> int:
        watch.seconds += 10  # so that another try is due before the queues are looked at
        return 0

    monkeypatch.setattr(sweeps, "sweep", sweep)
    said = []
    for _ in range(3):
        loop.cycle()
        said.append((worker().state, worker().detail))

    assert said == [(Process.State.WAITING, "RabbitMQ takes no messages.")] * 3


def test_a_broker_that_takes_no_tickets_is_not_back_because_nothing_is_due(
    loop: Dispatcher, transport: Switchable, watch: SimpleNamespace
) -> None:
    transport.is_alarmed = True
    broadcast = a_delivery().broadcast
    said = []
    loop.cycle()
    Broadcast.objects.filter(pk=broadcast.pk).update(state=Broadcast.State.PAUSED)
    for is_alarmed in (True, False):
        transport.is_alarmed = is_alarmed
        watch.seconds += 10
        loop.cycle()
        said.append(worker().detail)

    assert said == ["RabbitMQ takes no messages.", ""]


def test_a_broker_that_is_away_is_not_asked_at_every_turn(
    loop: Dispatcher, transport: Switchable, watch: SimpleNamespace
) -> None:
    transport.is_away = True
    a_delivery()

    for _ in range(50):
        loop.cycle()
    asked_at_once = transport.calls
    watch.seconds += 5
    loop.cycle()

    assert asked_at_once == 1
    assert transport.calls > asked_at_once


def test_once_the_broker_is_back_nothing_is_missing(
    loop: Dispatcher, transport: Switchable, watch: SimpleNamespace
) -> None:
    transport.is_away = True
    broadcast = a_delivery(broadcast=a_broadcast(audience_upto=0)).broadcast
    loop.cycle()

    transport.is_away = False
    watch.seconds += 5
    loop.cycle()

    assert (worker().state, worker().detail) == (Process.State.WORKING, "")
    assert send_everything(EMAIL) == 1
    loop.cycle()
    broadcast.refresh_from_db()
    assert broadcast.state == Broadcast.State.FINISHED


def test_the_heartbeat_tells_the_depths(loop: Dispatcher) -> None:
    broadcast = a_broadcast()
    for channel in (EMAIL, SMS):
        a_delivery(broadcast=broadcast, channel=channel)

    loop.cycle()

    assert worker().depths == {"email": 1, "sms": 1, "dead": 0}


def test_the_heartbeat_tells_the_dead_letters_beside_the_depths(loop: Dispatcher) -> None:
    for dead in (True, True, False):
        QueuedTicket.objects.create(channel=EMAIL, body=b"?", available_at=clock.now(), dead=dead)

    loop.cycle()

    assert worker().depths == {"email": 1, "sms": 0, "dead": 2}


# --- Lost tickets -----------------------------------------------------------------------------------------------------
def test_tickets_that_were_lost_are_issued_again_after_two_looks(
    loop: Dispatcher, watch: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    row = a_delivery()
    loop.cycle()
    QueuedTicket.objects.all().delete()

    with caplog.at_level(logging.WARNING):
        for _ in range(3):  # looks at 2, 4 and 6 seconds: the first time it looked lost is not yet 5 s ago
            watch.seconds += dispatcher.DEPTH_SECONDS
            loop.cycle()
            assert not QueuedTicket.objects.exists()
        watch.seconds += dispatcher.DEPTH_SECONDS
        loop.cycle()
        loop.cycle()

    assert [decode(bytes(t.body), channel=EMAIL).deliveries for t in QueuedTicket.objects.all()] == [(row.pk,)]
    assert [record.getMessage() for record in caplog.records] == [
        "The email queue lost its tickets: 1 deliveries are issued again."
    ]


def test_one_look_between_two_windows_of_a_consumer_proves_nothing(loop: Dispatcher, watch: SimpleNamespace) -> None:
    row = a_delivery()
    loop.cycle()
    QueuedTicket.objects.all().delete()  # a consumer holds it
    reserved = Delivery.objects.get(pk=row.pk).due_at
    other = a_delivery(broadcast=row.broadcast, state=State.SENDING)

    for look in range(10):
        # Each second look finds it at work, with what it has just claimed.
        state = State.SENDING if look % 2 else State.SENT
        Delivery.objects.filter(pk=other.pk).update(state=state, due_at=clock.now() + timedelta(minutes=5))
        watch.seconds += dispatcher.DEPTH_SECONDS
        loop.cycle()

    assert Delivery.objects.get(pk=row.pk).due_at == reserved


def test_a_ticket_that_was_overtaken_is_issued_again_while_others_are_sent(
    loop: Dispatcher, watch: SimpleNamespace, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    """Although the queue says that it holds tickets, and somebody is sending."""
    hangs = a_delivery()
    a_delivery(broadcast=hangs.broadcast, state=State.SENDING, due_at=now + timedelta(minutes=5))
    loop.cycle()
    QueuedTicket.objects.all().delete()
    Delivery.objects.filter(pk=hangs.pk).update(due_at=F("due_at") - timedelta(seconds=10))
    later = [a_delivery(broadcast=hangs.broadcast) for _ in range(2)]
    loop.cycle()
    watch.seconds += dispatcher.DEPTH_SECONDS
    loop.cycle()
    Delivery.objects.filter(pk=later[0].pk).update(state=State.SENT, due_at=None)

    with caplog.at_level(logging.WARNING):
        watch.seconds += dispatcher.DEPTH_SECONDS
        loop.cycle()
        loop.cycle()

    assert [ticket.deliveries for ticket in queued_tickets()][1:] == [(hangs.pk,)]
    assert "Later tickets overtook 1 email deliveries, which are issued again." in caplog.messages


def queued_tickets() -> list[Ticket]:
    return [decode(bytes(row.body), channel=EMAIL) for row in QueuedTicket.objects.order_by("pk")]


# --- The loop itself --------------------------------------------------------------------------------------------------
@pytest.fixture
def running(loop: Dispatcher, stop: StopFlag, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Its pauses, which take no time and end the loop after a few."""
    pauses: list[float] = []

    def wait(seconds: float) -> bool:
        pauses.append(seconds)
        if len(pauses) >= 4:
            stop.set()
        return stop.is_set()

    monkeypatch.setattr(stop, "wait", wait)
    return pauses


def test_told_to_stop_it_says_farewell_and_closes(
    loop: Dispatcher, transport: Switchable, running: list[float]
) -> None:
    loop.run()

    assert len(running) == 4
    assert not Process.objects.exists()
    assert transport.is_closed


def test_until_idle_it_ends_when_every_broadcast_is_finished_or_paused(loop: Dispatcher) -> None:
    broadcast = a_broadcast()
    a_delivery(broadcast=a_broadcast(state=Broadcast.State.PAUSED))

    loop.run(until_idle=True)

    broadcast.refresh_from_db()
    assert broadcast.state == Broadcast.State.FINISHED


def test_until_idle_it_waits_for_what_consumers_still_hold(loop: Dispatcher, running: list[float]) -> None:
    a_delivery()

    loop.run(until_idle=True)

    assert len(running) == 4  # it was stopped, and did not end by itself


def test_until_idle_a_broker_that_is_away_is_an_error(loop: Dispatcher, transport: Switchable) -> None:
    transport.is_away = True

    with pytest.raises(TransportError, match="RabbitMQ at broker"):
        loop.run(until_idle=True)
    assert transport.is_closed


@pytest.mark.django_db(transaction=True)
def test_a_database_error_is_survived(
    loop: Dispatcher, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broadcast = a_broadcast()
    cycle, left = loop.cycle, [1, 1, 1]

    def fails_at_first() -> bool:
        if left:
            left.pop()
            raise db.OperationalError("the server closed the connection unexpectedly")
        return cycle()

    monkeypatch.setattr(loop, "cycle", fails_at_first)
    with caplog.at_level(logging.ERROR):
        loop.run(until_idle=True)

    broadcast.refresh_from_db()
    assert broadcast.state == Broadcast.State.FINISHED
    assert sum("The database can't be used" in record.getMessage() for record in caplog.records) == 3


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("only_postgresql")
def test_a_connection_that_the_server_ended_is_opened_again(loop: Dispatcher) -> None:
    broadcast = a_broadcast()
    loop.cycle()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (process,) = cursor.fetchone()
    from_outside = connection.copy()
    with from_outside.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [process])
        wait_until(
            lambda: cursor.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [process]) or not cursor.fetchone()
        )
    from_outside.close()

    loop.run(until_idle=True)

    broadcast.refresh_from_db()
    assert broadcast.state == Broadcast.State.FINISHED


def test_a_fault_of_ours_is_logged_and_does_not_spin(
    loop: Dispatcher, running: list[float], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> bool:
        raise ValueError("a fault")

    monkeypatch.setattr(loop, "cycle", broken)
    with caplog.at_level(logging.ERROR):
        loop.run()

    assert len(running) == 4
    assert running[0] >= 0.1
    assert running[-1] > running[0]
    assert "ValueError: a fault" in caplog.text


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
    assert broadcast.fault == "its days can't be counted: ValueError"


# --- One that is faulty -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("error", [db.DataError("integer out of range"), db.IntegrityError("no"), ZeroDivisionError()])
@pytest.mark.parametrize(
    ("module", "step"),
    [(fanout, "expand"), (tickets, "_issue"), (sweeps, "_sweep"), (tallies, "tally"), (tallies, "finish")],
)
def test_a_broadcast_that_fails_stops_no_other_and_is_shown(
    loop: Dispatcher,
    watch: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    module: Any,
    step: str,
    error: Exception,
) -> None:
    # It is not due again, however long these cycles take.
    monkeypatch.setattr(faults, "time", SimpleNamespace(monotonic=lambda: 1000.0))
    a_client(listings="email")
    bad, good = (a_broadcast(notification=a_notification(sms_body="")) for _ in range(2))
    call, calls = getattr(module, step), []

    def fail_for_one(*arguments: Any, **named: Any) -> Any:
        broadcast = named.get("broadcast_id") or getattr(arguments[0], "pk", arguments[0])
        if broadcast == bad.pk:
            calls.append(broadcast)
            raise error
        return call(*arguments, **named)

    monkeypatch.setattr(module, step, fail_for_one)

    for _ in range(3):
        watch.seconds += 2
        loop.cycle()
        send_everything(EMAIL)

    bad.refresh_from_db()
    good.refresh_from_db()
    assert good.state == Broadcast.State.FINISHED
    assert bad.fault.endswith(f": {type(error).__name__}")
    assert bad.fault_at
    assert len(calls) == 1, "it waits alone"
    assert f"Broadcast {bad.pk}: " in caplog.text
    assert "integer out of range" not in caplog.text


def test_a_broadcast_that_failed_is_tried_again_and_goes_on(loop: Dispatcher, monkeypatch: pytest.MonkeyPatch) -> None:
    fault_watch = SimpleNamespace(seconds=1000.0)
    monkeypatch.setattr(faults, "time", SimpleNamespace(monotonic=lambda: fault_watch.seconds))
    a_client(listings="email")
    broadcast = a_broadcast(notification=a_notification(sms_body=""))
    with monkeypatch.context() as patched:
        patched.setattr(fanout, "expand", Mock(side_effect=db.DataError("no")))
        loop.cycle()

    loop.cycle()
    assert not Delivery.objects.exists()
    fault_watch.seconds += faults.FIRST_SECONDS
    loop.cycle()

    broadcast.refresh_from_db()
    assert (Delivery.objects.count(), broadcast.fault, broadcast.fault_at) == (1, "", None)


def test_what_goes_on_again_leaves_the_fault_of_another_step_to_be_seen(
    loop: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault_watch = SimpleNamespace(seconds=1000.0)
    monkeypatch.setattr(faults, "time", SimpleNamespace(monotonic=lambda: fault_watch.seconds))
    a_client(listings="email")
    broadcast = a_broadcast(notification=a_notification(sms_body=""))
    with monkeypatch.context() as patched:
        patched.setattr(fanout, "expand", Mock(side_effect=db.DataError("no")))
        loop.cycle()
    fault_watch.seconds += faults.FIRST_SECONDS
    Broadcast.objects.update(fault="its days can't be counted: ValueError", fault_at=clock.now())

    loop.cycle()

    broadcast.refresh_from_db()
    assert Delivery.objects.count() == 1
    assert (broadcast.fault, broadcast.fault_at is None) == ("its days can't be counted: ValueError", False)


def test_what_keeps_e_mails_back_keeps_no_sms_back(loop: Dispatcher, monkeypatch: pytest.MonkeyPatch) -> None:
    broadcast = a_broadcast()
    _, text = (a_delivery(broadcast=broadcast, channel=each, due_at=clock.now()) for each in (EMAIL, SMS))
    issue = tickets._issue

    def fail_for_e_mails(broadcast_id: int, channel: Channel, *arguments: Any, **named: Any) -> int:
        if channel == EMAIL:
            raise db.DataError("no")
        return issue(broadcast_id, channel, *arguments, **named)

    monkeypatch.setattr(tickets, "_issue", fail_for_e_mails)

    loop.cycle()

    broadcast.refresh_from_db()
    assert [ticket.deliveries for ticket in issued()] == [(text.pk,)]
    assert broadcast.fault == "its e-mails can't be handed out to be sent: DataError"


def test_a_broadcast_whose_probe_can_not_be_issued_stops_no_other(
    loop: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    an_open_breaker(now=clock.now())
    bad, good = a_broadcast(), a_broadcast()
    for each in (bad, good):
        a_delivery(broadcast=each, due_at=clock.now())
    reserve = tickets._reserve_probe

    def fail_for_one(broadcast_id: int, *arguments: Any, **named: Any) -> list[int]:
        if broadcast_id == bad.pk:
            raise db.DataError("no")
        return reserve(broadcast_id, *arguments, **named)

    monkeypatch.setattr(tickets, "_reserve_probe", fail_for_one)

    loop.cycle()
    breakers.probe_now(channel=EMAIL, now=clock.now())
    loop.cycle()

    bad.refresh_from_db()
    assert [ticket.broadcast for ticket in issued()] == [good.pk]
    assert bad.fault == "its e-mails can't be handed out to be sent: DataError"


def test_a_database_that_is_away_is_no_broadcasts_fault(loop: Dispatcher, monkeypatch: pytest.MonkeyPatch) -> None:
    broadcast = a_broadcast()
    monkeypatch.setattr(tallies, "tally", Mock(side_effect=db.OperationalError("terminating connection")))

    with pytest.raises(db.OperationalError):
        loop.cycle()

    broadcast.refresh_from_db()
    assert broadcast.fault == ""


def test_until_idle_it_does_not_wait_for_what_is_faulty(
    loop: Dispatcher, monkeypatch: pytest.MonkeyPatch, running: list[float]
) -> None:
    a_broadcast()
    monkeypatch.setattr(tallies, "finish", Mock(side_effect=db.DataError("no")))

    loop.run(until_idle=True)

    assert len(running) < 4


@pytest.mark.parametrize("step", ["start_due", "expire"])
def test_a_schedule_that_fails_stops_no_other(
    loop: Dispatcher, monkeypatch: pytest.MonkeyPatch, now: datetime, step: str
) -> None:
    times: dict[str, Any] = {"scheduled_for": now} if step == "start_due" else {"expires_at": now}
    bad, good = (a_broadcast(state=Broadcast.State.SCHEDULED, **times) for _ in range(2))
    name = {"start_due": "_start", "expire": "_expire"}[step]
    call = getattr(schedules, name)

    def fail_for_one(broadcast: Broadcast, now: datetime) -> int:
        if broadcast.pk == bad.pk:
            raise db.DataError("no")
        return int(call(broadcast, now))

    monkeypatch.setattr(schedules, name, fail_for_one)

    loop.cycle()

    bad.refresh_from_db()
    good.refresh_from_db()
    assert (good.state != Broadcast.State.SCHEDULED, bad.state) == (True, Broadcast.State.SCHEDULED)
    assert bad.fault


def test_uploads_that_were_kept_for_long_enough_are_emptied(loop: Dispatcher, now: datetime) -> None:
    row = ClientImport.objects.create(file_name="spring.csv", content=b"ann@example.com")
    ClientImport.objects.update(created_at=now - retention.KEEP_UPLOADED - timedelta(minutes=1))

    loop.cycle()

    row.refresh_from_db()
    assert (row.state, bytes(row.content)) == ("DISCARDED", b"")
