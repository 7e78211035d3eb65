"""A private PostgreSQL on loopback, for tests that stop, kill and restart it."""

import itertools
import os
import signal
from pathlib import Path
from typing import Any, Self

import psycopg
from psycopg import sql

from tests.support.servers import processes
from tests.support.servers.processes import Process
from tests.support.servers.programs import postgres_programs

OPTIONS = {
    # Commits reach the kernel and not the disk: they survive kill -9 of every process, and that is all a test does.
    # synchronous_commit stays on, because without it a kill does lose the last ones.
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
}


class PostgresServer:
    def __init__(self) -> None:
        self._programs = postgres_programs()
        self._user = processes.servants_name("postgres")
        self.folder = processes.private_folder(prefix="postgres", user=self._user)
        self.port = processes.free_port()
        self.process: Process | None = None
        self._numbers = itertools.count(1)
        self._run("initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _env(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.folder), "LC_ALL": "C.UTF-8"}

    def _run(self, program: str, *argv: str | Path) -> str:
        return processes.run_as([self._programs / program, *argv], user=self._user, env=self._env, cwd=Path("/"))

    def url(self, database: str = "postgres") -> str:
        """The address as DATABASE_URL takes it; psycopg takes it too."""
        return f"postgres://postgres@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Returns once it answers. Raises `AssertionError` with its log if it doesn't come up."""
        processes.wait_until(self._comes_up, what=f"PostgreSQL, see {self.folder}")

    def _comes_up(self) -> bool:
        # After a kill -9 the first tries may end at once: the old server's children still hold its shared memory.
        if self.process is None or not self.process.is_running():
            self._spawn()
        return self.answers()

    def _spawn(self) -> None:
        options = [part for name, value in OPTIONS.items() for part in ("-c", f"{name}={value}")]
        argv = [str(self._programs / "postgres"), "-D", str(self._data), "-p", str(self.port), *options]
        self.process = Process(argv, log=self.folder / "server.log", env=self._env, cwd=Path("/"), user=self._user)

    def answers(self) -> bool:
        try:
            psycopg.connect(self.url(), connect_timeout=10).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, *, mode: str = "fast") -> None:
        """`fast` ends the sessions in order; `immediate` leaves recovery to the next start."""
        if self.process:
            self.process.stop(number=signal.SIGQUIT if mode == "immediate" else signal.SIGINT)

    def restart(self, *, mode: str = "fast") -> None:
        self.stop(mode=mode)
        self.start()

    def kill(self) -> None:
        """SIGKILL, without a word to anybody. The sessions' own processes notice and end."""
        if self.process:
            self.process.kill()

    def close(self) -> None:
        self.stop(mode="immediate")
        processes.remove_folder(self.folder)

    def execute(self, statement: str | sql.Composed, *parameters: Any) -> list[tuple[Any, ...]]:
        """Runs it in the maintenance database, outside a transaction."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            cursor = connection.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def create_database(self, *, template: str | None = None) -> str:
        """The DATABASE_URL of a new database: empty, or a copy of `template`, which nobody may be connected to."""
        name = f"notifier_{os.getpid()}_{next(self._numbers)}"
        source = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        self.execute(source.format(sql.Identifier(name), sql.Identifier(template or "template1")))
        return self.url(name)

    def drop_database(self, url: str) -> None:
        name = sql.Identifier(url.rpartition("/")[2])
        self.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))

    def terminate_backends(self, url: str = "") -> int:
        """Ends every client session but the one that asks, or those of one database; returns how many there were."""
        return len(
            self.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND %s::text IN ('', datname)",
                url.rpartition("/")[2],
            )
        )


class SharedPostgres(PostgresServer):
    """One that somebody else started, who stops it too."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.process = None
        self._numbers = itertools.count(1)

    def start(self) -> None:
        """It runs."""

    def stop(self, *, mode: str = "fast") -> None:
        raise AssertionError("this PostgreSQL serves the whole run: whoever stops one starts one of their own")

    def kill(self) -> None:
        self.stop()

    def close(self) -> None:
        """It serves others."""
