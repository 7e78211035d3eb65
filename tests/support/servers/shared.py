"""One PostgreSQL and one RabbitMQ for a whole run: each test takes a database or a vhost of its own in them.

Whoever begins the run starts them and names them in the environment, where all its processes find them. Outside such
a run each process starts its own. What stops or kills a server always starts one of its own.
"""

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.servers import processes
from tests.support.servers.postgres import PostgresServer, SharedPostgres
from tests.support.servers.programs import ProgramMissing
from tests.support.servers.rabbitmq import RabbitServer, SharedRabbit

POSTGRES = "TEST_SHARED_POSTGRES"
RABBITMQ = "TEST_SHARED_RABBITMQ"
FOLDER = "TEST_SHARED_FOLDER"


def postgres() -> PostgresServer:
    """The run's, or a new one. Raises `ProgramMissing` where there is none."""
    known = os.environ.get(POSTGRES)
    return SharedPostgres(int(known)) if known else PostgresServer()


def rabbitmq() -> RabbitServer:
    """The run's, or a new one. Raises `ProgramMissing` where there is none."""
    known = os.environ.get(RABBITMQ)
    return SharedRabbit(**json.loads(known)) if known else RabbitServer()


@cache
def folder() -> Path:
    """For what the run makes once: the run's, or a new one of this process."""
    known = os.environ.get(FOLDER)
    return Path(known) if known else processes.private_folder(prefix="shared")


@contextmanager
def for_the_whole_run() -> Iterator[None]:
    """Both, for this process and its children; what is not installed is left to the tests, which tell it."""
    with ThreadPoolExecutor(2) as pool:
        started = [server for server in pool.map(_started, (PostgresServer, RabbitServer)) if server]
    names = dict(named(server) for server in started) | {FOLDER: str(folder())}
    os.environ.update(names)
    try:
        yield
    finally:
        for name in names:
            del os.environ[name]
        for server in started:
            server.close()
        processes.remove_folder(folder())
        folder.cache_clear()


Server = PostgresServer | RabbitServer


def _started(make: Callable[[], Server]) -> Server | None:
    try:
        server = make()
    except ProgramMissing:
        return None
    server.start()
    return server


def named(server: Server) -> tuple[str, str]:
    """The environment variable by which others find it."""
    if isinstance(server, PostgresServer):
        return POSTGRES, str(server.port)
    known: dict[str, Any] = {
        "port": server.port,
        "distribution_port": server.distribution_port,
        "epmd_port": server.epmd_port,
        "node": server.node,
        "folder": str(server.folder),
    }
    return RABBITMQ, json.dumps(known)
