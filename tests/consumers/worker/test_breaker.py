import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from itertools import count
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from django.db import DataError, IntegrityError, OperationalError
from django.template import TemplateSyntaxError
from pytest_django import Settings

from consumers import breaker_reporter, sender, window, worker
from consumers.backends.base import (
    ChannelDown,
    NoMessage,
    OutcomeUnknown,
    Outgoing,
    PermanentFailure,
    RecipientRefused,
    SendBackend,
    TemporaryFailure,
)
from consumers.connection_limit import ConnectionLimit
from consumers.sender import Sender
from consumers.worker import Consumer
from notifier.delivery import claims, settlements, sweeps, tickets
from notifier.delivery.claims import Claim
from notifier.delivery.settlements import NEVER_SENT
from notifier.messages import email, placeholders
from notifier.models import Breaker, Broadcast, Channel, Client, Delivery, Preference, Process, QueuedTicket, Reason
from notifier.policies import breakers
from notifier.runtime import clock, heartbeats
from notifier.runtime.backoff import Backoff
from notifier.runtime.heartbeats import Heartbeat
from notifier.runtime.shutdown import StopFlag
from notifier.transport import database
from notifier.transport.base import Received, Ticket, Transport, TransportError
from notifier.transport.database import DatabaseTransport
from tests.support.factories import a_broadcast, a_delivery, a_notification, an_open_breaker
from tests.support.servers.processes import PATIENCE_SECONDS, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_engines]

#: On a clock that stands still.
NOON = 1000.0
LOST = OperationalError("server closed the connection unexpectedly")
#: A wait after trouble is at least half as long as it is said to be; the rest is for a slow machine.
AHEAD = timedelta(seconds=0.5)


class FakeBackend:
    longest_send_seconds = 1.0

    def __init__(self, act: Callable[[Outgoing], str], events: list[Any]) -> None:
        self._act = act
        self._events = events

    def send(self, message: Outgoing) -> str:
        self._events.append(("send", int(message.reference.partition(".")[2])))
        return self._act(message)

    def close(self) -> None:
        self._events.append("backend closed")


class WatchedReceived:
    def __init__(self, received: Received, events: list[Any]) -> None:
        self._received = received
        self._events = events
        self.ticket = received.ticket

    def ack(self) -> None:
        self._events.append("ack")
        self._received.ack()

    def reject(self) -> None:
        self._events.append("reject")
        self._received.reject()


class WatchedTransport(DatabaseTransport):
    """The real one, and a list of what is done with it. `on_idle` is called whenever the queue is empty."""

    def __init__(self, events: list[Any]) -> None:
        super().__init__("database://")
        self.events = events
        self.on_idle: Callable[[], None] = lambda: None

    def receive(self, channel: Channel, idle: float) -> Iterator[Received | None]:
        with closing(super().receive(channel, idle)) as tickets:  # type: ignore[type-var]
            for received in tickets:
                if received is None:
                    self.on_idle()
                yield WatchedReceived(received, self.events) if received else None

    def close(self) -> None:
        self.events.append("transport closed")


