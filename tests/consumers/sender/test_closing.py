"""How the threads and their backends end."""

import threading
from collections.abc import Callable
from itertools import count

import pytest

from consumers import sender
from consumers.backends.base import Outgoing
from consumers.sender import Sender
from tests.consumers.sender.providers import FakeBackend, Provider, send
from tests.support.servers.processes import PATIENCE_SECONDS


def test_closing_closes_the_backend_of_each_thread(hire: Callable[..., Sender]) -> None:
    everyone = threading.Barrier(3)

    def act(message: Outgoing) -> str:
        everyone.wait(PATIENCE_SECONDS)
        return ""

    provider = Provider(act)
    crew = hire(provider, threads=3)
    send(crew, 3)

    crew.close()

    used = [backend for backend in provider.backends if backend.sent]
    assert [backend.closed for backend in used] == [1, 1, 1]
    assert not any(thread.is_alive() for backend in used for thread in backend.threads)


def test_a_connection_that_does_not_close_keeps_no_other_from_closing(
    hire: Callable[..., Sender], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    everyone = threading.Barrier(2)

    def act(message: Outgoing) -> str:
        everyone.wait(PATIENCE_SECONDS)
        return ""

    provider, closed = Provider(act), count()

    def close(self: FakeBackend) -> None:
        if next(closed) == 0:
            raise RuntimeError("no goodbye")

    monkeypatch.setattr(FakeBackend, "close", close)
    crew = hire(provider, threads=2)
    send(crew, 2)

    crew.close()

    assert next(closed) == 2
    assert "did not close" in caplog.text


def test_all_goodbyes_together_take_no_longer_than_one_may(
    hire: Callable[..., Sender], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "CLOSING_SECONDS", 0.2)
    everyone, over = threading.Barrier(20), threading.Event()
    waits: list[float] = []

    def act(message: Outgoing) -> str:
        everyone.wait(PATIENCE_SECONDS)
        return ""

    monkeypatch.setattr(FakeBackend, "close", lambda self: over.wait(PATIENCE_SECONDS))
    crew = hire(Provider(act), threads=20)
    send(crew, 20)

    join = threading.Thread.join

    def noted(thread: threading.Thread, timeout: float | None = None) -> None:
        waits.append(timeout or 0.0)
        join(thread, timeout)

    monkeypatch.setattr(threading.Thread, "join", noted)
    crew.close()
    over.set()

    # The first has all of the time, and what it took is not there for the next.
    assert len(waits) == 20
    assert max(waits) <= 0.2
    assert waits[1:] == [0.0] * 19
