"""The product itself: its commands as real processes, around one database, one broker and the providers' fakes."""

import itertools
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Self
from urllib.request import urlopen

import psycopg

from tests.support.servers import commands, processes, templates
from tests.support.servers.processes import PATIENCE_SECONDS, Process

PROJECT = Path(__file__).resolve().parents[3]


class Stack:
    """Further settings come as keywords: `Stack(folder=…, database_url=…, LEASE_SECONDS="3")`.

    With `forks` one process runs all management commands, and the others begin with the libraries loaded: whoever asks
    for it ends the stack with `kill_all`.
    """

    def __init__(
        self,
        *,
        folder: Path,
        database_url: str = "",
        broker_url: str = "database://",
        email_url: str = "dummymail://",
        sms_url: str = "null://",
        forks: bool = False,
        **settings: str,
    ) -> None:
        self.folder = folder
        self.database_url = database_url or f"sqlite:///{folder}/stack.sqlite3"
        self.env = os.environ | {
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "PYTHONUNBUFFERED": "1",
            "DATABASE_URL": self.database_url,
            "BROKER_URL": broker_url,
            "EMAIL_URL": email_url,
            # With any on this machine each command would warn that clients can't follow their links.
            "PUBLIC_URL": "https://notifier.example.com",
            "PICTURES_DIR": str(folder / "pictures"),
            "SMS_URL": sms_url,
            **settings,
        }
        # The tests' own: a child must not take it for its database.
        self.env.pop("TEST_POSTGRES_URL", None)
        self.processes: list[Process] = []
        self._numbers = itertools.count(1)
        self._forks = forks
        self._commands: Process | None = None
        self._commands_env: dict[str, str] = {}
        # Not in the folder: an address may have 107 bytes.
        self._socket = processes.private_folder(prefix="commands") / "socket"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill_all()

    def migrate(self) -> None:
        self.manage("migrate", "--verbosity", "0")

    def prepare(self, *, clients: int = 0) -> None:
        """As `migrate` and `load_demo` would leave the database, which is new, but copied from one made before."""
        templates.copy(self.database_url, clients=clients, fill=self._fill)

    def _fill(self, url: str, clients: int) -> None:
        with Stack(folder=self.folder, database_url=url, forks=True) as template:
            if clients:
                template.manage("load_demo", "--clients", str(clients), "--seed", "7")
            else:
                template.migrate()

    def manage(
        self, *argv: str, check: bool = True, seconds: float = PATIENCE_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        """Runs a management command to its end. With `check`, a failure raises with what the command said."""
        if self._forks and self._has_commands():
            done = subprocess.CompletedProcess(argv, *commands.ask(self._socket, argv, seconds=seconds))
        else:
            done = self._manage_anew(argv, seconds=seconds)
        if check and done.returncode:
            raise AssertionError(f"{argv} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def _has_commands(self) -> bool:
        """Whether the process that runs commands is up, with the environment of now; starts it if it is not."""
        if self._commands and self._commands.is_running() and self._commands_env == self.env:
            return True
        if self._commands:
            self._commands.kill()
        self._socket.unlink(missing_ok=True)
        process = self._commands = Process(
            [sys.executable, "-m", "tests.support.servers.commands", self._socket],
            log=self.folder / "commands.log",
            env=self.env,
            cwd=PROJECT,
            forks=True,
        )
        self._commands_env = dict(self.env)
        processes.wait_until(
            lambda: self._socket.exists() or not process.is_running(), what="the process that runs commands"
        )
        return process.is_running()

    def _manage_anew(self, argv: Sequence[str], *, seconds: float) -> subprocess.CompletedProcess[str]:
        """In a process of its own, which tells what is wrong with its environment."""
        return subprocess.run(
            [sys.executable, "manage.py", *argv],
            cwd=PROJECT,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
        )

    def start(self, *argv: str, **settings: str) -> Process:
        """Starts a management command, `start("run_consumer", "email")`; `settings` are for this process only."""
        return self._spawn([sys.executable, "manage.py", *argv], name=argv[0], settings=settings)

    def serve(self, *, workers: int = 1, **settings: str) -> str:
        """Starts the web server as production has it, and returns its address once it answers."""
        port = processes.free_port()
        # With DEBUG static files come straight from their sources, so no collectstatic has to run first.
        options = [
            "-b",
            f"127.0.0.1:{port}",
            "-w",
            str(workers),
            "--threads",
            "4",
            "--worker-tmp-dir",
            str(self.folder),
        ]
        web = self._spawn(
            [sys.executable, "-m", "gunicorn", "config.wsgi", *options],
            name="web",
            settings={"DEBUG": "on", "HTTPS": "off", "PUBLIC_URL": f"http://127.0.0.1:{port}"} | settings,
        )
        address = f"http://127.0.0.1:{port}"
        processes.wait_until(lambda: _answers(web, f"{address}/healthz"), what=f"the page {address}")
        return address

    def _spawn(self, argv: Sequence[str], *, name: str, settings: dict[str, str]) -> Process:
        log = self.folder / f"{next(self._numbers):03d}-{name}.log"
        process = Process(argv, log=log, env=self.env | settings, cwd=PROJECT, forks=self._forks)
        self.processes.append(process)
        return process

    def stop_all(self) -> list[int]:
        """SIGTERM to each that still runs, all at once; their exit statuses in the order in which they were started."""
        running = [process for process in self.processes if process.is_running()]
        # One signal each: a second would mean "at once".
        for process in running:
            process.ask_to_stop()
        try:
            return [process.wait() for process in running]
        finally:
            self.kill_all()

    def kill_all(self) -> None:
        for process in [*self.processes, *([self._commands] if self._commands else [])]:
            process.kill()

    def query(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """The rows, read on a connection of its own, past Django. Parameters stand as `%s` on either database."""
        return self.transaction([(statement, *parameters)])

    def transaction(self, statements: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """As `query`, of several statements with their parameters, all or nothing; returns the rows of the first."""
        found = []
        if self.database_url.startswith("sqlite"):
            path = self.database_url.removeprefix("sqlite:///")
            with closing(sqlite3.connect(path, timeout=PATIENCE_SECONDS)) as connection, connection:
                # As Django defines it: a constraint uses it.
                connection.create_function("REGEXP", 2, lambda pattern, text: text and bool(re.search(pattern, text)))
                for statement, *parameters in statements:
                    found.append(connection.execute(statement.replace("%s", "?"), parameters).fetchall())
            return found[0]
        with psycopg.connect(self.database_url) as database:
            for statement, *parameters in statements:
                cursor = database.execute(statement, parameters or None)
                found.append(cursor.fetchall() if cursor.description else [])
        return found[0]

    def states(self) -> dict[tuple[str, str], int]:
        """How many deliveries there are by (channel, state)."""
        counted = self.query("SELECT channel, state, COUNT(*) FROM notifier_delivery GROUP BY channel, state")
        return {(channel, state): count for channel, state, count in counted}


def _answers(web: Process, address: str) -> bool:
    if not web.is_running():
        raise AssertionError(f"the web server ended:\n{web.output()[-4000:]}")
    try:
        with urlopen(address, timeout=PATIENCE_SECONDS) as response:
            return bool(response.status == 200)
    except OSError:
        return False
