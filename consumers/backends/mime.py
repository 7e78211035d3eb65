"""The MIME message of an e-mail: its headers, and its text in both forms."""

import quopri
import uuid
from dataclasses import replace
from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.core.mail import BadHeaderError, EmailMessage, EmailMultiAlternatives

from consumers.backends.base import ChannelDown, NoMessage, Outgoing, SendFailure, masked
from notifier.messages import signed_links

#: RFC 5321, 4.5.3.1.6, without the line's end.
LONGEST_LINE_BYTES = 998


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
        headers={"Message-ID": f"<{message.reference}@{sender_domain()}>", **headers},
    )


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


def source(message: Outgoing) -> bytes:
    """The mail as bytes; `NoMessage` where none can be made, as with a line break in a header."""
    try:
        if message.html:
            head = _mail(replace(message, body="", html=""), {}).message()
            return _written(_list_headers(message)) + _alternatives(head, message)
        return build(message).message().as_bytes()
    except SendFailure:
        raise
    except ValueError as error:  # BadHeaderError and UnicodeError are ones
        raise NoMessage(f"no mail can be made of it: {masked(error)}") from error
    except Exception as error:
        # The `email` package raises e.g. HeaderParseError, and whatever its own faults bring. Nothing is sent yet.
        raise NoMessage(f"no mail can be made of it: {type(error).__name__}") from error


def _written(headers: dict[str, str]) -> bytes:
    """These headers, one line each. The `email` package looks for folds, which adds a third to the time of a mail."""
    for name, value in headers.items():
        if "\n" in value or "\r" in value:
            raise BadHeaderError(f"a line break in {name}")
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
    data, encoding = text.encode(), "7bit" if text.isascii() else "8bit"
    if any(len(line) > LONGEST_LINE_BYTES for line in data.splitlines()):
        data, encoding = quopri.encodestring(data), "quoted-printable"
    head = f'--{boundary}\nContent-Type: text/{subtype}; charset="utf-8"\nContent-Transfer-Encoding: {encoding}\n\n'
    return head.encode() + data + b"\n"


def sender_domain() -> str:
    """The domain of DEFAULT_FROM_EMAIL, for Message-IDs and EHLO; `ChannelDown` where it can't be a domain.

    smtplib's own default for EHLO asks the name server each time.
    """
    try:
        return parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2].encode("idna").decode() or "localhost"
    except UnicodeError as error:
        raise ChannelDown("the domain in DEFAULT_FROM_EMAIL is not one that mail can come from") from error
