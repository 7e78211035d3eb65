"""The loop itself: its end, its pauses, and what goes wrong in a cycle."""

import logging

import pytest
from django import db
from django.db import connection

from notifier.delivery.dispatcher import Dispatcher
from notifier.models import Broadcast, Process
from notifier.transport.base import TransportError
from tests.notifier.delivery.dispatcher.neighbours import Switchable
from tests.support.factories import a_broadcast, a_delivery
from tests.support.servers.processes import wait_until

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]


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
    assert sum("The database can’t be used" in record.getMessage() for record in caplog.records) == 3


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
