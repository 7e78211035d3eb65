"""The transport over RabbitMQ: what is published, received and counted there."""

import itertools
import logging
import queue
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.adapters.utils.connection_workflow import AMQPConnectorException
from pika.channel import Channel as PikaChannel
from pika.exceptions import (
    AMQPError,
    ChannelClosedByBroker,
    ChannelClosedByClient,
    ChannelWrongStateError,
    ConnectionBlockedTimeout,
    NackError,
)

from notifier.models import Channel
from notifier.transport.base import BadTicket, DeadLetter, Received, Ticket, TransportError, decode, encode

logger = logging.getLogger(__name__)

T = TypeVar("T")

EXCHANGE = "notifier"
DEAD = "dead"
#: No queue takes what has this routing key.
NOWHERE = "nowhere"
#: One ticket in work and one at hand, so that a consumer never waits for the network between two.
PREFETCH = 2
HEARTBEAT_SECONDS = 30
CONNECT_TIMEOUT_SECONDS = 10
#: Under a memory or disk alarm the broker stops reading: without this a publish would hang for ever.
BLOCKED_TIMEOUT_SECONDS = 10
#: For one round trip, or the confirms of a batch. With the time to close, less than what makes a process look dead.
ANSWER_TIMEOUT_SECONDS = 10
CLOSE_TIMEOUT_SECONDS = 2
#: After so many heartbeats without a word the broker counts as gone. It says something twice in each.
SILENT_HEARTBEATS = 1.5
LOOKS_A_HEARTBEAT = 8
#: How often a consumer that gets nothing asks whether there is anything to get.
HUNGRY_SECONDS = 5
NOT_FOUND = 404
#: RabbitMQ names what it refuses: "inequivalent arg 'x' for queue 'q' in vhost 'v': received …".
DECLARED_OTHERWISE = re.compile(
    r"inequivalent arg .* for (?P<kind>queue|exchange) '(?P<name>[^']*)' in vhost '(?P<vhost>[^']*)'"
)
#: What pika raises. That a handshake took too long is none of its AMQPErrors.
FAULTS = (AMQPError, AMQPConnectorException, OSError)


def queue_name(key: str) -> str:
    return f"{EXCHANGE}.{key}"


