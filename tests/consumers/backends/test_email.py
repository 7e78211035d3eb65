import asyncio
import smtplib
import ssl
import subprocess
import time
from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage as ParsedMail
from pathlib import Path
from typing import Any

import pytest
from django.core import mail as outbox
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.core.mail.backends.base import BaseEmailBackend
from pytest_django import Settings

from consumers.backends import mime, smtp
from consumers.backends.base import (
    ChannelDown,
    Deadline,
    NoMessage,
    OutcomeUnknown,
    Outgoing,
    PermanentFailure,
    SendBackend,
    SendFailure,
    TemporaryFailure,
)
from consumers.backends.django_mail import DjangoMailBackend
from consumers.backends.email import get_backend
from consumers.backends.smtp import SmtpBackend
from consumers.backends.smtp_connection import BoundedSmtp
from consumers.sender import Sender
from notifier.delivery.claims import Message
from notifier.delivery.settlements import Verdict
from notifier.messages import signed_links
from notifier.messages.signed_links import Link
from notifier.models import Channel
from tests.consumers.backends.conftest import HASTY_SECONDS, PATIENT_SECONDS
from tests.support.fakes.rules import Rule
from tests.support.fakes.smtp import FakeSmtp, SmtpSession

#: More than the sockets' buffers take, 4 + 6 MB at the most on Linux as it comes.
LARGE_TEXT = "A line of an endless newsletter, seventy characters long, to the very end.\n" * 220_000
MESSAGE = Outgoing(reference="7.42", address="ann@example.com", subject="Three new homes", body="Hello Ann.\n")


@pytest.fixture
def server(fake_smtp: FakeSmtp, settings: Settings, answer_seconds: float) -> FakeSmtp:
    use(fake_smtp, settings)
    settings.EMAIL_TIMEOUT = answer_seconds
    return fake_smtp


@pytest.fixture
def backend(server: FakeSmtp) -> Iterator[SendBackend]:
    backend = get_backend()
    yield backend
    backend.close()


def use(fake: FakeSmtp, settings: Settings) -> None:
    settings.EMAIL_BACKEND = settings.SMTP_BACKEND
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", fake.port
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.EMAIL_TIMEOUT = PATIENT_SECONDS
    settings.DEFAULT_FROM_EMAIL = "Notifier <notifier@example.org>"


def recipients(fake: FakeSmtp) -> list[str]:
    return [entry["recipient"] for entry in fake.accepted()]


def parsed(fake: FakeSmtp, number: int = 0) -> ParsedMail:
    mail = message_from_bytes(fake.accepted()[number]["raw"].encode(), policy=policy.default)
    assert isinstance(mail, ParsedMail)
    return mail


def text_of(mail: ParsedMail) -> str:
    return str(mail.get_content()).replace("\r\n", "\n")


def text_on_the_wire(fake: FakeSmtp) -> str:
    return str(fake.accepted()[0]["raw"]).partition("\r\n\r\n")[2]


# --- Every phase of SMTP and what it means ----------------------------------------------------------------------------
@pytest.mark.parametrize("reply", ["", "421 4.3.2 too busy", "554 5.3.2 not for you", "wibble"])
@pytest.mark.parametrize("phase", ["connect", "ehlo", "mail"])
def test_a_server_that_is_out_of_order_before_any_recipient_is_the_channels_trouble(
    server: FakeSmtp, backend: SendBackend, phase: str, reply: str
) -> None:
    server.behave(Rule(phase=phase, reply=reply, then="drop"))

    with pytest.raises(ChannelDown):
        backend.send(MESSAGE)

    assert server.accepted() == []


@pytest.mark.parametrize("phase", ["connect", "ehlo", "mail"])
def test_a_server_that_says_nothing_before_any_recipient_is_the_channels_trouble(
    server: FakeSmtp, backend: SendBackend, phase: str
) -> None:
    server.behave(Rule(phase=phase, then="hang"))

    with pytest.raises(ChannelDown):
        backend.send(MESSAGE)


def test_a_server_that_refuses_connections_is_the_channels_trouble(server: FakeSmtp, backend: SendBackend) -> None:
    with server.refusing(), pytest.raises(ChannelDown, match="refused"):
        backend.send(MESSAGE)


