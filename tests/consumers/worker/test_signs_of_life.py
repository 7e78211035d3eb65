"""What a consumer says of itself while it works, idles or hangs."""

import os
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from consumers import sender, window, worker
from consumers.backends.base import Outgoing
from consumers.connection_limit import ConnectionLimit
from notifier.delivery import settlements
from notifier.models import Process, QueuedTicket
from notifier.runtime import heartbeats
from notifier.runtime.heartbeats import Heartbeat
from notifier.runtime.shutdown import StopFlag
from tests.consumers.worker.watched import FakeBackend, WatchedTransport, a_ticket, rows, states
from tests.support.servers.processes import PATIENCE_SECONDS

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_engines]


def test_it_says_that_it_works_and_for_whom_and_leaves_no_trace_at_its_end(
    run: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    a_ticket(1)
    seen: list[Any] = []
    settle = settlements.settle

    def settle_and_look(**arguments: Any) -> Any:
        seen.extend(Process.objects.values_list("kind", "channel", "host", "pid", "state", "detail"))
        return settle(**arguments)

    monkeypatch.setattr(settlements, "settle", settle_and_look)
    monkeypatch.setattr(heartbeats, "BEAT_SECONDS", 0.0)

    run()

    assert seen == [("CONSUMER", "email", socket.gethostname(), os.getpid(), "WORKING", "")]
    assert Process.objects.count() == 0


def test_it_says_that_it_is_idle(run: Callable[..., None], transport: WatchedTransport) -> None:
    seen: list[Any] = []
    transport.on_idle = lambda: seen.extend(Process.objects.values_list("state", flat=True))

    run()

    assert seen == ["IDLE"]


def test_its_signs_of_life_go_on_while_a_send_is_slow(
    run: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeats, "BEAT_SECONDS", 0.0)
    monkeypatch.setattr(sender, "WAITING_SECONDS", 0.01)
    seen: set[Any] = set()
    enough, under_way = threading.Event(), threading.Event()
    beat = Heartbeat.beat

    def beat_and_look(self: Heartbeat, *arguments: Any) -> None:
        beat(self, *arguments)
        if under_way.is_set() and not enough.is_set():
            seen.update(Process.objects.values_list("last_seen_at", flat=True))
            if len(seen) >= 3:
                enough.set()

    def act(message: Outgoing) -> str:
        under_way.set()
        return str(enough.wait(PATIENCE_SECONDS))

    monkeypatch.setattr(Heartbeat, "beat", beat_and_look)
    ids = a_ticket(1)

    run(act)

    assert [row.provider_id for row in rows(ids)] == ["True"]


def test_its_signs_of_life_go_on_while_it_is_idle(
    run: Callable[..., None], transport: WatchedTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeats, "BEAT_SECONDS", 0.0)
    seen: set[Any] = set()
    stop = StopFlag()

    def look() -> None:
        seen.update(Process.objects.values_list("last_seen_at", flat=True))
        if len(seen) >= 3:
            stop.set()

    transport.on_idle = look

    run(stop=stop, until_idle=False)

    assert len(seen) == 3


def test_a_backend_that_hangs_is_shown_and_holds_nobody_for_ever(
    run: Callable[..., None], events: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeats, "BEAT_SECONDS", 0.0)
    monkeypatch.setattr(sender, "WAITING_SECONDS", 0.05)
    monkeypatch.setattr(window, "GRACE_SECONDS", 0.3)
    monkeypatch.setattr(worker, "SILENT_SECONDS", 0)
    monkeypatch.setattr(FakeBackend, "longest_send_seconds", 0.1)
    said: set[tuple[str, str]] = set()
    ids, over, stop = a_ticket(3), threading.Event(), StopFlag()
    beat = Heartbeat.beat

    def beat_and_look(self: Heartbeat, *arguments: Any) -> None:
        beat(self, *arguments)
        said.update(Process.objects.values_list("state", "detail"))

    def act(message: Outgoing) -> str:
        stop.set()
        return str(over.wait(PATIENCE_SECONDS))

    monkeypatch.setattr(Heartbeat, "beat", beat_and_look)

    run(act, concurrency=2, stop=stop)
    over.set()
    for thread in threading.enumerate():
        if thread.name.startswith("sender "):
            thread.join(PATIENCE_SECONDS)

    assert states(ids) == ["UNKNOWN", "UNKNOWN", "PENDING"]
    assert ("WAITING", "E-mail: stopping. It waits up to 0.1 s for the provider.") in said
    assert QueuedTicket.objects.count() == 0


def test_a_connection_that_hangs_while_it_opens_is_shown_and_let_go_of_when_it_is_to_stop(
    run: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeats, "BEAT_SECONDS", 0.0)
    monkeypatch.setattr(sender, "WAITING_SECONDS", 0.05)
    monkeypatch.setattr(sender, "STARTING_SECONDS", 0.0)
    monkeypatch.setattr(sender, "CLOSING_SECONDS", 0.1)
    monkeypatch.setattr(worker, "SILENT_SECONDS", 0)
    said: set[tuple[str, str]] = set()
    ids, over, stop = a_ticket(3), threading.Event(), StopFlag()
    connecting = ("WAITING", "E-mail: the provider has not accepted a connection for more than 0 s.")
    beat = Heartbeat.beat

    def beat_and_look(self: Heartbeat, *arguments: Any) -> None:
        beat(self, *arguments)
        said.update(Process.objects.values_list("state", "detail"))
        if connecting in said:
            stop.set()

    monkeypatch.setattr(Heartbeat, "beat", beat_and_look)

    class Hanging(FakeBackend):
        longest_send_seconds = 2 * PATIENCE_SECONDS

        def open(self) -> None:
            over.wait(PATIENCE_SECONDS)

    run(concurrency=2, stop=stop, provider=Hanging)
    over.set()
    for thread in threading.enumerate():
        if thread.name.startswith("sender "):
            thread.join(PATIENCE_SECONDS)

    assert connecting in said
    assert ("WAITING", f"E-mail: stopping. It waits up to {2 * PATIENCE_SECONDS:g} s for the provider.") in said
    assert [(row.state, row.attempts) for row in rows(ids)] == [("PENDING", 0)] * 3
    assert QueuedTicket.objects.count() == 0


def test_it_says_that_the_provider_takes_few_connections(
    run: Callable[..., None], events: list[Any], transport: WatchedTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ConnectionLimit, "words", "Sending over 3 connections at once instead of 10: 421 too many")
    a_ticket(1)
    seen: list[Any] = []
    transport.on_idle = lambda: seen.extend(Process.objects.values_list("detail", flat=True))

    run()

    assert seen == [ConnectionLimit.words]
