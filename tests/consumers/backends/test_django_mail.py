"""Django's other mail backends."""

import smtplib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core import mail as outbox
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.core.mail.backends.base import BaseEmailBackend
from pytest_django import Settings

from consumers.backends import mime
from consumers.backends.base import ChannelDown, NoMessage, OutcomeUnknown, SendBackend, TemporaryFailure
from consumers.backends.email import get_backend
from tests.consumers.backends.mails import BULK, BULK_HEADERS, MESSAGE, TOKEN
from tests.support.fakes.smtp import FakeSmtp


class FakeMailBackend(BaseEmailBackend):
    opened = 0

    def open(self) -> bool:
        type(self).opened += 1
        return True

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        return len(email_messages)


class ClosedMailBackend(FakeMailBackend):
    def open(self) -> bool:
        raise RuntimeError("no such account: ann@example.com")


class BrokenMailBackend(FakeMailBackend):
    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        raise RuntimeError(f"{email_messages[0].to[0]} was not expected")


class IdleMailBackend(FakeMailBackend):
    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        return 0


class KnowingMailBackend(FakeMailBackend):
    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        raise TemporaryFailure("its quota is used up until tomorrow")


@pytest.fixture
def use_backend(settings: Settings) -> Callable[[str], SendBackend]:
    def use_backend(path: str) -> SendBackend:
        settings.EMAIL_BACKEND = path if "." in path else f"{__name__}.{path}"
        return get_backend()

    return use_backend


def test_the_console_shows_one_line_a_mail(
    use_backend: Callable[[str], SendBackend], capsys: pytest.CaptureFixture[str]
) -> None:
    backend = use_backend("consumers.backends.console.EmailBackend")

    backend.send(replace(MESSAGE, body="Hello Ann,\n\nhave a look.\n"))
    backend.send(replace(MESSAGE, address="bob@example.com"))

    assert capsys.readouterr().out.splitlines() == [
        "e-mail to ann@example.com: Three new homes | Hello Ann, have a look.",
        "e-mail to bob@example.com: Three new homes | Hello Ann.",
    ]


def test_a_mail_is_written_to_a_file(
    use_backend: Callable[[str], SendBackend], settings: Settings, tmp_path: Path
) -> None:
    settings.EMAIL_FILE_PATH = str(tmp_path)
    backend = use_backend("django.core.mail.backends.filebased.EmailBackend")

    backend.send(MESSAGE)
    backend.close()

    (file,) = tmp_path.iterdir()
    assert "Message-ID: <7.42@example.com>" in file.read_text()


def test_a_mail_backend_of_djangos_gets_both_forms(use_backend: Callable[[str], SendBackend]) -> None:
    backend = use_backend("django.core.mail.backends.locmem.EmailBackend")

    backend.send(replace(MESSAGE, html="<p>Hello Ann.</p>"))

    (mail,) = outbox.outbox
    assert isinstance(mail, EmailMultiAlternatives)
    assert (mail.body, mail.alternatives[0]) == ("Hello Ann.\n", ("<p>Hello Ann.</p>", "text/html"))


