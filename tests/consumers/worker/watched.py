"""A consumer in this thread: its tickets, and all that it does, in order."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from itertools import count
from types import ModuleType
from typing import Any

import pytest
from django.db import OperationalError

from consumers.backends.base import Outgoing
from notifier.delivery import claims, settlements
from notifier.models import Broadcast, Channel, Delivery, Process
from notifier.runtime import clock
from notifier.runtime.shutdown import StopFlag
from notifier.transport.base import Received, Ticket
from notifier.transport.database import DatabaseTransport
from tests.support.factories import a_broadcast, a_delivery, an_open_breaker

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
