"""The servers that attacks run against and upon: started when first asked for, shared by all attacks of one process."""

from enum import StrEnum
from pathlib import Path
from typing import Self

from tests.support.servers import shared
from tests.support.servers.postgres import PostgresServer
from tests.support.servers.rabbitmq import RabbitCluster, RabbitServer
from tests.support.servers.stack import Stack


class Engine(StrEnum):
    #: SQLite, and the queue in it.
    EMBEDDED = "embedded"
    #: PostgreSQL and RabbitMQ.
    SCALED = "scaled"


class Servers:
    """An attack may do anything to them, and leaves them running; unless they are shared with everybody in the run."""

    def __init__(self, *, are_shared: bool = False) -> None:
        self._are_shared = are_shared
        self._postgres: PostgresServer | None = None
        self._rabbit: RabbitServer | None = None
        self._cluster: RabbitCluster | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def postgres(self) -> PostgresServer:
        """Raises `ProgramMissing` where there is none."""
        if self._postgres is None:
            server = shared.postgres() if self._are_shared else PostgresServer()
            server.start()
            self._postgres = server
        return self._postgres

    @property
    def rabbit(self) -> RabbitServer:
        """Raises `ProgramMissing` where there is none."""
        if self._rabbit is None:
            server = shared.rabbitmq() if self._are_shared else RabbitServer()
            server.start()
            self._rabbit = server
        return self._rabbit

    @property
    def cluster(self) -> RabbitCluster:
        """Whole: nodes that an attack killed come back. Raises `ProgramMissing` where there is none."""
        if self._cluster is None:
            self._cluster = RabbitCluster()
        self._cluster.start()
        return self._cluster

    def database(self, engine: Engine, *, clients: int, folder: Path) -> str:
        """The DATABASE_URL of a new database with so many demo clients."""
        url = self.postgres.create_database() if engine is Engine.SCALED else f"sqlite:///{folder}/faults.sqlite3"
        Stack(folder=folder, database_url=url).prepare(clients=clients)
        return url

    def broker(self, engine: Engine) -> str:
        return self.rabbit.create_vhost() if engine is Engine.SCALED else "database://"

    def close(self) -> None:
        for server in (self._cluster, self._rabbit, self._postgres):
            if server:
                server.close()
