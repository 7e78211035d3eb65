"""The servers that attacks run against and upon: started when first asked for, shared by all attacks of one process."""

import shutil
from enum import StrEnum
from pathlib import Path
from typing import Self

from tests.support.servers import processes
from tests.support.servers.postgres import PostgresServer
from tests.support.servers.rabbitmq import RabbitCluster, RabbitServer
from tests.support.servers.stack import Stack


class Engine(StrEnum):
    #: SQLite, and the queue in it.
    EMBEDDED = "embedded"
    #: PostgreSQL and RabbitMQ.
    SCALED = "scaled"


class Servers:
    """An attack may do anything to them, and leaves them running."""

    def __init__(self) -> None:
        self.folder = processes.private_folder(prefix="faults")
        self._postgres: PostgresServer | None = None
        self._rabbit: RabbitServer | None = None
        self._cluster: RabbitCluster | None = None
        self._templates: dict[tuple[Engine, int], str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def postgres(self) -> PostgresServer:
        """Raises `ProgramMissing` where there is none."""
        if self._postgres is None:
            server = PostgresServer()
            server.start()
            self._postgres = server
        return self._postgres

    @property
    def rabbit(self) -> RabbitServer:
        """Raises `ProgramMissing` where there is none."""
        if self._rabbit is None:
            server = RabbitServer()
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
        template = self._template(engine, clients)
        if engine is Engine.SCALED:
            return self.postgres.create_database(template=template.rpartition("/")[2])
        copy = folder / "faults.sqlite3"
        shutil.copyfile(template.removeprefix("sqlite:///"), copy)
        return f"sqlite:///{copy}"

    def broker(self, engine: Engine) -> str:
        return self.rabbit.create_vhost() if engine is Engine.SCALED else "database://"

    def _template(self, engine: Engine, clients: int) -> str:
        """Migrated and filled once; a copy takes a tenth of the time."""
        if (engine, clients) not in self._templates:
            folder = self.folder / f"{engine}-{clients}"
            folder.mkdir()
            url = self.postgres.create_database() if engine is Engine.SCALED else ""
            with Stack(folder=folder, database_url=url) as stack:
                stack.migrate()
                stack.manage("load_demo", "--clients", str(clients), "--seed", "7")
                if engine is Engine.EMBEDDED:
                    # Everything into the one file that is copied.
                    stack.query("PRAGMA wal_checkpoint(TRUNCATE)")
                self._templates[engine, clients] = stack.database_url
        return self._templates[engine, clients]

    def close(self) -> None:
        for server in (self._cluster, self._rabbit, self._postgres):
            if server:
                server.close()
        processes.remove_folder(self.folder)
