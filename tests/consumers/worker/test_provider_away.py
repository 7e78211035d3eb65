"""The provider goes away and comes back."""

import time
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_django import Settings

from consumers import window, worker
from consumers.backends.base import ChannelDown, Outgoing, PerhapsDown
from notifier.delivery import settlements
from notifier.models import QueuedTicket
from notifier.runtime import clock
from notifier.runtime.backoff import Backoff
from tests.consumers.worker.watched import (
    AHEAD,
    NOON,
    StopAtFirstWait,
    a_ticket,
    publish,
    raises,
    rows,
    sent,
    states,
    steps,
)
from tests.support.factories import a_broadcast

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_engines]


def test_a_channel_that_is_down_is_no_deliverys_fault(run: Callable[..., None], events: list[Any]) -> None:
    ids = a_ticket(5)
    began = clock.now()

    run(raises(ChannelDown("connection refused")), concurrency=2, stop=StopAtFirstWait())

    assert states(ids) == ["PENDING"] * 5
    assert [row.attempts for row in rows(ids)] == [0] * 5
    assert all(row.due_at and row.due_at > began + AHEAD for row in rows(ids))
    assert all(row.lease_token is not None for row in rows(ids))
    assert len(sent(events)) in (1, 2)  # the second thread may have begun before the first came back
    assert steps(events)[:4] == ["claim", "settle", "release", "ack"]


def test_a_channel_that_is_down_is_told_on_the_dashboard(run: Callable[..., None]) -> None:
    a_ticket(1)
    stop = StopAtFirstWait()

    run(raises(ChannelDown("connection\nrefused")), stop=stop)

    assert [state for state, _ in stop.said] == ["WAITING"]
    assert stop.said[0][1].startswith("E-mail: connection")


def test_what_was_sent_before_the_channel_went_down_is_recorded(run: Callable[..., None]) -> None:
    ids = a_ticket(3)
    number = count(1)

    def act(message: Outgoing) -> str:
        if next(number) == 2:
            raise ChannelDown("connection refused")
        return ""

    run(act, concurrency=3, threads=1, stop=StopAtFirstWait())

    assert states(ids) == ["SENT", "PENDING", "PENDING"]
    assert [row.attempts for row in rows(ids)] == [1, 0, 0]


def test_the_wait_for_a_channel_grows_and_starts_over_once_it_is_back(
    run: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def quick(*, first_seconds: float, longest_seconds: float) -> Backoff:
        return Backoff(first_seconds=first_seconds / 100, longest_seconds=longest_seconds / 100)

    monkeypatch.setattr(worker, "Backoff", quick)
    waits: list[float] = []
    settle = settlements.settle

    def settle_and_note(**arguments: Any) -> int:
        waits.extend(outcome.wait.total_seconds() * 100 if outcome.wait else 0 for outcome in arguments["outcomes"])
        return int(settle(**arguments))

    monkeypatch.setattr(settlements, "settle", settle_and_note)
    number = count(1)

    def act(message: Outgoing) -> str:
        if next(number) == 5:
            return ""
        raise ChannelDown("connection refused")

    for _ in range(6):
        a_ticket(1)

    run(act)

    within = [(1, 2), (2, 4), (4, 8), (8, 16), (0, 0), (1, 2)]
    assert len(waits) == 6
    assert all(least <= wait <= most for wait, (least, most) in zip(waits, within, strict=True)), waits


def test_a_message_that_is_refused_alone_holds_up_no_other_and_comes_to_an_end(
    run: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window, "SUSPECT_WAIT", timedelta())
    broadcast = a_broadcast()
    ids = a_ticket(6, broadcast=broadcast)
    for _ in range(2):
        more = a_ticket(2, broadcast=broadcast)
        publish(broadcast.pk, [*more, ids[1]])
    stop = StopAtFirstWait()

    def act(message: Outgoing) -> str:
        if message.reference.endswith(f".{ids[1]}"):
            raise PerhapsDown("503 5.5.1 bad sequence of commands")
        return ""

    run(act, concurrency=3, stop=stop)

    assert states(ids) == ["SENT", "RETRYING", "SENT", "SENT", "SENT", "SENT"]
    assert [row.attempts for row in rows(ids)] == [1] * 6
    assert stop.said == [], "nobody waited"


def test_what_its_lease_left_no_time_for_is_released_without_a_wait(
    run: Callable[..., None], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.LEASE_SECONDS = 100
    ids = a_ticket(3)
    watch = SimpleNamespace(seconds=NOON)
    monkeypatch.setattr(window, "time", SimpleNamespace(monotonic=lambda: watch.seconds))
    monkeypatch.setattr(worker, "time", SimpleNamespace(monotonic=lambda: watch.seconds, sleep=time.sleep))

    def act(message: Outgoing) -> str:
        watch.seconds += 100  # more than the time in which sends may start
        return ""

    run(act, concurrency=3, threads=1)

    assert states(ids) == ["SENT", "PENDING", "PENDING"]
    assert [row.attempts for row in rows(ids)] == [1, 0, 0]
    assert all(row.due_at and row.due_at <= clock.now() for row in rows(ids[1:]))
    assert QueuedTicket.objects.count() == 0
