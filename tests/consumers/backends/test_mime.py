"""What arrives, and what makes it bulk mail that can be refused."""

from contextlib import closing
from dataclasses import replace
from email import message_from_bytes, policy
from typing import Any

import pytest
from pytest_django import Settings

from consumers.backends import mime
from consumers.backends.base import NoMessage, PermanentFailure, SendBackend, SendFailure, TemporaryFailure
from consumers.backends.email import get_backend
from notifier.messages import signed_links
from notifier.messages.signed_links import Link
from tests.consumers.backends.mails import (
    BEFORE_AND_AFTER_THE_TEXT,
    BULK,
    BULK_HEADERS,
    LARGE_TEXT,
    MESSAGE,
    TOKEN,
    parsed,
    recipients,
    text_of,
    text_on_the_wire,
)
from tests.support.fakes.rules import Rule
from tests.support.fakes.smtp import FakeSmtp


def test_the_message_id_names_the_delivery_and_is_the_same_on_every_try(server: FakeSmtp, backend: SendBackend) -> None:
    server.behave(Rule(phase="dot", taken=True, reply="451 4.3.0 later", times=1))

    with pytest.raises(TemporaryFailure):
        backend.send(MESSAGE)
    backend.send(MESSAGE)

    assert [entry["message_id"] for entry in server.accepted()] == ["<7.42@example.org>"] * 2


def test_the_mail_says_whom_it_is_from_and_whom_it_is_for(server: FakeSmtp, backend: SendBackend) -> None:
    backend.send(MESSAGE)

    mail = parsed(server)
    assert (mail["From"], mail["To"]) == ("Notifier <notifier@example.org>", "ann@example.com")
    assert (mail["Subject"], text_of(mail)) == ("Three new homes", "Hello Ann.\n")
    assert mail["Date"]


@pytest.mark.parametrize(
    "text", ["", ".", "..", "...three", ".\n.\n..\nend", "a\n.\nb", "one\r\ntwo\rthree\nfour", "no end", "\n\n.\n"]
)
def test_every_text_arrives_as_it_was_with_lines_that_end_in_crlf(
    server: FakeSmtp, backend: SendBackend, text: str
) -> None:
    backend.send(replace(MESSAGE, body=text))
    backend.send(MESSAGE)

    lines = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n")
    assert text_on_the_wire(server).removesuffix("\r\n").split("\r\n") == lines
    assert len(server.accepted()) == 2


def test_the_message_id_has_the_installations_code(server: FakeSmtp, backend: SendBackend) -> None:
    backend.send(replace(MESSAGE, installation="0a1b2c3d4e"))

    assert server.accepted()[0]["message_id"] == "<7.42.0a1b2c3d4e@example.org>"


@pytest.mark.parametrize("html", ["", "<p>{}</p>"], ids=["text alone", "both forms"])
@pytest.mark.parametrize(
    "text",
    [
        "Grüße aus Köln 🏡\r\n-- \r\nFrom us",
        "Привет!\n.\n..конец\n",
        "三间新房 " * 500,
        "a\0b",
        "x" * 3000,
        "ü= \n =3D\t\n",
    ],
    ids=ascii,
)
def test_every_mail_goes_in_seven_bits(server: FakeSmtp, backend: SendBackend, text: str, html: str) -> None:
    backend.send(replace(MESSAGE, subject="Drei Häuser", body=text, html=html.format(text)))

    raw = server.accepted()[0]["raw"]
    assert raw.isascii()
    assert "8bit" not in raw.lower()
    assert "\0" not in raw
    parts = [part for part in parsed(server).walk() if not part.is_multipart()]
    expected = text.replace("\r\n", "\n").removesuffix("\n")
    found = [str(part.get_content()).replace("\r\n", "\n").removesuffix("\n") for part in parts]
    assert found == ([expected, html.format(text).replace("\r\n", "\n").removesuffix("\n")] if html else [expected])


def test_so_does_what_any_other_mail_backend_is_given() -> None:
    for html in ("", "<p>Grüße</p>"):
        source = mime.build(replace(MESSAGE, body="Grüße", html=html)).message().as_bytes()

        assert source.isascii()
        assert b"8bit" not in source
    assert b"7bit" in mime.build(MESSAGE).message().as_bytes()


@pytest.mark.parametrize("text", ["Grüße aus Köln 🏡", "Привет!\n.\n..конец", "é" * 3000])
def test_text_beyond_ascii_arrives_as_it_was(server: FakeSmtp, backend: SendBackend, text: str) -> None:
    backend.send(replace(MESSAGE, subject="Drei schöne Häuser — 三间新房", body=text))

    assert parsed(server)["Subject"] == "Drei schöne Häuser — 三间新房"
    assert text_of(parsed(server)).removesuffix("\n") == text
    assert max(len(line) for line in server.accepted()[0]["raw"].encode().split(b"\r\n")) <= 998


def _text(part: Any) -> str:
    return str(part.get_content()).replace("\r\n", "\n")


