import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from pika import BlockingConnection, URLParameters
from pika.exceptions import ConnectionClosedByBroker

from tests.support.servers.postgres import PostgresServer
from tests.support.servers.processes import PATIENCE_SECONDS, wait_until
from tests.support.servers.programs import require
from tests.support.servers.rabbitmq import RabbitServer


def test_rabbitmq_gives_each_test_a_vhost_of_its_own(rabbitmq_server: RabbitServer, amqp_url: str) -> None:
    connection = BlockingConnection(URLParameters(amqp_url))
    connection.channel().queue_declare("here", durable=True, arguments={"x-queue-type": "quorum"})
    other = rabbitmq_server.create_vhost()

    assert rabbitmq_server.ctl("list_queues", "-p", amqp_url.rpartition("/")[2], "name").split() == ["here"]
    assert rabbitmq_server.ctl("list_queues", "-p", other.rpartition("/")[2], "name").split() == []
    connection.close()


def test_rabbitmq_keeps_its_queues_over_a_kill_and_loses_them_when_wiped() -> None:
    with require(RabbitServer) as server:
        connection = BlockingConnection(URLParameters(server.url()))
        connection.channel().queue_declare("kept", durable=True, arguments={"x-queue-type": "quorum"})
        server.kill()
        with pytest.raises(Exception, match=r".*"):
            connection.process_data_events()

        server.start()
        assert server.ctl("list_queues", "name").split() == ["kept"]

        server.wipe()
        assert server.ctl("list_queues", "name").split() == []


def test_what_an_administrator_does_is_done_to_one_vhost(rabbitmq_server: RabbitServer, amqp_url: str) -> None:
    other_url = rabbitmq_server.create_vhost()
    connection, other = (BlockingConnection(URLParameters(url)) for url in (amqp_url, other_url))
    channel = connection.channel()
    channel.queue_declare("here", durable=True, arguments={"x-queue-type": "quorum"})
    channel.confirm_delivery()
    channel.basic_publish("", "here", b"a message")
    assert rabbitmq_server.connections(amqp_url) == 1
    wait_until(lambda: rabbitmq_server.ready(amqp_url) == 1, what="the message to be ready")

    rabbitmq_server.close_connections(amqp_url)

    with pytest.raises(ConnectionClosedByBroker):
        connection.process_data_events(time_limit=PATIENCE_SECONDS)
    assert other.is_open
    assert rabbitmq_server.connections(other_url) == 1
    other.close()


def test_several_ask_the_node_at_the_same_time(rabbitmq_server: RabbitServer) -> None:
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(rabbitmq_server.evaluate, f"timer:sleep(500), {number}.") for number in range(8)]

    assert [one.result() for one in asked] == [str(number) for number in range(8)]


def test_what_the_node_refuses_is_raised(rabbitmq_server: RabbitServer, amqp_url: str) -> None:
    assert rabbitmq_server.evaluate("1 + 1.") == "2"
    with pytest.raises(RuntimeError, match="badmatch"):
        rabbitmq_server.evaluate("1 = 2.")
    rabbitmq_server.delete_vhost(amqp_url)
    with pytest.raises(RuntimeError, match="no_such_vhost"):
        rabbitmq_server.delete_vhost(amqp_url)


def test_servers_listen_on_loopback_only(rabbitmq_server: RabbitServer, postgres_server: PostgresServer) -> None:
    listening = subprocess.run(["ss", "-Hltn"], capture_output=True, text=True, check=True).stdout
    ours = (rabbitmq_server.port, rabbitmq_server.distribution_port, postgres_server.port)

    for port in ours:
        addresses = [line.split()[3] for line in listening.splitlines() if line.split()[3].endswith(f":{port}")]
        assert addresses == [f"127.0.0.1:{port}"]
