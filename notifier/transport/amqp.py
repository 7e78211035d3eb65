"""RabbitMQ. The only file that knows pika: none of its errors leave it."""

import functools
import logging
import queue
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, ChannelClosedByBroker, ConnectionBlockedTimeout, UnroutableError

from notifier.models import Channel
from notifier.transport.base import BadTicket, Received, Ticket, TransportError, decode, encode

logger = logging.getLogger(__name__)

EXCHANGE = "notifier"
DEAD = "dead"
#: One ticket in work and one at hand, so that a consumer never waits for the network between two.
PREFETCH = 2
HEARTBEAT_SECONDS = 30
CONNECT_TIMEOUT_SECONDS = 10
#: Under a memory or disk alarm the broker stops reading: without this a publish would hang for ever.
BLOCKED_TIMEOUT_SECONDS = 10
CLOSE_TIMEOUT_SECONDS = 10
NOT_FOUND, PRECONDITION_FAILED = 404, 406


def queue_name(key: str) -> str:
    return f"{EXCHANGE}.{key}"


class AmqpTransport:
    """Publishes and counts on one connection in the caller's thread; each `receive` has another of its own.

    They are apart because an alarm of the broker blocks those that publish.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection: pika.BlockingConnection | None = None
        self._channel: BlockingChannel | None = None

    def publish(self, tickets: Sequence[Ticket]) -> None:
        with self._translated():
            channel = self._open()
            for ticket in tickets:
                self._publish(channel, ticket)

    def _publish(self, channel: BlockingChannel, ticket: Ticket) -> None:
        send = functools.partial(
            channel.basic_publish,
            exchange=EXCHANGE,
            routing_key=ticket.channel.value,
            body=encode(ticket),
            properties=_properties(),
            mandatory=True,  # without it the broker confirms, and drops, what no queue takes
        )
        try:
            send()
        except UnroutableError:
            # Somebody deleted the queue. Declaring it anew is all the cure there is.
            _declare(channel)
            send()

    def receive(self, channel: Channel, idle: float) -> Iterator[Received | None]:
        link = _ConsumerLink(_parameters(self.url, f"consumer of {channel.value}"), queue_name(channel.value))
        link.start()
        try:
            while True:
                yield link.next(channel, idle)
        finally:
            link.stop()

    def depth(self, channel: Channel) -> int:
        with self._translated():
            try:
                return _count(self._open(), channel)
            except ChannelClosedByBroker as error:
                if error.reply_code != NOT_FOUND:
                    raise
            self.close()
            return _count(self._open(), channel)

    def close(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        if connection and connection.is_open:
            try:
                connection.close()
            except (AMQPError, OSError) as error:
                logger.debug("The broker's connection did not close cleanly: %r", error)

    def _open(self) -> BlockingChannel:
        if self._channel is None or not self._channel.is_open:
            self.close()
            self._connection = pika.BlockingConnection(_parameters(self.url, "publisher"))
            self._channel = self._connection.channel()
            self._channel.confirm_delivery()
            _declare(self._channel)
        return self._channel

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (AMQPError, OSError) as error:
            self.close()
            raise TransportError(_explain(error, self.url)) from error


class _ConsumerLink(threading.Thread):
    """A consuming connection, serviced by a thread of its own.

    So heartbeats go on while the consumer sends, waits for a slow provider or for its database, and an ack never
    finds a connection that was dropped for silence.
    """

    def __init__(self, parameters: pika.ConnectionParameters, queue_name: str) -> None:
        super().__init__(name=f"link to {queue_name}", daemon=True)
        self._parameters = parameters
        self._queue_name = queue_name
        self._inbox: queue.SimpleQueue[tuple[int, bytes] | Exception] = queue.SimpleQueue()
        self._connection: pika.BlockingConnection | None = None
        self._channel: BlockingChannel | None = None
        self._stopping = False

    # --- the consumer's thread -------------------------------------------------------------------
    def next(self, channel: Channel, idle: float) -> "AmqpReceived | None":
        """The next ticket, or None after `idle` seconds; `TransportError` when the connection is gone."""
        try:
            item = self._inbox.get(timeout=idle)
        except queue.Empty:
            return None
        if isinstance(item, Exception):
            raise TransportError(_explain(item, self._parameters)) from item
        tag, body = item
        try:
            return AmqpReceived(decode(body, channel=channel), tag, self)
        except BadTicket as error:
            logger.error("A ticket in %s can't be read and goes to %s: %s", self._queue_name, queue_name(DEAD), error)
            self.reject(tag)
            return None

    def ack(self, tag: int) -> None:
        self._soon(lambda: self._channel and self._channel.basic_ack(tag))

    def reject(self, tag: int) -> None:
        self._soon(lambda: self._channel and self._channel.basic_reject(tag, requeue=False))

    def stop(self) -> None:
        self._stopping = True
        self._soon(lambda: None)  # wakes the loop
        self.join(CLOSE_TIMEOUT_SECONDS)

    def _soon(self, callback: Callable[[], object]) -> None:
        connection = self._connection
        try:
            if connection:
                connection.add_callback_threadsafe(callback)
        except AMQPError as error:
            # The connection is gone and the ticket comes again; its claims will find nothing left to do.
            logger.info("An answer to the broker was lost with its connection: %r", error)

    # --- the link's own thread -------------------------------------------------------------------
    def run(self) -> None:
        try:
            self._connection = pika.BlockingConnection(self._parameters)
            self._consume(self._connection)
        except Exception as error:  # noqa: BLE001  (told to the consumer's thread, which decides)
            self._inbox.put(error)
        finally:
            self._close()

    def _consume(self, connection: pika.BlockingConnection) -> None:
        self._channel = channel = connection.channel()
        _declare(channel)
        channel.basic_qos(prefetch_count=PREFETCH)
        channel.add_on_cancel_callback(lambda frame: self._inbox.put(_QueueGone(self._queue_name)))
        channel.basic_consume(
            self._queue_name, lambda ch, method, props, body: self._inbox.put((method.delivery_tag, body))
        )
        while not self._stopping:
            connection.process_data_events(time_limit=1)
        connection.process_data_events(time_limit=0)  # the acks that were asked for before the stop

    def _close(self) -> None:
        try:
            if self._connection and self._connection.is_open:
                self._connection.close()
        except (AMQPError, OSError) as error:
            logger.debug("The link to %s did not close cleanly: %r", self._queue_name, error)


class AmqpReceived:
    def __init__(self, ticket: Ticket, tag: int, link: _ConsumerLink) -> None:
        self.ticket = ticket
        self._tag = tag
        self._link = link

    def ack(self) -> None:
        self._link.ack(self._tag)

    def reject(self) -> None:
        self._link.reject(self._tag)


class _QueueGone(Exception):
    """The broker cancelled the consumer: the queue was deleted, or its node is leaving."""


def _declare(channel: BlockingChannel) -> None:
    """The exchange, both queues and the dead letters; whoever starts first creates them."""
    channel.exchange_declare(EXCHANGE, "direct", durable=True)
    dead_letter = {"x-dead-letter-exchange": EXCHANGE, "x-dead-letter-routing-key": DEAD}
    for key in (*Channel.values, DEAD):
        arguments = {"x-queue-type": "quorum"} | ({} if key == DEAD else dead_letter)
        channel.queue_declare(queue_name(key), durable=True, arguments=arguments)
        channel.queue_bind(queue_name(key), EXCHANGE, routing_key=key)


def _count(channel: BlockingChannel, of: Channel) -> int:
    return int(channel.queue_declare(queue_name(of.value), passive=True).method.message_count)


def _properties() -> pika.BasicProperties:
    return pika.BasicProperties(
        content_type="application/json",
        type="notifier.ticket",
        message_id=str(uuid.uuid4()),
        delivery_mode=pika.DeliveryMode.Persistent,
    )


def _parameters(url: str, purpose: str) -> pika.URLParameters:
    parameters = pika.URLParameters(url)
    if "heartbeat" not in parse_qs(urlsplit(url).query):
        parameters.heartbeat = HEARTBEAT_SECONDS
    parameters.blocked_connection_timeout = BLOCKED_TIMEOUT_SECONDS
    parameters.socket_timeout = parameters.stack_timeout = CONNECT_TIMEOUT_SECONDS
    parameters.client_properties = {"connection_name": f"notifier {purpose}"}
    return parameters


def _explain(error: Exception, where: str | pika.ConnectionParameters) -> str:
    """What went wrong, in words that staff can act on; never the password."""
    if isinstance(error, ChannelClosedByBroker) and error.reply_code == PRECONDITION_FAILED:
        return (
            f"RabbitMQ holds a queue or exchange of ours that was declared otherwise ({error.reply_text}). Delete it, "
            "e.g. with: rabbitmqctl delete_queue notifier.email. No message is lost, tickets are made again."
        )
    if isinstance(error, ConnectionBlockedTimeout):
        return "RabbitMQ takes no messages: it raised a memory or disk alarm."
    if isinstance(error, _QueueGone):
        return f"RabbitMQ took the queue {error} away."
    host = urlsplit(where).hostname if isinstance(where, str) else where.host
    return f"RabbitMQ at {host} can't be used: {_innermost(error)}"


def _innermost(error: BaseException) -> str:
    """pika wraps the real cause in errors without a text."""
    for inner in (getattr(error, "exception", None), *getattr(error, "args", ()), error.__cause__):
        if isinstance(inner, BaseException):
            return _innermost(inner)
    return str(error) or type(error).__name__