class StopAtFirstWait(StopFlag):
    """Notes what the dashboard would say while the consumer waits for something, and stops it there."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[tuple[str, str]] = []

    def wait(self, seconds: float) -> bool:
        self.said += Process.objects.values_list("state", "detail")
        self.set()
        return True


@pytest.fixture
def events() -> list[Any]:
    """What happened, in order."""
    return []


@pytest.fixture
def transport(events: list[Any]) -> WatchedTransport:
    return WatchedTransport(events)


@pytest.fixture
def run(
    events: list[Any], transport: WatchedTransport, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., None]]:
    """Runs a consumer in this thread until its queue is empty."""
    monkeypatch.setattr(worker, "IDLE_SECONDS", 0.05)
    monkeypatch.setattr(database, "POLL_SECONDS", 0.01)
    for name in ("claim", "settle", "release_claim", "release"):
        module = module_of(name)
        monkeypatch.setattr(module, name, noted(events, name, getattr(module, name)))

    def run(
        act: Callable[[Outgoing], str] = lambda message: "",
        *,
        concurrency: int = 2,
        threads: int = 0,
        stop: StopFlag | None = None,
        until_idle: bool = True,
        transport: Transport = transport,
    ) -> None:
        def get_backend() -> SendBackend:
            return FakeBackend(act, events)

        Consumer(
            channel=Channel.EMAIL,
            transport=transport,
            sender=Sender(get_backend=get_backend, threads=threads or concurrency),
            concurrency=concurrency,
            stop=stop or StopFlag(),
        ).run(until_idle=until_idle)

    yield run
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("sender ")]


def module_of(service: str) -> ModuleType:
    return settlements if service == "settle" else claims


def noted(events: list[Any], name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(**arguments: Any) -> Any:
        events.append(name)
        return call(**arguments)

    return wrapper


def failing(monkeypatch: pytest.MonkeyPatch, name: str, *errors: Exception, afterwards: bool = False) -> None:
    """That service fails so often first; with `afterwards` only once its work is committed."""
    module = module_of(name)
    call, left = getattr(module, name), list(errors)

    def wrapper(**arguments: Any) -> Any:
        if left and not afterwards:
            raise left.pop(0)
        result = call(**arguments)
        if left:
            raise left.pop(0)
        return result

    monkeypatch.setattr(module, name, wrapper)


def a_ticket(number: int = 1, *, broadcast: Broadcast | None = None) -> list[int]:
    """So many deliveries in one ticket that waits in the queue."""
    broadcast = broadcast or a_broadcast()
    ids = [a_delivery(broadcast=broadcast).pk for _ in range(number)]
    publish(broadcast.pk, ids)
    return ids


def publish(broadcast: int, ids: Sequence[int]) -> None:
    ticket = Ticket(broadcast=broadcast, channel=Channel.EMAIL, deliveries=tuple(ids))
    DatabaseTransport("database://").publish([ticket])


def rows(ids: Sequence[int]) -> list[Delivery]:
    return list(Delivery.objects.filter(pk__in=ids).order_by("pk"))


def states(ids: Sequence[int]) -> list[str]:
    return [row.state for row in rows(ids)]


def sent(events: list[Any]) -> list[int]:
    return sorted(event[1] for event in events if event[0] == "send")


def steps(events: list[Any]) -> list[str]:
    return [event for event in events if isinstance(event, str)]


def raises(error: Exception) -> Callable[[Outgoing], str]:
    def act(message: Outgoing) -> str:
        raise error

    return act


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

        def send(self, messages: Any, *, starts_until: float, waiting: Any) -> list[Any]:
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


# --- When the database is away ----------------------------------------------------------------------------------------
def test_results_are_kept_until_the_database_takes_them(
    run: Callable[..., None], events: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = a_ticket(3)
    failing(monkeypatch, "settle", LOST, OperationalError("deadlock detected"))

    run(concurrency=3)

    assert (sent(events), states(ids)) == (ids, ["SENT"] * 3)
    assert steps(events)[:3] == ["claim", "settle", "ack"]


def test_results_whose_commit_was_not_answered_are_recorded_all_the_same(
    run: Callable[..., None], events: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = a_ticket(2)
    failing(monkeypatch, "settle", LOST, afterwards=True)

    run()

    assert (sent(events), states(ids)) == (ids, ["SENT"] * 2)
    assert [row.attempts for row in rows(ids)] == [1, 1]


@pytest.mark.parametrize("committed", [True, False])
def test_of_a_claim_without_an_answer_nothing_is_sent_and_the_rows_wait_again(
    run: Callable[..., None], events: list[Any], monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    ids = a_ticket(3)
    failing(monkeypatch, "claim", LOST, afterwards=committed)
    stop = StopAtFirstWait()

    run(stop=stop)

    assert (sent(events), states(ids)) == ([], ["PENDING"] * 3)
    assert [row.attempts for row in rows(ids)] == [0] * 3
    assert all(row.due_at and row.due_at <= clock.now() for row in rows(ids))
    assert "ack" not in events
    assert stop.said == [("WAITING", f"The database can't be used: {LOST}")]


def test_a_claim_without_an_answer_is_undone_for_as_long_as_it_takes(
    run: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = a_ticket(2)
    failing(monkeypatch, "claim", LOST, afterwards=True)
    failing(monkeypatch, "release_claim", LOST, LOST)

    run(stop=StopAtFirstWait())

    assert states(ids) == ["PENDING"] * 2


def test_after_a_claim_without_an_answer_the_ticket_comes_again_and_is_sent_once(
    run: Callable[..., None], events: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "VISIBILITY", timedelta())
    ids = a_ticket(3)
    failing(monkeypatch, "claim", LOST, afterwards=True)

    run()

    assert (sent(events), states(ids)) == (ids, ["SENT"] * 3)


def test_what_others_decided_after_the_lease_is_left_to_them(
    run: Callable[..., None], events: list[Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ids = a_ticket(2)
    settle = settlements.settle

    def settle_late(**arguments: Any) -> int:
        Delivery.objects.filter(pk=ids[0]).update(state="CANCELLED", lease_token=None)
        return settle(**arguments)

    monkeypatch.setattr(settlements, "settle", settle_late)

    run()

    assert states(ids) == ["CANCELLED", "SENT"]
    assert "1 results came after their lease" in caplog.text
    assert "ack" in events


def test_a_consumer_held_up_between_claim_and_send_until_its_lease_is_over_sends_nothing(
    run: Callable[..., None], events: list[Any], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Staff read UNKNOWN by then, and may have had it sent again."""
    settings.LEASE_SECONDS = 0.1
    ids = a_ticket(2)
    claim = claims.claim

    def claim_and_stand_still(**arguments: Any) -> Claim:
        claimed = claim(**arguments)
        wait_until(lambda: sweeps.sweep(now=clock.now()), what="the end of the lease")
        return claimed

    monkeypatch.setattr(claims, "claim", claim_and_stand_still)

    run()

    assert sent(events) == []
    assert [(row.state, row.detail, row.due_at) for row in rows(ids)] == [("FAILED", NEVER_SENT, None)] * 2


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


