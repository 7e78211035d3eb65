"""Where the servers' programs are, and what happens to a test when one isn't installed."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

T = TypeVar("T")


class ProgramMissing(Exception):
    """Says what is missing and which package brings it."""


def on_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


def require(find: Callable[[], T]) -> T:
    """What `find` returns. Where it raises `ProgramMissing`, the test is skipped with the reason, or fails on CI."""
    try:
        return find()
    except ProgramMissing as error:
        if on_ci():
            pytest.fail(f"{error} CI must run every test.", pytrace=False)
        pytest.skip(str(error))


def postgres_programs() -> Path:
    """The folder with `initdb` and `postgres`, of the newest version that is installed."""
    # Debian keeps them off the PATH, in a folder for each version.
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = debian[-1] if debian else shutil.which("initdb")
    if not found:
        raise ProgramMissing("PostgreSQL is not installed: apt install postgresql, or put initdb on the PATH.")
    # Past a link, for beside it there is no `postgres`.
    return Path(found).resolve().parent


def rabbitmq_programs() -> Path:
    """The folder with `rabbitmq-server` and `rabbitmqctl`."""
    # First the scripts themselves: Debian's wrappers on the PATH always become the system's own server.
    found = shutil.which("rabbitmq-server", path=f"/usr/lib/rabbitmq/bin{os.pathsep}{os.environ.get('PATH', '')}")
    if not found:
        raise ProgramMissing("RabbitMQ is not installed: apt install rabbitmq-server, or put it on the PATH.")
    return Path(found).parent


#: The one without windows of its own first: it takes a third less processor time for the same pages.
CHROMIUM = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


def chromium_program() -> Path:
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if not found:
        raise ProgramMissing("Chromium is not installed: apt install chromium-headless-shell, or chromium.")
    return Path(found)