@pytest.mark.parametrize("misbehaviour", [{"reply": "535 5.7.8 wrong password"}, {"then": "drop"}, {"then": "hang"}])
def test_a_login_that_fails_is_the_channels_trouble(
    server: FakeSmtp, backend: SendBackend, settings: Settings, misbehaviour: dict[str, str]
) -> None:
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "notifier", "secret"
    server.behave(Rule(phase="auth", **misbehaviour))  # type: ignore[arg-type]

    with pytest.raises(ChannelDown) as caught:
        backend.send(MESSAGE)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("reply", ["450 4.7.1 later", "550 5.7.1 you may not send", "530 5.7.0 log in first"])
def test_a_refused_sender_is_the_channels_trouble(server: FakeSmtp, backend: SendBackend, reply: str) -> None:
    server.behave(Rule(phase="mail", reply=reply))

    with pytest.raises(ChannelDown, match=reply[:9]):
        backend.send(MESSAGE)


def test_a_mail_that_is_too_large_fails_for_good(server: FakeSmtp, backend: SendBackend) -> None:
    server.behave(Rule(phase="mail", reply="552 5.3.4 too large", times=1))

    with pytest.raises(PermanentFailure, match=r"552 5\.3\.4"):
        backend.send(MESSAGE)

    backend.send(replace(MESSAGE, reference="7.43"))
    assert (len(server.accepted()), server.connections) == (1, 1)


BEFORE_AND_AFTER_THE_TEXT = ["rcpt", "data", "dot"]


@pytest.mark.parametrize("reply", ["421 4.3.2 closing", "450 4.2.0 later", "451 4.3.0 later", "452 4.2.2 full"])
@pytest.mark.parametrize("phase", BEFORE_AND_AFTER_THE_TEXT)
def test_a_reply_of_4xx_may_pass(server: FakeSmtp, backend: SendBackend, phase: str, reply: str) -> None:
    server.behave(Rule(phase=phase, reply=reply))

    with pytest.raises(TemporaryFailure, match=reply[:9]):
        backend.send(MESSAGE)

    assert server.accepted() == []


@pytest.mark.parametrize("reply", ["550 5.1.1 nobody of that name", "552 5.2.2 full", "554 5.7.1 spam"])
@pytest.mark.parametrize("phase", BEFORE_AND_AFTER_THE_TEXT)
def test_a_reply_of_5xx_is_for_good(server: FakeSmtp, backend: SendBackend, phase: str, reply: str) -> None:
    server.behave(Rule(phase=phase, reply=reply))

    with pytest.raises(PermanentFailure, match=reply[:9]):
        backend.send(MESSAGE)

    assert server.accepted() == []


@pytest.mark.parametrize("reply", ["550 5.1.1 nobody", "551 5.1.6 moved", "553 5.1.3 no such form"])
def test_a_mailbox_that_the_server_does_not_have_is_sent_nothing_more(
    server: FakeSmtp, backend: SendBackend, reply: str
) -> None:
    server.behave(Rule(phase="rcpt", reply=reply))

    with pytest.raises(PermanentFailure) as refusal:
        backend.send(MESSAGE)

    word = refusal.value.suppress
    assert word is not None
    assert (word.source, word.reason) == ("BOUNCE", str(refusal.value))


@pytest.mark.parametrize(
    ("phase", "reply"),
    [
        ("rcpt", "550 no such user"),
        ("rcpt", "550 5.7.1 you are on a list"),
        ("rcpt", "550 5.1.8 bad sender"),
        ("rcpt", "550 5.1.0 sender rejected"),
        ("rcpt", "550 5.1.2.3 is blocked"),
        ("rcpt", "552 5.2.2 full"),
        ("rcpt", "554 5.1.1 nobody"),
        ("rcpt", "450 4.1.1 not now"),
        ("data", "550 5.1.1 nobody"),
        ("dot", "550 5.1.1 nobody"),
    ],
)
def test_any_other_refusal_is_of_the_message_and_not_of_the_mailbox(
    server: FakeSmtp, backend: SendBackend, phase: str, reply: str
) -> None:
    server.behave(Rule(phase=phase, reply=reply))

    with pytest.raises((PermanentFailure, TemporaryFailure)) as refusal:
        backend.send(MESSAGE)

    assert refusal.value.suppress is None


