"""The publishing connection: hands over a batch of messages, then waits for all its confirms."""

import logging
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import pika
from pika.channel import Channel as PikaChannel
from pika.exceptions import ChannelClosedByClient, ChannelWrongStateError, NackError

from notifier.transport.amqp import connections
from notifier.transport.amqp.errors import FAULTS
from notifier.transport.amqp.topology import EXCHANGE

logger = logging.getLogger(__name__)


class Publisher:
    """Connects when it is made; raises one of FAULTS where the broker can't be used, and is then of no more use.

    pika's blocking connection waits for each message: 1,300 a second, against 15,000 here. Its callbacks run inside
    `_run_until`, in the caller's thread, and nowhere else.
    """

    def __init__(self, parameters: pika.ConnectionParameters) -> None:
        self._channel: PikaChannel | None = None
        self._failure: Exception | None = None
        self._published = 0
        self._unconfirmed: set[int] = set()
        self._returned: list[tuple[str, bytes]] = []
        self._used_at = time.monotonic()
        self._connection = pika.SelectConnection(
            parameters,
            on_open_callback=self._on_open,
            on_open_error_callback=self._on_failure,
            on_close_callback=self._on_failure,
        )
        seconds = connections.CONNECT_TIMEOUT_SECONDS + connections.ANSWER_TIMEOUT_SECONDS
        try:
            self._run_until(lambda: self._channel is not None, seconds)
        except BaseException:
            self.close(0)
            raise

    def publish(self, messages: Sequence[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        """Publish (routing key, body) pairs; returns those without a queue, once the broker has answered for all."""
        channel, self._returned = self._channel, []
        if channel is None or not channel.is_open:
            raise self._failure or ChannelWrongStateError("the publishing channel is closed")
        for key, body in messages:
            self._published += 1
            self._unconfirmed.add(self._published)
            # A message without a queue comes back only if it is mandatory; others the broker confirms and drops.
            channel.basic_publish(EXCHANGE, key, body, _properties(), mandatory=True)
        self._run_until(lambda: not self._unconfirmed, connections.ANSWER_TIMEOUT_SECONDS)
        self._used_at = time.monotonic()
        return self._returned

    def is_stale(self) -> bool:
        """Whether it was unused for so long that the broker may soon miss its heartbeats."""
        heartbeat = self._connection.params.heartbeat
        return bool(heartbeat) and time.monotonic() - self._used_at > heartbeat / 2

    def close(self, seconds: float) -> None:
        """Say goodbye, and wait at most so long for the answer. Never fails."""
        try:
            if self._connection.is_open:
                self._failure = None  # what closed the channel must not keep us from closing the connection
                self._connection.close()
                self._run_until(lambda: self._connection.is_closed, seconds)
        except FAULTS as error:
            logger.debug("The publishing connection did not close cleanly: %r", error)
        self._connection.ioloop.close()

    def _run_until(self, reached: Callable[[], bool], seconds: float) -> None:
        """Serve the connection until `reached()`; every callback that may have changed that stops the loop.

        A quorum queue without its majority confirms nothing and closes nothing, hence the time-out.
        """
        loop = self._connection.ioloop
        with connections.deadline(self._connection, seconds):
            while not reached():
                if self._failure:
                    raise self._failure
                loop.start()

    def _on_open(self, connection: pika.SelectConnection) -> None:
        connections.watch(connection)
        connection.channel(on_open_callback=self._on_channel)

    def _on_channel(self, channel: PikaChannel) -> None:
        channel.add_on_close_callback(self._on_failure)
        channel.add_on_return_callback(lambda _, method, __, body: self._returned.append((method.routing_key, body)))
        channel.confirm_delivery(self._on_answer, callback=lambda _: self._on_ready(channel))

    def _on_ready(self, channel: PikaChannel) -> None:
        self._channel = channel
        self._connection.ioloop.stop()

    def _on_answer(self, frame: Any) -> None:
        answered = frame.method.delivery_tag
        if isinstance(frame.method, pika.spec.Basic.Nack):
            self._failure = NackError([])
        if frame.method.multiple:
            self._unconfirmed = {tag for tag in self._unconfirmed if tag > answered}
        self._unconfirmed.discard(answered)
        if self._failure or not self._unconfirmed:
            self._connection.ioloop.stop()

    def _on_failure(self, _: object, error: Exception) -> None:
        if isinstance(error, ChannelClosedByClient):
            return  # our own closing, and the connection's is still to come: without waiting for it a socket stays open
        # The first error is the cause: closing because of it brings others.
        self._failure = self._failure or error
        self._connection.ioloop.stop()


def _properties() -> pika.BasicProperties:
    return pika.BasicProperties(
        content_type="application/json",
        type="notifier.ticket",
        message_id=str(uuid.uuid4()),
        delivery_mode=pika.DeliveryMode.Persistent,
    )
