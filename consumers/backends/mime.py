"""The MIME message of an e-mail: its headers, and its text in both forms."""

import base64
import quopri
import re
import uuid
from dataclasses import replace
from email.charset import QP, Charset
from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.core.mail import BadHeaderError, EmailMessage, EmailMultiAlternatives

from consumers.backends.base import ChannelDown, NoMessage, Outgoing, SendFailure, masked
from notifier.addresses import emails
from notifier.messages import lines, signed_links

#: RFC 5321, 4.5.3.1.6, without the line's end.
LONGEST_LINE_BYTES = 998
#: What no header can refuse.
_ORDINARY_ADDRESS = re.compile(r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@(?:[A-Za-z0-9-]+\.)+[A-Za-z0-9-]+")
_OWN_WORDS = re.compile(r"[A-Za-z0-9._:= -]*")
#: Of its length as it is. Base64 takes 1.35 times as much, whatever is in it.
QUOTED_PRINTABLE_UP_TO = 2.5
# For what Django writes: its own way with UTF-8 is 8bit.
_QUOTED_PRINTABLE = Charset("utf-8")
_QUOTED_PRINTABLE.body_encoding = QP


def build(message: Outgoing) -> EmailMessage:
    """The mail, with a Message-ID that is the same on every try; the better form comes last (RFC 2046, 5.1.4)."""
    _refuse_odd_address(message.address)
    mail = _mail(message, _list_headers(message))
    if not (_is_plain(message.body) and _is_plain(message.html)):
        mail.encoding = _QUOTED_PRINTABLE
    if message.html:
        mail.attach_alternative(message.html, "text/html")
    return mail


def _mail(message: Outgoing, headers: dict[str, str]) -> EmailMultiAlternatives:
    return EmailMultiAlternatives(
        subject=lines.one_line(message.subject),
        body=message.body,
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[_written_address(message.address)],
        headers={"Message-ID": _message_id(message), **headers},
    )


def _written_address(address: str) -> str:
    """With its domain in ASCII: Django would write it by IDNA 2003, by which faß.de is another's domain."""
    try:
        return emails.in_ascii(address)
    except UnicodeError:
        # A provider may take what SMTP doesn't.
        return address


def _message_id(message: Outgoing) -> str:
    """The same on every try, and no other's: broadcasts and deliveries are numbered from 1 in each database."""
    own = f"{message.reference}.{message.installation}" if message.installation else message.reference
    return f"<{own}@{sender_domain()}>"


def _refuse_odd_address(address: str) -> None:
    """An address can't be changed as a subject can: it would be another's, or begin a header of its own."""
    if not lines.is_one_line(address):
        raise NoMessage("the address contains control characters, which headers can’t contain")


def _list_headers(message: Outgoing) -> dict[str, str]:
    """The headers of bulk mail. Clients unsubscribe by one click on the link (RFC 8058) or by a mail (RFC 2369)."""
    headers = {"Precedence": "bulk"}
    if message.list_id:
        headers["List-Id"] = f"<{message.list_id}.{sender_domain()}>"
    if message.link_token:
        link, mailto = (
            signed_links.unsubscribe_url(message.link_token),
            signed_links.unsubscribe_mailto(message.link_token),
        )
        headers["List-Unsubscribe"] = f"<{link}>, <{mailto}>" if mailto else f"<{link}>"
        # RFC 8058, 3.1 asks for HTTPS. Mailbox providers count anything else as the sender's fault.
        if link.startswith("https:"):
            headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return headers


def check(message: Outgoing) -> None:
    """Raise `NoMessage` where no mail can be made of it, as `source` does.

    One to an ordinary address, whose texts can be encoded, is not made to find that out: it would take longer than all
    the rest of its sending.
    """
    texts = (message.subject, message.body, message.html)
    try:
        is_ordinary = all(text.encode() or True for text in texts) and lines.is_one_line(message.subject)
    except UnicodeError:
        is_ordinary = False
    own_words = f"{message.list_id} {message.link_token} {message.reference} {message.installation}"
    if not (is_ordinary and _ORDINARY_ADDRESS.fullmatch(message.address) and _OWN_WORDS.fullmatch(own_words)):
        source(message)


def source(message: Outgoing) -> bytes:
    """The mail as bytes; `NoMessage` where none can be made, as with a line break in an address."""
    _refuse_odd_address(message.address)
    try:
        if message.html:
            head = _mail(replace(message, body="", html=""), {}).message()
            return _written(_list_headers(message)) + _alternatives(head, message)
        return build(message).message().as_bytes()
    except SendFailure:
        raise
    except ValueError as error:  # BadHeaderError and UnicodeError are ones
        raise NoMessage(f"no e-mail can be created from it: {masked(error)}") from error
    except Exception as error:
        # The `email` package raises e.g. HeaderParseError, and whatever its own faults bring. Nothing is sent yet.
        raise NoMessage(f"no e-mail can be created from it: {type(error).__name__}") from error


def _written(headers: dict[str, str]) -> bytes:
    """These headers, one line each. The `email` package looks for folds, which adds a third to the time of a mail."""
    for name, value in headers.items():
        if not lines.is_one_line(value):
            raise BadHeaderError(f"a control character in {name}")
    # Raises UnicodeError beyond ASCII, which only a topic's slug can be, and only if it bypassed the form for staff.
    return "".join(f"{name}: {value}\n" for name, value in headers.items()).encode("ascii")


def _alternatives(head: Any, message: Outgoing) -> bytes:
    """The header of a mail, then both forms of its text. The `email` package takes five times as long to write them."""
    boundary = f"=_{uuid.uuid4().hex}"
    del head["Content-Type"], head["Content-Transfer-Encoding"]
    head["Content-Type"] = f'multipart/alternative; boundary="{boundary}"'
    parts = [_part("plain", message.body, boundary), _part("html", message.html, boundary)]
    return b"".join([head.as_bytes(), *parts, f"--{boundary}--\n".encode()])


def _part(subtype: str, text: str, boundary: str) -> bytes:
    encoding, data = _in_seven_bits(text)
    head = f'--{boundary}\nContent-Type: text/{subtype}; charset="utf-8"\nContent-Transfer-Encoding: {encoding}\n\n'
    return head.encode() + data + b"\n"


def _in_seven_bits(text: str) -> tuple[str, bytes]:
    """The text's encoding and itself in it, in ASCII whatever it says.

    A server without 8BITMIME (RFC 6152) may be on the way of any mail, and one that encodes a mail anew, as it must,
    breaks its DKIM signature.
    """
    data = text.encode()
    if _is_plain(text):
        return "7bit", data
    data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    quoted = quopri.encodestring(data)
    # Few scripts but Latin are shorter in Base64; what is not can be read by eye.
    if len(quoted) <= QUOTED_PRINTABLE_UP_TO * len(data):
        return "quoted-printable", quoted
    return "base64", base64.encodebytes(data.replace(b"\n", b"\r\n")).rstrip(b"\n")


def _is_plain(text: str) -> bool:
    """Whether it can stand in a mail as it is (RFC 2045, 2.7): ASCII without NUL, in lines that are not too long."""
    if not text.isascii() or "\0" in text:
        return False
    return len(text) <= LONGEST_LINE_BYTES or all(len(line) <= LONGEST_LINE_BYTES for line in text.splitlines())


def sender_domain() -> str:
    """The domain of DEFAULT_FROM_EMAIL, for Message-IDs and EHLO; `ChannelDown` where it can't be a domain.

    smtplib's own default for EHLO asks the name server each time.
    """
    try:
        domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]
        return emails.domain_in_ascii(domain) or "localhost"
    except UnicodeError as error:
        raise ChannelDown("the domain in DEFAULT_FROM_EMAIL can’t be used to send mail") from error
