"""A server that never stops answering."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pytest_django import Settings

from consumers.backends import smtp
from consumers.backends.base import (
    ChannelDown,
    Hurries,
    OpensFirst,
    OutcomeUnknown,
    PermanentFailure,
    SendBackend,
    SendFailure,
    TemporaryFailure,
)
from consumers.backends.email import get_backend
from tests.consumers.backends.mails import LARGE_TEXT, MESSAGE, recipients, use
from tests.consumers.backends.patience import HASTY_SECONDS
from tests.support.fakes.rules import Rule
from tests.support.fakes.smtp import FakeSmtp, SmtpSession
from tests.support.servers.processes import PATIENCE_SECONDS


@pytest.fixture
def hasty(server: FakeSmtp, monkeypatch: pytest.MonkeyPatch) -> Iterator[SendBackend]:
    """Gives one answer HASTY_SECONDS, and all of a send as long as anybody waits."""
    monkeypatch.setattr(smtp, "PHASES", 2 * PATIENCE_SECONDS / HASTY_SECONDS)
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


@pytest.mark.parametrize(("phase", "failure"), [("rcpt", TemporaryFailure), ("dot", OutcomeUnknown)])
def test_hurried_it_gives_up_at_that_moment_and_knows_what_it_handed_over(
    server: FakeSmtp, settings: Settings, phase: str, failure: type[SendFailure]
) -> None:
    settings.EMAIL_TIMEOUT = 2 * PATIENCE_SECONDS
    server.behave(dripping(phase, "250 ok"))
    backend = get_backend()
    assert isinstance(backend, OpensFirst)
    assert isinstance(backend, Hurries)
    backend.open()
    backend.hurry(time.monotonic() + HASTY_SECONDS)

    with pytest.raises(failure):
        backend.send(MESSAGE)


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

    with pytest.raises(failure, match="never ended"):
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
