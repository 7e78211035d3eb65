import logging
import os
import socket
import threading
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django import db
from django.db import connection
from django.test.utils import CaptureQueriesContext

from notifier.models import Channel, Process
from notifier.runtime import heartbeats
from notifier.runtime.heartbeats import Heartbeat
from tests.support.servers.processes import wait_until

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

IDLE, WORKING, WAITING = Process.State.IDLE, Process.State.WORKING, Process.State.WAITING


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A stopwatch that the test moves: `watch.seconds += 2`."""
    watch = SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(heartbeats, "time", SimpleNamespace(monotonic=lambda: watch.seconds))
    return watch


@pytest.fixture
def heartbeat() -> Heartbeat:
    return Heartbeat(kind=Process.Kind.CONSUMER, channel=Channel.SMS)


def test_the_first_beat_registers_the_process(heartbeat: Heartbeat, now: datetime) -> None:
    heartbeat.beat(IDLE)

    worker = Process.objects.get()
    assert (worker.kind, worker.channel, worker.state, worker.detail) == (Process.Kind.CONSUMER, "sms", IDLE, "")
    assert (worker.host, worker.pid) == (socket.gethostname(), os.getpid())
    assert worker.started_at == worker.last_seen_at >= now
    assert list(Process.objects.alive(now)) == [worker]


def test_a_dispatcher_has_no_channel_and_tells_the_depths() -> None:
    heartbeat = Heartbeat(kind=Process.Kind.DISPATCHER)

    heartbeat.beat(WORKING, depths={"email": 3, "sms": 0})

    worker = Process.objects.get()
    assert (worker.kind, worker.channel, worker.depths) == (Process.Kind.DISPATCHER, "", {"email": 3, "sms": 0})


def test_an_unchanged_state_is_told_again_after_a_while_only(heartbeat: Heartbeat, watch: SimpleNamespace) -> None:
    heartbeat.beat(IDLE)
    first = Process.objects.get().last_seen_at

    watch.seconds += heartbeats.BEAT_SECONDS - 0.1
    with CaptureQueriesContext(connection) as queries:
        heartbeat.beat(IDLE)
    assert len(queries) == 0

    watch.seconds += 0.1
    heartbeat.beat(IDLE)
    assert Process.objects.get().last_seen_at > first


def test_a_change_is_told_at_once(heartbeat: Heartbeat, watch: SimpleNamespace) -> None:
    heartbeat.beat(IDLE)

    heartbeat.beat(WAITING, "the provider is away")

    worker = Process.objects.get()
    assert (worker.state, worker.detail) == (WAITING, "the provider is away")


def test_a_long_reason_is_cut(heartbeat: Heartbeat) -> None:
    heartbeat.beat(WAITING, "x" * 1000)

    assert Process.objects.get().detail == "x" * 300


def test_one_that_others_forgot_registers_again(heartbeat: Heartbeat, watch: SimpleNamespace) -> None:
    heartbeat.beat(IDLE)
    Process.objects.all().delete()
    watch.seconds += heartbeats.BEAT_SECONDS

    heartbeat.beat(IDLE)

    assert Process.objects.get().pid == os.getpid()


def test_those_silent_for_long_are_forgotten_when_another_comes(heartbeat: Heartbeat, now: datetime) -> None:
    values = {"kind": Process.Kind.DISPATCHER, "host": "h", "started_at": now}
    recent = Process.objects.create(**values, pid=1, last_seen_at=now - timedelta(minutes=59))
    Process.objects.create(**values, pid=2, last_seen_at=now - timedelta(minutes=61))

    heartbeat.beat(IDLE)

    assert set(Process.objects.values_list("pid", flat=True)) == {recent.pid, os.getpid()}


def test_one_that_is_silent_counts_as_gone(now: datetime) -> None:
    values = {"kind": Process.Kind.DISPATCHER, "host": "h", "started_at": now}
    alive = Process.objects.create(**values, pid=1, last_seen_at=now - timedelta(seconds=15))
    Process.objects.create(**values, pid=2, last_seen_at=now - timedelta(seconds=16))

    assert list(Process.objects.alive(now)) == [alive]


def test_a_farewell_removes_this_process_only(heartbeat: Heartbeat) -> None:
    other = Heartbeat(kind=Process.Kind.DISPATCHER)
    heartbeat.beat(IDLE)
    other.beat(IDLE)

    heartbeat.stop()

    assert [worker.kind for worker in Process.objects.all()] == [Process.Kind.DISPATCHER]


def test_a_farewell_before_the_first_beat_does_nothing(heartbeat: Heartbeat) -> None:
    heartbeat.stop()


def test_a_database_that_is_away_does_not_stop_the_work(heartbeat: Heartbeat, caplog: pytest.LogCaptureFixture) -> None:
    def away(*_: object) -> None:
        raise db.OperationalError("the server closed the connection")

    heartbeat.beat(IDLE)
    with caplog.at_level(logging.WARNING), connection.execute_wrapper(away):
        heartbeat.beat(WAITING, "the provider is away")
        heartbeat.stop()

    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "The heartbeat could not be written",
        "The farewell could not be written",
    ]


@pytest.mark.django_db(transaction=True)
def test_it_is_kept_while_one_statement_takes_long(heartbeat: Heartbeat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeats, "BEAT_SECONDS", 0.02)
    heartbeat.beat(WORKING)
    Process.objects.update(last_seen_at=datetime(2026, 1, 1, tzinfo=UTC))
    seen = Process.objects.values_list("last_seen_at", flat=True)

    with heartbeat.kept():
        wait_until(lambda: seen.get().month != 1 or seen.get().year != 2026, what="another sign of life")

    assert Process.objects.get().state == WORKING


@pytest.mark.django_db(transaction=True)
def test_it_is_kept_no_longer_than_that(heartbeat: Heartbeat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeats, "BEAT_SECONDS", 0.02)

    with heartbeat.kept():
        pass

    def is_gone() -> bool:
        return all(thread.name != "heartbeat" for thread in threading.enumerate())

    wait_until(is_gone, what="the end of the thread that keeps it")


@pytest.mark.django_db(transaction=True)
def test_a_step_that_hangs_is_vouched_for_until_a_limit(heartbeat: Heartbeat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeats, "BEAT_SECONDS", 0.02)
    monkeypatch.setattr(heartbeats, "VOUCHED_SECONDS", 0.1)
    heartbeat.beat(WORKING)

    with heartbeat.kept():
        wait_until(lambda: Process.objects.get().state == WAITING, what="the end of its patience")
        assert Process.objects.get().waits_for_database

    heartbeat.beat(WORKING)
    assert (Process.objects.get().state, Process.objects.get().detail) == (WORKING, "")


@pytest.mark.django_db(transaction=True)
def test_many_steps_may_take_longer_than_one(heartbeat: Heartbeat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeats, "BEAT_SECONDS", 0.02)
    watch = SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(heartbeats, "time", SimpleNamespace(monotonic=lambda: watch.seconds))
    Process.objects.all().delete()

    with heartbeat.kept():
        watch.seconds += heartbeats.VOUCHED_SECONDS
        heartbeat.goes_on()
        wait_until(lambda: Process.objects.exists(), what="its first sign of life")

        assert Process.objects.get().state == WORKING
