"""The cycle, from the ticket to the ack; how it ends, and tickets that are broken."""

import time
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_django import Settings

from consumers import worker
from consumers.backends.base import OutcomeUnknown, Outgoing, PermanentFailure, RecipientRefused, TemporaryFailure
from consumers.sender import Sender
from consumers.worker import Consumer
from notifier.models import Broadcast, Channel, Preference, Process, QueuedTicket
from notifier.runtime import clock
from notifier.runtime.shutdown import StopFlag
from notifier.transport.database import DatabaseTransport
from tests.consumers.worker.watched import (
    AHEAD,
    NOON,
    WatchedTransport,
    a_ticket,
    failing,
    publish,
    raises,
    rows,
    sent,
    states,
    steps,
)
from tests.support.factories import a_broadcast, a_delivery

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_engines]


# --- The cycle --------------------------------------------------------------------------------------------------------
def test_a_tickets_deliveries_are_sent_once_and_recorded(run: Callable[..., None], events: list[Any]) -> None:
    ids = a_ticket(5)

    run(lambda message: f"id of {message.reference}")

    assert sent(events) == ids
    for row in rows(ids):
        assert (row.state, row.attempts, row.due_at, row.detail) == ("SENT", 1, None, "")
        assert row.provider_id == f"id of {row.broadcast_id}.{row.pk}"
        assert row.settled_at is not None
    assert QueuedTicket.objects.count() == 0


def test_each_window_is_settled_before_the_next_is_claimed_and_all_before_the_ack(
    run: Callable[..., None], events: list[Any]
) -> None:
    a_ticket(5)

    run(concurrency=2)

    order = [event if isinstance(event, str) else event[0] for event in events]
    window = ["claim", "send", "send", "settle"]
    assert order[:12] == [*window, *window, "claim", "send", "settle", "ack"]


@pytest.mark.parametrize(
    ("failure", "state"),
    [
        (TemporaryFailure("450 later"), "RETRYING"),
        (PermanentFailure("550 nobody"), "FAILED"),
        (OutcomeUnknown("the answer was lost"), "UNKNOWN"),
        (ZeroDivisionError(), "UNKNOWN"),
        (RecipientRefused("the recipient has opted out"), "SKIPPED"),
    ],
)
def test_a_failure_is_recorded_and_the_ticket_is_done_with(
    run: Callable[..., None], failure: Exception, state: str
) -> None:
    ids = a_ticket(1)

    run(raises(failure))

    (row,) = rows(ids)
    assert (row.state, row.attempts) == (state, 1)
    assert str(failure) in row.detail
    assert QueuedTicket.objects.count() == 0


def test_who_opted_out_since_gets_nothing(run: Callable[..., None], events: list[Any]) -> None:
    ids = a_ticket(2)
    Preference.objects.filter(client__deliveries=ids[0]).update(email=False)

    run()

    assert (sent(events), states(ids)) == ([ids[1]], ["SKIPPED", "SENT"])


def test_a_paused_broadcast_sends_nothing_and_its_ticket_is_done_with(
    run: Callable[..., None], events: list[Any]
) -> None:
    ids = a_ticket(3, broadcast=a_broadcast(state=Broadcast.State.PAUSED))

    run()

    assert (sent(events), states(ids)) == ([], ["PENDING"] * 3)
    assert all(row.due_at and row.due_at <= clock.now() for row in rows(ids))
    assert QueuedTicket.objects.count() == 0


def test_a_ticket_that_comes_twice_sends_once(run: Callable[..., None], events: list[Any]) -> None:
    ids = a_ticket(3)
    publish(rows(ids)[0].broadcast_id, ids)

    run()

    assert sent(events) == ids
    assert events.count("ack") == 2


