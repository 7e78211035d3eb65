"""Asks a mail server to report what becomes of a message, where it offers that (RFC 3461, status notifications).

The report is a mail to the sender's address, so nothing is asked unless EMAIL_DSN says what.
"""

import re

from django.conf import settings

from consumers.backends.base import Outgoing

#: RFC 3461, 4.4 and 4.2.
MAX_ENVID, MAX_ORCPT = 100, 500
_NOT_XTEXT = re.compile(r"[^!-~]|[+=]")


def xtext(text: str) -> str:
    """Printable ASCII, with anything else as +XX (RFC 3461, 4). Raises `UnicodeError` beyond ASCII."""
    return _NOT_XTEXT.sub(lambda found: f"+{found[0].encode('ascii')[0]:02X}", text)


def envelope_id(message: Outgoing) -> str:
    """What the report will call the message: the delivery, and whose."""
    return f"{message.reference}.{message.installation}" if message.installation else message.reference


def of_envelope(message: Outgoing) -> list[str]:
    """The parameters of MAIL FROM. The report has the headers only, and not the text once more."""
    try:
        name = xtext(envelope_id(message)) if settings.EMAIL_DSN else ""
    except UnicodeError:
        name = ""
    return ["RET=HDRS", f"ENVID={name}"] if 0 < len(name) <= MAX_ENVID else []


def of_recipient(message: Outgoing, recipient: str) -> list[str]:
    """The parameters of RCPT TO: about what to report, and the address as we have it, which may be forwarded."""
    if not of_envelope(message):
        return []
    original = f"rfc822;{xtext(recipient)}"
    notify = f"NOTIFY={','.join(settings.EMAIL_DSN)}"
    return [notify, f"ORCPT={original}"] if len(original) <= MAX_ORCPT else [notify]