# --- When the provider is away ----------------------------------------------------------------------------------------
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


# --- When most sends fail ---------------------------------------------------------------------------------------------
BUSY = TemporaryFailure("451 try later")


def a_probe(*, number: int = 1) -> list[int]:
    """An open breaker, and a ticket for its probe with so many deliveries in all."""
    moment = clock.now()
    breaker = an_open_breaker(now=moment, probe_at=moment + timedelta(seconds=15))
    broadcast = a_broadcast()
    ids = [a_delivery(broadcast=broadcast, due_at=breaker.probe_at).pk]
    ids += [a_delivery(broadcast=broadcast).pk for _ in range(number - 1)]
    publish(broadcast.pk, ids)
    return ids


def after_idling(stop: StopFlag, transport: WatchedTransport, seconds: int = 2) -> None:
    """Stops the consumer once it was idle so many times."""
    left = count(1)

    def look() -> None:
        if next(left) >= seconds:
            stop.set()

    transport.on_idle = look


def test_a_provider_that_fails_everything_is_left_alone_within_a_window(
    run: Callable[..., None], events: list[Any], settings: Settings
) -> None:
    settings.BREAKER_MINIMUM = 4
    ids, later = a_ticket(11), a_ticket(7)

    run(raises(BUSY), concurrency=2)

    assert sent(events) == ids[:4]
    assert states(ids) == ["RETRYING"] * 4 + ["PENDING"] * 7
    for row in [*rows(ids[4:]), *rows(later)]:
        assert (row.state, row.attempts) == ("PENDING", 0)
        assert row.due_at is not None
        assert row.due_at <= clock.now()
        assert row.lease_token is not None  # no longer travelling in a ticket
    assert QueuedTicket.objects.count() == 0
    breaker = Breaker.objects.get()
    assert (breaker.opened_at is not None, breaker.given, breaker.detail) == (True, 4, "451 try later")


@pytest.mark.parametrize(
    "failure", [BUSY, PermanentFailure("554 refused"), OutcomeUnknown("lost"), ZeroDivisionError()]
)
def test_every_way_to_fail_counts(run: Callable[..., None], settings: Settings, failure: Exception) -> None:
    settings.BREAKER_MINIMUM = 2
    a_ticket(2)

    run(raises(failure))

    assert Breaker.objects.open().exists()


