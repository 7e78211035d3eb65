"""When most sends fail: the breaker, its probes, and what the dashboard says."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from pytest_django import Settings

from consumers import breaker_reporter
from consumers.backends.base import (
    ChannelDown,
    OutcomeUnknown,
    Outgoing,
    PermanentFailure,
    RecipientRefused,
    TemporaryFailure,
)
from notifier.delivery import settlements, tickets
from notifier.models import Breaker, Channel, Delivery, Preference, Process, QueuedTicket
from notifier.policies import breakers
from notifier.runtime import clock
from notifier.runtime.shutdown import StopFlag
from notifier.transport.database import DatabaseTransport
from tests.consumers.worker.watched import (
    LOST,
    StopAtFirstWait,
    WatchedTransport,
    a_probe,
    a_ticket,
    after_idling,
    raises,
    rows,
    sent,
    states,
)
from tests.support.factories import a_broadcast, a_delivery, an_open_breaker

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_engines]

BUSY = TemporaryFailure("451 try later")


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

    monkeypatch.setattr(breakers, "settle_probe", fail)
    probe = a_probe()

    run()

    assert states(probe) == ["SENT"]
    assert Breaker.objects.open().exists()  # and another probe follows
