"""Delivery status notifications (RFC 3461): asked for by EMAIL_DSN, and of servers that offer them alone."""

from dataclasses import replace

import pytest
from pytest_django import Settings

from consumers.backends import delivery_status
from consumers.backends.base import SendBackend
from tests.consumers.backends.mails import MESSAGE
from tests.support.fakes.rules import Rule
from tests.support.fakes.smtp import FakeSmtp


def test_a_server_that_offers_it_is_asked_with_the_deliverys_number(
    server: FakeSmtp, backend: SendBackend, settings: Settings
) -> None:
    settings.EMAIL_DSN = ("SUCCESS", "FAILURE")

    backend.send(replace(MESSAGE, address="ann+news=x@example.com", installation="0a1b"))
    backend.send(MESSAGE)

    first, second = server.accepted()
    assert first["dsn"] == [
        "RET=HDRS",
        "ENVID=7.42.0a1b",
        "NOTIFY=SUCCESS,FAILURE",
        "ORCPT=rfc822;ann+2Bnews+3Dx@example.com",
    ]
    assert second["dsn"] == ["RET=HDRS", "ENVID=7.42", "NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;ann@example.com"]


def test_by_default_nothing_is_asked(server: FakeSmtp, backend: SendBackend) -> None:
    backend.send(MESSAGE)

    assert server.accepted()[0]["dsn"] == []


def test_a_server_that_does_not_offer_it_is_asked_nothing(
    server: FakeSmtp, backend: SendBackend, settings: Settings
) -> None:
    settings.EMAIL_DSN = ("FAILURE",)
    server.behave(Rule(phase="ehlo", reply="250-fake\r\n250 8BITMIME"))

    backend.send(MESSAGE)

    assert server.accepted()[0]["dsn"] == []


@pytest.mark.parametrize(
    ("text", "written"),
    [("a b", "a+20b"), ("1+1=2", "1+2B1+3D2"), ("ann@example.com", "ann@example.com"), ("x\r\nRCPT", "x+0D+0ARCPT")],
)
def test_what_is_not_plain_is_written_as_xtext(text: str, written: str) -> None:
    assert delivery_status.xtext(text) == written


@pytest.mark.parametrize("reference", ["", "é", "7" * 101])
def test_what_can_not_be_named_is_not_asked_about(settings: Settings, reference: str) -> None:
    settings.EMAIL_DSN = ("FAILURE",)

    assert delivery_status.of_envelope(replace(MESSAGE, reference=reference)) == []
    assert delivery_status.of_recipient(replace(MESSAGE, reference=reference), MESSAGE.address) == []
