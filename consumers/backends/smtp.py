"""E-mail: SMTP judged by phase, or any other of Django's mail backends."""

import quopri
import re
import smtplib
import socket
import ssl
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from email.utils import parseaddr
from typing import Any, cast

from django.conf import settings
from django.core.mail import BadHeaderError, EmailMessage, EmailMultiAlternatives, get_connection
from django.utils.module_loading import import_string

from consumers.backends.base import (
    ChannelDown,
    Deadline,
    OutcomeUnknown,
    Outgoing,
    PermanentFailure,
    SendBackend,
    SendFailure,
    TemporaryFailure,
)
from notifier.consent.suppressions import Evidence, Source
from notifier.messages import signed_links

SMTP_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
#: A server may tire of one connection, and one of many servers behind a name would get all the load.
MESSAGES_PER_CONNECTION = 100
#: Servers drop idle connections after a few minutes; one that rested longer is opened anew.
IDLE_SECONDS = 20.0
#: An answer may have many lines, and a server that never comes to the last one must not fill the memory.
LONGEST_ANSWER_BYTES = 65_536
#: RFC 5321, 4.5.3.1.6, without the line's end.
LONGEST_LINE_BYTES = 998
#: connect, greeting, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, the text and the answer: each may take EMAIL_TIMEOUT.
PHASES = 9

#: 550, 551 and 553 may be said of a sender, a policy or a full box too. The second status tells, where it is of the
#: recipient's address (RFC 3463, 3.2): 5.1.7 and 5.1.8 are of the sender's.
NO_MAILBOX = re.compile(r"55[013] 5\.1\.(?:0|1|2|3|6|10)(?!\d)")

_ADDRESS = re.compile(r"<?[^\s<>@]+@[^\s<>]+>?")

TROUBLE = (smtplib.SMTPException, OSError)


def get_backend() -> SendBackend:
    return SmtpBackend() if settings.EMAIL_BACKEND == SMTP_BACKEND else DjangoMailBackend()


