"""Connections to RabbitMQ: how they are opened, watched while they are open, and closed.

A NAT that forgot a connection, a machine that was switched off, a process that was stopped: pika's calls wait for such
a peer for ever, and only an end of the stream from our own side brings them back. pika has no public name for that,
hence `_terminate_stream` and `_impl` here.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pika
from pika.adapters.blocking_connection import BlockingChannel

from notifier.transport.amqp import topology
from notifier.transport.amqp.errors import FAULTS, NoAnswer

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 30
CONNECT_TIMEOUT_SECONDS = 10
#: Under a memory or disk alarm the broker stops reading: without this a publish would hang for ever.
BLOCKED_TIMEOUT_SECONDS = 10
#: For one round trip, or the confirms of a batch. With the time to close, less than what makes a process look dead.
ANSWER_TIMEOUT_SECONDS = 10
CLOSE_TIMEOUT_SECONDS = 2
#: After so many heartbeats of silence the broker counts as gone. It sends something twice in each.
SILENT_HEARTBEATS = 1.5
CHECKS_PER_HEARTBEAT = 8


def parameters(url: str, purpose: str) -> pika.URLParameters:
    """Where to connect and how long to wait; what the URL says of heartbeat and blocked connections wins."""
    found = pika.URLParameters(url)
    chosen = parse_qs(urlsplit(url).query)
    if "heartbeat" not in chosen:
        found.heartbeat = HEARTBEAT_SECONDS
    if "blocked_connection_timeout" not in chosen:
        found.blocked_connection_timeout = BLOCKED_TIMEOUT_SECONDS
    found.socket_timeout = found.stack_timeout = CONNECT_TIMEOUT_SECONDS
    found.client_properties = {"connection_name": f"notifier {purpose}"}
    return found


def open_channel(connection: pika.BlockingConnection) -> BlockingChannel:
    """The first channel of a new connection, which is watched from then on; the queues are declared."""
    watch(connection._impl)
    with deadline(connection._impl, ANSWER_TIMEOUT_SECONDS):
        channel = connection.channel()
        topology.declare(channel)
    return channel


@contextmanager
def answer_expected(channel: BlockingChannel, *, within_a_heartbeat: bool = False) -> Iterator[None]:
    """End the channel's connection if the calls in this block wait longer than ANSWER_TIMEOUT_SECONDS."""
    connection = channel.connection._impl
    seconds = float(ANSWER_TIMEOUT_SECONDS)
    if within_a_heartbeat and connection.params.heartbeat:
        seconds = min(seconds, connection.params.heartbeat)
    with deadline(connection, seconds):
        yield


def close(connection: pika.BlockingConnection, seconds: float) -> None:
    """Say goodbye, and wait at most so long for the answer. Never fails."""
    if not connection.is_open:
        return
    try:
        with deadline(connection._impl, seconds):
            connection.close()
    except FAULTS as error:
        logger.debug("A connection did not close cleanly: %r", error)


def watch(connection: Any) -> None:
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
            _end_stream(connection, NoAnswer(f"nothing was heard from it for {silence:.0f} s"))
        elif not connection.is_closed:
            connection.ioloop.call_later(heartbeat / CHECKS_PER_HEARTBEAT, look)

    if heartbeat:
        look()


@contextmanager
def deadline(connection: Any, seconds: float) -> Iterator[None]:
    """End the connection if this block takes longer than that: whatever waits in it then raises `NoAnswer`."""
    error = NoAnswer(f"it gave no answer within {seconds:g} s")
    timeout = connection.ioloop.call_later(seconds, lambda: _end_stream(connection, error))
    try:
        yield
    finally:
        connection.ioloop.remove_timeout(timeout)


def _end_stream(connection: Any, error: NoAnswer) -> None:
    if not connection.is_closed:
        connection._terminate_stream(error)
