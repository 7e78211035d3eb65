"""One connection for many messages, until it is worn out."""

from dataclasses import replace

import pytest

from consumers.backends import smtp, smtp_connection
from consumers.backends.base import (
    ChannelDown,
    OutcomeUnknown,
    PermanentFailure,
    SendBackend,
    SendFailure,
    TemporaryFailure,
)
from tests.consumers.backends.mails import BEFORE_AND_AFTER_THE_TEXT, MESSAGE, recipients
from tests.support.fakes.rules import Rule
from tests.support.fakes.smtp import FakeSmtp


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
    [
        "421 4.4.2 idle too long",
        "450 4.7.1 mx1.example.org: too many mails in one session",
        "450 4.7.1 Message limit per connection reached, reconnect",
        "451 4.3.2 Please open a new connection",
        "451 4.7.0 Too many messages on this connection",
        "452 4.5.3 Too many recipients in this session",
        "452 4.5.3 Too many recipients",
        "501 5.5.1 MAIL first",
        "502 5.5.1 no such command",
        "503 5.5.1 bad sequence of commands",
        "550 5.7.1 Too many messages for today",
        "554 5.7.0 Session limit reached",
        "554 Command out of sequence",
    ],
)
def test_a_worn_out_connection_blames_nobody_and_the_mail_goes_over_a_fresh_one(
    server: FakeSmtp, backend: SendBackend, phase: str, reply: str
) -> None:
    backend.send(MESSAGE)
    server.behave(Rule(phase=phase, reply=reply, times=1))

    backend.send(replace(MESSAGE, reference="7.43"))

    assert [entry["delivery"] for entry in server.accepted()] == [42, 43]
    assert server.connections == 2


@pytest.mark.parametrize(
    "reply", ["450 4.2.1 greylisted", "550 5.7.1 spam", "550 5.1.1 nobody", "501 5.1.3 no address"]
)
@pytest.mark.parametrize("phase", BEFORE_AND_AFTER_THE_TEXT)
def test_what_is_refused_in_other_words_is_asked_for_once(
    server: FakeSmtp, backend: SendBackend, phase: str, reply: str
) -> None:
    backend.send(MESSAGE)
    server.behave(Rule(phase=phase, reply=reply, times=1))

    with pytest.raises((PermanentFailure, TemporaryFailure), match=reply[:9]):
        backend.send(MESSAGE)

    assert server.connections == 1


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

    with pytest.raises(PermanentFailure, match=r"552 5\.3\.4 it has [\d,]+ bytes, and the server accepts 2,000"):
        backend.send(replace(MESSAGE, body="x" * 70 + "\n" * 3000))

    backend.send(MESSAGE)
    assert (len(server.accepted()), server.connections) == (1, 1)


def test_every_address_of_the_server_is_tried(
    server: FakeSmtp, backend: SendBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp_connection, "addresses_of", lambda host, port: ["127.0.0.99", "127.0.0.1"])

    backend.send(MESSAGE)

    assert len(server.accepted()) == 1
