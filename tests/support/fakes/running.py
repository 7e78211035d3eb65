"""Runs a fake provider: on a thread of the test process, or as a process of its own."""

import argparse
import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from tests.support.fakes.rules import AcceptanceLog, LogReader, Rule, RuleBook, write_rules
from tests.support.servers import processes
from tests.support.servers.processes import Process

PROJECT = Path(__file__).resolve().parents[3]
#: Of a longer text a process keeps no more: three times 12 MB would keep it from answering the next in time.
MAX_TEXT_BYTES = 100_000


class Sink:
    """What all connections of one fake share."""

    def __init__(self, *, log: Path, rules: RuleBook, text_bytes: int) -> None:
        self.log = AcceptanceLog(log)
        self._strikes = AcceptanceLog(log.with_suffix(".strikes"))
        self.rules = rules
        #: How much of each text is logged.
        self.text_bytes = text_bytes
        #: Connections taken since the start.
        self.connections = 0
        self.open: set[asyncio.Transport] = set()
        #: (phase, recipient) of those that asked for trouble once and had it.
        self.troubled: set[tuple[str, str]] = set()

    def note_strike(self, rule: Rule, recipients: Iterable[str]) -> None:
        self._strikes.append(
            {"phase": rule.phase, "name": rule.name, "recipients": list(recipients), "struck_at": time.time()}
        )

    def close(self) -> None:
        self.log.close()
        self._strikes.close()


Session = Callable[[Sink], asyncio.Protocol]


class ThreadedFake:
    """On a thread: quick to start, for tests that run the product's code in their own process."""

    session: Session

    def __init__(self, *, folder: Path) -> None:
        self.log = folder / f"{type(self).__name__.lower()}.log"
        self.rules = RuleBook()
        self.port = 0
        self._sink = Sink(log=self.log, rules=self.rules, text_bytes=sys.maxsize)
        self._reader = LogReader(self.log)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name=type(self).__name__)
        self._thread.start()
        self._server: asyncio.Server | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(processes.PATIENCE_SECONDS)

    def start(self) -> None:
        """Listens, at the same port as before if it was stopped."""
        self._run(self._listen())

    async def _listen(self) -> None:
        self._server = await self._loop.create_server(lambda: self.session(self._sink), "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """From now on connections are refused, and those that were open are reset."""
        self._run(self._unlisten())

    async def _unlisten(self) -> None:
        if self._server:
            self._server.close()
            self._server = None
        self.disconnect_all()
        # One more turn of the loop, in which the closed sockets are let go.
        await asyncio.sleep(0)

    def disconnect_all(self) -> None:
        for transport in list(self._sink.open):
            transport.abort()

    def close(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(processes.PATIENCE_SECONDS)
        self._loop.close()
        self._sink.close()

    def behave(self, *rules: Rule) -> None:
        """These rules and no others; none at all is good behaviour."""
        self.rules.set(rules)

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Nobody listens at its port meanwhile."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    @property
    def connections(self) -> int:
        """How many connections it has taken so far."""
        return self._sink.connections

    def accepted(self) -> list[dict[str, Any]]:
        """Everything taken so far, in order."""
        return self._reader.read()


class FakeProcess:
    """As a process: its speed and its death are its own. Rules and log survive a restart."""

    module: str

    def __init__(self, *, folder: Path, keeps_text: bool = False) -> None:
        self.log = folder / f"{type(self).__name__.lower()}.log"
        self._output = self.log.with_suffix(".out")
        self._rules = self.log.with_suffix(".rules")
        self._reader, self._strikes_reader = LogReader(self.log), LogReader(self.log.with_suffix(".strikes"))
        self._keeps_text = keeps_text
        self.port = processes.free_port()
        self.process: Process | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Returns once it listens, at the same port as before if it was stopped."""
        argv = [sys.executable, "-m", self.module, "--port", str(self.port)]
        argv += ["--log", str(self.log), "--rules", str(self._rules)]
        argv += ["--text"] if self._keeps_text else []
        self._output.unlink(missing_ok=True)
        env = os.environ | {"PYTHONUNBUFFERED": "1"}
        self.process = process = Process(argv, log=self._output, env=env, cwd=PROJECT, forks=True)
        processes.wait_until(
            lambda: process.output().strip() or not process.is_running(), what=f"{self.module}: {process.argv}"
        )
        assert process.is_running(), process.output()

    def stop(self) -> None:
        if self.process:
            self.process.stop()

    def kill(self) -> None:
        if self.process:
            self.process.kill()

    def behave(self, *rules: Rule) -> None:
        """These rules and no others; none at all is good behaviour."""
        write_rules(self._rules, rules)

    def accepted(self) -> list[dict[str, Any]]:
        """Everything taken so far, in order."""
        return self._reader.read()

    def strikes(self) -> list[dict[str, Any]]:
        """Each time that a rule did harm so far: its phase and name, whom it struck, and when."""
        return self._strikes_reader.read()


def serve(session: Session) -> None:
    """The command line of a fake provider. Prints its port once it listens, and runs until it is killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--log", type=Path, required=True, help="where a JSON line goes for every message taken")
    parser.add_argument("--rules", type=Path, help="a file with rules for misbehaving, read again when it changes")
    parser.add_argument("--text", action="store_true", help=f"log up to {MAX_TEXT_BYTES:,} bytes of each text")
    options = parser.parse_args()
    sink = Sink(log=options.log, rules=RuleBook(options.rules), text_bytes=MAX_TEXT_BYTES * options.text)
    asyncio.run(_serve(session, sink, options.port))


async def _serve(session: Session, sink: Sink, port: int) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: session(sink), "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
