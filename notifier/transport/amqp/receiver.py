"""The consuming connection, in a thread of its own, and the tickets that come over it."""

import logging
import queue
import threading
import time
from collections.abc import Callable

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError

from notifier.models import Channel
from notifier.transport.amqp import connections, topology
from notifier.transport.amqp.errors import QueueGone, TicketsWithheld, explain
from notifier.transport.base import BadTicket, Ticket, TransportError, decode

logger = logging.getLogger(__name__)

#: One ticket in work and one at hand, so that a consumer never waits for the network between two.
PREFETCH = 2
#: How often a consumer that gets nothing asks whether tickets wait.
WITHHELD_CHECK_SECONDS = 5


class Receiver(threading.Thread):
    """Receives one queue's messages, and answers the broker for its consumer.

    In a thread of its own, so that heartbeats go on while the consumer sends, or waits for a slow provider or for its
    database: an ack then never finds a connection that was dropped for silence.
    """

    def __init__(self, parameters: pika.ConnectionParameters, queue_name: str) -> None:
        super().__init__(name=f"link to {queue_name}", daemon=True)
        self._parameters = parameters
        self._queue_name = queue_name
        self._inbox: queue.SimpleQueue[tuple[int, bytes] | Exception] = queue.SimpleQueue()
        self._connection: pika.BlockingConnection | None = None
        self._channel: BlockingChannel | None = None
        self._stopping = False
        # Only this thread uses these three: tickets not yet answered; when the last one came or the broker was last
        # asked how many wait; and what it said.
        self._unanswered = 0
        self._checked_at = time.monotonic()
        self._waiting_at_last_check = 0
        #: Set once it consumes, or has failed to.
        self._has_begun = threading.Event()

    # --- Called in the consumer's thread ------------------------------------------------------------------------------
    def wait_until_consuming(self) -> None:
        """Or until it has failed. Before that, `next` would return None: nothing to do, and all is well."""
        self._has_begun.wait()

    def next(self, channel: Channel, idle: float) -> "AmqpReceived | None":
        """The next ticket, or None after `idle` seconds; `TransportError` when the connection is gone."""
        try:
            item = self._inbox.get(timeout=idle)
        except queue.Empty:
            return None
        if isinstance(item, Exception):
            raise TransportError(explain(item, self._parameters)) from item
        tag, body = item
        try:
            return AmqpReceived(decode(body, channel=channel), tag, self)
        except BadTicket as error:
            dead = topology.queue_name(topology.DEAD)
            logger.error("A ticket in %s can’t be read and goes to %s: %s", self._queue_name, dead, error)
            self.reject(tag)
            return None

    def ack(self, tag: int) -> None:
        self._call_in_thread(lambda: self._answer(lambda channel: channel.basic_ack(tag)))

    def reject(self, tag: int) -> None:
        self._call_in_thread(lambda: self._answer(lambda channel: channel.basic_reject(tag, requeue=False)))

    def stop(self) -> None:
        """End the thread; what was neither acked nor rejected goes back to the broker."""
        self._stopping = True
        self._call_in_thread(lambda: None)  # wakes the loop
        self.join(2 * connections.CLOSE_TIMEOUT_SECONDS)

    def _call_in_thread(self, callback: Callable[[], object]) -> None:
        connection = self._connection
        try:
            if connection:
                connection.add_callback_threadsafe(callback)
        except AMQPError as error:
            # The connection is gone and the ticket comes again; its claims will find nothing left to do.
            logger.info("An answer to the broker was lost with its connection: %r", error)

    # --- Called in the receiver's own thread --------------------------------------------------------------------------
    def run(self) -> None:
        try:
            self._connection = pika.BlockingConnection(self._parameters)
            self._consume(self._connection)
        except Exception as error:  # noqa: BLE001  (told to the consumer's thread, which decides)
            self._inbox.put(error)
        finally:
            self._has_begun.set()
            if self._connection:
                connections.close(self._connection, connections.CLOSE_TIMEOUT_SECONDS)

    def _consume(self, connection: pika.BlockingConnection) -> None:
        self._channel = channel = connections.open_channel(connection)
        channel.basic_qos(prefetch_count=PREFETCH)
        channel.add_on_cancel_callback(lambda frame: self._inbox.put(QueueGone(self._queue_name)))
        channel.basic_consume(self._queue_name, lambda ch, method, props, body: self._put(method.delivery_tag, body))
        self._has_begun.set()
        while not self._stopping:
            connection.process_data_events(time_limit=1)
            self._check_withheld(channel)
        connection.process_data_events(time_limit=0)  # the acks that were asked for before the stop

    def _check_withheld(self, channel: BlockingChannel) -> None:
        """Raise `TicketsWithheld` where tickets wait and none is at hand here, as WITHHELD_CHECK_SECONDS ago.

        When one of its nodes dies, RabbitMQ may lose our answers. It then takes those tickets to be in our hands for
        ever, and once there are PREFETCH of them it gives us no others (rabbitmq-server#15473). A new connection gets
        them all.
        """
        if self._unanswered or time.monotonic() - self._checked_at < WITHHELD_CHECK_SECONDS:
            return
        with connections.answer_expected(channel):
            waiting = int(channel.queue_declare(self._queue_name, passive=True).method.message_count)
        if waiting and self._waiting_at_last_check:
            raise TicketsWithheld(f"it keeps {waiting} tickets in {self._queue_name} to itself")
        self._checked_at, self._waiting_at_last_check = time.monotonic(), waiting

    def _put(self, tag: int, body: bytes) -> None:
        self._unanswered += 1
        self._checked_at, self._waiting_at_last_check = time.monotonic(), 0
        self._inbox.put((tag, body))

    def _answer(self, answer: Callable[[BlockingChannel], None]) -> None:
        if self._channel:
            self._unanswered -= 1
            answer(self._channel)


class AmqpReceived:
    def __init__(self, ticket: Ticket, tag: int, receiver: Receiver) -> None:
        self.ticket = ticket
        self._tag = tag
        self._receiver = receiver

    def ack(self) -> None:
        self._receiver.ack(self._tag)

    def reject(self) -> None:
        self._receiver.reject(self._tag)
