"""E-mail by SMTP, where the phase in which an answer comes says what it means."""

import re
import smtplib
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from email.utils import parseaddr
from typing import Any, cast

from django.conf import settings

from consumers.backends import delivery_status, mime
from consumers.backends.base import (
    ChannelDown,
    Deadline,
    NoMessage,
    OutcomeUnknown,
    Outgoing,
    PerhapsDown,
    PermanentFailure,
    TemporaryFailure,
    masked,
)
from consumers.backends.smtp_connection import BoundedSmtp, BoundedSslSmtp
from notifier.addresses import emails
from notifier.consent import bounce_status
from notifier.consent.bounce_status import Finding
from notifier.consent.suppressions import Evidence, Source

#: Some servers limit the messages of one connection; and of many servers behind a name, one would get all the load.
MESSAGES_PER_CONNECTION = 100
#: Servers drop idle connections after a few minutes; one that was unused for longer is opened anew.
IDLE_SECONDS = 20.0
#: connect, greeting, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, the text and the answer: each may take EMAIL_TIMEOUT, as
#: a whole.
PHASES = 9

#: A server that takes a long text more slowly than that never gets to its end.
SLOWEST_BYTES_A_SECOND = 50_000

#: The server has no such mailbox. 550, 551 and 553 may also be about the sender, a policy or a full mailbox: only the
#: second status shows that it is the recipient's address (RFC 3463, 3.2). 5.1.7 and 5.1.8 are about the sender's, and
#: 5.1.0 may be.
NO_MAILBOX = re.compile(r"55[013] 5\.1\.(?:1|2|3|6|10)(?!\d|\.\d)")

#: What a server says of its own. Behind a colon, a bracket or "said" it may be the words of the recipient's server, as
#: in Postfix' "450 4.1.1 <ann@example.com>: unverified address: host mx.example.com said: 421 Too many connections",
#: which are about that recipient alone. Only "Error:", before which Postfix may put its name, begins its own.
OWN_WORDS = r"[45]\d\d (?:[245]\.\d{1,3}\.\d{1,3} )?(?:(?:[\w.-]+ )?error: )?(?:(?!\bsaid\b)[^:<>(\"'…])*?"

#: The server takes us, but not over so many connections at once. Exchange Online says 432 4.3.2 at MAIL or after DATA;
#: its "recipient thread limit" is that of one mailbox.
TOO_MANY_CONNECTIONS = re.compile(
    rf"{OWN_WORDS}(?:too many (?:\w+ ){{0,3}}(?:connections|sessions)"
    r"|concurrent connections|connections? (?:rate )?limit|sender thread limit)",
    re.IGNORECASE,
)

#: The connection has had its share, or we are out of step, says a server that keeps it open all the same. It may have
#: meant something else: then it refuses the message over a fresh one as well.
WORN_OUT = re.compile(
    r"421 |50[023] |5\d\d 5\.5\.1(?!\d)"
    r"|.*?(?:\bsessions?\b|connection|connect\b|\bsequence\b|\b(?:mail|rcpt|ehlo|helo) first\b"
    r"|\btoo many (?:messages|e?-?mails|transactions|recipients)\b)",
    re.IGNORECASE,
)
#: "Bad sequence of commands": the server and we are out of step, which is no recipient's doing.
OUT_OF_STEP = 503
TROUBLE = (smtplib.SMTPException, OSError)


class _WornOut(Exception):
    """A connection that took messages before takes no more: the present one goes over a fresh one."""


