"""The broker goes away."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from consumers import worker
from notifier.models import Channel, Process
from notifier.runtime import heartbeats
from notifier.runtime.backoff import Backoff
from notifier.runtime.shutdown import StopFlag
from notifier.transport.base import Received, TransportError
from tests.consumers.worker.watched import StopAtFirstWait, WatchedTransport, a_ticket, states

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_engines]


class AwayTransport(WatchedTransport):
    """Can't be used so many times first."""

    def __init__(self, events: list[Any], times: int) -> None:
        super().__init__(events)
        self.left = times

    def receive(self, channel: Channel, idle: float) -> Iterator[Received | None]:
        if self.left:
            self.left -= 1
            raise TransportError("the broker can’t be reached.")
        yield from super().receive(channel, idle)


def test_a_broker_that_is_away_is_an_error_where_only_the_queue_was_to_be_emptied(
    run: Callable[..., None], events: list[Any]
) -> None:
    with pytest.raises(TransportError, match="can’t be reached"):
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

    assert stop.said == [("WAITING", "the broker can’t be reached. Trying again.")]
