"""What only RabbitMQ has."""

import re
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, suppress
from urllib.parse import urlsplit

import pytest
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker

from notifier.models import Channel
from notifier.transport.amqp import connections, receiver, topology
from notifier.transport.amqp.errors import explain
from notifier.transport.amqp.transport import AmqpTransport
from notifier.transport.base import Transport, TransportError, encode
from tests.notifier.transport.carriers import RabbitCarrier, a_ticket, settles, take
from tests.support.servers.processes import wait_until
from tests.support.servers.programs import require
from tests.support.servers.rabbitmq import RabbitServer

EMAIL, SMS = Channel.EMAIL, Channel.SMS
IDLE = 0.05


@pytest.fixture
def transport(rabbit: RabbitCarrier) -> Iterator[Transport]:
    with closing(rabbit.transport()) as transport:
        yield transport


def vhost(url: str) -> str:
    return urlsplit(url).path[1:]


# --- What it declares and sends ---------------------------------------------------------------------------------------
def test_a_ticket_carries_the_documented_properties(rabbit: RabbitCarrier, transport: Transport) -> None:
    transport.publish([a_ticket(1), a_ticket(2)])

    with rabbit.channel() as link:
        (method, first, body), (_, second, _) = (link.basic_get("notifier.email") for _ in range(2))

    assert (method.exchange, method.routing_key, body) == ("notifier", "email", encode(a_ticket(1)))
    assert (first.content_type, first.type, first.delivery_mode) == ("application/json", "notifier.ticket", 2)
    assert uuid.UUID(first.message_id) != uuid.UUID(second.message_id)
    assert uuid.UUID(first.message_id).version == 4


@pytest.mark.parametrize("first", ["publisher", "consumer"])
def test_whoever_starts_first_declares_everything(
    rabbit: RabbitCarrier, rabbitmq_server: RabbitServer, transport: Transport, first: str
) -> None:
    if first == "publisher":
        transport.publish([a_ticket()])
    else:
        with closing(transport.receive(EMAIL, IDLE)) as tickets:  # type: ignore[type-var]
            assert next(tickets) is None

    quorum = [("x-queue-type", "quorum")]
    letters = [("x-dead-letter-exchange", "notifier"), ("x-dead-letter-routing-key", "dead"), *quorum]
    assert settles(
        lambda: queues(rabbit, rabbitmq_server),
        [
            ("notifier.dead", "true", "false", quorum),
            ("notifier.email", "true", "false", letters),
            ("notifier.sms", "true", "false", letters),
        ],
    )
    exchanges = rabbitmq_server.ctl("list_exchanges", "-p", vhost(rabbit.url), "name", "type", "durable")
    assert "notifier\tdirect\ttrue" in exchanges


def queues(rabbit: RabbitCarrier, server: RabbitServer) -> list[tuple[str, str, str, list[tuple[str, str]]]]:
    said = server.ctl("list_queues", "-p", vhost(rabbit.url), "name", "durable", "auto_delete", "arguments")
    rows = [line.split("\t") for line in said.splitlines()]
    pair = re.compile(r'\{"([^"]*)","([^"]*)"\}')
    return sorted((name, durable, goes, sorted(pair.findall(arguments))) for name, durable, goes, arguments in rows)


@pytest.mark.parametrize("key", ["email", "sms", "dead"])
@pytest.mark.parametrize("call", ["publish", "receive"])
def test_a_queue_that_was_declared_otherwise_is_named_with_the_cure(
    rabbit: RabbitCarrier, rabbitmq_server: RabbitServer, transport: Transport, call: str, key: str
) -> None:
    with rabbit.channel() as link:
        link.queue_declare(f"notifier.{key}", durable=True)

    with pytest.raises(TransportError) as caught:
        transport.publish([a_ticket()]) if call == "publish" else next(transport.receive(EMAIL, 30))

    said = str(caught.value)
    cure = f"rabbitmqctl delete_queue -p {vhost(rabbit.url)} notifier.{key}"
    assert f"'notifier.{key}'" in said
    assert cure in said[:300]  # what pages show of it
    rabbitmq_server.ctl(*cure.split()[1:])
    transport.publish([a_ticket()])


def test_only_what_was_declared_otherwise_is_to_be_deleted() -> None:
    too_late = "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value used: 1800000 ms."

    said = explain(ChannelClosedByBroker(406, too_late), "amqp://guest:guest@broker/")

    assert said.startswith("RabbitMQ at broker can’t be used: ")
    assert "timed out" in said
    assert "delete" not in said.lower()


