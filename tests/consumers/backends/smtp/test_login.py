"""Passwords beyond ASCII."""

from base64 import b64decode
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from consumers.backends.base import Deadline
from consumers.backends.email import get_backend
from consumers.backends.smtp_connection import BoundedSmtp
from tests.consumers.backends.mails import MESSAGE, use
from tests.support.fakes.smtp import FakeSmtp, SmtpSession


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