@pytest.mark.parametrize("then", ["drop", "reset", "hang"])
@pytest.mark.parametrize("phase", ["rcpt", "data"])
def test_a_connection_lost_before_the_text_may_pass(
    server: FakeSmtp, backend: SendBackend, phase: str, then: str
) -> None:
    server.behave(Rule(phase=phase, then=then, times=1))

    with pytest.raises(TemporaryFailure):
        backend.send(MESSAGE)

    backend.send(MESSAGE)
    assert (len(server.accepted()), server.connections) == (1, 2)


@pytest.mark.parametrize("phase", ["rcpt", "data"])
def test_after_an_answer_that_makes_no_sense_the_connection_is_not_used_again(
    server: FakeSmtp, backend: SendBackend, phase: str
) -> None:
    # The stray line would be taken for the answer to the next command, and each answer after it for the next but one.
    server.behave(Rule(phase=phase, reply="wibble\r\n250 2.0.0 stray", times=1))

    with pytest.raises(TemporaryFailure):
        backend.send(MESSAGE)

    backend.send(MESSAGE)
    assert (len(server.accepted()), server.connections) == (1, 2)


@pytest.mark.parametrize("then", ["drop", "reset"])
def test_a_connection_lost_in_the_midst_of_a_large_text_may_pass(
    server: FakeSmtp, backend: SendBackend, then: str
) -> None:
    server.behave(Rule(phase="body", then=then))

    with pytest.raises(TemporaryFailure, match="while sending the text"):
        backend.send(replace(MESSAGE, body=LARGE_TEXT))

    assert server.accepted() == []


class DeafSession(SmtpSession):
    """Asks for the text and never reads it."""

    def _begin_text(self) -> None:
        super()._begin_text()
        self.transport.pause_reading()


class DeafSmtp(FakeSmtp):
    session = DeafSession


def test_a_server_that_stops_reading_in_the_midst_of_a_large_text_may_pass(tmp_path: Path, settings: Settings) -> None:
    with DeafSmtp(folder=tmp_path) as server:
        use(server, settings)
        settings.EMAIL_TIMEOUT = HASTY_SECONDS

        with pytest.raises(TemporaryFailure, match="while sending the text"):
            get_backend().send(replace(MESSAGE, body=LARGE_TEXT))


# --- A server that never stops answering ------------------------------------------------------------------------------
@pytest.fixture
def hasty(server: FakeSmtp, monkeypatch: pytest.MonkeyPatch) -> Iterator[SendBackend]:
    """Gives all of a send twice the time of one answer."""
    monkeypatch.setattr(smtp, "PHASES", 2)
    backend = get_backend()
    yield backend
    backend.close()


def dripping(phase: str, reply: str) -> Rule:
    """Each byte comes well before the time-out, and all of them together long after."""
    return Rule(phase=phase, reply=reply + " " * 60, drip=HASTY_SECONDS / 6, times=1)


@pytest.mark.parametrize(
    ("phase", "reply", "failure"),
    [
        ("connect", "220 fake", ChannelDown),
        ("ehlo", "250 fake", ChannelDown),
        ("mail", "250 ok", ChannelDown),
        ("rcpt", "250 ok", TemporaryFailure),
        ("data", "354 go ahead", TemporaryFailure),
        ("dot", "250 taken", OutcomeUnknown),
    ],
)
def test_an_answer_that_drips_is_not_waited_for(
    server: FakeSmtp, hasty: SendBackend, phase: str, reply: str, failure: type[SendFailure]
) -> None:
    server.behave(dripping(phase, reply))

    with pytest.raises(failure):
        hasty.send(MESSAGE)

    hasty.send(replace(MESSAGE, reference="7.43"))
    assert [entry["delivery"] for entry in server.accepted()] == [43]


def test_a_refusal_whose_connection_then_drips_stays_one(server: FakeSmtp, hasty: SendBackend) -> None:
    server.behave(Rule(phase="rcpt", reply="550 5.1.1 nobody of that name", times=1), dripping("rset", "250 ok"))

    with pytest.raises(PermanentFailure, match=r"550 5\.1\.1"):
        hasty.send(MESSAGE)


