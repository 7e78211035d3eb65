"""What carries tickets, as the contract tests handle it from the outside: past the transport under test."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Protocol

import pika
import pytest
from django.db import connection
from pika.adapters.blocking_connection import BlockingChannel

from notifier.models import Channel, QueuedTicket
from notifier.runtime import clock
from notifier.transport.amqp import AmqpTransport
from notifier.transport.base import Received, Ticket, Transport, encode
from notifier.transport.database import VISIBILITY, DatabaseTransport
from tests.support.servers.processes import free_port, wait_until

KEYS = (*Channel.values, "dead")


class Carrier(Protocol):
    def transport(self) -> Transport:
        """A new one, each with connections of its own."""

    def put(self, body: bytes, channel: Channel) -> None:
        """Past every check, as a stranger would."""

    def dead(self) -> list[bytes]:
        """The bodies that were put aside, in any order."""

    def lose_everything(self) -> None:
        """As an administrator who deletes the queues would."""

    def let_holders_expire(self) -> None:
        """What a process that died held comes back."""

    def broken(self) -> Transport:
        """One whose broker is away, with `secret` as its password."""

    @contextmanager
    def outage(self) -> Iterator[None]: ...


class DatabaseCarrier:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self._later = timedelta()
        now = clock.now
        monkeypatch.setattr(clock, "now", lambda: now() + self._later)

    def transport(self) -> Transport:
        return DatabaseTransport("database://")

    def put(self, body: bytes, channel: Channel) -> None:
        QueuedTicket.objects.create(channel=channel, body=body, available_at=clock.now())

    def dead(self) -> list[bytes]:
        return [bytes(row.body) for row in QueuedTicket.objects.filter(dead=True)]

    def lose_everything(self) -> None:
        QueuedTicket.objects.all().delete()

    def let_holders_expire(self) -> None:
        self._later += VISIBILITY

    def broken(self) -> Transport:
        return self.transport()

    @contextmanager
    def outage(self) -> Iterator[None]:
        _rename("notifier_queuedticket", "notifier_elsewhere")
        yield
        _rename("notifier_elsewhere", "notifier_queuedticket")


def _rename(old: str, new: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {old} RENAME TO {new}")


class RabbitCarrier:
    def __init__(self, url: str) -> None:
        self.url = url

    def transport(self) -> Transport:
        return AmqpTransport(self.url)

    @contextmanager
    def channel(self) -> Iterator[BlockingChannel]:
        link = pika.BlockingConnection(pika.URLParameters(self.url))
        try:
            yield link.channel()
        finally:
            link.close()

    def put(self, body: bytes, channel: Channel) -> None:
        with self.channel() as link:
            link.confirm_delivery()
            link.basic_publish("notifier", channel.value, body, mandatory=True)

    def dead(self) -> list[bytes]:
        with self.channel() as link:
            found = []
            while (answer := link.basic_get("notifier.dead"))[0]:
                found.append(answer[2])
            return found  # unacked, so they are there for the next look

    def lose_everything(self) -> None:
        with self.channel() as link:
            for key in KEYS:
                link.queue_delete(f"notifier.{key}")

    def let_holders_expire(self) -> None:
        """RabbitMQ gives back what a connection held when it ends."""

    def broken(self) -> Transport:
        return AmqpTransport(f"amqp://guest:secret@127.0.0.1:{free_port()}/")

    @contextmanager
    def outage(self) -> Iterator[None]:
        yield


def take(tickets: Iterator[Received | None]) -> Received:
    """The next ticket, past any idle seconds."""
    received = wait_until(lambda: next(tickets), what="a ticket")
    assert received
    return received


def nothing_comes(tickets: Iterator[Received | None], *, times: int = 3) -> bool:
    return [next(tickets) for _ in range(times)] == [None] * times


def a_ticket(*deliveries: int, broadcast: int = 7, channel: Channel = Channel.EMAIL) -> Ticket:
    return Ticket(broadcast=broadcast, channel=channel, deliveries=deliveries or (101,))


def settles(look: Callable[[], object], expected: object) -> bool:
    """Whether `look()` becomes `expected`: RabbitMQ acts on an ack a moment after it was given."""
    return wait_until(lambda: look() == expected, what=f"{expected!r}")


GOOD = Ticket(broadcast=7, channel=Channel.EMAIL, deliveries=(101,))
#: What a consumer of e-mail may find in its queue and must put aside.
BAD_BODIES = {
    "empty": b"",
    "cut off": b'{"v":1,"broadcast":7,"channel":"email","deliv',
    "not JSON": b"hello",
    "more than one": encode(GOOD) * 2,
    "not UTF-8": b'{"v":1,"broadcast":7,"channel":"e\xffmail","deliveries":[1]}',
    "UTF-16": encode(GOOD).decode().encode("utf-16"),
    "a list": b"[1, 2]",
    "null": b"null",
    "a number as text": b'{"v":1,"broadcast":"7","channel":"email","deliveries":[1]}',
    "a fraction": b'{"v":1,"broadcast":7,"channel":"email","deliveries":[1.5]}',
    "NaN": b'{"v":1,"broadcast":7,"channel":"email","deliveries":[NaN]}',
    "infinity": b'{"v":1,"broadcast":1e999,"channel":"email","deliveries":[1]}',
    "truth": b'{"v":1,"broadcast":7,"channel":"email","deliveries":[true]}',
    "no ids": b'{"v":1,"broadcast":7,"channel":"email","deliveries":[]}',
    "too many ids": b'{"v":1,"broadcast":7,"channel":"email","deliveries":[' + b"1," * 100 + b"1]}",
    "an id of nought": b'{"v":1,"broadcast":7,"channel":"email","deliveries":[0]}',
    "an id too large for a column": b'{"v":1,"broadcast":7,"channel":"email","deliveries":[9223372036854775808]}',
    "a field too many": b'{"v":1,"broadcast":7,"channel":"email","deliveries":[1],"x":1}',
    "a field too few": b'{"v":1,"channel":"email","deliveries":[1]}',
    "deep nesting": b"[" * 16_000,
    "deep nesting inside": b'{"v":1,"broadcast":7,"channel":"email","deliveries":' + b"[" * 16_000,
    "a later version": b'{"v":2,"broadcast":7,"channel":"email","deliveries":[1]}',
    "an unknown channel": b'{"v":1,"broadcast":7,"channel":"fax","deliveries":[1]}',
    "another channel": encode(Ticket(broadcast=7, channel=Channel.SMS, deliveries=(101,))),
    "oversize": encode(GOOD) + b" " * 17_000,
}
