"""Twilio's other half: it delivers what somebody answered by SMS, with its signature.

No line is shared with the product: https://www.twilio.com/docs/usage/security#validating-requests
"""

import base64
import hashlib
import hmac
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from tests.support.fakes.sms import SENDER, SID, TOKEN
from tests.support.servers.processes import PATIENCE_SECONDS

PATH = "/hooks/sms/twilio"
#: What has Twilio send nothing.
NOTHING = '<?xml version="1.0" encoding="UTF-8"?><Response></Response>'
_numbers = itertools.count(1)


def form(text: str, *, sender: str = "+12025550123", sid: str = "", **more: str) -> dict[str, str]:
    """As Twilio posts it."""
    sid = sid or f"SM{next(_numbers):032x}"
    return {
        "ToCountry": "US",
        "SmsMessageSid": sid,
        "NumMedia": "0",
        "SmsSid": sid,
        "SmsStatus": "received",
        "Body": text,
        "To": SENDER,
        "NumSegments": "1",
        "MessageSid": sid,
        "AccountSid": SID,
        "From": sender,
        "ApiVersion": "2010-04-01",
    } | more


def status(what: str, *, sid: str = "", to: str = "+12025550123", **more: str) -> dict[str, str]:
    """What became of a message of ours: https://www.twilio.com/docs/messaging/guides/track-outbound-message-status"""
    sid = sid or f"SM{next(_numbers):032x}"
    return {
        "AccountSid": SID,
        "From": SENDER,
        "To": to,
        "MessageSid": sid,
        "MessageStatus": what,
        "SmsSid": sid,
        "SmsStatus": what,
        "ApiVersion": "2010-04-01",
    } | more


def signature(url: str, fields: Mapping[str, str], token: str = TOKEN) -> str:
    data = url
    for name in sorted(fields):
        data += name + fields[name]
    return base64.b64encode(hmac.new(token.encode(), data.encode(), hashlib.sha1).digest()).decode()


@dataclass(frozen=True)
class Reply:
    status: int
    body: str


def deliver(
    base: str,
    fields: Mapping[str, str],
    *,
    path: str = PATH,
    token: str = TOKEN,
    public: str = "",
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Posts it, signed for the address that Twilio was given: `public`, or the one that is asked."""
    head = {"X-Twilio-Signature": signature(f"{public or base}{path}", fields, token)} | dict(headers or {})
    try:
        with urlopen(Request(base + path, urlencode(fields).encode(), head), timeout=PATIENCE_SECONDS) as response:
            return Reply(response.status, response.read().decode())
    except HTTPError as error:
        return Reply(error.code, error.read().decode())
