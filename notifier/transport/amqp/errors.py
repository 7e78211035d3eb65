"""What can go wrong with RabbitMQ, and how staff read it."""

import re
from urllib.parse import urlsplit

import pika
from pika.adapters.utils.connection_workflow import AMQPConnectorException
from pika.exceptions import AMQPError, ChannelClosedByBroker, ConnectionBlockedTimeout

#: What pika raises. A handshake that took too long is not among its AMQPErrors.
FAULTS = (AMQPError, AMQPConnectorException, OSError)
#: RabbitMQ names what it refuses: "inequivalent arg 'x' for queue 'q' in vhost 'v': received …".
DECLARED_OTHERWISE = re.compile(
    r"inequivalent arg .* for (?P<kind>queue|exchange) '(?P<name>[^']*)' in vhost '(?P<vhost>[^']*)'"
)


class NoAnswer(AMQPError):
    """The network shows the broker as connected, and it says nothing."""


class TicketsWithheld(AMQPError):
    """The broker holds tickets that nobody works on, and gives us none of them."""


class QueueGone(Exception):
    """The broker cancelled the consumer: the queue was deleted, or its node is leaving."""


def explain(error: Exception, where: str | pika.ConnectionParameters) -> str:
    """What went wrong, in words that staff can act on; never the password."""
    if isinstance(error, ChannelClosedByBroker) and (other := DECLARED_OTHERWISE.search(error.reply_text)):
        # The cure first: the row of a process, which pages show, keeps 300 characters.
        return (
            f"RabbitMQ has a different {other['kind']} {other['name']}. Delete it with: "
            f"{_cure(**other.groupdict())} (no message is lost: tickets are created again). RabbitMQ says: "
            f"{error.reply_text}."
        )
    if isinstance(error, ConnectionBlockedTimeout):
        return "RabbitMQ accepts no messages: it raised a memory or disk alarm."
    if isinstance(error, QueueGone):
        return f"RabbitMQ removed the queue {error}."
    host = urlsplit(where).hostname if isinstance(where, str) else where.host
    return f"RabbitMQ at {host} can’t be used: {_innermost(error).rstrip('.')}."


def _cure(*, kind: str, name: str, vhost: str) -> str:
    if kind == "exchange":
        return f"rabbitmqadmin -V {vhost} delete exchange name={name}"
    return f"rabbitmqctl delete_queue -p {vhost} {name}"


def _innermost(error: BaseException) -> str:
    """The text of the real cause: pika wraps it in errors that have none."""
    for inner in (getattr(error, "exception", None), *getattr(error, "args", ()), error.__cause__):
        if isinstance(inner, BaseException):
            return _innermost(inner)
    return str(error) or type(error).__name__