def test_a_provider_that_is_away_counts_neither_way(
    run: Callable[..., None], monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.BREAKER_MINIMUM = 1
    monkeypatch.setattr(breaker_reporter, "REPORT_SECONDS", 0.0)
    a_ticket(2)

    run(raises(ChannelDown("connection refused")), stop=StopAtFirstWait())

    assert not Breaker.objects.exists()


def test_who_opted_out_at_the_provider_counts_neither_way(
    run: Callable[..., None], monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.BREAKER_MINIMUM = 1
    monkeypatch.setattr(breaker_reporter, "REPORT_SECONDS", 0.0)
    ids = a_ticket(2)

    run(raises(RecipientRefused("400: opted out")))

    assert states(ids) == ["SKIPPED"] * 2
    assert not Breaker.objects.exists()


def test_a_provider_that_fails_some_goes_on(
    run: Callable[..., None], monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.BREAKER_MINIMUM = 2
    monkeypatch.setattr(breaker_reporter, "REPORT_SECONDS", 0.0)
    ids = a_ticket(12)

    def act(message: Outgoing) -> str:
        if int(message.reference.partition(".")[2]) in (ids[1], ids[5], ids[9]):
            raise PermanentFailure("550 nobody")
        return ""

    run(act, concurrency=4)

    assert sorted(states(ids)) == ["FAILED"] * 3 + ["SENT"] * 9
    breaker = Breaker.objects.get()
    assert (breaker.opened_at, breaker.given, breaker.failed) == (None, 12, 3)


def test_while_sends_go_through_their_counts_are_told_now_and_then_only(
    run: Callable[..., None], monkeypatch: pytest.MonkeyPatch, transport: WatchedTransport
) -> None:
    monkeypatch.setattr(breaker_reporter, "REPORT_SECONDS", 1000.0)
    told: list[int] = []
    record = breakers.record

    def record_and_note(**arguments: Any) -> bool:
        told.append(arguments["count"].given)
        return bool(record(**arguments))

    monkeypatch.setattr(breakers, "record", record_and_note)
    a_ticket(10)
    stop = StopFlag()
    after_idling(stop, transport)

    run(stop=stop, until_idle=False)

    assert told == [10], "once, in the idle second after it"
    assert Breaker.objects.get().given == 10


def test_a_window_under_way_when_it_opens_is_recorded_and_neither_closes_it_nor_goes_on(
    run: Callable[..., None], events: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker_reporter, "REPORT_SECONDS", 0.0)
    ids = a_ticket(6)
    settle = settlements.settle

    def settle_beside_another(**arguments: Any) -> int:
        an_open_breaker(now=clock.now())
        return int(settle(**arguments))

    monkeypatch.setattr(settlements, "settle", settle_beside_another)

    run(concurrency=3)

    assert sent(events) == ids[:3]
    assert states(ids) == ["SENT"] * 3 + ["PENDING"] * 3
    assert Breaker.objects.open().get().given == 20


def test_a_single_delivery_that_is_no_probe_is_held_like_any_other(run: Callable[..., None], events: list[Any]) -> None:
    an_open_breaker(now=clock.now())
    ids = a_ticket(1)

    run()

    assert (sent(events), states(ids)) == ([], ["PENDING"])
    assert QueuedTicket.objects.count() == 0


def test_a_probe_that_goes_through_ends_the_pause(run: Callable[..., None], events: list[Any]) -> None:
    probe = a_probe()
    ids = a_ticket(5)

    run()

    assert states([*probe, *ids]) == ["SENT"] * 6
    assert not Breaker.objects.open().exists()


@pytest.mark.parametrize("failure", [BUSY, PermanentFailure("550 nobody"), OutcomeUnknown("the answer was lost")])
def test_a_probe_that_fails_keeps_it_paused_and_says_what_it_found(
    run: Callable[..., None], events: list[Any], failure: Exception
) -> None:
    probe = a_probe()
    ids = a_ticket(5)

    run(raises(failure))

    assert (sent(events), states(ids)) == (probe, ["PENDING"] * 5)
    breaker = Breaker.objects.open().get()
    assert (breaker.probes, breaker.detail) == (1, str(failure))


def test_a_probe_that_meets_a_provider_that_is_away_keeps_it_paused(run: Callable[..., None]) -> None:
    probe = a_probe()

    run(raises(ChannelDown("connection refused")), stop=StopAtFirstWait())

    ((state, attempts),) = [(row.state, row.attempts) for row in rows(probe)]
    assert (state, attempts) == ("PENDING", 0)
    breaker = Breaker.objects.open().get()
    assert (breaker.probes, breaker.detail) == (1, "connection refused")


def test_a_probe_whose_client_opted_out_is_followed_by_another_at_once(run: Callable[..., None]) -> None:
    probe = a_probe()
    Preference.objects.update(email=False)

    run()

    breaker = Breaker.objects.open().get()
    assert (states(probe), breaker.probes) == (["SKIPPED"], 0)
    assert breaker.probe_at is not None
    assert breaker.probe_at <= clock.now()


def test_a_probe_whose_client_opted_out_at_the_provider_is_followed_by_another_at_once(
    run: Callable[..., None],
) -> None:
    probe = a_probe()

    run(raises(RecipientRefused("400: opted out")))

    breaker = Breaker.objects.open().get()
    assert (states(probe), breaker.probes) == (["SKIPPED"], 0)
    assert breaker.probe_at is not None
    assert breaker.probe_at <= clock.now()


def test_a_server_that_puts_everybody_off_at_first_gets_the_whole_broadcast(
    run: Callable[..., None], events: list[Any], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Greylisting: each address is refused twice, and taken at the third try."""
    settings.BREAKER_MINIMUM = 4
    monkeypatch.setattr(breaker_reporter, "REPORT_SECONDS", 0.0)
    broadcast = a_broadcast()
    ids = [a_delivery(broadcast=broadcast).pk for _ in range(60)]
    seen: Counter[str] = Counter()

    def act(message: Outgoing) -> str:
        seen[message.reference] += 1
        if seen[message.reference] < 3:
            raise TemporaryFailure("450 4.2.0 greylisted, come again")
        return ""

    rounds = count(1)
    while Delivery.objects.active().exists() and next(rounds) < 20:
        # Everything that waits for a time has it now.
        Delivery.objects.active().update(due_at=clock.now())
        Breaker.objects.open().update(probe_at=clock.now() - timedelta(seconds=1))
        for _ in range(3):
            tickets.issue_tickets(channel=Channel.EMAIL, transport=DatabaseTransport("database://"), now=clock.now())
            run(act, concurrency=4)

    assert states(ids) == ["SENT"] * 60
    assert next(rounds) <= 12


def test_what_stands_beside_a_probe_in_its_ticket_goes_back(run: Callable[..., None], events: list[Any]) -> None:
    ids = a_probe(number=5)

    run(raises(BUSY), concurrency=3)

    assert (sent(events), states(ids)) == (ids[:1], ["RETRYING"] + ["PENDING"] * 4)
    assert all(row.lease_token and row.due_at and row.due_at <= clock.now() for row in rows(ids[1:]))


def test_a_paused_channel_is_told_on_the_dashboard_while_it_is(
    run: Callable[..., None], transport: WatchedTransport
) -> None:
    breaker = an_open_breaker(now=clock.now())
    said: list[tuple[str, str]] = []
    stop = StopFlag()

    def look() -> None:
        said.extend(Process.objects.values_list("state", "detail"))
        if len(said) == 2:
            breaker.delete()
        if len(said) >= 4:
            stop.set()

    transport.on_idle = look

    run(stop=stop, until_idle=False)

    assert [state for state, _ in said] == ["IDLE", "WAITING", "IDLE", "IDLE"]
    assert said[1][1] == "Waits while e-mail is paused by itself."


@pytest.mark.parametrize("call", ["record", "find_open"])
def test_a_breaker_that_can_not_be_used_keeps_no_result_back(
    run: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    transport: WatchedTransport,
    call: str,
) -> None:
    def fail(**arguments: Any) -> Any:
        raise LOST

    monkeypatch.setattr(breakers, call, fail)
    ids = a_ticket(5)
    stop = StopFlag()
    after_idling(stop, transport)

    run(raises(BUSY), stop=stop, until_idle=False)

    assert states(ids) == ["RETRYING"] * 5
    assert QueuedTicket.objects.count() == 0
    assert "The e-mail breaker can't be used" in caplog.text


def test_a_probe_whose_result_can_not_be_told_is_recorded_all_the_same(
    run: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**arguments: Any) -> Any:
        raise LOST

    monkeypatch.setattr(breakers, "judge", fail)
    probe = a_probe()

    run()

    assert states(probe) == ["SENT"]
    assert Breaker.objects.open().exists()  # and another probe follows


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
    assert "a ticket of it can't be handled (ZeroDivisionError at " in caplog.text
    assert "a fault of ours" not in caplog.text
    assert Broadcast.objects.get(deliveries=ids[0]).fault == "a ticket of it can't be handled: ZeroDivisionError"


# --- A provider's words that can't be recorded ------------------------------------------------------------------------
STRANGE = "450 a\0b \ud800 later"


@pytest.mark.parametrize(
    ("failure", "state"),
    [
        (TemporaryFailure(STRANGE), "RETRYING"),
        (PermanentFailure(STRANGE), "FAILED"),
        (OutcomeUnknown(STRANGE), "UNKNOWN"),
        (RecipientRefused(STRANGE), "SKIPPED"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_words_that_no_database_stores_hold_nobody_up(
    run: Callable[..., None], failure: Exception, state: str, settings: Settings
) -> None:
    settings.BREAKER_MINIMUM = 1
    ids = a_ticket(1)

    run(raises(failure))

    (row,) = rows(ids)
    assert (row.state, row.attempts) == (state, 1)
    assert row.detail in ("450 ab \ufffd later", Reason.OPTED_OUT)


def test_an_id_that_no_database_stores_is_sent_all_the_same(run: Callable[..., None]) -> None:
    ids = a_ticket(2)

    run(lambda message: "id\0\udfff")

    assert [(row.state, row.provider_id) for row in rows(ids)] == [("SENT", "id\ufffd")] * 2


def test_a_channel_that_is_down_with_such_words_is_shown(run: Callable[..., None]) -> None:
    a_ticket(1)
    stop = StopAtFirstWait()

    run(raises(ChannelDown(STRANGE)), stop=stop)

    assert stop.said == [("WAITING", "E-mail: 450 ab \ufffd later")]


@pytest.mark.parametrize("error", [DataError("too long"), IntegrityError("no"), ValueError("a surrogate")])
def test_one_result_that_can_not_be_recorded_is_recorded_without_its_words(
    run: Callable[..., None], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Tried again as it is, it would hold the consumer for ever, and all of its window would be UNKNOWN."""
    ids = a_ticket(3)
    settle = settlements.settle

    def settle_unless_strange(**arguments: Any) -> int:
        if any(outcome.detail == "strange" for outcome in arguments["outcomes"]):
            raise error
        return settle(**arguments)

    def act(message: Outgoing) -> str:
        if message.reference.endswith(f".{ids[1]}"):
            raise PermanentFailure("strange")
        return "id"

    monkeypatch.setattr(settlements, "settle", settle_unless_strange)

    run(act, concurrency=3)

    assert [(row.state, row.detail) for row in rows(ids)] == [
        ("SENT", ""),
        ("FAILED", "the provider's answer can't be recorded"),
        ("SENT", ""),
    ]


def test_a_claim_that_the_database_refuses_for_its_data_holds_up_no_other(
    run: Callable[..., None], events: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, others = a_ticket(2), a_ticket(2)
    failing(monkeypatch, "claim", DataError("integer out of range"))

    run()

    assert (states(ids), states(others)) == (["PENDING"] * 2, ["SENT"] * 2)
    assert all(row.due_at and row.due_at > clock.now() for row in rows(ids))


# --- Messages that can't be made --------------------------------------------------------------------------------------
def test_what_can_not_be_made_for_one_client_fails_alone_and_says_why(
    run: Callable[..., None], events: list[Any], monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.BREAKER_MINIMUM = 1
    monkeypatch.setattr(breaker_reporter, "REPORT_SECONDS", 0.0)
    ids = a_ticket(3)
    Client.objects.filter(deliveries=ids[1]).update(name="Bob")
    values = placeholders.values

    def fail_for_bob(*, name: str, topic: str) -> dict[str, str]:
        if name == "Bob":
            raise RecursionError(f"for {name}")
        return values(name=name, topic=topic)

    monkeypatch.setattr(placeholders, "values", fail_for_bob)

    run(concurrency=3)

    assert (sent(events), states(ids)) == ([ids[0], ids[2]], ["SENT", "FAILED", "SENT"])
    assert rows(ids)[1].detail == "no message can be made for this client: RecursionError"
    breaker = Breaker.objects.get()
    assert (breaker.opened_at, breaker.given, breaker.failed) == (None, 2, 0), "the provider is not to blame"


def test_a_text_that_can_not_be_rendered_fails_nobody_and_holds_up_no_other_broadcast(
    run: Callable[..., None], events: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = a_ticket(3)
    others = a_ticket(2, broadcast=a_broadcast(notification=a_notification(subject="Fine")))
    render, began = email.render, clock.now()

    def fail(*, subject: str, body: str) -> Any:
        if subject == "Fine":
            return render(subject=subject, body=body)
        raise TemplateSyntaxError("a template that somebody changed")

    monkeypatch.setattr(email, "render", fail)

    run()

    assert (sent(events), states(others)) == (others, ["SENT"] * 2)
    assert [(row.state, row.attempts) for row in rows(ids)] == [("PENDING", 0)] * 3
    assert all(row.due_at and row.due_at > began + AHEAD for row in rows(ids[:2]))


def test_a_window_for_which_no_thread_can_be_started_goes_back(
    run: Callable[..., None], events: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = a_ticket(3)

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)

    run(stop=StopAtFirstWait())

    assert (sent(events), states(ids)) == ([], ["PENDING"] * 3)
    assert [row.attempts for row in rows(ids)] == [0] * 3


def test_a_probe_that_can_not_be_made_is_followed_by_another_at_once(
    run: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = a_probe()

    run(raises(NoMessage("no mail can be made of it")))

    breaker = Breaker.objects.open().get()
    assert (states(probe), breaker.probes) == (["FAILED"], 0)
    assert breaker.probe_at is not None
    assert breaker.probe_at <= clock.now()


# --- When the broker is away ------------------------------------------------------------------------------------------
class AwayTransport(WatchedTransport):
    """Can't be used so many times first."""

    def __init__(self, events: list[Any], times: int) -> None:
        super().__init__(events)
        self.left = times

    def receive(self, channel: Channel, idle: float) -> Iterator[Received | None]:
        if self.left:
            self.left -= 1
            raise TransportError("the broker can't be reached.")
        yield from super().receive(channel, idle)


def test_a_broker_that_is_away_is_an_error_where_only_the_queue_was_to_be_emptied(
    run: Callable[..., None], events: list[Any]
) -> None:
    with pytest.raises(TransportError, match="can't be reached"):
        run(transport=AwayTransport(events, 1))

    assert events == ["transport closed"]
    assert Process.objects.count() == 0


def test_a_broker_that_is_away_is_waited_for(
    run: Callable[..., None], events: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "Backoff", lambda **_: Backoff(first_seconds=0.02, longest_seconds=0.02))
    ids = a_ticket(2)
    transport, stop = AwayTransport(events, 3), StopFlag()
    transport.on_idle = stop.set

    run(transport=transport, stop=stop, until_idle=False)

    assert (transport.left, states(ids)) == (0, ["SENT"] * 2)


def test_a_broker_that_stays_away_is_told_once_and_never_taken_for_idleness(
    run: Callable[..., None], events: list[Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(worker, "Backoff", lambda **_: Backoff(first_seconds=0.02, longest_seconds=0.02))
    said: list[str] = []
    beat = heartbeats.Heartbeat.beat

    def note(self: heartbeats.Heartbeat, state: Process.State, *details: Any) -> None:
        said.append(state)
        beat(self, state, *details)

    monkeypatch.setattr(heartbeats.Heartbeat, "beat", note)
    transport, stop = AwayTransport(events, 3), StopFlag()
    transport.on_idle = stop.set

    run(transport=transport, stop=stop, until_idle=False)

    waiting = [number for number, state in enumerate(said) if state == "WAITING"]
    assert set(said[waiting[0] : waiting[-1] + 1]) == {"WAITING"}
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1


def test_a_broker_that_is_away_is_told_on_the_dashboard(run: Callable[..., None], events: list[Any]) -> None:
    stop = StopAtFirstWait()

    run(transport=AwayTransport(events, 1), stop=stop, until_idle=False)

    assert stop.said == [("WAITING", "the broker can't be reached. Trying again.")]


# --- Signs of life ----------------------------------------------------------------------------------------------------
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
    assert ("WAITING", "E-mail: the provider has not answered for more than 0 s.") in said
    assert QueuedTicket.objects.count() == 0


def test_it_says_that_the_provider_takes_few_connections(
    run: Callable[..., None], events: list[Any], transport: WatchedTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ConnectionLimit, "words", "Sends over 3 connections at once instead of 10: 421 too many")
    a_ticket(1)
    seen: list[Any] = []
    transport.on_idle = lambda: seen.extend(Process.objects.values_list("detail", flat=True))

    run()

    assert seen == [ConnectionLimit.words]


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