@pytest.mark.parametrize(
    ("phase", "failure"), [("ehlo", ChannelDown), ("rcpt", TemporaryFailure), ("dot", OutcomeUnknown)]
)
def test_an_answer_without_end_is_not_read_to_its_end(
    server: FakeSmtp, backend: SendBackend, phase: str, failure: type[SendFailure]
) -> None:
    server.behave(Rule(phase=phase, reply="250-and so on\r\n" * 10_000 + "250 ok"))

    with pytest.raises(failure, match="no end"):
        backend.send(MESSAGE)


class SippingSession(SmtpSession):
    """Takes the text in sips, so that each send goes on a little before its time-out."""

    def _begin_text(self) -> None:
        super()._begin_text()
        self._rest()

    def _rest(self) -> None:
        self.transport.pause_reading()
        self.loop.call_later(HASTY_SECONDS / 20, self.transport.resume_reading)

    def data_received(self, data: bytes) -> None:
        if self.is_in_text:
            self._rest()
        super().data_received(data)


class SippingSmtp(FakeSmtp):
    session = SippingSession


def test_a_server_that_takes_the_text_in_sips_is_not_waited_for(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SippingSmtp(folder=tmp_path) as server:
        use(server, settings)
        settings.EMAIL_TIMEOUT = HASTY_SECONDS
        monkeypatch.setattr(smtp, "PHASES", 4)

        with pytest.raises(TemporaryFailure, match="while sending the text"):
            get_backend().send(replace(MESSAGE, body=LARGE_TEXT * 2))


def test_a_send_may_never_take_as_long_as_its_lease(server: FakeSmtp, settings: Settings) -> None:
    settings.EMAIL_TIMEOUT = 30
    usual = get_backend().longest_send_seconds
    settings.LEASE_SECONDS = 100

    assert (usual, get_backend().longest_send_seconds) == (270, 90)


@pytest.mark.parametrize("taken", [True, False])
@pytest.mark.parametrize(
    "misbehaviour",
    [{"then": "drop"}, {"then": "reset"}, {"then": "hang"}, {"reply": "wibble"}, {"reply": "354 go on"}],
    ids=str,
)
def test_an_answer_lost_after_the_text_leaves_the_outcome_unknown(
    server: FakeSmtp, backend: SendBackend, misbehaviour: dict[str, str], taken: bool
) -> None:
    server.behave(Rule(phase="dot", taken=taken, times=1, **misbehaviour))  # type: ignore[arg-type]

    with pytest.raises(OutcomeUnknown):
        backend.send(MESSAGE)

    assert len(server.accepted()) == taken
    backend.send(replace(MESSAGE, reference="7.43"))
    assert server.connections == 2


@pytest.mark.parametrize("misbehaviour", [{"then": "drop"}, {"then": "hang"}, {"reply": "500 5.5.1 stay"}], ids=str)
def test_a_goodbye_that_fails_changes_nothing(
    server: FakeSmtp, backend: SendBackend, misbehaviour: dict[str, str]
) -> None:
    server.behave(Rule(phase="quit", **misbehaviour))  # type: ignore[arg-type]

    backend.send(MESSAGE)
    backend.close()

    assert recipients(server) == ["ann@example.com"]


# --- One connection for many messages ---------------------------------------------------------------------------------
def test_many_messages_go_over_one_connection(server: FakeSmtp, backend: SendBackend) -> None:
    for number in range(20):
        backend.send(replace(MESSAGE, reference=f"7.{number}"))

    assert [entry["delivery"] for entry in server.accepted()] == list(range(20))
    assert server.connections == 1


def test_a_connection_is_given_up_after_its_share_of_messages(
    server: FakeSmtp, backend: SendBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "MESSAGES_PER_CONNECTION", 3)

    for _ in range(7):
        backend.send(MESSAGE)

    assert (len(server.accepted()), server.connections) == (7, 3)


def test_a_connection_that_rested_long_is_not_trusted(
    server: FakeSmtp, backend: SendBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.send(MESSAGE)
    monkeypatch.setattr(smtp, "IDLE_SECONDS", 0.0)

    backend.send(MESSAGE)

    assert (len(server.accepted()), server.connections) == (2, 2)


@pytest.mark.parametrize("phase", BEFORE_AND_AFTER_THE_TEXT)
@pytest.mark.parametrize("reply", ["450 4.2.0 later", "550 5.1.1 nobody of that name"])
def test_after_a_refused_message_the_same_connection_goes_on(
    server: FakeSmtp, backend: SendBackend, phase: str, reply: str
) -> None:
    server.behave(Rule(phase=phase, reply=reply, recipient="bob@*"))

    with pytest.raises(SendFailure):
        backend.send(replace(MESSAGE, address="bob@example.com"))
    backend.send(MESSAGE)

    assert (recipients(server), server.connections) == (["ann@example.com"], 1)


@pytest.mark.parametrize("misbehaviour", [{"reply": "500 5.5.1 no"}, {"then": "drop"}, {"then": "hang"}], ids=str)
def test_a_connection_that_can_not_start_over_is_given_up(
    server: FakeSmtp, backend: SendBackend, misbehaviour: dict[str, str]
) -> None:
    server.behave(
        Rule(phase="rcpt", reply="550 5.1.1 nobody of that name", times=1),
        Rule(phase="rset", **misbehaviour),  # type: ignore[arg-type]
    )

    with pytest.raises(PermanentFailure, match=r"550 5\.1\.1"):
        backend.send(MESSAGE)
    backend.send(MESSAGE)

    assert (len(server.accepted()), server.connections) == (1, 2)


def test_a_connection_that_the_server_closed_meanwhile_is_opened_anew(server: FakeSmtp, backend: SendBackend) -> None:
    backend.send(MESSAGE)
    with server.refusing():
        pass

    backend.send(replace(MESSAGE, reference="7.43"))

    assert [entry["delivery"] for entry in server.accepted()] == [42, 43]


@pytest.mark.parametrize(
    "misbehaviour",
    [{"reply": "421 4.4.2 idle for too long", "then": "drop"}, {"then": "drop"}, {"then": "reset"}, {"then": "hang"}],
    ids=str,
)
def test_a_kept_connection_that_fails_at_its_next_message_is_opened_anew(
    server: FakeSmtp, backend: SendBackend, misbehaviour: dict[str, str]
) -> None:
    backend.send(MESSAGE)
    server.behave(Rule(phase="mail", times=1, **misbehaviour))  # type: ignore[arg-type]

    backend.send(replace(MESSAGE, reference="7.43"))

    assert [entry["delivery"] for entry in server.accepted()] == [42, 43]
    assert server.connections == 2


def test_a_server_that_is_gone_since_the_last_message_is_the_channels_trouble(
    server: FakeSmtp, backend: SendBackend
) -> None:
    backend.send(MESSAGE)

    with server.refusing(), pytest.raises(ChannelDown):
        backend.send(MESSAGE)

    backend.send(MESSAGE)
    assert len(server.accepted()) == 2


# --- A connection that is worn out ------------------------------------------------------------------------------------
@pytest.mark.parametrize("phase", BEFORE_AND_AFTER_THE_TEXT)
@pytest.mark.parametrize(
    "reply",
    ["451 4.7.0 Too many messages on this connection", "503 5.5.1 bad sequence of commands", "421 4.4.2 idle too long"],
)
def test_a_worn_out_connection_blames_nobody_and_the_mail_goes_over_a_fresh_one(
    server: FakeSmtp, backend: SendBackend, phase: str, reply: str
) -> None:
    backend.send(MESSAGE)
    server.behave(Rule(phase=phase, reply=reply, times=1))

    backend.send(replace(MESSAGE, reference="7.43"))

    assert [entry["delivery"] for entry in server.accepted()] == [42, 43]
    assert server.connections == 2


@pytest.mark.parametrize("then", ["drop", "reset"])
@pytest.mark.parametrize("phase", ["rcpt", "data"])
def test_a_worn_out_connection_that_is_lost_before_the_text_blames_nobody(
    server: FakeSmtp, backend: SendBackend, phase: str, then: str
) -> None:
    backend.send(MESSAGE)
    server.behave(Rule(phase=phase, then=then, times=1))

    backend.send(replace(MESSAGE, reference="7.43"))

    assert [entry["delivery"] for entry in server.accepted()] == [42, 43]


@pytest.mark.parametrize("phase", BEFORE_AND_AFTER_THE_TEXT)
def test_a_server_that_is_out_of_step_on_a_fresh_connection_too_is_the_channels_trouble(
    server: FakeSmtp, backend: SendBackend, phase: str
) -> None:
    backend.send(MESSAGE)
    server.behave(Rule(phase=phase, reply="503 5.5.1 bad sequence of commands"))

    with pytest.raises(ChannelDown, match="503"):
        backend.send(MESSAGE)

    assert (len(server.accepted()), server.connections) == (1, 2)


@pytest.mark.parametrize("then", ["drop", "hang"])
def test_an_answer_lost_after_the_text_is_unknown_on_a_reused_connection_as_well(
    server: FakeSmtp, backend: SendBackend, then: str
) -> None:
    backend.send(MESSAGE)
    server.behave(Rule(phase="dot", then=then, taken=True, times=1))

    with pytest.raises(OutcomeUnknown):
        backend.send(replace(MESSAGE, reference="7.43"))

    assert [entry["delivery"] for entry in server.accepted()] == [42, 43]


def test_what_is_larger_than_the_server_takes_is_told_before_it_is_sent(server: FakeSmtp, backend: SendBackend) -> None:
    server.behave(Rule(phase="ehlo", reply="250-fake\r\n250 SIZE 2000"))

    with pytest.raises(PermanentFailure, match=r"552 5\.3\.4 it has [\d,]+ bytes, and the server takes 2,000"):
        backend.send(replace(MESSAGE, body="x" * 70 + "\n" * 3000))

    backend.send(MESSAGE)
    assert (len(server.accepted()), server.connections) == (1, 1)


class AskingSession(SmtpSession):
    """Notes the name and password that it is told."""

    told: list[str]

    def _on_auth(self, line: str) -> None:
        self.told.append(line)
        super()._on_auth(line)


def test_a_password_beyond_ascii_is_told_in_utf8(tmp_path: Path, settings: Settings) -> None:
    class Session(AskingSession):
        told: list[str] = []

    class AskingSmtp(FakeSmtp):
        session = Session

    with AskingSmtp(folder=tmp_path) as server:
        use(server, settings)
        settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "notifier", "Schlüssel"

        with closing(get_backend()) as backend:
            backend.send(MESSAGE)

    (line,) = Session.told
    assert b64decode(line.split()[2]).decode() == "\0notifier\0Schlüssel"


@pytest.mark.parametrize("mechanism", ["LOGIN", "CRAM-MD5"])
def test_a_password_beyond_ascii_fits_each_way_to_log_in(mechanism: str) -> None:
    connection: Any = BoundedSmtp(deadline=Deadline(seconds=1))
    connection.user, connection.password = "notifier", "Schlüssel"
    said: list[str] = []
    answers = iter([(334, b"UGFzc3dvcmQ6"), (235, b"ok")])

    def docmd(*words: str) -> tuple[int, bytes]:
        said.append(" ".join(words))
        return next(answers)

    connection.docmd = docmd

    method = connection.auth_login if mechanism == "LOGIN" else connection.auth_cram_md5
    assert connection.auth(mechanism, method, initial_response_ok=mechanism == "LOGIN")[0] == 235

    assert said[0].startswith(f"AUTH {mechanism}")
    assert ("Schlüssel" in b64decode(said[-1]).decode()) is (mechanism == "LOGIN")


# --- A server that takes few connections at once ----------------------------------------------------------------------
class CrowdedSession(SmtpSession):
    """Serves three at once, from the `phase` on at which it refuses the others."""

    phase: str
    reply: str
    served: set[SmtpSession]

    def _answer(self, phase: str, good: str, **more: Any) -> None:
        if phase == self.phase and len(self.served - {self}) >= 3:
            self._say(self.reply)
            return self.transport.close() if phase == "connect" else None
        if phase == self.phase:
            self.served.add(self)
        super()._answer(phase, good, **more)

    def _end_text(self, text: bytes) -> None:
        self.loop.call_later(0.01, self._end_slowly, text)

    def _end_slowly(self, text: bytes) -> None:
        super()._end_text(text)
        if self.phase != "connect":
            self.served.discard(self)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self.served.discard(self)


@pytest.mark.parametrize(
    ("phase", "reply"),
    [
        ("connect", "421 4.7.0 Too many concurrent SMTP connections"),
        ("mail", "432 4.3.2 Concurrent connections limit exceeded"),
        ("data", "432 4.3.2 Concurrent connections limit exceeded"),
    ],
)
def test_a_server_that_takes_few_connections_gets_everything_over_those(
    tmp_path: Path, settings: Settings, phase: str, reply: str
) -> None:
    class Session(CrowdedSession):
        served: set[SmtpSession] = set()

    Session.phase, Session.reply = phase, reply

    class CrowdedSmtp(FakeSmtp):
        session = Session

    with CrowdedSmtp(folder=tmp_path) as server:
        use(server, settings)
        settings.EMAIL_TIMEOUT = 20
        crew = Sender(get_backend=get_backend, threads=10)
        messages = [
            Message(
                f"7.{number}",
                f"client{number}@example.com",
                "Homes",
                "Hello",
                delivery_id=number,
                broadcast_id=7,
                channel=Channel.EMAIL,
                attempts=0,
            )
            for number in range(60)
        ]

        outcomes = crew.send(messages, starts_until=time.monotonic() + 60, waiting=lambda: None)
        crew.close()

        assert {outcome.verdict for outcome in outcomes} == {Verdict.SENT}
        assert sorted(entry["delivery"] for entry in server.accepted()) == list(range(60))
        assert crew.window_size(10) == 9
        assert reply in crew.words
        assert server.connections <= 10 + 7


@pytest.mark.parametrize("phase", ["rcpt", "data", "dot"])
@pytest.mark.parametrize(
    ("reply", "is_about_connections"),
    [
        ("432 4.3.2 Concurrent connections limit exceeded", True),
        ("421 4.7.0 Too many SMTP sessions for this host", True),
        ("451 4.7.0 connection rate limit exceeded", True),
        ("421 4.7.0 mx1.example.org Error: too many connections from 192.0.2.7", True),
        ("450 4.1.1 <ann@example.com>: unverified address: host mx.x said: 421 4.7.0 Too many connections", False),
        ("450 4.1.1 unverified address: host mx.x[192.0.2.7] refused to talk to me: 421 too many sessions", False),
        ("451 4.4.1 mx.x said 421 Too many concurrent connections", False),
        ("451 4.4.1 callout failed (421 Too many connections)", False),
        ("452 4.5.3 too many recipients", False),
        ("450 4.7.1 greylisted, come again", False),
    ],
)
def test_a_limit_of_connections_blames_no_recipient(
    server: FakeSmtp, backend: SendBackend, phase: str, reply: str, is_about_connections: bool
) -> None:
    server.behave(Rule(phase=phase, reply=reply, times=1))

    with pytest.raises(ChannelDown if is_about_connections else TemporaryFailure, match=reply[:9]):
        backend.send(MESSAGE)


def test_a_refused_greeting_is_told_in_the_servers_words(server: FakeSmtp, backend: SendBackend) -> None:
    server.behave(Rule(phase="connect", reply="421 4.7.0 Too many connections", then="drop"))

    with pytest.raises(ChannelDown) as caught:
        backend.send(MESSAGE)

    assert str(caught.value) == "the mail server can't be used: 421 4.7.0 Too many connections"


# --- What arrives -----------------------------------------------------------------------------------------------------
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


# --- Settings that can't work -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "change",
    [
        {"EMAIL_HOST": "mail..example.com"},
        {"EMAIL_HOST": "no-such-host.invalid"},
        {"DEFAULT_FROM_EMAIL": "jörg@example.org"},
        {"DEFAULT_FROM_EMAIL": "news@example..org"},
    ],
    ids=str,
)
def test_settings_that_can_not_work_are_the_channels_trouble(
    server: FakeSmtp, settings: Settings, change: dict[str, str]
) -> None:
    for name, value in change.items():
        setattr(settings, name, value)

    with pytest.raises(ChannelDown):
        get_backend().send(MESSAGE)

    assert server.accepted() == []


# --- TLS --------------------------------------------------------------------------------------------------------------
class TlsSmtp(FakeSmtp):
    """TLS from the first byte."""

    certificate: Path

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        return context

    async def _listen(self) -> None:
        self._server = await self._loop.create_server(
            lambda: self.session(self._sink), "127.0.0.1", self.port, ssl=self.context()
        )
        self.port = self._server.sockets[0].getsockname()[1]


class StartTlsSession(SmtpSession):
    """Takes mail only over TLS, and forgets with STARTTLS that it was greeted before (RFC 3207, 4.2)."""

    context: ssl.SSLContext
    is_greeted = is_private = False

    def _on_ehlo(self, line: str) -> None:
        self.is_greeted = True
        self._say("250-fake\r\n250-8BITMIME\r\n250-AUTH PLAIN\r\n250 STARTTLS")

    def _on_star(self, line: str) -> None:
        self._say("220 2.0.0 go ahead")
        self.is_greeted = False
        self.handshake = self.loop.create_task(self._wrap())

    async def _wrap(self) -> None:
        try:
            wrapped = await self.loop.start_tls(self.transport, self, self.context, server_side=True)
        except OSError:
            return
        assert isinstance(wrapped, asyncio.Transport)
        self.transport, self.is_private = wrapped, True
        self.sink.open.add(wrapped)

    def _on_mail(self, line: str) -> None:
        if not self.is_private:
            return self._say("530 5.7.0 STARTTLS first")
        if not self.is_greeted:
            return self._say("503 5.5.1 EHLO first")
        super()._on_mail(line)


class StartTlsSmtp(TlsSmtp):
    def session(self, sink: Any) -> asyncio.Protocol:  # type: ignore[override]
        session = StartTlsSession(sink)
        session.context = self.context()
        return session

    async def _listen(self) -> None:
        await FakeSmtp._listen(self)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for 127.0.0.1, signed by itself, in one file."""
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    options = "-x509 -nodes -days 1 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1"
    options += " -subj /CN=fake -addext subjectAltName=IP:127.0.0.1"
    subprocess.run(
        ["openssl", "req", *options.split(), "-keyout", str(path), "-out", f"{path}.crt"],
        check=True,
        capture_output=True,
    )
    with path.open("a") as file:
        file.write(Path(f"{path}.crt").read_text())
    return path


@pytest.fixture(params=["EMAIL_USE_SSL", "EMAIL_USE_TLS"])
def tls_server(
    request: pytest.FixtureRequest, tmp_path: Path, certificate: Path, settings: Settings
) -> Iterator[FakeSmtp]:
    make = TlsSmtp if request.param == "EMAIL_USE_SSL" else StartTlsSmtp
    make.certificate = certificate
    with make(folder=tmp_path) as fake:
        use(fake, settings)
        settings.EMAIL_TIMEOUT = 2
        setattr(settings, request.param, True)
        yield fake


def test_mail_goes_over_tls(tls_server: FakeSmtp, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", f"{certificate}.crt")
    backend = get_backend()

    backend.send(MESSAGE)
    backend.send(replace(MESSAGE, body=LARGE_TEXT[:1_000_000]))
    backend.close()

    assert (len(tls_server.accepted()), tls_server.connections) == (2, 1)


def test_a_certificate_that_nobody_vouches_for_is_the_channels_trouble(tls_server: FakeSmtp) -> None:
    with pytest.raises(ChannelDown, match=r"(?i)certificate verify failed"):
        get_backend().send(MESSAGE)

    assert tls_server.accepted() == []


def test_a_certificate_for_another_name_is_the_channels_trouble(
    tls_server: FakeSmtp, certificate: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", f"{certificate}.crt")
    settings.EMAIL_HOST = "localhost"

    with pytest.raises(ChannelDown, match=r"(?i)certificate verify failed"):
        get_backend().send(MESSAGE)


def test_a_server_that_offers_no_starttls_gets_nothing_in_the_clear(
    server: FakeSmtp, backend: SendBackend, settings: Settings
) -> None:
    settings.EMAIL_USE_TLS = True

    with pytest.raises(ChannelDown, match="STARTTLS"):
        backend.send(MESSAGE)

    assert server.accepted() == []


# --- Django's other mail backends -------------------------------------------------------------------------------------
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


def test_the_setting_chooses_the_backend(settings: Settings) -> None:
    settings.EMAIL_BACKEND = settings.SMTP_BACKEND
    assert isinstance(get_backend(), SmtpBackend)

    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    assert isinstance(get_backend(), DjangoMailBackend)


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


# --- What makes it bulk mail that can be refused ----------------------------------------------------------------------
TOKEN = signed_links.token(Link(client_id=7, topic_id=1, broadcast_id=42))
BULK = replace(MESSAGE, link_token=TOKEN, list_id="listings", html="<p>Hello Ann.</p>")
BULK_HEADERS = ("List-Unsubscribe", "List-Unsubscribe-Post", "List-Id", "Precedence")


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
