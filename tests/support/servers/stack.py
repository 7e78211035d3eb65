"""The product itself: its commands as real processes, around one database, one broker and the providers' fakes."""

import itertools
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Self
from urllib.request import urlopen

import psycopg

from tests.support.servers import processes
from tests.support.servers.processes import Process

PROJECT = Path(__file__).resolve().parents[3]


class Stack:
    """Further settings come as keywords: `Stack(folder=…, database_url=…, LEASE_SECONDS="3")`."""

    def __init__(
        self,
        *,
        folder: Path,
        database_url: str = "",
        broker_url: str = "database://",
        email_url: str = "dummymail://",
        sms_url: str = "null://",
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
            "SMS_URL": sms_url,
            **settings,
        }
        # The tests' own: a child must not take it for its database.
        self.env.pop("TEST_POSTGRES_URL", None)
        self.processes: list[Process] = []
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill_all()

    def migrate(self) -> None:
        self.manage("migrate", "--verbosity", "0")

    def manage(self, *argv: str, check: bool = True, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """Runs a management command to its end. With `check`, a failure raises with what the command said."""
        done = subprocess.run(
            [sys.executable, "manage.py", *argv],
            cwd=PROJECT,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
        )
        if check and done.returncode:
            raise AssertionError(f"{argv} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

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
        processes.wait_until(lambda: _answers(web, f"{address}/healthz"), deadline=30, what=f"the page {address}")
        return address

    def _spawn(self, argv: Sequence[str], *, name: str, settings: dict[str, str]) -> Process:
        log = self.folder / f"{next(self._numbers):03d}-{name}.log"
        process = Process(argv, log=log, env=self.env | settings, cwd=PROJECT)
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
        for process in self.processes:
            process.kill()

    def query(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """The rows, read on a connection of its own, past Django. Parameters stand as `%s` on either database."""
        if self.database_url.startswith("sqlite"):
            path = self.database_url.removeprefix("sqlite:///")
            with closing(sqlite3.connect(path, timeout=20)) as connection, connection:
                # As Django defines it: a constraint uses it.
                connection.create_function("REGEXP", 2, lambda pattern, text: text and bool(re.search(pattern, text)))
                return connection.execute(statement.replace("%s", "?"), parameters).fetchall()
        with psycopg.connect(self.database_url) as database:
            cursor = database.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def states(self) -> dict[tuple[str, str], int]:
        """How many deliveries there are by (channel, state)."""
        counted = self.query("SELECT channel, state, COUNT(*) FROM notifier_delivery GROUP BY channel, state")
        return {(channel, state): count for channel, state, count in counted}


def _answers(web: Process, address: str) -> bool:
    if not web.is_running():
        raise AssertionError(f"the web server ended:\n{web.output()[-4000:]}")
    try:
        with urlopen(address, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False
