"""`manage.py test` runs pytest on SQLite, and beside it what is marked `both_engines` on PostgreSQL, and the attacks.

An attack waits for most of its time, and a test of whole processes for a third of it, in which the others work. All of
them take their databases and vhosts from one PostgreSQL and one RabbitMQ. Tests that are chosen run in one process, on
one engine after the other.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import pytest

from tests.support.servers import shared

PROJECT = Path(__file__).resolve().parents[3]
#: Named, because pytest otherwise looks for it above the tests, and not beside us.
CONFIGURATION = ("-c", str(PROJECT / "pyproject.toml"), "--rootdir", str(PROJECT))
#: They bring their own processes, and need no engine of the tests.
ATTACKS = "tests/faults"
CORES = os.cpu_count() or 1
#: Each until none is left, for some tests take ten times as long as others. There are more of them at a time than there
#: are cores, for those of whole processes wait for a third of their time; but each has to load all tests first.
AT_A_TIME = ("--dist", "worksteal", "-n")
ON_SQLITE = (*AT_A_TIME, str(CORES + 1), f"--ignore={ATTACKS}")
#: What runs beside it: names, engines and arguments.
BESIDE = (
    ("tests on postgresql, beside the others", "postgresql", [*AT_A_TIME, str(CORES), f"--ignore={ATTACKS}"]),
    ("attacks, beside the others", "sqlite", [*AT_A_TIME, str(CORES), ATTACKS]),
)
SUITES = {"notifier": "tests/notifier", "consumers": "tests/consumers"}


class PytestRunner:
    def __init__(
        self,
        *,
        verbosity: int = 1,
        failfast: bool = False,
        keepdb: bool = False,
        pattern: str | None = None,
        parallel: str | None = None,
        full: bool = False,
        **_: Any,
    ) -> None:
        self.options = ["-v"] * (verbosity > 1) + ["-q"] * (verbosity < 1)
        self.options += ["-x"] * failfast + ["--reuse-db"] * keepdb + ["--full"] * full
        self.options += ["-k", pattern] if pattern else []
        self.options += ["-n", parallel] if parallel else []

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--failfast", action="store_true", help="stop at the first failure")
        parser.add_argument("--keepdb", action="store_true", help="passed to pytest as --reuse-db")
        parser.add_argument("-k", dest="pattern", help="only the tests whose names fit, as pytest takes it")
        parser.add_argument(
            "--full", action="store_true", help="the full product of cases too: before a release (CONTRIBUTING.md)"
        )
        parser.add_argument(
            "--parallel", nargs="?", const="auto", help="in so many processes, as pytest-xdist takes it"
        )

    def run_tests(self, labels: Sequence[str] = (), **_: Any) -> int:
        """How many of the passes failed. That no test was found counts as a failure of the first only."""
        codes = self._run_chosen([path_of(label) for label in labels]) if labels else self._run_all()
        return sum(
            code != pytest.ExitCode.OK and not (number and code == pytest.ExitCode.NO_TESTS_COLLECTED)
            for number, code in enumerate(codes)
        )

    def _run_chosen(self, arguments: Sequence[str]) -> list[int]:
        """SQLite's exit code, then PostgreSQL's, unless the first ended it all."""
        codes: list[int] = []
        for engine in ("sqlite", "postgresql"):
            print(f"--- tests on {engine}", flush=True)
            codes.append(_wait(self._start(engine, arguments)))
            if codes[-1] == pytest.ExitCode.INTERRUPTED or (codes[-1] and "-x" in self.options):
                break
        return codes

    def _run_all(self) -> list[int]:
        """The exit codes of SQLite's pass, PostgreSQL's, and the attacks'."""
        compiling = [self._compile(number) for number in range(CORES)]
        with shared.for_the_whole_run(), ExitStack() as files:
            for process in compiling:
                # Where one fails, pytest compiles for itself.
                _wait(process)
            beside = []
            for name, engine, arguments in BESIDE:
                output = files.enter_context(tempfile.TemporaryFile("w+"))
                beside.append((name, output, self._start(engine, arguments, output)))
            print("--- tests on sqlite", flush=True)
            codes = [_wait(self._start("sqlite", ON_SQLITE))]
            for name, output, process in beside:
                # At Ctrl-C the terminal has told it already, and twice would mean at once.
                if codes[0] and "-x" in self.options:
                    process.send_signal(signal.SIGINT)
                codes.append(_wait(process))
                output.seek(0)
                print(f"--- {name}", output.read(), sep="\n", flush=True)
        return codes

    def _compile(self, number: int) -> "subprocess.Popen[bytes]":
        """Begins with its part of all files, while servers start: no worker has to, and others beside it."""
        command = [sys.executable, "-m", "tests.support.suite.rewriting", str(number), str(CORES)]
        return subprocess.Popen(command, cwd=PROJECT, env=_environment())

    def _start(self, engine: str, arguments: Sequence[str], output: IO[str] | None = None) -> "subprocess.Popen[bytes]":
        env = _environment() | {"TEST_ENGINE": engine, "DJANGO_SETTINGS_MODULE": "tests.settings"}
        command = [sys.executable, "-m", "pytest", *CONFIGURATION, *self.options, *arguments]
        return subprocess.Popen(command, cwd=PROJECT, env=env, stdout=output, stderr=output and subprocess.STDOUT)


def _environment() -> dict[str, str]:
    # Hundreds of processes would compile the product, and every worker the tests, each time anew.
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _wait(process: "subprocess.Popen[bytes]") -> int:
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            # The terminal told pytest too, and it still has servers to stop.
            continue


def path_of(label: str) -> str:
    """A suite's name, a path, or a dotted name, as pytest takes it. Paths count from where the command was typed."""
    if label.strip("/") in SUITES:
        return SUITES[label.strip("/")]
    path, colons, rest = label.partition("::")
    if Path(path).exists():
        return f"{Path(path).resolve()}{colons}{rest}"
    dotted = PROJECT / path.replace(".", "/")
    return next((str(found) for found in (dotted, dotted.with_suffix(".py")) if found.exists()), label)
