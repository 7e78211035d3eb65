"""What a run starts once and everything in it uses."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.servers import shared
from tests.support.servers.postgres import PostgresServer
from tests.support.servers.programs import require
from tests.support.servers.rabbitmq import RabbitServer
from tests.support.servers.stack import Stack
from tests.support.suite.runner import PROJECT

#: Prints what a process of the run finds: the ports of both servers, and what it is told who would stop one.
LOOK = """
from tests.support.servers import shared
postgres, rabbit = shared.postgres(), shared.rabbitmq()
vhost = rabbit.create_vhost().rpartition("/")[2]
print(postgres.port, rabbit.port, postgres.answers(), vhost in rabbit.ctl("list_vhosts"))
for server in (postgres, rabbit):
    server.start()
    try:
        server.kill()
    except AssertionError as error:
        print(error)
    server.close()
"""


@pytest.fixture
def run(postgres_server: PostgresServer, rabbitmq_server: RabbitServer) -> dict[str, str]:
    """The environment of a run whose servers are these."""
    return os.environ | dict(shared.named(server) for server in (postgres_server, rabbitmq_server))


def test_every_process_of_a_run_finds_its_servers_and_stops_none(
    run: dict[str, str], postgres_server: PostgresServer, rabbitmq_server: RabbitServer
) -> None:
    done = subprocess.run([sys.executable, "-c", LOOK], cwd=PROJECT, env=run, capture_output=True, text=True)

    first, *others = done.stdout.splitlines()
    assert first == f"{postgres_server.port} {rabbitmq_server.port} True True", done.stderr
    assert [text.partition(":")[0] for text in others] == [
        "this PostgreSQL serves the whole run",
        "this RabbitMQ serves the whole run",
    ]
    assert postgres_server.answers()
    assert rabbitmq_server.ctl("list_vhosts")


def test_outside_of_a_run_a_server_is_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(shared.POSTGRES, raising=False)

    server = require(shared.postgres)

    assert server.folder.exists()
    server.close()


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_copied_database_is_as_the_commands_make_it(
    tmp_path: Path, engine: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = request.getfixturevalue("postgres_url") if engine == "postgresql" else ""
    made: list[tuple[str, ...]] = []
    manage: Callable[..., object] = Stack.manage

    def noted(self: Stack, *argv: str) -> object:
        made.append(argv)
        return manage(self, *argv)

    monkeypatch.setattr(Stack, "manage", noted)

    for clients in (3, 3, 4):
        stack = Stack(folder=tmp_path, database_url=url)
        stack.prepare(clients=clients)

        assert stack.query("SELECT COUNT(*) FROM notifier_client") == [(clients,)]
        assert stack.query("SELECT name FROM notifier_topic WHERE slug = %s", "listings") == [("Listings",)]
        assert stack.query("SELECT id FROM notifier_client WHERE name = %s", "changed") == []
        stack.query("UPDATE notifier_client SET name = %s", "changed")

    names = [argv[0] for argv in made]
    assert names.count("migrate") <= 1, "tables are made once, whoever comes into them"
    assert names.count("load_demo") <= 2, "a template is made once"
