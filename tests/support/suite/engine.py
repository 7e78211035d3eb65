"""pytest plugin: which database the tests run on, and how many of them.

SQLite by default. With TEST_ENGINE=postgresql a private PostgreSQL is started before Django's settings are read, and
only the tests marked `both_engines` run; a file in which that is not written is not even loaded. Some of them, and what
is marked `full`, run with --full alone.

Named in `addopts`, so that it is there before pytest-django.
"""

import os
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.servers import shared
from tests.support.servers.postgres import PostgresServer
from tests.support.servers.programs import ProgramMissing, on_ci

ENGINE = os.environ.get("TEST_ENGINE", "sqlite")

MARKER = "both_engines"

_server = pytest.StashKey[PostgresServer]()
#: xdist's workers learn from it why there is no server.
MISSING = "TEST_POSTGRES_MISSING"


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    # A wrapper comes before pytest-django's own hook, which reads the settings.
    if ENGINE not in ("sqlite", "postgresql"):
        raise pytest.UsageError(f"TEST_ENGINE={ENGINE!r} is neither sqlite nor postgresql")
    # xdist's workers use the server of the process that started them.
    if ENGINE == "postgresql" and "PYTEST_XDIST_WORKER" not in os.environ:
        _start(early_config)
    return (yield)


def _start(config: pytest.Config) -> None:
    try:
        server = shared.postgres()
    except ProgramMissing as error:
        if on_ci():
            raise pytest.UsageError(f"{error} CI must run every test.") from error
        os.environ[MISSING] = str(error)
        return
    server.start()
    config.stash[_server] = server
    # A name of its own, from which those of the test databases are made: a server may serve several runs at once.
    os.environ["TEST_POSTGRES_URL"] = server.create_database()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="the full product of cases too: before a release")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        f"{MARKER}(only_full=False): runs on SQLite and, with TEST_ENGINE=postgresql, on PostgreSQL; "
        "there with --full alone if `only_full`",
    )
    config.addinivalue_line("markers", "full: runs with --full alone")


def pytest_unconfigure(config: pytest.Config) -> None:
    if server := config.stash.get(_server, None):
        server.close()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Almost half of the files have nothing for PostgreSQL, and to load them takes each worker seconds."""
    if ENGINE != "postgresql" or not collection_path.match("test_*.py"):
        return None
    # A file that is named has to be found.
    named = {Path(argument.partition("::")[0]).absolute() for argument in config.args}
    return None if collection_path in named or names_marker(collection_path) else True


@cache
def names_marker(path: Path) -> bool:
    return MARKER in path.read_text(encoding="utf-8")


def unnamed(items: Iterable[pytest.Item]) -> set[str]:
    """The files whose tests have the marker from elsewhere, so that on PostgreSQL nobody would find them."""
    return {str(item.path) for item in items if item.get_closest_marker(MARKER) and not names_marker(item.path)}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if files := unnamed(items):
        raise pytest.UsageError(f"write {MARKER} into the files whose tests have it: {', '.join(sorted(files))}")
    is_full = config.getoption("--full")
    left_out = [item for item in items if not runs(item, is_full)]
    items[:] = [item for item in items if runs(item, is_full)]
    config.hook.pytest_deselected(items=left_out)
    if ENGINE == "postgresql" and (reason := os.environ.get(MISSING)):
        for item in items:
            item.add_marker(pytest.mark.skip(reason=reason))


def runs(item: pytest.Item, is_full: bool, engine: str = ENGINE) -> bool:
    """Whether the test is one of this run's."""
    if item.get_closest_marker("full") and not is_full:
        return False
    if engine == "sqlite":
        return True
    marker = item.get_closest_marker(MARKER)
    return marker is not None and (is_full or not marker.kwargs.get("only_full", False))
