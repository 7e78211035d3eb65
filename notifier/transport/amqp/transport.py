"""The transport over RabbitMQ: one object that publishes, receives and counts."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker

from notifier.models import Channel
from notifier.transport.amqp import connections, topology
from notifier.transport.amqp.errors import FAULTS, explain
from notifier.transport.amqp.publisher import Publisher
from notifier.transport.amqp.receiver import Receiver
from notifier.transport.base import DeadLetter, Received, Ticket, TransportError, encode

T = TypeVar("T")

NOT_FOUND = 404


class AmqpTransport:
    """Publishes on one connection and counts on another, in the caller's thread; each `receive` has one of its own.

    They are apart because an alarm of the broker blocks those that publish.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection: pika.BlockingConnection | None = None
        self._channel: BlockingChannel | None = None
        self._publisher: Publisher | None = None

    def publish(self, tickets: Sequence[Ticket]) -> None:
        messages = [(ticket.channel.value, encode(ticket)) for ticket in tickets]
        with self._translated_errors():
            if returned := self._open_publisher().publish(messages):
                # Somebody deleted the queue. Declaring it again is all that helps.
                topology.declare(self._open_channel())
                if self._open_publisher().publish(returned):
                    raise TransportError("RabbitMQ accepts our messages but has no queue for them.")

    def check(self) -> None:
        # A message without a queue is confirmed like any other, and kept by nobody. Twice: under an alarm the broker
        # takes the first message of a new connection, and only then reads no more from it.
        with self._translated_errors():
            for _ in range(2):
                self._open_publisher().publish([(topology.NOWHERE, b"")])

    def receive(self, channel: Channel, idle: float) -> Iterator[Received | None]:
        parameters = connections.parameters(self.url, f"consumer of {channel.value}")
        receiver = Receiver(parameters, topology.queue_name(channel.value))
        receiver.start()
        try:
            receiver.wait_until_consuming()
            while True:
                yield receiver.next(channel, idle)
        finally:
            receiver.stop()

    def depth(self, channel: Channel) -> int:
        return self._observe(lambda observed: topology.count(observed, channel.value))

    def dead(self) -> int:
        return self._observe(lambda observed: topology.count(observed, topology.DEAD))

    def dead_letters(self, limit: int) -> list[DeadLetter]:
        """RabbitMQ 4 counts each look as a delivery: after 20 of them it drops the letter, which loses no message."""
        return self._observe(lambda observed: topology.peek_dead(observed, limit))

    def purge_dead(self) -> int:
        return self._observe(topology.purge_dead)

    def close(self) -> None:
        self._close(connections.CLOSE_TIMEOUT_SECONDS)

    def _close(self, seconds: float) -> None:
        publisher, self._publisher = self._publisher, None
        if publisher:
            publisher.close(seconds)
        connection, self._connection, self._channel = self._connection, None, None
        if connection:
            connections.close(connection, seconds)

    def _observe(self, look: Callable[[BlockingChannel], T]) -> T:
        """What `look` returns. Where somebody deleted a queue, all are declared again and it looks a second time."""
        with self._translated_errors():
            self._drop_stale_publisher()
            try:
                return self._observe_once(look)
            except ChannelClosedByBroker as error:
                if error.reply_code != NOT_FOUND:
                    raise
            self.close()
            return self._observe_once(look)

    def _observe_once(self, look: Callable[[BlockingChannel], T]) -> T:
        channel = self._open_channel()
        # Nobody reads between two looks, so what is heard now may be old: a heartbeat without an answer is enough.
        with connections.answer_expected(channel, within_a_heartbeat=True):
            return look(channel)

    def _open_channel(self) -> BlockingChannel:
        if self._channel is None or not self._channel.is_open:
            self.close()
            self._connection = pika.BlockingConnection(connections.parameters(self.url, "observer"))
            self._channel = connections.open_channel(self._connection)
        return self._channel

    def _open_publisher(self) -> Publisher:
        self._drop_stale_publisher()
        if self._publisher is None:
            self._open_channel()  # declares what it publishes to
            self._publisher = Publisher(connections.parameters(self.url, "publisher"))
        return self._publisher

    def _drop_stale_publisher(self) -> None:
        """Close a publishing connection that was unused for a while: the broker would miss its heartbeats."""
        if self._publisher and self._publisher.is_stale():
            self._publisher.close(connections.CLOSE_TIMEOUT_SECONDS)
            self._publisher = None

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        """Close every connection on an error of pika's, and raise `TransportError` instead."""
        try:
            yield
        except FAULTS as error:
            # Without a goodbye: nobody may be there to answer it.
            self._close(0)
            raise TransportError(explain(error, self.url)) from error
