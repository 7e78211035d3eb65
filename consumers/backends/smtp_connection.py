"""smtplib's connection, with a deadline that it can't overstay, and with passwords in UTF-8."""

import base64
import hmac
import smtplib
import socket
from collections.abc import Callable
from typing import Any, cast

from django.conf import settings

from consumers.backends.base import Deadline, addresses_of

#: An answer may have many lines. A server that never sends the last one must not fill the memory.
LONGEST_ANSWER_BYTES = 65_536
#: So many challenges are one dialogue; a server that asks for more will never be content.
MAX_CHALLENGES = 5


class BoundedSmtp(smtplib.SMTP):
    """Gives up at the deadline, also where the server sends its answer byte by byte.

    Each step has EMAIL_TIMEOUT as a whole: to connect to one address, to shake hands, a command, an answer.
    """

    def __init__(self, *arguments: Any, deadline: Deadline, **options: Any) -> None:
        self._deadline = deadline
        super().__init__(*arguments, **options)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        error: OSError = OSError("the host has no address")
        for address in addresses_of(host, port):
            try:
                self._deadline.begin_step(timeout)
                return socket.create_connection((address, port), self._deadline.left())
            except OSError as failed:
                error = failed
        raise error

    def send(self, s: Any) -> None:
        self._begin_step()
        super().send(s)

    def docmd(self, cmd: str, args: str = "") -> tuple[int, bytes]:
        answer = super().docmd(cmd, args)
        if cmd == "STARTTLS":
            # For the handshake, which smtplib begins next: it takes what the socket's time-out says, as a whole.
            self._begin_step()
        return answer

    def _begin_step(self) -> None:
        self._deadline.begin_step(settings.EMAIL_TIMEOUT)
        if self.sock is not None:
            self.sock.settimeout(self._deadline.left())

    def getreply(self) -> tuple[int, bytes]:
        self._deadline.begin_step(settings.EMAIL_TIMEOUT)
        if self.file is None:  # at the start, and once STARTTLS has changed the socket
            self.file = _AnswerReader(cast(socket.socket, self.sock), self._deadline)
        self.file.begin()
        return super().getreply()

    def auth(
        self, mechanism: str, authobject: Callable[..., str | None], *, initial_response_ok: bool = True
    ) -> tuple[int, bytes]:
        """As smtplib's, which takes ASCII only: a password is UTF-8 (RFC 4616, 2)."""
        first = authobject() if initial_response_ok else None
        code, answer = self.docmd("AUTH", mechanism if first is None else f"{mechanism} {_base64(first)}")
        self._auth_challenge_count = 0 if first is None else 1  # auth_login's: the name first, then the password
        while code == 334 and self._auth_challenge_count <= MAX_CHALLENGES:
            self._auth_challenge_count += 1
            code, answer = self.docmd(_base64(authobject(base64.decodebytes(answer)) or ""))
        if code not in (235, 503):  # 503: we are logged in already
            raise smtplib.SMTPAuthenticationError(code, answer)
        return code, answer

    def auth_cram_md5(self, challenge: bytes | None = None) -> str | None:  # type: ignore[override]
        if challenge is None:
            return None
        return f"{self.user} {hmac.new(self.password.encode(), challenge, 'md5').hexdigest()}"


class BoundedSslSmtp(BoundedSmtp, smtplib.SMTP_SSL):
    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        sock = super()._get_socket(host, port, timeout)
        try:
            self._deadline.begin_step(timeout)
            sock.settimeout(self._deadline.left())
            return self.context.wrap_socket(sock, server_hostname=host)
        except BaseException:
            sock.close()
            raise


class _AnswerReader:
    """The file that smtplib reads answers from, instead of the socket's own. Every error is an `OSError`, as there."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._deadline = deadline
        self._buffer = b""
        self._room = 0

    def begin(self) -> None:
        """Start to read another answer."""
        self._room = LONGEST_ANSWER_BYTES

    def readline(self, most: int) -> bytes:
        """Up to `most` bytes of the next line, less at the connection's end."""
        while b"\n" not in self._buffer and len(self._buffer) < most:
            self._sock.settimeout(self._deadline.left())
            part = self._sock.recv(8192)
            if not part:
                break
            self._buffer += part
        end = self._buffer.find(b"\n", 0, most) + 1 or most
        line, self._buffer = self._buffer[:end], self._buffer[end:]
        self._room -= len(line)
        if self._room < 0:
            raise OSError("its answer never ended")
        return line

    def close(self) -> None:
        pass


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
