"""DEBUG shows its pages to this machine, asked for by a name of ours, and to nobody else."""

from typing import Any

import pytest
from django.test import Client as Browser

from notifier.web import local_debug


@pytest.fixture(autouse=True)
def _debug(settings: Any) -> None:
    settings.DEBUG = True


def ask(*, host: str = "localhost", address: str = "127.0.0.1", page: str = "/no-such-page") -> Any:
    browser = Browser(raise_request_exception=False)
    return browser.get(page, headers={"host": host}, REMOTE_ADDR=address)


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "evil.example:8000", "a b", ""])
def test_a_foreign_name_gets_one_line_and_no_page_of_django(host: str) -> None:
    answer = ask(host=host)

    assert (answer.status_code, answer["Content-Type"]) == (400, "text/plain")
    assert answer.content.decode() == local_debug.REFUSAL


@pytest.mark.parametrize("address", ["192.0.2.7", "10.0.0.1", "2001:db8::1", "nonsense"])
def test_nobody_from_elsewhere_gets_one_by_our_own_name(address: str) -> None:
    answer = ask(address=address)

    assert (answer.status_code, answer.content.decode()) == (400, local_debug.REFUSAL)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1", ""])
def test_this_machine_gets_the_page_that_debug_is_for(address: str) -> None:
    answer = ask(address=address)

    assert answer.status_code == 404
    assert "URLconf" in answer.content.decode()


def test_without_debug_everybody_gets_what_they_got(settings: Any) -> None:
    settings.DEBUG = False

    answer = ask(address="192.0.2.7")

    assert answer.status_code == 404
    assert "URLconf" not in answer.content.decode()
    assert ask(host="evil.example").content.decode() != local_debug.REFUSAL
