"""The broker goes away and comes back."""

import logging
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from notifier.delivery import sweeps
from notifier.delivery.dispatcher import Dispatcher
from notifier.models import Broadcast, Channel, Delivery, Process, QueuedTicket
from notifier.runtime import clock
from tests.notifier.delivery.dispatcher.neighbours import Switchable, send_everything, worker
from tests.support.factories import a_broadcast, a_client, a_delivery

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State = Delivery.State
EMAIL, SMS = Channel.EMAIL, Channel.SMS


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

    assert (worker().state, worker().detail) == (Process.State.WAITING, "RabbitMQ at broker can’t be used: refused.")
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

    assert said == [(Process.State.WAITING, "RabbitMQ accepts no messages.")] * 3


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

    assert said == ["RabbitMQ accepts no messages.", ""]


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