def test_a_folder_that_can_not_be_made_is_the_channels_trouble(
    use_backend: Callable[[str], SendBackend], settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    settings.EMAIL_FILE_PATH = str(tmp_path / "file")
    backend = use_backend("django.core.mail.backends.filebased.EmailBackend")

    with pytest.raises(ChannelDown):
        backend.send(MESSAGE)


@pytest.mark.parametrize("path", ["ClosedMailBackend", "tests.no_such_module.Backend", "NoSuchBackend"])
def test_a_mail_backend_that_can_not_be_opened_is_the_channels_trouble(
    use_backend: Callable[[str], SendBackend], path: str
) -> None:
    backend = use_backend(path)

    for _ in range(2):
        with pytest.raises(ChannelDown) as caught:
            backend.send(MESSAGE)

    assert "ann@" not in str(caught.value)


def test_a_mail_backend_that_fails_while_sending_leaves_the_outcome_unknown(
    use_backend: Callable[[str], SendBackend],
) -> None:
    backend = use_backend("BrokenMailBackend")

    with pytest.raises(OutcomeUnknown, match="was not expected") as caught:
        backend.send(MESSAGE)

    assert "ann@" not in str(caught.value)


def test_a_mail_backend_that_says_it_sent_nothing_has_not_sent(use_backend: Callable[[str], SendBackend]) -> None:
    backend = use_backend("IdleMailBackend")

    with pytest.raises(OutcomeUnknown, match="sent nothing"):
        backend.send(MESSAGE)


def test_a_mail_backend_that_knows_better_is_believed(use_backend: Callable[[str], SendBackend]) -> None:
    backend = use_backend("KnowingMailBackend")

    with pytest.raises(TemporaryFailure, match="quota"):
        backend.send(MESSAGE)


def test_a_providers_own_interface_gets_our_number_and_tells_its_own(
    use_backend: Callable[[str], SendBackend], mailoutbox: list[Any]
) -> None:
    """The first is what it names when the message bounces, and the second what staff look for in its log."""
    backend = use_backend("anymail.backends.test.EmailBackend")

    assert [backend.send(MESSAGE), backend.send(MESSAGE)] == ["0", "1"]

    assert mailoutbox[0].anymail_test_params["metadata"] == {"delivery": MESSAGE.reference}


def test_a_mail_backend_stays_open_and_is_opened_anew_after_a_failure(
    use_backend: Callable[[str], SendBackend], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeMailBackend, "opened", 0)
    backend = use_backend("FakeMailBackend")
    fails = iter([False, False, True, False])

    def send_messages(self: FakeMailBackend, mails: Sequence[EmailMessage]) -> int:
        if next(fails):
            raise RuntimeError("lost")
        return 1

    monkeypatch.setattr(FakeMailBackend, "send_messages", send_messages)

    backend.send(MESSAGE)
    backend.send(MESSAGE)
    opened = FakeMailBackend.opened
    with pytest.raises(OutcomeUnknown):
        backend.send(MESSAGE)
    backend.send(MESSAGE)

    assert (opened, FakeMailBackend.opened) == (1, 2)


@pytest.mark.parametrize("path", ["django.core.mail.backends.locmem.EmailBackend", "BrokenMailBackend"])
@pytest.mark.parametrize("address", ["ann@example.com\nBcc: eve@example.com", '"ann\x0beve"@example.com'], ids=ascii)
def test_a_mail_that_can_not_be_made_reaches_no_mail_backend_of_djangos_either(
    use_backend: Callable[[str], SendBackend], path: str, address: str
) -> None:
    backend = use_backend(path)

    with pytest.raises(NoMessage):
        backend.send(replace(MESSAGE, address=address))

    assert not getattr(outbox, "outbox", [])


def test_an_ordinary_mail_is_not_made_twice(
    use_backend: Callable[[str], SendBackend], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mime, "source", lambda message: pytest.fail("it was made to see whether it can be"))
    backend = use_backend("django.core.mail.backends.locmem.EmailBackend")

    backend.send(replace(MESSAGE, address="ann+news@mail.example.com", html="<p>Grüße, Ann.</p>", list_id="listings"))

    assert len(outbox.outbox) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"body": "\ud800"},
        {"html": "\udfff"},
        {"list_id": "a\r\nBcc: eve@example.com", "link_token": "abc"},
        {"address": '"ann\x85"@example.com'},
    ],
    ids=ascii,
)
def test_what_can_not_be_made_is_seen_before_a_backend_of_djangos_has_it(
    use_backend: Callable[[str], SendBackend], change: dict[str, str]
) -> None:
    with pytest.raises(NoMessage):
        use_backend("BrokenMailBackend").send(replace(MESSAGE, **change))


def test_a_subject_is_one_line_with_a_mail_backend_of_djangos_too(use_backend: Callable[[str], SendBackend]) -> None:
    use_backend("django.core.mail.backends.locmem.EmailBackend").send(
        replace(MESSAGE, subject="Homes\x0bBcc: eve@example.com")
    )

    (mail,) = outbox.outbox
    assert mail.message()["Subject"] == "Homes Bcc: eve@example.com"
    assert mail.recipients() == ["ann@example.com"]


@pytest.mark.parametrize("method", ["mail", "rcpt", "docmd"])
def test_a_fault_of_ours_before_the_text_is_never_an_unknown_outcome(
    server: FakeSmtp, backend: SendBackend, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def fail(*arguments: Any) -> Any:
        raise TypeError("a fault")

    monkeypatch.setattr(smtplib.SMTP, method, fail)

    with pytest.raises((ChannelDown, TemporaryFailure)):
        backend.send(MESSAGE)


def test_a_mail_backend_of_djangos_gets_the_bulk_headers_too(
    use_backend: Callable[[str], SendBackend], settings: Settings
) -> None:
    settings.PUBLIC_URL = "https://news.example.com"

    use_backend("django.core.mail.backends.locmem.EmailBackend").send(BULK)

    (mail,) = outbox.outbox
    assert {name: mail.extra_headers.get(name) for name in BULK_HEADERS} == {
        "List-Unsubscribe": f"<https://news.example.com/u/{TOKEN}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-Id": "<listings.example.com>",
        "Precedence": "bulk",
    }