class AmqpTransport:
    """Publishes on one connection and counts on another, in the caller's thread; each `receive` has one of its own.

    They are apart because an alarm of the broker blocks those that publish.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection: pika.BlockingConnection | None = None
        self._channel: BlockingChannel | None = None
        self._publisher: _PublisherLink | None = None

    def publish(self, tickets: Sequence[Ticket]) -> None:
        messages = [(ticket.channel.value, encode(ticket)) for ticket in tickets]
        with self._translated():
            if returned := self._publishing().publish(messages):
                # Somebody deleted the queue. Declaring it anew is all the cure there is.
                _declare(self._open())
                if self._publishing().publish(returned):
                    raise TransportError("RabbitMQ takes our messages and has no queue for them.")

    def check(self) -> None:
        # What no queue takes is confirmed all the same, and kept by nobody. Twice: under an alarm the broker takes the
        # first message of a new connection, and only then reads no more from it.
        with self._translated():
            for _ in range(2):
                self._publishing().publish([(NOWHERE, b"")])

    def receive(self, channel: Channel, idle: float) -> Iterator[Received | None]:
        link = _ConsumerLink(_parameters(self.url, f"consumer of {channel.value}"), queue_name(channel.value))
        link.start()
        try:
            link.wait_until_consuming()
            while True:
                yield link.next(channel, idle)
        finally:
            link.stop()

    def depth(self, channel: Channel) -> int:
        return self._observe(lambda link: _count(link, channel.value))

    def dead(self) -> int:
        return self._observe(lambda link: _count(link, DEAD))

    def dead_letters(self, limit: int) -> list[DeadLetter]:
        """Taken and given back, which RabbitMQ 4 counts: after 20 looks a letter is gone, a pity and no loss."""
        return self._observe(lambda link: _peek(link, limit))

    def purge_dead(self) -> int:
        return self._observe(lambda link: int(link.queue_purge(queue_name(DEAD)).method.message_count))

    def close(self) -> None:
        self._close(CLOSE_TIMEOUT_SECONDS)

    def _close(self, seconds: float) -> None:
        publisher, self._publisher = self._publisher, None
        if publisher:
            publisher.close(seconds)
        connection, self._connection, self._channel = self._connection, None, None
        if connection:
            _hang_up(connection, seconds)

    def _observe(self, look: Callable[[BlockingChannel], T]) -> T:
        """What `look` finds; once more where somebody had deleted a queue, which is then declared anew."""
        with self._translated():
            self._rest()
            try:
                return self._ask(look)
            except ChannelClosedByBroker as error:
                if error.reply_code != NOT_FOUND:
                    raise
            self.close()
            return self._ask(look)

    def _ask(self, look: Callable[[BlockingChannel], T]) -> T:
        channel = self._open()
        link = channel.connection._impl
        # Nobody reads between two looks, so what is heard now may be old: a heartbeat without an answer is enough.
        with _deadline(link, min(ANSWER_TIMEOUT_SECONDS, link.params.heartbeat or ANSWER_TIMEOUT_SECONDS)):
            return look(channel)

    def _open(self) -> BlockingChannel:
        if self._channel is None or not self._channel.is_open:
            self.close()
            self._connection = pika.BlockingConnection(_parameters(self.url, "observer"))
            self._channel = _open_channel(self._connection)
        return self._channel

    def _publishing(self) -> "_PublisherLink":
        self._rest()
        if self._publisher is None:
            self._open()  # declares what it publishes to
            self._publisher = _PublisherLink(_parameters(self.url, "publisher"))
        return self._publisher

    def _rest(self) -> None:
        """Close a publishing connection that nobody served for a while: the broker would miss its heartbeats."""
        if self._publisher and self._publisher.is_overdue():
            self._publisher.close(CLOSE_TIMEOUT_SECONDS)
            self._publisher = None

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except FAULTS as error:
            # Without a goodbye that nobody may be there to answer.
            self._close(0)
            raise TransportError(_explain(error, self.url)) from error


class _PublisherLink:
    """A publishing connection that hands over a batch and then waits for all its confirms.

    pika's blocking connection waits for each message: 1,300 a second, against 15,000 here. Its callbacks run inside
    `_run_until`, in the caller's thread, and nowhere else.
    """

    def __init__(self, parameters: pika.ConnectionParameters) -> None:
        self._channel: PikaChannel | None = None
        self._trouble: Exception | None = None
        self._published = 0
        self._unconfirmed: set[int] = set()
        self._returned: list[tuple[str, bytes]] = []
        self._used_at = time.monotonic()
        self._connection = pika.SelectConnection(
            parameters,
            on_open_callback=self._on_open,
            on_open_error_callback=self._on_trouble,
            on_close_callback=self._on_trouble,
        )
        try:
            self._run_until(lambda: self._channel is not None, CONNECT_TIMEOUT_SECONDS + ANSWER_TIMEOUT_SECONDS)
        except BaseException:
            self.close(0)
            raise

    def publish(self, messages: Sequence[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        """Returns once the broker has answered for each; those that no queue takes come back."""
        channel, self._returned = self._channel, []
        if channel is None or not channel.is_open:
            raise self._trouble or ChannelWrongStateError("the publishing channel is closed")
        for key, body in messages:
            self._published += 1
            self._unconfirmed.add(self._published)
            # Unless it is mandatory, the broker confirms, and drops, what no queue takes.
            channel.basic_publish(EXCHANGE, key, body, _properties(), mandatory=True)
        self._run_until(lambda: not self._unconfirmed, ANSWER_TIMEOUT_SECONDS)
        self._used_at = time.monotonic()
        return self._returned

    def is_overdue(self) -> bool:
        """Whether nobody served it for so long that the broker may soon miss its heartbeats."""
        heartbeat = self._connection.params.heartbeat
        return bool(heartbeat) and time.monotonic() - self._used_at > heartbeat / 2

    def close(self, seconds: float) -> None:
        """Say goodbye, and wait no longer than that for the answer."""
        try:
            if self._connection.is_open:
                self._trouble = None  # what closed the channel must not keep us from closing the connection
                self._connection.close()
                self._run_until(lambda: self._connection.is_closed, seconds)
        except FAULTS as error:
            logger.debug("The publishing connection did not close cleanly: %r", error)
        self._connection.ioloop.close()

    def _run_until(self, reached: Callable[[], bool], seconds: float) -> None:
        """Serve the connection until then; every callback that may have brought it about stops the loop to look.

        A quorum queue without its majority confirms nothing and closes nothing, hence the time-out.
        """
        loop = self._connection.ioloop
        with _deadline(self._connection, seconds):
            while not reached():
                if self._trouble:
                    raise self._trouble
                loop.start()

    def _on_open(self, connection: pika.SelectConnection) -> None:
        _watch(connection)
        connection.channel(on_open_callback=self._on_channel)

    def _on_channel(self, channel: PikaChannel) -> None:
        channel.add_on_close_callback(self._on_trouble)
        channel.add_on_return_callback(lambda _, method, __, body: self._returned.append((method.routing_key, body)))
        channel.confirm_delivery(self._on_answer, callback=lambda _: self._on_ready(channel))

    def _on_ready(self, channel: PikaChannel) -> None:
        self._channel = channel
        self._connection.ioloop.stop()

    def _on_answer(self, frame: Any) -> None:
        answered = frame.method.delivery_tag
        if isinstance(frame.method, pika.spec.Basic.Nack):
            self._trouble = NackError([])
        if frame.method.multiple:
            self._unconfirmed = {tag for tag in self._unconfirmed if tag > answered}
        self._unconfirmed.discard(answered)
        if self._trouble or not self._unconfirmed:
            self._connection.ioloop.stop()

    def _on_trouble(self, _: object, error: Exception) -> None:
        if isinstance(error, ChannelClosedByClient):
            return  # our own closing, and the connection's is still to come: without waiting for it a socket stays open
        # The first word is the cause: closing for it brings others.
        self._trouble = self._trouble or error
        self._connection.ioloop.stop()


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
        # Only the link's own thread uses these three: the tickets that are not answered yet; since when none came, or
        # whether any might come was asked; and how many there were then.
        self._in_hand = 0
        self._asked_at = time.monotonic()
        self._kept_back = 0
        #: Set once it consumes, or has failed to.
        self._has_begun = threading.Event()

    # --- the consumer's thread -------------------------------------------------------------------
    def wait_until_consuming(self) -> None:
        """Or until it has failed. Before that, `next` would say None: that all is well and there is nothing to do."""
        self._has_begun.wait()

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
        self._soon(lambda: self._answer(lambda channel: channel.basic_ack(tag)))

    def reject(self, tag: int) -> None:
        self._soon(lambda: self._answer(lambda channel: channel.basic_reject(tag, requeue=False)))

    def stop(self) -> None:
        self._stopping = True
        self._soon(lambda: None)  # wakes the loop
        self.join(2 * CLOSE_TIMEOUT_SECONDS)

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
            self._has_begun.set()
            self._close()

    def _consume(self, connection: pika.BlockingConnection) -> None:
        self._channel = channel = _open_channel(connection)
        channel.basic_qos(prefetch_count=PREFETCH)
        channel.add_on_cancel_callback(lambda frame: self._inbox.put(_QueueGone(self._queue_name)))
        channel.basic_consume(self._queue_name, lambda ch, method, props, body: self._take(method.delivery_tag, body))
        self._has_begun.set()
        while not self._stopping:
            connection.process_data_events(time_limit=1)
            self._ask_for_more(channel)
        connection.process_data_events(time_limit=0)  # the acks that were asked for before the stop

    def _ask_for_more(self, channel: BlockingChannel) -> None:
        """Raises `_Starved` where tickets wait, nothing is at hand here, and so it was HUNGRY_SECONDS ago.

        When a node of its dies, RabbitMQ may lose our answers. It then takes their tickets for being in our hands for
        ever, and with PREFETCH of them it gives us no others (rabbitmq-server#15473). A new connection gets them all.
        """
        if self._in_hand or time.monotonic() - self._asked_at < HUNGRY_SECONDS:
            return
        with _deadline(channel.connection._impl, ANSWER_TIMEOUT_SECONDS):
            waiting = int(channel.queue_declare(self._queue_name, passive=True).method.message_count)
        if waiting and self._kept_back:
            raise _Starved(f"it keeps {waiting} tickets in {self._queue_name} to itself")
        self._asked_at, self._kept_back = time.monotonic(), waiting

    def _take(self, tag: int, body: bytes) -> None:
        self._in_hand += 1
        self._asked_at, self._kept_back = time.monotonic(), 0
        self._inbox.put((tag, body))

    def _answer(self, answer: Callable[[BlockingChannel], None]) -> None:
        if self._channel:
            self._in_hand -= 1
            answer(self._channel)

    def _close(self) -> None:
        if self._connection:
            _hang_up(self._connection, CLOSE_TIMEOUT_SECONDS)


class AmqpReceived:
    def __init__(self, ticket: Ticket, tag: int, link: _ConsumerLink) -> None:
        self.ticket = ticket
        self._tag = tag
        self._link = link

    def ack(self) -> None:
        self._link.ack(self._tag)

    def reject(self) -> None:
        self._link.reject(self._tag)


class _NoAnswer(AMQPError):
    """It is there, as far as the network knows, and says nothing."""


class _Starved(AMQPError):
    """It holds tickets, nobody is at them, and it hands none over."""


class _QueueGone(Exception):
    """The broker cancelled the consumer: the queue was deleted, or its node is leaving."""


# --- A peer that neither answers nor hangs up -------------------------------------------------------------------------
# A NAT that forgot a connection, a machine that was switched off, a process that was stopped: pika's calls wait for
# such a peer for ever, and only an end of the stream from our own side brings them back. It has no public name.
def _watch(connection: Any) -> None:
    """End a connection on which nothing was heard for SILENT_HEARTBEATS; to be called once it is open.

    pika looks every heartbeat + 5 s whether anything came, and so may need twice that to notice.
    """
    heartbeat = connection.params.heartbeat
    heard, heard_at = connection.bytes_received, time.monotonic()

    def look() -> None:
        nonlocal heard, heard_at
        if connection.bytes_received != heard:
            heard, heard_at = connection.bytes_received, time.monotonic()
        silence = time.monotonic() - heard_at
        if silence > SILENT_HEARTBEATS * heartbeat:
            _end_stream(connection, _NoAnswer(f"nothing was heard from it for {silence:.0f} s"))
        elif not connection.is_closed:
            connection.ioloop.call_later(heartbeat / LOOKS_A_HEARTBEAT, look)

    if heartbeat:
        look()


@contextmanager
def _deadline(connection: Any, seconds: float) -> Iterator[None]:
    """End a connection that is still waited for after so long: the wait ends with `_NoAnswer`."""
    error = _NoAnswer(f"it gave no answer within {seconds} s")
    timeout = connection.ioloop.call_later(seconds, lambda: _end_stream(connection, error))
    try:
        yield
    finally:
        connection.ioloop.remove_timeout(timeout)


def _end_stream(connection: Any, error: _NoAnswer) -> None:
    if not connection.is_closed:
        connection._terminate_stream(error)


def _open_channel(connection: pika.BlockingConnection) -> BlockingChannel:
    """The first channel of a new connection, which is watched from then on; what we use is declared."""
    _watch(connection._impl)
    with _deadline(connection._impl, ANSWER_TIMEOUT_SECONDS):
        channel = connection.channel()
        _declare(channel)
    return channel


def _hang_up(connection: pika.BlockingConnection, seconds: float) -> None:
    """Say goodbye, and wait no longer than that for the answer."""
    if not connection.is_open:
        return
    try:
        with _deadline(connection._impl, seconds):
            connection.close()
    except FAULTS as error:
        logger.debug("A connection did not close cleanly: %r", error)


# --- What is there ----------------------------------------------------------------------------------------------------
def _declare(channel: BlockingChannel) -> None:
    """The exchange, both queues and the dead letters; whoever starts first creates them."""
    channel.exchange_declare(EXCHANGE, "direct", durable=True)
    dead_letter = {"x-dead-letter-exchange": EXCHANGE, "x-dead-letter-routing-key": DEAD}
    for key in (*Channel.values, DEAD):
        arguments = {"x-queue-type": "quorum"} | ({} if key == DEAD else dead_letter)
        channel.queue_declare(queue_name(key), durable=True, arguments=arguments)
        channel.queue_bind(queue_name(key), EXCHANGE, routing_key=key)


def _count(channel: BlockingChannel, key: str) -> int:
    return int(channel.queue_declare(queue_name(key), passive=True).method.message_count)


def _peek(channel: BlockingChannel, limit: int) -> list[DeadLetter]:
    # Given back by ending the channel, they keep their order; rejected with `requeue` they would go to the end.
    with channel.connection.channel() as own:
        taken = (own.basic_get(queue_name(DEAD)) for _ in range(limit))
        return [
            DeadLetter(body, _came_through(properties))
            for _, properties, body in itertools.takewhile(lambda answer: answer[0] is not None, taken)
        ]


def _came_through(properties: pika.BasicProperties) -> Channel | None:
    """By the history that RabbitMQ keeps in the header of a dead letter."""
    queue = (properties.headers or {}).get("x-first-death-queue")
    return next((channel for channel in Channel if queue == queue_name(channel.value)), None)


def _properties() -> pika.BasicProperties:
    return pika.BasicProperties(
        content_type="application/json",
        type="notifier.ticket",
        message_id=str(uuid.uuid4()),
        delivery_mode=pika.DeliveryMode.Persistent,
    )


def _parameters(url: str, purpose: str) -> pika.URLParameters:
    parameters = pika.URLParameters(url)
    chosen = parse_qs(urlsplit(url).query)
    if "heartbeat" not in chosen:
        parameters.heartbeat = HEARTBEAT_SECONDS
    if "blocked_connection_timeout" not in chosen:
        parameters.blocked_connection_timeout = BLOCKED_TIMEOUT_SECONDS
    parameters.socket_timeout = parameters.stack_timeout = CONNECT_TIMEOUT_SECONDS
    parameters.client_properties = {"connection_name": f"notifier {purpose}"}
    return parameters


def _explain(error: Exception, where: str | pika.ConnectionParameters) -> str:
    """What went wrong, in words that staff can act on; never the password."""
    if isinstance(error, ChannelClosedByBroker) and (other := DECLARED_OTHERWISE.search(error.reply_text)):
        # The cure first: a worker's row, which pages show, keeps 300 characters.
        return (
            f"RabbitMQ holds another {other['kind']} {other['name']} than ours. Delete it with: "
            f"{_cure(**other.groupdict())} (no message is lost, tickets are made again). It says: {error.reply_text}."
        )
    if isinstance(error, ConnectionBlockedTimeout):
        return "RabbitMQ takes no messages: it raised a memory or disk alarm."
    if isinstance(error, _QueueGone):
        return f"RabbitMQ took the queue {error} away."
    host = urlsplit(where).hostname if isinstance(where, str) else where.host
    return f"RabbitMQ at {host} can't be used: {_innermost(error).rstrip('.')}."


def _cure(*, kind: str, name: str, vhost: str) -> str:
    if kind == "exchange":
        return f"rabbitmqadmin -V {vhost} delete exchange name={name}"
    return f"rabbitmqctl delete_queue -p {vhost} {name}"


def _innermost(error: BaseException) -> str:
    """pika wraps the real cause in errors without a text."""
    for inner in (getattr(error, "exception", None), *getattr(error, "args", ()), error.__cause__):
        if isinstance(inner, BaseException):
            return _innermost(inner)
    return str(error) or type(error).__name__