# --- Faults -----------------------------------------------------------------------------------------------------------
def test_heartbeats_go_on_while_the_consumer_is_busy_for_longer_than_two(rabbit: RabbitCarrier) -> None:
    transport = AmqpTransport(f"{rabbit.url}?heartbeat=2")
    transport.publish([a_ticket()])
    with closing(transport.receive(EMAIL, IDLE)) as tickets:  # type: ignore[type-var]
        received = take(tickets)

        time.sleep(6)  # the work itself; a silent connection is dropped after two heartbeats, so after four seconds

        received.ack()
        assert [next(tickets) for _ in range(3)] == [None] * 3
    transport.close()
    with closing(rabbit.transport()) as other:
        assert other.depth(EMAIL) == 0


def test_a_publisher_may_be_silent_for_longer_than_two_heartbeats(
    rabbit: RabbitCarrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEARTBEAT_SECONDS", 2)
    with closing(rabbit.transport()) as transport:
        transport.publish([a_ticket()])

        time.sleep(6)  # the silence itself

        transport.publish([a_ticket()])
    with closing(rabbit.transport()) as other:
        assert settles(lambda: other.depth(EMAIL), 2)


def test_a_queue_deleted_while_receiving_is_an_error_and_the_next_receive_works(
    rabbit: RabbitCarrier, transport: Transport
) -> None:
    tickets = transport.receive(EMAIL, IDLE)
    transport.publish([a_ticket(1)])
    take(tickets).ack()

    rabbit.lose_everything()

    with pytest.raises(TransportError, match=r"removed the queue notifier\.email\."):
        take(tickets)
    transport.publish([a_ticket(2)])
    with closing(transport.receive(EMAIL, IDLE)) as again:  # type: ignore[type-var]
        assert take(again).ticket == a_ticket(2)


def test_a_connection_that_dies_is_an_error_and_what_it_held_comes_again(
    rabbit: RabbitCarrier, rabbitmq_server: RabbitServer, transport: Transport
) -> None:
    tickets = transport.receive(EMAIL, IDLE)
    transport.publish([a_ticket()])
    held = take(tickets)

    rabbitmq_server.close_connections(rabbit.url)

    with pytest.raises(TransportError, match=r"127\.0\.0\.1"):
        take(tickets)
    held.ack()  # lost with its connection, and no fault
    with closing(transport.receive(EMAIL, IDLE)) as again:  # type: ignore[type-var]
        assert take(again).ticket == a_ticket()


def test_a_broker_that_keeps_its_tickets_to_itself_is_an_error_and_a_new_connection_gets_them(
    rabbit: RabbitCarrier, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a node dies with our answers on their way: the broker waits for these, and we for more tickets."""
    monkeypatch.setattr(receiver, "WITHHELD_CHECK_SECONDS", 0.5)
    monkeypatch.setattr(BlockingChannel, "basic_ack", lambda self, tag: None)
    tickets = transport.receive(EMAIL, IDLE)
    transport.publish([a_ticket(number) for number in range(1, receiver.PREFETCH + 2)])
    for _ in range(receiver.PREFETCH):
        take(tickets).ack()

    with pytest.raises(TransportError, match=r"keeps 1 tickets in notifier\.email to itself"):
        take(tickets)

    with closing(transport.receive(EMAIL, IDLE)) as again:  # type: ignore[type-var]
        assert {take(again).ticket for _ in range(receiver.PREFETCH)} <= {a_ticket(1), a_ticket(2), a_ticket(3)}


def test_a_consumer_that_has_a_ticket_in_work_asks_for_no_more(
    rabbit: RabbitCarrier, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver, "WITHHELD_CHECK_SECONDS", 0.1)
    tickets = transport.receive(EMAIL, IDLE)
    transport.publish([a_ticket(number) for number in range(1, receiver.PREFETCH + 3)])
    held = [take(tickets) for _ in range(receiver.PREFETCH)]

    assert [next(tickets) for _ in range(30)] == [None] * 30

    for received in held:
        received.ack()
    assert {take(tickets).ticket for _ in range(2)} == {a_ticket(3), a_ticket(4)}


def test_a_publisher_whose_connection_died_fails_once_at_most(
    rabbit: RabbitCarrier, rabbitmq_server: RabbitServer, transport: Transport
) -> None:
    transport.publish([a_ticket()])
    rabbitmq_server.close_connections(rabbit.url)

    with pytest.raises(TransportError, match=r"127\.0\.0\.1"):
        transport.publish([a_ticket()])

    transport.publish([a_ticket()])
    assert settles(lambda: transport.depth(EMAIL) >= 2, True)


def test_a_wrong_password_is_an_error_that_does_not_give_it(rabbitmq_server: RabbitServer) -> None:
    url = f"amqp://guest:s3cret@127.0.0.1:{rabbitmq_server.port}/"

    for call in (lambda: AmqpTransport(url).depth(EMAIL), lambda: next(AmqpTransport(url).receive(EMAIL, 30))):
        with pytest.raises(TransportError, match=r"127\.0\.0\.1") as caught:
            call()
        assert "s3cret" not in str(caught.value)
        assert "ACCESS_REFUSED" in str(caught.value)


def test_a_vhost_that_is_not_there_is_an_error(rabbitmq_server: RabbitServer) -> None:
    with pytest.raises(TransportError, match="vhost nowhere not found"):
        AmqpTransport(rabbitmq_server.url("nowhere")).depth(EMAIL)


def test_a_message_that_fits_no_queue_is_not_taken_for_published(
    rabbit: RabbitCarrier, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport.publish([a_ticket()])
    with rabbit.channel() as link:
        for key in ("email", "sms", "dead"):
            link.queue_delete(f"notifier.{key}")
    monkeypatch.setattr(topology, "declare", lambda channel: None)  # somebody deletes faster than we declare

    with pytest.raises(TransportError, match="no queue"):
        transport.publish([a_ticket()])


def test_a_connection_is_left_to_nobody(rabbit: RabbitCarrier, rabbitmq_server: RabbitServer) -> None:
    with closing(rabbit.transport()) as transport:
        transport.publish([a_ticket()])
        transport.depth(EMAIL)
        with closing(transport.receive(EMAIL, IDLE)) as tickets:  # type: ignore[type-var]
            take(tickets).ack()
    threads = [thread.name for thread in threading.enumerate() if thread.name.startswith("link to")]

    assert threads == []
    assert settles(lambda: rabbitmq_server.connections(rabbit.url), 0)


@pytest.fixture(scope="module")
def private_rabbit() -> Iterator[RabbitServer]:
    """A server of our own, for what would be felt by others."""
    with require(RabbitServer) as server:
        yield server


def _is_refused(transport: AmqpTransport) -> bool:
    try:
        transport.publish([a_ticket(2)])
    except TransportError:
        return True
    return False


def test_an_alarm_makes_publishing_an_error_in_time_and_leaves_receiving_alone(
    private_rabbit: RabbitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "BLOCKED_TIMEOUT_SECONDS", 1)
    with closing(AmqpTransport(private_rabbit.create_vhost())) as transport:
        transport.publish([a_ticket(1)])

        private_rabbit.ctl("set_vm_memory_high_watermark", "0.0000001")
        # The node compares its memory with the mark now and then: until it has, it takes what it is given.
        wait_until(lambda: _is_refused(transport), what="the alarm")
        with pytest.raises(TransportError, match="memory or disk alarm"):
            transport.publish([a_ticket(2)])
        with pytest.raises(TransportError, match="memory or disk alarm"):
            transport.check()
        with closing(transport.receive(EMAIL, IDLE)) as tickets:  # type: ignore[type-var]
            assert take(tickets).ticket == a_ticket(1)

        private_rabbit.ctl("set_vm_memory_high_watermark", "0.9")
        transport.check()
        transport.publish([a_ticket(3)])
        assert transport.depth(EMAIL) >= 1


def test_tickets_survive_a_restart_of_the_broker(private_rabbit: RabbitServer, monkeypatch: pytest.MonkeyPatch) -> None:
    # However long the restart takes, the old connection is not given up for its age.
    monkeypatch.setattr(connections, "HEARTBEAT_SECONDS", 10_000)
    with closing(AmqpTransport(private_rabbit.url())) as transport:
        transport.publish([a_ticket()])

        private_rabbit.kill()
        private_rabbit.start()

        # The first use of a dead connection is an error. That is the look, where the start took longer than half a
        # heartbeat: then publishing connects anew beforehand.
        with suppress(TransportError):
            transport.publish([a_ticket()])
            transport.depth(EMAIL)
        assert settles(lambda: transport.depth(EMAIL) in (1, 2), True)
