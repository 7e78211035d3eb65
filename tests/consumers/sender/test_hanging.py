"""A backend that hangs."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from consumers import sender, window
from consumers.backends.base import ChannelDown, Outgoing, TemporaryFailure
from consumers.sender import Sender
from notifier.delivery.settlements import Verdict
from tests.consumers.sender.providers import Crowded, CrowdedBackend, FakeBackend, Provider, send
from tests.support.servers.processes import PATIENCE_SECONDS


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A send may take no time at all; whoever hangs waits for the event."""
    over = threading.Event()
    monkeypatch.setattr(FakeBackend, "longest_send_seconds", 0.1)
    monkeypatch.setattr(window, "GRACE_SECONDS", 0.1)
    monkeypatch.setattr(sender, "WAITING_SECONDS", 0.05)
    yield over
    over.set()


def test_a_send_that_hangs_ends_as_unknown_and_others_take_its_place(
    hire: Callable[..., Sender], hasty: threading.Event
) -> None:
    def act(message: Outgoing) -> str:
        if message.reference == "7.2":
            hasty.wait()
        return ""

    provider = Provider(act)
    crew = hire(provider, threads=1)

    outcomes = send(crew, 4)

    assert [o.verdict for o in outcomes] == [Verdict.SENT, Verdict.UNKNOWN, Verdict.SENT, Verdict.SENT]
    assert "did not answer" in outcomes[1].detail
    assert [o.verdict for o in send(crew, 2)] == [Verdict.SENT, Verdict.UNKNOWN]


def test_what_a_hanging_send_says_at_last_is_not_recorded_twice(
    hire: Callable[..., Sender], hasty: threading.Event
) -> None:
    def act(message: Outgoing) -> str:
        hasty.wait()
        raise ChannelDown("too late")

    crew = hire(Provider(act), threads=2)

    outcomes = send(crew, 2)
    hasty.set()
    hanging = [thread for thread in threading.enumerate() if thread.name.startswith("sender ")]
    for thread in hanging[:2]:
        thread.join(PATIENCE_SECONDS)

    assert [o.verdict for o in outcomes] == [Verdict.UNKNOWN] * 2
    assert len(outcomes) == 2


def test_a_connection_that_hangs_while_it_opens_leaves_nothing_unknown(
    hire: Callable[..., Sender], hasty: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = Crowded(3)
    crew = hire(provider, threads=2)
    monkeypatch.setattr(CrowdedBackend, "open", lambda self: hasty.wait())

    outcomes = send(crew, 3, seconds=0.2)

    assert [o.verdict for o in outcomes] == [Verdict.RELEASED] * 3
    assert all(o.detail for o in outcomes)
    monkeypatch.setattr(CrowdedBackend, "open", lambda self: None)
    assert [o.verdict for o in send(crew, 3)] == [Verdict.SENT] * 3


def test_asked_to_stop_it_releases_what_waits_for_a_connection(
    hire: Callable[..., Sender], hasty: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CrowdedBackend, "open", lambda self: hasty.wait())
    crew = hire(Crowded(3), threads=2)

    outcomes = send(crew, 3, is_stopping=lambda: True)

    # Without a reason: the provider is not found to be away.
    assert [(o.verdict, o.detail) for o in outcomes] == [(Verdict.RELEASED, "")] * 3


def test_asked_to_stop_it_waits_no_longer_than_for_one_answer(
    hire: Callable[..., Sender], hasty: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The backend can be told: it knows of what it sends that it was not handed over. The other one hangs."""
    told: list[float] = []
    hurried = threading.Event()

    class Hurried(FakeBackend):
        answer_seconds = 0.1

        def hurry(self, until: float) -> None:
            told.append(until - time.monotonic())
            hurried.set()

    def act(message: Outgoing) -> str:
        if message.reference == "7.1":
            hasty.wait()
        hurried.wait(PATIENCE_SECONDS)
        raise TemporaryFailure("too late")

    monkeypatch.setattr(FakeBackend, "longest_send_seconds", 2 * PATIENCE_SECONDS)
    monkeypatch.setattr(sender, "STARTING_SECONDS", 0.0)
    crew = hire(lambda: Hurried(act), threads=2)

    outcomes = send(crew, 3, is_stopping=lambda: True)

    assert [o.verdict for o in outcomes] == [Verdict.UNKNOWN, Verdict.TEMPORARY, Verdict.RELEASED]
    assert "before the process had to stop" in outcomes[0].detail
    assert all(seconds <= 0.1 for seconds in told)
    assert crew.stop_seconds == 0.1


def test_it_says_for_what_the_provider_lets_it_wait(
    hire: Callable[..., Sender], hasty: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    def look() -> None:
        seconds, what = crew.silence()
        if seconds > 0 and what not in said:
            said.append(what)
            hasty.set()

    monkeypatch.setattr(FakeBackend, "longest_send_seconds", PATIENCE_SECONDS)
    monkeypatch.setattr(CrowdedBackend, "open", lambda self: hasty.wait(PATIENCE_SECONDS))
    crew = hire(Crowded(1), threads=1)
    send(crew, 1, waiting=look)
    hasty.clear()
    crew = hire(Provider(lambda message: str(hasty.wait(PATIENCE_SECONDS))), threads=1)
    send(crew, 1, waiting=look)

    assert said == ["the provider has not accepted a connection", "the provider has not answered"]
    assert crew.silence() == (0.0, "")


def test_connections_that_hang_while_they_close_are_replaced(
    hire: Callable[..., Sender], hasty: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "IDLE_SECONDS", 0.05)
    monkeypatch.setattr(sender, "CLOSING_SECONDS", 0.1)
    closing = threading.Semaphore(0)

    def close(self: FakeBackend) -> None:
        closing.release()
        hasty.wait()

    monkeypatch.setattr(FakeBackend, "close", close)
    crew = hire(Provider(), threads=1)
    send(crew, 2)
    assert closing.acquire(timeout=PATIENCE_SECONDS)

    outcomes = send(crew, 2, seconds=5.0)

    assert [o.verdict for o in outcomes] == [Verdict.SENT] * 2
