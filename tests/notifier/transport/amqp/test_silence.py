"""A broker that neither answers nor hangs up, as behind a NAT that forgot the connection."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from notifier.models import Channel
from notifier.transport.amqp import connections
from notifier.transport.amqp.transport import AmqpTransport
from notifier.transport.base import TransportError
from tests.notifier.transport.carriers import RabbitCarrier, a_ticket, take
from tests.support.fakes.relay import Relay
from tests.support.servers.processes import wait_until
from tests.support.servers.rabbitmq import RabbitServer

EMAIL = Channel.EMAIL
HEARTBEAT = 2


@pytest.fixture
def relay(rabbitmq_server: RabbitServer) -> Iterator[Relay]:
    with Relay(rabbitmq_server.port) as relay:
        yield relay


@pytest.fixture
def transport(relay: Relay, rabbit: RabbitCarrier, rabbitmq_server: RabbitServer) -> Iterator[AmqpTransport]:
    url = rabbit.url.replace(f":{rabbitmq_server.port}/", f":{relay.port}/")
    with closing(AmqpTransport(f"{url}?heartbeat={HEARTBEAT}")) as transport:
        yield transport


def begin(transport: AmqpTransport, name: str) -> Callable[[], object]:
    """Connects for this method, and returns it as a call that needs the broker."""
    if name == "receive":
        tickets = transport.receive(EMAIL, 0.05)
        assert next(tickets) is None
        return lambda: [next(tickets) for _ in range(1000)]
    call = call_of(transport, name)
    call()
    return call


def call_of(transport: AmqpTransport, name: str) -> Callable[[], object]:
    calls: dict[str, Callable[[], object]] = {
        "publish": lambda: transport.publish([a_ticket()]),
        "depth": lambda: transport.depth(EMAIL),
        "receive": lambda: next(transport.receive(EMAIL, 0.05)),
    }
    return calls[name]


#: What the transport itself says when it gives up. pika notices too, after several times as long, and in other words.
SILENCE = r"127\.0\.0\.1.*nothing was heard from it for"
NO_ANSWER = r"127\.0\.0\.1.*it gave no answer within"


def is_noticed(call: Callable[[], object], words: str) -> bool:
    with pytest.raises(TransportError, match=words):
        call()
    return True


def test_a_look_after_a_pause_does_not_take_old_heartbeats_for_new_ones(transport: AmqpTransport, relay: Relay) -> None:
    transport.depth(EMAIL)
    time.sleep(0.75 * HEARTBEAT)  # in which a heartbeat comes and nobody reads it

    relay.go_deaf()

    assert is_noticed(lambda: transport.depth(EMAIL), f"{NO_ANSWER} {HEARTBEAT} s")


METHODS = pytest.mark.parametrize("method", ["receive", "publish", "depth"])


@METHODS
def test_silence_is_noticed_before_anybody_else_does(transport: AmqpTransport, relay: Relay, method: str) -> None:
    call = begin(transport, method)

    relay.go_deaf()

    assert is_noticed(call, f"{SILENCE}|{NO_ANSWER}")
    wait_until(lambda: relay.swallowed() == 0, what="every socket to be closed")
    transport.publish([a_ticket()])
    with closing(transport.receive(EMAIL, 0.05)) as tickets:  # type: ignore[type-var]
        assert take(tickets).ticket == a_ticket()


@METHODS
def test_a_broker_that_takes_connections_and_says_nothing_is_an_error(
    transport: AmqpTransport, relay: Relay, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Where `receive` gave None it would say that all is well and there is nothing to do."""
    monkeypatch.setattr(connections, "CONNECT_TIMEOUT_SECONDS", 1)
    relay.go_deaf(to_new=True)

    assert is_noticed(call_of(transport, method), r"127\.0\.0\.1")


@pytest.mark.parametrize("method", ["publish", "depth"])
def test_no_answer_is_waited_for_until_the_process_looks_dead(
    transport: AmqpTransport, relay: Relay, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr(connections, "SILENT_HEARTBEATS", 1000)
    monkeypatch.setattr(connections, "ANSWER_TIMEOUT_SECONDS", 1)
    call = begin(transport, method)

    relay.go_deaf()

    assert is_noticed(call, f"{NO_ANSWER} 1 s")


def test_closing_waits_for_no_goodbye(transport: AmqpTransport, relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "SILENT_HEARTBEATS", 1000)
    transport.publish([a_ticket()])
    tickets = transport.receive(EMAIL, 0.05)
    take(tickets)
    open_before = relay.go_deaf()

    # With nobody to say goodbye to it would take for ever.
    tickets.close()  # type: ignore[attr-defined]
    transport.close()

    assert open_before == 3
    wait_until(lambda: relay.swallowed() == 0, what="every socket to be closed")


def test_a_broker_that_is_only_quiet_is_left_alone(transport: AmqpTransport, relay: Relay) -> None:
    transport.publish([a_ticket()])
    with closing(transport.receive(EMAIL, 0.05)) as tickets:  # type: ignore[type-var]
        take(tickets).ack()
        ends_at = time.monotonic() + 3 * HEARTBEAT  # the quiet itself
        while time.monotonic() < ends_at:
            assert next(tickets) is None
            transport.depth(EMAIL)

    assert relay.connections == 3


def test_what_the_url_says_of_the_patience_counts(rabbit: RabbitCarrier) -> None:
    ours = connections.parameters(f"{rabbit.url}?heartbeat=7&blocked_connection_timeout=3", "test")
    defaults = connections.parameters(rabbit.url, "test")

    assert (ours.heartbeat, ours.blocked_connection_timeout) == (7, 3)
    assert (defaults.heartbeat, defaults.blocked_connection_timeout) == (30, 10)
