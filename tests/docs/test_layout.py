"""A test stands at the place of what it tests, and under its name."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.test_documents import PROJECT

TESTS = PROJECT / "tests"
#: Files and folders that have no module's name, and why.
WITHOUT_A_MODULE = {
    "notifier/admin/all_pages": "every page, whatever its subject",
    "notifier/admin/broadcasts/acts/test_act_page.py": "every act's button and order",
    "notifier/admin/broadcasts/acts/test_stale_pages.py": "every act's page that was opened before something changed",
    "notifier/admin/notifications/test_variants.py": "one notification in several languages, on every page of it",
    "notifier/notifications/test_sends.py": "the module itself is called so",
    "notifier/clients/imports/test_cases.py": "files as people have them, from the upload to the rows",
    "notifier/public/test_mails.py": "the way from a mail to the pages that its links lead to",
    "notifier/transport/amqp/test_silence.py": "a silent broker, as publisher and receiver notice it",
    "notifier/transport/test_contract.py": "one contract, which both transports keep",
}


def files_of_tests() -> Iterator[str]:
    for package in ("notifier", "consumers"):
        yield from (str(path.relative_to(TESTS)) for path in sorted((TESTS / package).rglob("test_*.py")))


def has_a_module(test: str) -> bool:
    """Whether a module or package of the product has its name and place, or a module those of its folder."""
    folder = Path(test.replace("/commands/", "/management/commands/")).parent
    named = PROJECT / folder / Path(test).stem.removeprefix("test_")
    return any(path.exists() for path in (named, named.with_suffix(".py"), (PROJECT / folder).with_suffix(".py")))


def excuse(test: str) -> str | None:
    return next((place for place in WITHOUT_A_MODULE if test == place or test.startswith(f"{place}/")), None)


def test_every_test_has_the_name_and_the_place_of_its_module() -> None:
    without = [test for test in files_of_tests() if not has_a_module(test) and not excuse(test)]

    assert without == []


def test_every_excuse_is_needed() -> None:
    needed = {excuse(test) for test in files_of_tests() if not has_a_module(test)}

    assert set(WITHOUT_A_MODULE) - needed == set()


@pytest.mark.parametrize(
    ("test", "has_one"),
    [
        ("notifier/delivery/test_sweeps.py", True),
        ("notifier/delivery/claims/test_release.py", True),
        ("consumers/commands/test_run_consumer.py", True),
        ("notifier/test_models.py", True),
        ("notifier/delivery/test_release.py", False),
        ("notifier/broadcasts/test_sweeps.py", False),
    ],
)
def test_what_counts_as_a_modules_name(test: str, has_one: bool) -> None:
    assert has_a_module(test) == has_one
