"""Certificates, and a server without STARTTLS."""

import asyncio
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from consumers.backends.base import ChannelDown, SendBackend
from consumers.backends.email import get_backend
from tests.consumers.backends.mails import LARGE_TEXT, MESSAGE, use
from tests.support.fakes.smtp import FakeSmtp, SmtpSession


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
