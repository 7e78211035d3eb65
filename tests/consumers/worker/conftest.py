import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from consumers import worker
from consumers.backends.base import Outgoing, SendBackend
from consumers.sender import Sender
from consumers.worker import Consumer
from notifier.models import Channel
from notifier.runtime.shutdown import StopFlag
from notifier.transport import database
from notifier.transport.base import Transport
from tests.consumers.worker.watched import FakeBackend, WatchedTransport, module_of, noted


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
        provider: type[FakeBackend] = FakeBackend,
    ) -> None:
        def get_backend() -> SendBackend:
            return provider(act, events)

        Consumer(
            channel=Channel.EMAIL,
            transport=transport,
            sender=Sender(get_backend=get_backend, threads=threads or concurrency),
            concurrency=concurrency,
            stop=stop or StopFlag(),
        ).run(until_idle=until_idle)

    yield run
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("sender ")]
