"""`manage.py test` runs pytest: on SQLite, then what is marked `both_engines` on PostgreSQL, then the attacks."""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[2]
#: Named, because pytest otherwise looks for it above the tests, and not beside us.
CONFIGURATION = ("-c", str(PROJECT / "pyproject.toml"), "--rootdir", str(PROJECT))
#: They bring their own servers of both kinds.
ATTACKS = "tests/faults"
#: The whole suite goes two at a time, each until none is left, for some tests take ten times as long as others.
TWO_AT_A_TIME = ("-n", "2", "--dist", "worksteal")
#: Attacks, which wait for most of their time.
THREE_AT_A_TIME = ("-n", "3", "--dist", "worksteal")
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
        **_: Any,
    ) -> None:
        self.options = ["-v"] * (verbosity > 1) + ["-q"] * (verbosity < 1)
        self.options += ["-x"] * failfast + ["--reuse-db"] * keepdb
        self.options += ["-k", pattern] if pattern else []
        self.options += ["-n", parallel] if parallel else []

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--failfast", action="store_true", help="stop at the first failure")
        parser.add_argument("--keepdb", action="store_true", help="passed to pytest as --reuse-db")
        parser.add_argument("-k", dest="pattern", help="only the tests whose names fit, as pytest takes it")
        parser.add_argument(
            "--parallel", nargs="?", const="auto", help="in so many processes, as pytest-xdist takes it"
        )

    def run_tests(self, labels: Sequence[str] = (), **_: Any) -> int:
        """How many of the passes failed. That no test was found counts as a failure of the first only."""
        chosen = [path_of(label) for label in labels]
        rest = chosen or [f"--ignore={ATTACKS}", *TWO_AT_A_TIME]
        passes = [("sqlite", rest), ("postgresql", rest)]
        passes += [] if chosen else [("sqlite", [*THREE_AT_A_TIME, ATTACKS])]
        codes: list[int] = []
        for engine, arguments in passes:
            codes.append(self._run(engine, arguments))
            if codes[-1] == pytest.ExitCode.INTERRUPTED or (codes[-1] and "-x" in self.options):
                break
        return sum(
            code != pytest.ExitCode.OK and not (number and code == pytest.ExitCode.NO_TESTS_COLLECTED)
            for number, code in enumerate(codes)
        )

    def _run(self, engine: str, labels: Sequence[str]) -> int:
        print("--- attacks" if ATTACKS in labels else f"--- tests on {engine}", flush=True)
        env = os.environ | {"TEST_ENGINE": engine, "DJANGO_SETTINGS_MODULE": "tests.settings"}
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *CONFIGURATION, *self.options, *labels], cwd=PROJECT, env=env
        )
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
