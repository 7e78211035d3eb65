"""pytest, run on small suites as a developer would run it."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest

from tests.support.servers import shared
from tests.support.servers.processes import PATIENCE_SECONDS, Process, wait_until
from tests.support.servers.programs import postgres_programs, require
from tests.support.servers.rabbitmq import accepts
from tests.support.suite import engine
from tests.support.suite.runner import CONFIGURATION, PROJECT, path_of

SUITE = """
import os
import pytest
from django.db import connection

@pytest.mark.both_engines
@pytest.mark.django_db
@pytest.mark.parametrize("number", range(2))
def test_both(number):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    assert connection.vendor == os.environ["TEST_ENGINE"]

@pytest.mark.django_db(transaction=True)
def test_sqlite():
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        assert cursor.fetchone() == ("wal",)
    assert connection.transaction_mode == "IMMEDIATE"
"""
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    # A folder of its own, and not below the project: no other run must come across it.
    path = tmp_path / "test_suite.py"
    path.write_text(SUITE)
    return path


@pytest.fixture
def manage_test(tmp_path: Path) -> Command:
    def run(*argv: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", "test", *map(str, argv)],
            cwd=PROJECT,
            env=neutral_environment() | env,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )

    return run


def neutral_environment() -> dict[str, str]:
    ours = ("DJANGO_SETTINGS_MODULE", "DATABASE_URL", "CI")
    known = {name: value for name, value in os.environ.items() if name not in ours and not name.startswith("PYTEST_")}
    # The suites below need a database, and no table in particular, nor what takes the longest to load.
    spared = " ".join(f"-p no:{plugin}" for plugin in ("playwright", "base_url", "hypothesispytest"))
    return known | {"PYTEST_ADDOPTS": f"--no-migrations {spared}"}


def without_servers(environment: dict[str, str]) -> dict[str, str]:
    """So that it starts servers of its own."""
    return {name: value for name, value in environment.items() if name not in (shared.POSTGRES, shared.RABBITMQ)}


def test_everything_runs_on_sqlite_and_the_marked_on_postgresql(manage_test: Command, suite: Path) -> None:
    require(postgres_programs)
    other = suite.with_name("test_other.py")
    # Without a word of PostgreSQL it is not loaded there.
    other.write_text("import os\nassert os.environ['TEST_ENGINE'] == 'sqlite'\ndef test_other(): pass\n")

    done = manage_test(suite.parent, "-k", "test_")

    first, _, second = done.stdout.partition("--- tests on postgresql")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in first
    assert "2 passed, 1 deselected" in second


def test_a_marker_that_comes_from_another_file_is_found(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("test_named.py", "test_unnamed.py", "test_unmarked.py")]
    for path, text in zip(paths, ("@pytest.mark.both_engines", "class Test(Other):", ""), strict=True):
        path.write_text(text)
    markers = (pytest.mark.both_engines, pytest.mark.both_engines, None)
    items = [
        Mock(path=path, get_closest_marker={engine.MARKER: marker}.get)
        for path, marker in zip(paths, markers, strict=True)
    ]

    assert engine.unnamed(items) == {str(paths[1])}


def test_parallel_workers_share_one_postgresql(manage_test: Command, suite: Path) -> None:
    require(postgres_programs)

    done = manage_test(suite, "--parallel", "2")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout.partition("--- tests on postgresql")[2]


def test_the_tests_ignore_the_settings_of_the_shell(manage_test: Command, suite: Path) -> None:
    done = manage_test(suite, "-k", "sqlite", DATABASE_URL="postgres://127.0.0.1:1/somebodys", DEBUG="wibble")

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_failure_is_told_by_the_exit_status(manage_test: Command, suite: Path) -> None:
    suite.write_text("def test_wrong(): assert False")

    done = manage_test(suite, "--failfast")

    assert done.returncode == 1
    assert "--- tests on postgresql" not in done.stdout


def test_a_failure_on_postgresql_alone_counts_too(manage_test: Command, suite: Path) -> None:
    require(postgres_programs)
    suite.write_text(SUITE.replace('os.environ["TEST_ENGINE"]', '"sqlite"'))

    done = manage_test(suite)

    assert done.returncode == 1
    assert "2 failed" in done.stdout.partition("--- tests on postgresql")[2]


FULL = """
import pytest

@pytest.mark.full
def test_in_other_clothes(): pass

@pytest.mark.both_engines(only_full=True)
def test_page(): pass

@pytest.mark.both_engines
def test_service(): pass
"""


@pytest.mark.parametrize(("options", "first", "second"), [((), 2, 1), (("--full",), 3, 2)], ids=["usually", "full"])
def test_some_run_before_a_release_alone(
    manage_test: Command, suite: Path, options: tuple[str, ...], first: int, second: int
) -> None:
    require(postgres_programs)
    suite.write_text(FULL)

    done = manage_test(suite, *options)

    assert done.returncode == 0, done.stdout + done.stderr
    assert [int(number) for number in re.findall(r"(\d+) passed", done.stdout)] == [first, second]


def test_finding_no_test_is_a_failure(manage_test: Command, suite: Path) -> None:
    assert manage_test(suite, "-k", "nothing_of_that_name").returncode == 1


def test_an_interrupted_run_leaves_nothing_behind(suite: Path, tmp_path: Path) -> None:
    require(postgres_programs)
    suite.write_text(
        "import os, time, pytest\n"
        "@pytest.mark.both_engines\n"
        "def test_long():\n"
        "    print('at', os.environ['TEST_POSTGRES_URL'], flush=True)\n"
        "    time.sleep(600)\n"
    )
    # Whatever started us in the background may have had SIGINT ignored, which is inherited.
    hears = "import pytest, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    run = Process(
        [sys.executable, "-c", f"{hears} sys.exit(pytest.main(sys.argv[1:]))", *CONFIGURATION, "-s", str(suite)],
        log=tmp_path / "log",
        env=without_servers(neutral_environment()) | {"TEST_ENGINE": "postgresql"},
        cwd=PROJECT,
    )
    url = wait_until(lambda: run.output().partition("at postgres://")[2].partition("\n")[0])
    port = int(url.partition(":")[2].partition("/")[0])

    assert run.stop(number=signal.SIGINT) == pytest.ExitCode.INTERRUPTED

    assert not accepts(port)


@pytest.mark.parametrize(
    ("label", "path"),
    [
        ("notifier", "tests/notifier"),
        ("consumers/", "tests/consumers"),
        ("tests.support.suite.test_engine", f"{PROJECT}/tests/support/suite/test_engine.py"),
        ("no.such.thing", "no.such.thing"),
        (f"{__file__}::test_labels", f"{__file__}::test_labels"),
    ],
)
def test_labels(label: str, path: str) -> None:
    assert path_of(label) == path