class SmtpBackend:
    """One SMTP connection, kept; every answer is judged by the phase in which it came (RFC 5321, 4.2 and 6.1)."""

    def __init__(self) -> None:
        self._deadline = Deadline(seconds=settings.EMAIL_TIMEOUT * PHASES)
        self.longest_send_seconds = self._deadline.seconds
        self.answer_seconds = min(float(settings.EMAIL_TIMEOUT), self.longest_send_seconds)
        self._smtp: smtplib.SMTP | None = None
        self._sent = 0
        #: Whether nothing was asked of the connection yet: then a failure is none of its age.
        self._is_fresh = True
        #: Whether the present message goes over a connection that was used before.
        self._is_reused = False
        self._used_at = 0.0
        self._sender = parseaddr(settings.DEFAULT_FROM_EMAIL)[1]

    def open(self) -> None:
        if self._smtp is not None:
            return
        self._deadline.begin()
        try:
            self._smtp = self._connect()
        except Exception as error:  # e.g. ValueError: a host or a password beyond ASCII
            raise ChannelDown(f"the mail server can’t be used: {_words(error)}") from error

    def send(self, message: Outgoing) -> str:
        recipient, data = ascii_address(message.address), _wire_format(mime.source(message))
        self._deadline.begin()
        try:
            self._attempt(message, recipient, data)
        except _WornOut:
            self._attempt(message, recipient, data)
        return ""

    def _attempt(self, message: Outgoing, recipient: str, data: bytes) -> None:
        smtp = self._begin(data, delivery_status.of_envelope(message))
        notify = delivery_status.of_recipient(message, recipient) if smtp.has_extn("dsn") else []
        try:
            self._expect(smtp, lambda: smtp.rcpt(recipient, notify), 250, 251)
        except PermanentFailure as failure:
            raise _of_the_mailbox(failure) from failure
        self._expect(smtp, lambda: smtp.docmd("DATA"), 354)
        self._hand_over(smtp, data)
        self._end(smtp)

    def hurry(self, until: float) -> None:
        self._deadline.hurry(until)

    def close(self) -> None:
        self._deadline.begin()
        self._leave()

    def _leave(self) -> None:
        """Say goodbye, within the present deadline."""
        smtp, self._smtp = self._smtp, None
        if smtp is None:
            return
        try:
            smtp.quit()
        except TROUBLE:
            smtp.close()

    def _begin(self, data: bytes, dsn: Sequence[str]) -> smtplib.SMTP:
        """An open connection that took MAIL FROM. No recipient is to blame for what fails up to here.

        `dsn`: what MAIL FROM says of delivery status notifications, to a server that offers them.
        """
        rested = time.monotonic() - self._used_at > IDLE_SECONDS
        if self._smtp is not None and (self._sent >= MESSAGES_PER_CONNECTION or rested):
            self._leave()
        fresh = self._smtp is None or self._is_fresh
        try:
            smtp = self._smtp = self._smtp or self._connect()
            self._is_fresh, self._is_reused = False, not fresh
            code, text = self._mail_from(smtp, data, dsn)
        except Exception as error:  # e.g. ValueError: a host, a password or a sender beyond ASCII
            self._drop()
            if not fresh:
                return self._begin(data, dsn)
            raise ChannelDown(f"the mail server can’t be used: {_words(error)}") from error
        if code == 250:
            return smtp
        answer = _answer(code, text)
        if code == 552:
            self._reset(smtp)
            raise PermanentFailure(f"the message is too large for the mail server: {answer}")
        self._drop()
        if not fresh:
            return self._begin(data, dsn)
        raise ChannelDown(f"the mail server rejected our sender address: {answer}")

    def _mail_from(self, smtp: smtplib.SMTP, data: bytes, dsn: Sequence[str]) -> tuple[int, bytes]:
        """The answer to MAIL FROM; ours where the server has said that it takes no mail as large as that (RFC 1870)."""
        limit = str(smtp.esmtp_features.get("size", ""))
        if limit.isascii() and limit.isdigit() and 0 < int(limit[:20]) < len(data):
            return 552, f"5.3.4 it has {len(data):,} bytes, and the server accepts {int(limit[:20]):,}".encode()
        options = ["BODY=8BITMIME"] if smtp.has_extn("8bitmime") and not data.isascii() else []
        options += dsn if smtp.has_extn("dsn") else []
        return smtp.mail(_with_ascii_domain(self._sender), options)

    def _connect(self) -> smtplib.SMTP:
        arguments: dict[str, Any] = {"timeout": settings.EMAIL_TIMEOUT, "local_hostname": mime.sender_domain()}
        if settings.EMAIL_USE_SSL:
            arguments["context"] = ssl.create_default_context()
        make = BoundedSslSmtp if settings.EMAIL_USE_SSL else BoundedSmtp
        smtp = make(settings.EMAIL_HOST, settings.EMAIL_PORT, deadline=self._deadline, **arguments)
        try:
            smtp.ehlo_or_helo_if_needed()
            if settings.EMAIL_USE_TLS:
                smtp.starttls(context=ssl.create_default_context())
                smtp.ehlo_or_helo_if_needed()  # the server forgot who we are (RFC 3207, 4.2)
            if settings.EMAIL_HOST_USER:
                smtp.login(settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD)
        except BaseException:
            smtp.close()
            raise
        self._sent, self._is_fresh, self._used_at = 0, True, time.monotonic()
        return smtp

    def _expect(self, smtp: smtplib.SMTP, command: Callable[[], tuple[int, bytes]], *good: int) -> None:
        """Give a command that comes before the text, and raise what its answer means.

        The server has taken nothing yet: 5xx is permanent; everything else, a lost connection too, is temporary.
        """
        try:
            code, text = command()
        except Exception as error:
            self._drop()
            if self._is_reused:
                raise _WornOut from error
            raise TemporaryFailure(f"the connection was lost before the text: {masked(error)}") from error
        if code in good:
            return
        self._blame_connection(code, text)
        if 400 <= code < 600:
            self._reset(smtp)
        else:
            self._drop()  # nobody knows what the next line of such a server answers
        answer = _answer(code, text)
        raise PermanentFailure(answer) if 500 <= code < 600 else TemporaryFailure(answer)

    def _hand_over(self, smtp: smtplib.SMTP, data: bytes) -> None:
        """Send the text with its final dot, and know on an error that the dot did not go out whole.

        `socket.send` takes a part or raises, and after it raised nothing of that part is on its way: without its dot
        the server has no message (RFC 5321, 4.1.1.4). `sendall` would not tell how far it got.
        """
        left = memoryview(data)
        try:
            sock = cast(socket.socket, smtp.sock)
            self._deadline.begin_step(settings.EMAIL_TIMEOUT + len(data) / SLOWEST_BYTES_A_SECOND)
            while left:
                sock.settimeout(self._deadline.left())
                left = left[sock.send(left) :]
        except Exception as error:
            self._drop()
            raise TemporaryFailure(f"the connection was lost while sending the text: {masked(error)}") from error

    def _end(self, smtp: smtplib.SMTP) -> None:
        """Read the answer to the text. Until it comes, only the server knows whether it took the message."""
        try:
            code, text = smtp.getreply()
        except TROUBLE as error:
            self._drop()
            raise OutcomeUnknown(
                f"the mail server received the text, but its answer was lost: {masked(error)}"
            ) from error
        self._sent += 1
        self._used_at = time.monotonic()
        if 200 <= code < 300:
            return
        if not 400 <= code < 600:
            self._drop()
            raise OutcomeUnknown(
                f"the mail server received the text, but gave an unexpected answer: {_answer(code, text)}"
            )
        self._blame_connection(code, text)
        self._reset(smtp)
        failure = TemporaryFailure if code < 500 else PermanentFailure
        raise failure(_answer(code, text))

    def _blame_connection(self, code: int, text: bytes) -> None:
        """Raise where a refusal is about our connections, or says so: nothing was taken."""
        answer = _answer(code, text)
        if TOO_MANY_CONNECTIONS.match(answer):
            self._drop()
            raise PerhapsDown(f"the mail server accepts no more connections: {answer}")
        if self._is_reused and WORN_OUT.match(answer):
            self._drop()
            raise _WornOut
        if code == OUT_OF_STEP:
            self._drop()
            raise PerhapsDown(f"the mail server rejected the order of commands: {answer}")

    def _reset(self, smtp: smtplib.SMTP) -> None:
        """Make the connection ready for the next message, or give it up."""
        with suppress(Exception):  # whatever it is, the message's own verdict stands
            if smtp.rset()[0] == 250:
                self._used_at = time.monotonic()
                return
        self._drop()

    def _drop(self) -> None:
        """Close the connection without QUIT, which would wait for an answer that may never come."""
        smtp, self._smtp = self._smtp, None
        if smtp is not None:
            smtp.close()


