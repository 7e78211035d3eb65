"""Every phase of SMTP, and what a server's answer in it means."""

from dataclasses import replace
from pathlib import Path

import pytest
from pytest_django import Settings

from consumers.backends.base import ChannelDown, PermanentFailure, SendBackend, TemporaryFailure
from consumers.backends.email import get_backend
from tests.consumers.backends.mails import BEFORE_AND_AFTER_THE_TEXT, LARGE_TEXT, MESSAGE, use
from tests.consumers.backends.patience import HASTY_SECONDS
from tests.support.fakes.rules import Rule
from tests.support.fakes.smtp import FakeSmtp, SmtpSession


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
        ("rcpt", "550 5.1.1 <news@acme.example>: Sender address rejected: User unknown"),
        ("rcpt", "550 5.1.2 <news@acme.example>: Sender address rejected: Domain not found"),
        ("rcpt", "550 5.1.1 Mail from 192.0.2.1 refused: listed by Spamhaus"),
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
