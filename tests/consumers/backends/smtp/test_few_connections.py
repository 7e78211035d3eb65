"""A server that takes few connections at once."""

import time
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from consumers.backends.base import ChannelDown, SendBackend, TemporaryFailure
from consumers.backends.email import get_backend
from consumers.sender import Sender
from notifier.delivery.claims import Message
from notifier.delivery.settlements import Verdict
from notifier.models import Channel
from tests.consumers.backends.mails import MESSAGE, use
from tests.support.fakes.rules import Rule
from tests.support.fakes.smtp import FakeSmtp, SmtpSession


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


def some_mails(number: int) -> list[Message]:
    return [
        Message(
            f"7.{each}",
            f"client{each}@example.com",
            "Homes",
            "Hello",
            delivery_id=each,
            broadcast_id=7,
            channel=Channel.EMAIL,
            attempts=0,
        )
        for each in range(number)
    ]


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
        outcomes = crew.send(some_mails(60), starts_until=time.monotonic() + 60, waiting=lambda: None)
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
        ("554 5.7.1 Too many connections from your host", True),
        ("421 4.7.0 mx1.example.org Error: too many connections from 192.0.2.7", True),
        ("450 4.1.1 <ann@example.com>: unverified address: host mx.x said: 421 4.7.0 Too many connections", False),
        ("450 4.1.1 unverified address: host mx.x[192.0.2.7] refused to talk to me: 421 too many sessions", False),
        ("451 4.4.1 mx.x said 421 Too many concurrent connections", False),
        ("451 4.4.1 callout failed (421 Too many connections)", False),
        ("432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded", True),
        ("432 4.3.2 STOREDRV.Deliver; recipient thread limit exceeded", False),
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

    assert str(caught.value) == "the mail server can’t be used: 421 4.7.0 Too many connections"


@pytest.mark.parametrize("phase", ["rcpt", "data", "dot"])
@pytest.mark.parametrize("reply", ["503 5.5.1 not for this one", "421 4.7.0 Too many connections to this mailbox"])
def test_a_recipient_who_is_refused_in_such_words_keeps_nobody_waiting(
    server: FakeSmtp, phase: str, reply: str
) -> None:
    server.behave(Rule(phase=phase, reply=reply, recipient="client7@*"))
    crew = Sender(get_backend=get_backend, threads=4)

    windows = [crew.send(some_mails(20), starts_until=time.monotonic() + 60, waiting=lambda: None) for _ in range(3)]
    crew.close()

    for outcomes in windows:
        assert {o.verdict for o in outcomes if o.message.delivery_id != 7} == {Verdict.SENT}
    ends = [(o.verdict, o.detail) for o in windows[-1] if o.message.delivery_id == 7]
    assert [verdict for verdict, _ in ends] == [Verdict.TEMPORARY]
    assert reply in ends[0][1]
    assert crew.words == ""
