"""The locks hold for every platform, and come from the public index alone."""

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
#: Packages with compiled code in them: one file, and one hash, for each platform.
BINARY = {
    "requirements.txt": {"argon2-cffi-bindings", "cffi", "msgspec", "psycopg-binary"},
    "requirements-dev.txt": {"argon2-cffi-bindings", "cffi", "mypy", "msgspec", "psycopg-binary", "ruff", "uv"},
}


def hashes(lock: str) -> dict[str, int]:
    """How many hashes each package has."""
    entries = re.split(r"\n(?=\S)", (PROJECT / lock).read_text())
    return {entry.split("==")[0].split("[")[0]: entry.count("--hash=sha256:") for entry in entries if "==" in entry}


@pytest.mark.parametrize("lock", BINARY)
def test_every_package_has_its_hashes(lock: str) -> None:
    counts = hashes(lock)

    assert len(counts) > 20
    assert all(counts.values())


@pytest.mark.parametrize("lock", BINARY)
def test_binary_packages_have_the_hashes_of_more_than_one_platform(lock: str) -> None:
    counts = hashes(lock)

    assert BINARY[lock] <= counts.keys()
    assert {name for name in BINARY[lock] if counts[name] < 5} == set()


@pytest.mark.parametrize("lock", BINARY)
def test_no_address_and_no_local_path_is_in_a_lock(lock: str) -> None:
    text = (PROJECT / lock).read_text()

    assert not re.search(r"://|index-url|find-links|trusted-host| @ |^-|^\.|^/", text, re.MULTILINE)


def test_the_development_lock_contains_the_other() -> None:
    def pins(lock: str) -> set[str]:
        return set(re.findall(r"^[a-z0-9._-]+(?:\[[\w,-]+\])?==[^\s;\\]+", (PROJECT / lock).read_text(), re.MULTILINE))

    assert pins("requirements.txt") <= pins("requirements-dev.txt")


@pytest.mark.parametrize("lock", ["requirements", "requirements-dev"])
def test_everything_that_is_asked_for_is_locked(lock: str) -> None:
    asked = {
        re.split(r"[\[<>=~!; ]", line)[0].lower()
        for line in (PROJECT / f"{lock}.in").read_text().splitlines()
        if line and line[0] not in "#-"
    }

    assert asked
    assert asked <= hashes(f"{lock}.txt").keys()


def test_the_time_zones_are_installed_on_every_platform() -> None:
    # Other packages want them on Windows only, and an image without them would know no client's night.
    assert re.search(r"^tzdata==[\d.]+ \\$", (PROJECT / "requirements.txt").read_text(), re.MULTILINE)
