"""The relay, between a client of our own and the real RabbitMQ."""

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from pika import BlockingConnection, URLParameters
from pika.exceptions import AMQPHeartbeatTimeout

from tests.support.fakes.relay import Relay
from tests.support.servers.processes import PATIENCE_SECONDS, free_port, wait_until
from tests.support.servers.rabbitmq import RabbitServer


@pytest.fixture
def relay(rabbitmq_server: RabbitServer) -> Iterator[Relay]:
    # Nobody listens at the first: a load balancer goes on to the next.
    with Relay(free_port(), rabbitmq_server.port) as relay:
        yield relay


def connect(relay: Relay, amqp_url: str) -> BlockingConnection:
    return BlockingConnection(URLParameters(f"amqp://guest:guest@127.0.0.1:{relay.port}{urlsplit(amqp_url).path}"))


def test_it_passes_everything_on_and_counts_what_comes_twice(relay: Relay, amqp_url: str) -> None:
    for _ in range(2):
        connection = connect(relay, amqp_url)
        channel = connection.channel()
        channel.queue_declare("here", durable=True)
        if not relay.delivered:
            for _ in range(3):
                channel.basic_publish("", "here", b"x" * 100_000)
        taken: list[bytes] = []
        channel.basic_consume("here", lambda _, __, ___, body, taken=taken: taken.append(body))
        wait_until(lambda: connection.process_data_events(0.05) or len(taken) == 3)  # noqa: B023
        connection.close()  # acks nothing, so that all of them come again

    assert (relay.delivered, relay.redelivered) == (6, 3)
    assert relay.connections == 2


def test_a_deaf_one_swallows_without_hanging_up_and_hears_new_connections(relay: Relay, amqp_url: str) -> None:
    connection = connect(relay, amqp_url)

    assert relay.go_deaf() == 1

    connect(relay, amqp_url).close()
    assert relay.swallowed() == 1
    connection._impl._terminate_stream(AMQPHeartbeatTimeout())
    with pytest.raises(AMQPHeartbeatTimeout):
        connection.process_data_events(1)
    wait_until(lambda: relay.swallowed() == 0)


def test_a_deaf_one_may_swallow_new_connections_too(relay: Relay) -> None:
    relay.go_deaf(to_new=True)

    with socket.create_connection(("127.0.0.1", relay.port), timeout=0.3) as client:
        client.sendall(b"AMQP\0\0\x09\x01")
        with pytest.raises(TimeoutError):
            client.recv(1)

    relay.hear()
    with socket.create_connection(("127.0.0.1", relay.port), timeout=PATIENCE_SECONDS) as client:
        client.sendall(b"AMQP\0\0\x09\x01")
        assert client.recv(1) == b"\x01"


def test_a_connection_that_nobody_takes_is_closed() -> None:
    with (
        Relay(free_port()) as relay,
        socket.create_connection(("127.0.0.1", relay.port), timeout=PATIENCE_SECONDS) as client,
    ):
        assert client.recv(1) == b""