def test_sends_end_early_enough_for_the_lease(
    run: Callable[..., None], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a lease of 100 s and sends that may take 70, none starts after 30; one that is too short leaves a tenth."""
    given: list[float] = []

    class FakeSender(Sender):
        def __init__(self, longest: float) -> None:
            self.longest_send_seconds = longest

        words = ""

        def window_size(self, most: int) -> int:
            return most

        def send(self, messages: Any, *, starts_until: float, waiting: Any, is_stopping: Any = None) -> list[Any]:
            given.append(starts_until - NOON)
            return []

        def close(self) -> None:
            pass

    settings.LEASE_SECONDS = 100
    monkeypatch.setattr(worker, "time", SimpleNamespace(monotonic=lambda: NOON, sleep=time.sleep))
    for longest in (70, 5000):
        a_ticket(1)
        Consumer(
            channel=Channel.EMAIL,
            transport=DatabaseTransport("database://"),
            sender=FakeSender(longest),
            concurrency=1,
            stop=StopFlag(),
        ).run(until_idle=True)

    assert given == [30, 10]


# --- When it is asked to stop -----------------------------------------------------------------------------------------
def test_asked_to_stop_it_ends_the_window_and_gives_the_rest_back(run: Callable[..., None], events: list[Any]) -> None:
    ids = a_ticket(7)
    stop = StopFlag()

    def act(message: Outgoing) -> str:
        stop.set()
        return ""

    run(act, stop=stop)

    assert (sent(events), states(ids)) == (ids[:2], ["SENT"] * 2 + ["PENDING"] * 5)
    assert steps(events)[:4] == ["claim", "settle", "release", "ack"]
    for row in rows(ids[2:]):
        assert row.due_at is not None
        assert row.due_at <= clock.now()
        assert row.lease_token is not None  # no longer travelling in a ticket
        assert row.attempts == 0


def test_asked_to_stop_while_idle_it_ends(run: Callable[..., None], transport: WatchedTransport) -> None:
    stop = StopFlag()
    transport.on_idle = stop.set

    run(stop=stop, until_idle=False)

    assert Process.objects.count() == 0


def test_asked_to_stop_before_it_began_it_takes_no_ticket(run: Callable[..., None], events: list[Any]) -> None:
    ids = a_ticket(1)
    stop = StopFlag()
    stop.set()

    run(stop=stop)

    assert states(ids) == ["PENDING"]
    assert "claim" not in events


def test_at_its_end_it_closes_what_it_opened(run: Callable[..., None], events: list[Any]) -> None:
    a_ticket(1)

    run(concurrency=1)

    assert events[-2:] == ["backend closed", "transport closed"]


# --- Tickets that are broken ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("body", [b"{", b"\xff", b'{"v": 2}', b"[]", b"x" * 20_000])
def test_a_ticket_that_can_not_be_read_is_put_aside_and_the_next_is_handled(
    run: Callable[..., None], body: bytes
) -> None:
    broken = QueuedTicket.objects.create(channel="email", body=body, available_at=clock.now() - timedelta(hours=1))
    ids = a_ticket(2)

    run()

    assert states(ids) == ["SENT"] * 2
    assert list(QueuedTicket.objects.values_list("pk", "dead")) == [(broken.pk, True)]


def test_a_ticket_for_what_is_not_there_is_done_with(run: Callable[..., None], events: list[Any]) -> None:
    other = a_delivery(broadcast=a_broadcast())
    text = a_delivery(channel=Channel.SMS)
    publish(text.broadcast_id, [text.pk, other.pk, other.pk + 1000])
    publish(other.broadcast_id + 1000, [other.pk])

    run()

    assert (sent(events), states([text.pk, other.pk])) == ([], ["PENDING"] * 2)
    assert QueuedTicket.objects.count() == 0


@pytest.mark.parametrize("committed", [True, False])
def test_a_ticket_that_fails_unexpectedly_waits_alone_and_the_next_is_handled(
    run: Callable[..., None],
    events: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    committed: bool,
) -> None:
    """Left in the queue it would come first again, before all the others."""
    ids, others = a_ticket(2), a_ticket(2)
    began = clock.now()
    failing(monkeypatch, "claim", ZeroDivisionError("a fault of ours"), afterwards=committed)

    run()

    assert (sent(events), states(others)) == (others, ["SENT"] * 2)
    assert [(row.state, row.attempts) for row in rows(ids)] == [("PENDING", 0)] * 2
    assert all(row.due_at and row.due_at > began + AHEAD and row.lease_token for row in rows(ids))
    assert QueuedTicket.objects.count() == 0
    assert "one of its tickets can’t be processed (ZeroDivisionError at " in caplog.text
    assert "a fault of ours" not in caplog.text
    assert Broadcast.objects.get(deliveries=ids[0]).fault == "one of its tickets can’t be processed: ZeroDivisionError"


# --- Until idle -------------------------------------------------------------------------------------------------------
def test_told_to_empty_the_queue_it_ends_once_that_is_empty(run: Callable[..., None]) -> None:
    ids = [delivery for _ in range(4) for delivery in a_ticket(3)]

    run()

    assert states(ids) == ["SENT"] * 12


def test_told_to_empty_the_queue_it_ends_where_there_is_none(run: Callable[..., None], events: list[Any]) -> None:
    run()

    assert events == ["transport closed"]


def test_told_to_empty_the_queue_it_goes_on_while_tickets_wait(
    run: Callable[..., None], transport: WatchedTransport
) -> None:
    """An idle second may just have passed when a ticket comes."""
    ids: list[int] = []

    def arrive() -> None:
        if not ids:
            ids.extend(a_ticket(2))

    transport.on_idle = arrive

    run()

    assert states(ids) == ["SENT"] * 2
