"""One broadcast that is faulty stops no other, and says so."""

from datetime import datetime
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from django import db

from notifier.broadcasts import faults, schedules
from notifier.delivery import fanout, sweeps, tallies, tickets
from notifier.delivery.dispatcher import Dispatcher
from notifier.models import Broadcast, Channel, Delivery
from notifier.policies import breakers
from notifier.runtime import clock
from tests.notifier.delivery.dispatcher.neighbours import issued, send_everything
from tests.support.factories import a_broadcast, a_client, a_delivery, a_notification, an_open_breaker

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

EMAIL, SMS = Channel.EMAIL, Channel.SMS


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


@pytest.fixture
def fault_watch(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The clock that says when a fault is tried again."""
    fault_watch = SimpleNamespace(seconds=1000.0)
    monkeypatch.setattr(faults, "time", SimpleNamespace(monotonic=lambda: fault_watch.seconds))
    return fault_watch


def not_expanded(loop: Dispatcher, monkeypatch: pytest.MonkeyPatch) -> Broadcast:
    """To one client, by e-mail; a fault kept it from them in the loop's first cycle, and is over now."""
    a_client(listings="email")
    broadcast = a_broadcast(notification=a_notification(sms_body=""))
    with monkeypatch.context() as patched:
        patched.setattr(fanout, "expand", Mock(side_effect=db.DataError("no")))
        loop.cycle()
    return broadcast


def test_a_broadcast_that_failed_is_tried_again_and_goes_on(
    loop: Dispatcher, fault_watch: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    broadcast = not_expanded(loop, monkeypatch)

    loop.cycle()
    assert not Delivery.objects.exists()
    fault_watch.seconds += faults.FIRST_SECONDS
    loop.cycle()

    broadcast.refresh_from_db()
    assert (Delivery.objects.count(), broadcast.fault, broadcast.fault_at) == (1, "", None)


def test_what_goes_on_again_leaves_the_fault_of_another_step_to_be_seen(
    loop: Dispatcher, fault_watch: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    broadcast = not_expanded(loop, monkeypatch)
    fault_watch.seconds += faults.FIRST_SECONDS
    Broadcast.objects.update(fault="its daily numbers can’t be counted: ValueError", fault_at=clock.now())

    loop.cycle()

    broadcast.refresh_from_db()
    assert Delivery.objects.count() == 1
    assert (broadcast.fault, broadcast.fault_at is None) == ("its daily numbers can’t be counted: ValueError", False)


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
    assert broadcast.fault == "its e-mails can’t be queued for sending: DataError"


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
    assert bad.fault == "its e-mails can’t be queued for sending: DataError"


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