@pytest.mark.parametrize("text", ["Hello Ann.", "Grüße\n.\n..\nFrom Köln 🏡\n", "é" * 3000, "", "x\n\n"])
def test_both_forms_arrive_as_they_were_the_better_one_last(server: FakeSmtp, backend: SendBackend, text: str) -> None:
    html = f"<!DOCTYPE html>\n<p>{text}</p>"

    backend.send(replace(MESSAGE, subject="Drei schöne Häuser", body=text, html=html))

    mail = parsed(server)
    parts = [(part.get_content_type(), _text(part)) for part in mail.iter_parts()]
    assert mail.get_content_type() == "multipart/alternative"
    assert parts == [("text/plain", text), ("text/html", html)]
    assert (mail["Subject"], mail["Message-ID"]) == ("Drei schöne Häuser", "<7.42@example.org>")
    assert mail.defects == []
    assert max(len(line) for line in server.accepted()[0]["raw"].encode().split(b"\r\n")) <= 998


def test_the_source_of_both_forms_is_what_django_makes_of_them() -> None:
    message = replace(MESSAGE, subject="Häuser", body="Grüße", html="<p>Grüße</p>")

    ours = message_from_bytes(mime.source(message), policy=policy.default)
    theirs = message_from_bytes(mime.build(message).message().as_bytes(), policy=policy.default)

    def headers(mail: Any) -> dict[str, str]:
        return {name: value for name, value in mail.items() if name not in ("Content-Type", "Date")}

    assert headers(ours) == headers(theirs)
    assert [part.items() for part in ours.iter_parts()] == [
        [(name, value) for name, value in part.items() if name != "MIME-Version"] for part in theirs.iter_parts()
    ]