def ascii_address(address: str) -> str:
    """The address as SMTP takes it, its domain in IDNA; `NoMessage` for a local part beyond ASCII."""
    try:
        return emails.in_ascii(address)
    except UnicodeError as error:
        raise NoMessage("the address can’t be written in ASCII, which this mail server needs") from error


def _with_ascii_domain(sender: str) -> str:
    local, _, domain = sender.rpartition("@")
    return f"{local.encode('ascii').decode()}@{emails.domain_in_ascii(domain)}"


def _words(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException) and isinstance(error.smtp_error, bytes):
        return _answer(error.smtp_code, error.smtp_error)
    return masked(error)


def _answer(code: int, text: bytes) -> str:
    words = " ".join(text.decode("utf-8", "replace").split())
    return f"{code} {masked(words)}"


def _of_the_mailbox(failure: PermanentFailure) -> PermanentFailure:
    """The failure at RCPT; with a suppression where the server says, by status and words, that there is no mailbox."""
    answer = str(failure)
    if NO_MAILBOX.match(answer) and bounce_status.finding(answer) is Finding.FOR_GOOD:
        failure.suppress = Evidence(Source.BOUNCE, answer)
    return failure


def _wire_format(data: bytes) -> bytes:
    """Lines end in CRLF, leading dots are doubled, and a dot alone ends it (RFC 5321, 4.5.2)."""
    # A line's end goes before the first line, so that its dot is found too, and is cut off again. Plain replacements
    # are fast, and a mail has many lines.
    lines = b"\n" + data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    data = lines.replace(b"\n.", b"\n..").replace(b"\n", b"\r\n")[2:]
    return data + (b".\r\n" if data.endswith(b"\r\n") else b"\r\n.\r\n")
