"""Providers that do as a test says, and the windows that they are given."""

import threading
import time
from collections.abc import Callable

from consumers.backends.base import ChannelDown, Outgoing, SendBackend
from consumers.sender import Sender
from notifier.delivery.claims import Message
from notifier.delivery.settlements import Outcome
from notifier.models import Channel
from tests.support.servers.processes import PATIENCE_SECONDS


class FakeBackend:
    """Does with each message what the test says, and notes what it was given and that it was closed."""

    longest_send_seconds = 7.0

    def __init__(self, act: Callable[[Outgoing], str]) -> None:
        self.act = act
        self.sent: list[Outgoing] = []
        self.threads: set[threading.Thread] = set()
        self.closed = 0

    def send(self, message: Outgoing) -> str:
        self.sent.append(message)
        self.threads.add(threading.current_thread())
        return self.act(message)

    def close(self) -> None:
        self.closed += 1


class Provider:
    """Makes a backend for each thread and keeps them."""

    def __init__(
        self, act: Callable[[Outgoing], str] = lambda message: "", *, backend: type[FakeBackend] = FakeBackend
    ) -> None:
        self.act = act
        self.backend = backend
        self.backends: list[FakeBackend] = []

    def __call__(self) -> SendBackend:
        self.backends.append(self.backend(self.act))
        return self.backends[-1]

    @property
    def sent(self) -> list[str]:
        return [message.reference for backend in self.backends for message in backend.sent]


def messages(number: int) -> list[Message]:
    return [
        Message(
            reference=f"7.{delivery}",
            delivery_id=delivery,
            broadcast_id=7,
            channel=Channel.EMAIL,
            address=f"client{delivery}@example.com",
            subject="Three new homes",
            body="Hello",
            attempts=0,
            html="<p>Hello</p>",
            link_token=f"token{delivery}",
            list_id="listings",
        )
        for delivery in range(1, number + 1)
    ]


def send(
    crew: Sender,
    number: int,
    *,
    seconds: float = PATIENCE_SECONDS,
    waiting: Callable[[], None] = lambda: None,
    is_stopping: Callable[[], bool] = lambda: False,
) -> list[Outcome]:
    outcomes = crew.send(
        messages(number), starts_until=time.monotonic() + seconds, waiting=waiting, is_stopping=is_stopping
    )
    return sorted(outcomes, key=lambda outcome: outcome.message.delivery_id)


class Crowded(Provider):
    """Takes so many connections at once, and refuses the others when they open."""

    def __init__(self, most: int, act: Callable[[Outgoing], str] = lambda message: "") -> None:
        super().__init__(act)
        self.most = most
        self.open: set[object] = set()
        self.refused = self.peak = 0
        self.lock = threading.Lock()

    def __call__(self) -> SendBackend:
        backend = CrowdedBackend(self)
        self.backends.append(backend)
        return backend


class CrowdedBackend(FakeBackend):
    def __init__(self, provider: Crowded) -> None:
        super().__init__(provider.act)
        self.provider = provider

    def open(self) -> None:
        with self.provider.lock:
            if self not in self.provider.open and len(self.provider.open) >= self.provider.most:
                self.provider.refused += 1
                raise ChannelDown("421 4.7.0 Too many concurrent SMTP connections")
            self.provider.open.add(self)
            self.provider.peak = max(self.provider.peak, len(self.provider.open))

    def send(self, message: Outgoing) -> str:
        self.open()
        return super().send(message)

    def close(self) -> None:
        with self.provider.lock:
            self.provider.open.discard(self)
        super().close()
