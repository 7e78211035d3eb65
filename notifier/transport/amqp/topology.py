"""The exchange and the queues at RabbitMQ: declaring, counting and looking into them."""

import itertools

import pika
from pika.adapters.blocking_connection import BlockingChannel

from notifier.models import Channel
from notifier.transport.base import DeadLetter

EXCHANGE = "notifier"
DEAD = "dead"
#: No queue takes what has this routing key.
NOWHERE = "nowhere"


def queue_name(key: str) -> str:
    return f"{EXCHANGE}.{key}"


def declare(channel: BlockingChannel) -> None:
    """Create the exchange, the queue of each channel and the one of dead letters, where they don't exist yet."""
    channel.exchange_declare(EXCHANGE, "direct", durable=True)
    dead_letter = {"x-dead-letter-exchange": EXCHANGE, "x-dead-letter-routing-key": DEAD}
    for key in (*Channel.values, DEAD):
        arguments = {"x-queue-type": "quorum"} | ({} if key == DEAD else dead_letter)
        channel.queue_declare(queue_name(key), durable=True, arguments=arguments)
        channel.queue_bind(queue_name(key), EXCHANGE, routing_key=key)


def count(channel: BlockingChannel, key: str) -> int:
    """How many messages wait in this queue. Without the queue the broker closes the channel."""
    return int(channel.queue_declare(queue_name(key), passive=True).method.message_count)


def purge_dead(channel: BlockingChannel) -> int:
    return int(channel.queue_purge(queue_name(DEAD)).method.message_count)


def peek_dead(channel: BlockingChannel, limit: int) -> list[DeadLetter]:
    """The oldest dead letters; they stay in the queue."""
    # Taken on a channel that then ends, they go back in their order. Rejected with `requeue` they would go to the end.
    with channel.connection.channel() as own:
        taken = (own.basic_get(queue_name(DEAD)) for _ in range(limit))
        return [
            DeadLetter(body, _came_through(properties))
            for _, properties, body in itertools.takewhile(lambda answer: answer[0] is not None, taken)
        ]


def _came_through(properties: pika.BasicProperties) -> Channel | None:
    """The channel whose queue had it first, which RabbitMQ writes into the header of a dead letter."""
    queue = (properties.headers or {}).get("x-first-death-queue")
    return next((channel for channel in Channel if queue == queue_name(channel.value)), None)