def test_a_large_text_arrives_whole(server: FakeSmtp, backend: SendBackend, settings: Settings) -> None:
    settings.EMAIL_TIMEOUT = 20

    backend.send(replace(MESSAGE, body=LARGE_TEXT[: len(LARGE_TEXT) // 8]))

    assert len(text_on_the_wire(server).replace("\r\n", "\n")) == pytest.approx(len(LARGE_TEXT) // 8, abs=1)


@pytest.mark.parametrize(
    "end", ["\n", "\r\n\r\n", "\x0b", "\x0c", "\x1c", "\x1e", "\x85", "\u2028", "\u2029", "\0"], ids=ascii
)
@pytest.mark.parametrize("html", ["", "<p>Hello Ann.</p>"])
def test_what_ends_a_line_begins_no_header_of_its_own(
    server: FakeSmtp, backend: SendBackend, end: str, html: str
) -> None:
    backend.send(replace(MESSAGE, subject=f"Homes{end}Content-Type: text/html", html=html))

    mail = parsed(server)
    assert mail["Subject"] == "Homes Content-Type: text/html"
    assert mail.get_content_type() == ("multipart/alternative" if html else "text/plain")
    assert mail.defects == []


@pytest.mark.parametrize(
    "address",
    [
        "ann@example.com\nBcc: eve@example.com",
        "ann@example.com>\r\nRCPT TO:<eve@example.com",
        '"ann\x0beve@example.com"@example.com',
        '"ann\x85"@example.com',
    ],
    ids=ascii,
)
@pytest.mark.parametrize("html", ["", "<p>Hello Ann.</p>"])
def test_a_header_smuggled_in_by_an_address_fails_for_good(
    server: FakeSmtp, backend: SendBackend, address: str, html: str
) -> None:
    with pytest.raises(NoMessage) as caught:
        backend.send(replace(MESSAGE, address=address, html=html))

    assert server.accepted() == []
    assert "eve@" not in str(caught.value)


def test_a_mail_that_can_not_be_made_fails_for_good(server: FakeSmtp, backend: SendBackend) -> None:
    with pytest.raises(NoMessage) as caught:
        backend.send(replace(MESSAGE, body="\ud800"))

    assert server.accepted() == []
    assert "eve@" not in str(caught.value)


def test_a_local_part_beyond_ascii_fails_for_good(server: FakeSmtp, backend: SendBackend) -> None:
    with pytest.raises(PermanentFailure, match="ASCII") as caught:
        backend.send(replace(MESSAGE, address="jörg@example.com"))

    assert "jörg" not in str(caught.value)
    assert server.accepted() == []


def test_a_domain_beyond_ascii_is_written_in_idna(server: FakeSmtp, backend: SendBackend) -> None:
    backend.send(replace(MESSAGE, address="ann@bücher.example"))

    assert recipients(server) == ["ann@xn--bcher-kva.example"]
    assert "ann@xn--bcher-kva.example" in server.accepted()[0]["raw"]


def test_a_domain_with_a_sharp_s_is_never_another_one(server: FakeSmtp, backend: SendBackend) -> None:
    backend.send(replace(MESSAGE, address="ann@faß.de"))

    assert recipients(server) == ["ann@xn--fa-hia.de"]
    assert "ann@xn--fa-hia.de" in server.accepted()[0]["raw"]
    assert "fass.de" not in server.accepted()[0]["raw"]


def test_a_sender_whose_domain_is_beyond_ascii_can_send(server: FakeSmtp, settings: Settings) -> None:
    settings.DEFAULT_FROM_EMAIL = "Bücher <news@bücher.example>"

    with closing(get_backend()) as backend:
        backend.send(MESSAGE)

    assert server.accepted()[0]["message_id"] == "<7.42@xn--bcher-kva.example>"
    assert "<news@xn--bcher-kva.example>" in server.accepted()[0]["raw"]


@pytest.mark.parametrize("phase", ["connect", "ehlo", "mail", *BEFORE_AND_AFTER_THE_TEXT])
@pytest.mark.parametrize("code", ["450", "550"])
def test_the_error_never_holds_the_address(server: FakeSmtp, backend: SendBackend, phase: str, code: str) -> None:
    server.behave(Rule(phase=phase, reply=f"{code} 5.1.1 <ann@example.com>: ann@example.com is unknown to mx1"))

    with pytest.raises(SendFailure) as caught:
        backend.send(MESSAGE)

    assert "ann@" not in str(caught.value)
    assert f"{code}" in str(caught.value)
    assert "unknown to mx1" in str(caught.value)


def bulk_headers(mail: Any) -> list[list[str]]:
    """The values of each, as they come over the wire but for folds."""
    return [[" ".join(str(value).split()) for value in mail.get_all(name, [])] for name in BULK_HEADERS]


@pytest.mark.parametrize("html", ["", "<p>Hello Ann.</p>"], ids=["text alone", "both forms"])
def test_every_mail_says_how_it_is_refused(
    server: FakeSmtp, backend: SendBackend, settings: Settings, html: str
) -> None:
    settings.PUBLIC_URL = "https://news.example.com"

    backend.send(replace(BULK, html=html))

    mail = parsed(server)
    assert bulk_headers(mail) == [
        [f"<https://news.example.com/u/{TOKEN}>"],
        ["List-Unsubscribe=One-Click"],
        ["<listings.example.org>"],
        ["bulk"],
    ]
    assert mail.defects == []


def test_a_mailbox_for_refusals_is_named_beside_the_link(
    server: FakeSmtp, backend: SendBackend, settings: Settings
) -> None:
    settings.PUBLIC_URL, settings.UNSUBSCRIBE_MAILTO = "https://news.example.com", "stop+news@example.com"

    backend.send(BULK)

    link, mailto = f"<https://news.example.com/u/{TOKEN}>", "<mailto:stop%2Bnews@example.com?subject=unsubscribe%20"
    assert bulk_headers(parsed(server))[0] == [f"{link}, {mailto}{TOKEN}>"]


def test_one_click_is_promised_over_https_alone(server: FakeSmtp, backend: SendBackend, settings: Settings) -> None:
    settings.PUBLIC_URL = "http://localhost:8000"

    backend.send(BULK)

    assert bulk_headers(parsed(server))[:2] == [[f"<http://localhost:8000/u/{TOKEN}>"], []]


def test_each_mail_of_a_connection_has_its_own_link(server: FakeSmtp, backend: SendBackend) -> None:
    tokens = [signed_links.token(Link(client_id=number, topic_id=1, broadcast_id=42)) for number in (7, 8)]

    for token in tokens:
        backend.send(replace(BULK, link_token=token))

    found = [bulk_headers(parsed(server, number))[0] for number in range(2)]
    assert found == [[f"<http://localhost:8000/u/{token}>"] for token in tokens]


def test_a_mail_without_a_link_promises_nothing(server: FakeSmtp, backend: SendBackend) -> None:
    backend.send(MESSAGE)

    assert bulk_headers(parsed(server)) == [[], [], [], ["bulk"]]


def test_the_source_has_the_same_bulk_headers_as_django_s(settings: Settings) -> None:
    settings.PUBLIC_URL, settings.UNSUBSCRIBE_MAILTO = "https://news.example.com", "stop@example.com"

    ours = message_from_bytes(mime.source(BULK), policy=policy.default)
    theirs = message_from_bytes(mime.build(BULK).message().as_bytes(), policy=policy.default)

    assert bulk_headers(ours) == bulk_headers(theirs)
    assert [len(values) for values in bulk_headers(ours)] == [1, 1, 1, 1]


@pytest.mark.parametrize("html", ["", "<p>Hello Ann.</p>"], ids=["text alone", "both forms"])
@pytest.mark.parametrize(
    "change", [{"list_id": "a\r\nBcc: eve@example.com"}, {"link_token": "a\nBcc: eve@example.com"}]
)
def test_no_bulk_header_smuggles_in_another(
    server: FakeSmtp, backend: SendBackend, html: str, change: dict[str, str]
) -> None:
    with pytest.raises(PermanentFailure) as caught:
        backend.send(replace(BULK, html=html, **change))

    assert server.accepted() == []
    assert "eve@" not in str(caught.value)