class DjangoMailBackend:
    """Any mail backend of Django's: trouble while opening is the channel's, and while sending nobody knows."""

    def __init__(self) -> None:
        self.longest_send_seconds = float(settings.EMAIL_TIMEOUT)
        self._connection: Any = None
        is_anymail = settings.EMAIL_BACKEND.startswith("anymail.backends.")
        self._refused = import_string("anymail.exceptions.AnymailRecipientsRefused") if is_anymail else BadHeaderError

    def send(self, message: Outgoing) -> str:
        if self._connection is None:
            try:
                self._connection = get_connection(settings.EMAIL_BACKEND)
                self._connection.open()
            except Exception as error:
                self._connection = None
                raise ChannelDown(f"the mail backend can't be opened: {masked(error)}") from error
        mail = build(message)
        # What it tells of the message later carries this along: notifier/webhooks/email_events.py.
        mail.metadata = {"delivery": message.reference}  # type: ignore[attr-defined]
        try:
            sent = self._connection.send_messages([mail])
        except SendFailure:
            raise
        except BadHeaderError as error:  # raised while the mail is put together, before any of it is handed over
            raise PermanentFailure(f"no mail can be made of it: {masked(error)}") from error
        except self._refused as error:
            raise PermanentFailure("the provider refuses the recipient") from error
        except Exception as error:
            self.close()
            raise OutcomeUnknown(f"the mail backend failed while sending: {masked(error)}") from error
        if sent == 0:  # None is a backend that does not count
            raise OutcomeUnknown("the mail backend says that it sent nothing, and not why")
        provider_id = getattr(getattr(mail, "anymail_status", None), "message_id", None)
        return "" if provider_id is None else str(provider_id)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class SmtpBackend:
    """One SMTP connection, kept; every answer is judged by the phase in which it came (RFC 5321, 4.2 and 6.1)."""

    def __init__(self) -> None:
        self._deadline = Deadline(seconds=settings.EMAIL_TIMEOUT * PHASES)
        self.longest_send_seconds = self._deadline.seconds
        self._smtp: smtplib.SMTP | None = None
        self._sent = 0
        self._used_at = 0.0
        self._sender = parseaddr(settings.DEFAULT_FROM_EMAIL)[1]

    def send(self, message: Outgoing) -> str:
        recipient, data = ascii_address(message.address), _wire_format(source(message))
        self._deadline.begin()
        smtp = self._begin(data)
        try:
            self._expect(smtp, lambda: smtp.rcpt(recipient), 250, 251)
        except PermanentFailure as failure:
            raise _of_the_mailbox(failure) from failure
        self._expect(smtp, lambda: smtp.docmd("DATA"), 354)
        self._hand_over(smtp, data)
        self._end(smtp)
        return ""

    def close(self) -> None:
        smtp, self._smtp = self._smtp, None
        if smtp is None:
            return
        self._deadline.begin()
        try:
            smtp.quit()
        except TROUBLE:
            smtp.close()

    def _begin(self, data: bytes) -> smtplib.SMTP:
        """An open connection that took MAIL FROM. Whatever fails up to here blames no recipient."""
        fresh = self._smtp is None
        if not fresh and (self._sent >= MESSAGES_PER_CONNECTION or time.monotonic() - self._used_at > IDLE_SECONDS):
            self.close()
            fresh = True
        try:
            smtp = self._smtp = self._smtp or self._connect()
            options = ["BODY=8BITMIME"] if smtp.has_extn("8bitmime") and not data.isascii() else []
            code, text = smtp.mail(_in_idna(self._sender), options)
        except (*TROUBLE, ValueError) as error:  # ValueError: a host, a password or a sender beyond ASCII
            self._drop()
            if not fresh:
                return self._begin(data)
            raise ChannelDown(f"the mail server can't be used: {masked(error)}") from error
        if code == 250:
            return smtp
        answer = _answer(code, text)
        if code == 552:
            self._reset(smtp)
            raise PermanentFailure(f"the message is too large for the mail server: {answer}")
        self._drop()
        if not fresh:
            return self._begin(data)
        raise ChannelDown(f"the mail server refuses our sender: {answer}")

    def _connect(self) -> smtplib.SMTP:
        arguments: dict[str, Any] = {"timeout": settings.EMAIL_TIMEOUT, "local_hostname": _sender_domain()}
        if settings.EMAIL_USE_SSL:
            arguments["context"] = ssl.create_default_context()
        make = _BoundedSslSmtp if settings.EMAIL_USE_SSL else _BoundedSmtp
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
        self._sent = 0
        return smtp

    def _expect(self, smtp: smtplib.SMTP, command: Callable[[], tuple[int, bytes]], *good: int) -> None:
        """Before the final dot nothing is taken: 5xx is for good, and everything else, a drop included, may pass."""
        try:
            code, text = command()
        except TROUBLE as error:
            self._drop()
            raise TemporaryFailure(f"the connection was lost before the text: {masked(error)}") from error
        if code in good:
            return
        if 400 <= code < 600:
            self._reset(smtp)
        else:
            self._drop()  # what the next line of such a server answers, nobody knows
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
            while left:
                sock.settimeout(self._deadline.left(most=settings.EMAIL_TIMEOUT))
                left = left[sock.send(left) :]
        except OSError as error:
            self._drop()
            raise TemporaryFailure(f"the connection was lost while sending the text: {masked(error)}") from error

    def _end(self, smtp: smtplib.SMTP) -> None:
        """The dot is out. From here on only the server knows, until it answers."""
        try:
            code, text = smtp.getreply()
        except TROUBLE as error:
            self._drop()
            raise OutcomeUnknown(f"the mail server took the text and its answer was lost: {masked(error)}") from error
        self._sent += 1
        self._used_at = time.monotonic()
        if 200 <= code < 300:
            return
        if not 400 <= code < 600:
            self._drop()
            raise OutcomeUnknown(f"the mail server took the text and answered something else: {_answer(code, text)}")
        self._reset(smtp)
        failure = TemporaryFailure if code < 500 else PermanentFailure
        raise failure(_answer(code, text))

    def _reset(self, smtp: smtplib.SMTP) -> None:
        """Make the connection ready for the next message, or give it up."""
        try:
            if smtp.rset()[0] == 250:
                self._used_at = time.monotonic()
                return
        except TROUBLE:
            pass
        self._drop()

    def _drop(self) -> None:
        """Give the connection up without a word: nobody may be listening, and QUIT would wait for an answer."""
        smtp, self._smtp = self._smtp, None
        if smtp is not None:
            smtp.close()


class _BoundedSmtp(smtplib.SMTP):
    """Its answers must have come by the deadline, however slowly they drip."""

    def __init__(self, *arguments: Any, deadline: Deadline, **options: Any) -> None:
        self._deadline = deadline
        super().__init__(*arguments, **options)

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None:  # at the start, and once STARTTLS has changed the socket
            self.file = _Lines(cast(socket.socket, self.sock), self._deadline)
        self.file.begin()
        return super().getreply()


class _BoundedSslSmtp(_BoundedSmtp, smtplib.SMTP_SSL):
    pass


class _Lines:
    """What smtplib reads answers from, in place of the socket's own file; every error is an `OSError`, as there."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._deadline = deadline
        self._buffer = b""
        self._room = 0

    def begin(self) -> None:
        """Another answer."""
        self._room = LONGEST_ANSWER_BYTES

    def readline(self, most: int) -> bytes:
        """Up to `most` bytes of the next line, less at the connection's end."""
        while b"\n" not in self._buffer and len(self._buffer) < most:
            self._sock.settimeout(self._deadline.left(most=settings.EMAIL_TIMEOUT))
            part = self._sock.recv(8192)
            if not part:
                break
            self._buffer += part
        end = self._buffer.find(b"\n", 0, most) + 1 or most
        line, self._buffer = self._buffer[:end], self._buffer[end:]
        self._room -= len(line)
        if self._room < 0:
            raise OSError("its answer has no end")
        return line

    def close(self) -> None:
        pass


def build(message: Outgoing) -> EmailMessage:
    """The mail, with a Message-ID that is the same on every try; the better form comes last (RFC 2046, 5.1.4)."""
    mail = _mail(message, _list_headers(message))
    if message.html:
        mail.attach_alternative(message.html, "text/html")
    return mail


