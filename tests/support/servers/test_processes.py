import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from pika import BlockingConnection, URLParameters

from tests.support.servers import processes
from tests.support.servers.postgres import PostgresServer
from tests.support.servers.processes import Process, wait_until
from tests.support.servers.programs import ProgramMissing, require
from tests.support.servers.rabbitmq import RabbitServer, accepts

PROJECT = Path(__file__).resolve().parents[3]


def a_process(tmp_path: Path, code: str) -> Process:
    return Process([sys.executable, "-c", code], log=tmp_path / "child.log", env=os.environ, cwd=tmp_path)


def is_alive(pid: int) -> bool:
    try:
        # A zombie has ended: nobody may be there to collect it.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_waiting_ends_with_the_first_true_value() -> None:
    values = iter([0, "", 7])

    assert wait_until(lambda: next(values)) == 7


def test_waiting_in_vain_says_for_what() -> None:
    with pytest.raises(AssertionError, match="for the moon"):
        wait_until(lambda: False, deadline=0.01, what="the moon")


def test_a_stopped_process_tells_its_exit_status_and_output(tmp_path: Path) -> None:
    process = a_process(
        tmp_path,
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)",
    )
    wait_until(lambda: "ready" in process.output())

    assert process.stop() == 3
    assert not process.is_running()


def test_a_kill_takes_the_children_along(tmp_path: Path) -> None:
    process = a_process(
        tmp_path,
        "import subprocess, time\n"
        "child = subprocess.Popen(['sleep', '60'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)",
    )
    child = int(wait_until(lambda: process.output().strip()))

    process.kill()

    assert process.returncode() == -signal.SIGKILL
    wait_until(lambda: not is_alive(child), what="the child's end")


def test_nothing_outlives_a_test_process_that_was_killed(tmp_path: Path) -> None:
    parent = a_process(
        tmp_path,
        f"import os, sys; sys.path.insert(0, {str(PROJECT)!r})\n"
        "from pathlib import Path\n"
        "from tests.support.servers.processes import Process, private_folder\n"
        "folder = private_folder(prefix='orphan')\n"
        "child = Process(['sleep', '60'], log=folder / 'log', env=os.environ, cwd=folder)\n"
        "print(child.pid, folder, flush=True)\n"
        "child.wait()",
    )
    pid, folder = wait_until(lambda: parent.output().split())

    parent.kill()

    wait_until(lambda: not is_alive(int(pid)), what="the orphan's end")
    wait_until(lambda: not Path(folder).exists(), what="the folder's end")


def test_a_free_port_is_free() -> None:
    assert not accepts(processes.free_port())


def test_a_missing_program_skips_on_a_laptop_and_fails_on_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    def find() -> None:
        raise ProgramMissing("no such program")

    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no such program"):
        require(find)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no such program"):
        require(find)


def test_postgres_keeps_what_was_committed_before_a_kill() -> None:
    with require(PostgresServer) as server:
        url = server.create_database()
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS value")

        server.kill()
        assert not server.answers()
        server.start()

        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT value FROM kept").fetchall() == [(7,)]


def test_postgres_ends_sessions_on_request(postgres_server: PostgresServer, postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        assert postgres_server.terminate_backends(postgres_url) >= 1

        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


def test_postgres_listens_on_loopback_only(postgres_server: PostgresServer) -> None:
    assert postgres_server.execute("SHOW listen_addresses") == [("127.0.0.1",)]
    assert postgres_server.execute("SHOW unix_socket_directories") == [("",)]


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


def test_servers_listen_on_loopback_only(rabbitmq_server: RabbitServer, postgres_server: PostgresServer) -> None:
    listening = subprocess.run(["ss", "-Hltn"], capture_output=True, text=True, check=True).stdout
    ours = (rabbitmq_server.port, rabbitmq_server.distribution_port, postgres_server.port)

    for port in ours:
        addresses = [line.split()[3] for line in listening.splitlines() if line.split()[3].endswith(f":{port}")]
        assert addresses == [f"127.0.0.1:{port}"]