def _mail(message: Outgoing, headers: dict[str, str]) -> EmailMultiAlternatives:
    return EmailMultiAlternatives(
        subject=message.subject,
        body=message.body,
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[message.address],
        headers={"Message-ID": f"<{message.reference}@{_sender_domain()}>", **headers},
    )


def _list_headers(message: Outgoing) -> dict[str, str]:
    """What makes it bulk mail that can be refused: by the link, without asking (RFC 8058), or by a mail (RFC 2369)."""
    headers = {"Precedence": "bulk"}
    if message.list_id:
        headers["List-Id"] = f"<{message.list_id}.{_sender_domain()}>"
    if message.link_token:
        link, mailto = (
            signed_links.unsubscribe_url(message.link_token),
            signed_links.unsubscribe_mailto(message.link_token),
        )
        headers["List-Unsubscribe"] = f"<{link}>, <{mailto}>" if mailto else f"<{link}>"
        # RFC 8058, 3.1 asks for HTTPS. Mailbox providers take anything else for a fault of the sender's.
        if link.startswith("https:"):
            headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return headers


def source(message: Outgoing) -> bytes:
    """The mail's source; `PermanentFailure` where there can be none, as with a line break in a header."""
    try:
        if message.html:
            head = _mail(replace(message, body="", html=""), {}).message()
            return _written(_list_headers(message)) + _alternatives(head, message)
        return build(message).message().as_bytes()
    except (ValueError, UnicodeError) as error:  # BadHeaderError is a ValueError
        raise PermanentFailure(f"no mail can be made of it: {masked(error)}") from error


def _written(headers: dict[str, str]) -> bytes:
    """Headers of ours, each in one line. The `email` package takes a third of the rest of a mail to look for folds."""
    for name, value in headers.items():
        if "\n" in value or "\r" in value:
            raise BadHeaderError(f"a line break in {name}")
    # Raises UnicodeError beyond ASCII, which only a topic's slug could be that staff's form has not seen.
    return "".join(f"{name}: {value}\n" for name, value in headers.items()).encode("ascii")


def _alternatives(head: Any, message: Outgoing) -> bytes:
    """Both forms below the header of a mail without text. The `email` package takes five times as long for it."""
    boundary = f"=_{uuid.uuid4().hex}"
    del head["Content-Type"], head["Content-Transfer-Encoding"]
    head["Content-Type"] = f'multipart/alternative; boundary="{boundary}"'
    parts = [_part("plain", message.body, boundary), _part("html", message.html, boundary)]
    return b"".join([head.as_bytes(), *parts, f"--{boundary}--\n".encode()])


def _part(subtype: str, text: str, boundary: str) -> bytes:
    data, encoding = text.encode(), "7bit" if text.isascii() else "8bit"
    if any(len(line) > LONGEST_LINE_BYTES for line in data.splitlines()):
        data, encoding = quopri.encodestring(data), "quoted-printable"
    head = f'--{boundary}\nContent-Type: text/{subtype}; charset="utf-8"\nContent-Transfer-Encoding: {encoding}\n\n'
    return head.encode() + data + b"\n"


def ascii_address(address: str) -> str:
    """The address as SMTP takes it, its domain in IDNA; `PermanentFailure` for a local part beyond ASCII."""
    try:
        return _in_idna(address)
    except UnicodeError as error:
        raise PermanentFailure("the address can't be written in ASCII, which this mail server needs") from error


def _in_idna(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{local.encode('ascii').decode()}@{domain.encode('idna').decode()}"


def masked(error: object) -> str:
    """The error's text without addresses: it is kept, logged and shown."""
    return _ADDRESS.sub("…", str(error)) or type(error).__name__


def _answer(code: int, text: bytes) -> str:
    words = " ".join(text.decode("utf-8", "replace").split())
    return f"{code} {masked(words)}"


def _of_the_mailbox(failure: PermanentFailure) -> PermanentFailure:
    """At RCPT: whether it is this mailbox that the server does not have. Then nothing is to be sent to it any more."""
    if NO_MAILBOX.match(str(failure)):
        failure.suppress = Evidence(Source.BOUNCE, str(failure))
    return failure


def _wire_format(data: bytes) -> bytes:
    """Lines end in CRLF, leading dots are doubled, and a dot alone ends it (RFC 5321, 4.5.2)."""
    # Begun with a line's end that goes again, for the first line too. Plain replacements, for a mail has many lines.
    lines = b"\n" + data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    data = lines.replace(b"\n.", b"\n..").replace(b"\n", b"\r\n")[2:]
    return data + (b".\r\n" if data.endswith(b"\r\n") else b"\r\n.\r\n")


def _sender_domain() -> str:
    """Ends each Message-ID, and is what EHLO says: smtplib's own default asks the name server each time."""
    try:
        return parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2].encode("idna").decode() or "localhost"
    except UnicodeError as error:
        raise ChannelDown("the domain in DEFAULT_FROM_EMAIL is none that mail can come from") from error
