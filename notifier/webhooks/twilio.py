"""SMS replies that Twilio delivers: https://www.twilio.com/docs/messaging/guides/webhook-request

And what became of our messages: https://www.twilio.com/docs/messaging/guides/track-outbound-message-status
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import escape

from django.conf import settings
from django.http import HttpRequest, HttpResponse, QueryDict

from notifier.consent.sms_keywords import Wish
from notifier.consent.sms_replies import SmsReply
from notifier.messages import receipt_urls
from notifier.models import Receipt
from notifier.webhooks.base import Forged, NotAReceipt, NotAReply, ReceiptRead

PORTS = {"https": 443, "http": 80}
_NUMBER = re.compile(r"[1-9][0-9]{0,2}")
_SID = re.compile(r"[A-Za-z0-9]{1,100}")
_ERROR = re.compile(r"[0-9]{1,10}")

#: https://www.twilio.com/docs/messaging/api/message-resource#message-status-values. "sent" is what the carrier took:
#: many say no more than that.
STATUSES = {
    "accepted": Receipt.State.ACCEPTED,
    "scheduled": Receipt.State.ACCEPTED,
    "queued": Receipt.State.ACCEPTED,
    "sending": Receipt.State.ACCEPTED,
    "sent": Receipt.State.ACCEPTED,
    "delivered": Receipt.State.DELIVERED,
    "read": Receipt.State.DELIVERED,
    "undelivered": Receipt.State.UNDELIVERED,
    "failed": Receipt.State.UNDELIVERED,
    "canceled": Receipt.State.UNDELIVERED,
}


class Twilio:
    """Requests are signed with the account's auth token, which is the password in SMS_URL."""

    def __init__(self, sms_url: str) -> None:
        self._token = unquote(urlsplit(sms_url).password or "")

    def read_reply(self, request: HttpRequest) -> SmsReply:
        self._check(request)
        form = request.POST
        sid, sender = form.get("MessageSid", ""), form.get("From", "")
        # A status callback that was sent here by mistake has no text.
        if not (_SID.fullmatch(sid) and sender and "Body" in form):
            raise NotAReply
        return SmsReply(
            provider="twilio",
            provider_id=sid,
            sender=sender[:254],
            text=form["Body"] or _attachments(form.get("NumMedia", "")),
            taken_for=_taken_for(form.get("OptOutType", "")),
        )

    def read_receipt(self, request: HttpRequest) -> ReceiptRead:
        self._check(request)
        form = request.POST
        sid, state = form.get("MessageSid", ""), STATUSES.get(form.get("MessageStatus", ""))
        if state is None or not _SID.fullmatch(sid):
            raise NotAReceipt
        code = form.get("ErrorCode", "")
        return ReceiptRead(state, sid, code if _ERROR.fullmatch(code) else "")

    def respond(self, text: str) -> HttpResponse:
        """TwiML. Nothing is sent to STOP and START: Twilio answers those itself."""
        message = f"<Message>{escape(text)}</Message>" if text else ""
        return HttpResponse(
            f'<?xml version="1.0" encoding="UTF-8"?><Response>{message}</Response>', content_type="text/xml"
        )

    def _check(self, request: HttpRequest) -> None:
        given = request.headers.get("X-Twilio-Signature", "").encode()
        # The address that Twilio called: behind a proxy the request has another.
        query = request.META.get("QUERY_STRING", "")
        url = f"{settings.PUBLIC_URL}{request.path_info}" + (f"?{query}" if query else "")
        # All of them are compared, so that the time reveals nothing.
        matches = [hmac.compare_digest(given, signature(self._token, one, request.POST)) for one in _spellings(url)]
        if not self._token or not any(matches):
            raise Forged


def signature(token: str, url: str, form: QueryDict) -> bytes:
    """https://www.twilio.com/docs/usage/security#validating-requests"""
    fields = [(name, value) for name in sorted(form) for value in sorted(set(form.getlist(name)))]
    signed = url + "".join(name + value for name, value in fields)
    return base64.b64encode(hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest())


def _spellings(url: str) -> Iterator[str]:
    """The address with and without its port, which Twilio may drop or add, and what we add to it for receipts."""
    parts = urlsplit(url)
    host = parts.netloc.removesuffix(f":{parts.port}") if parts.port else parts.netloc
    for netloc in (host, f"{host}:{parts.port or PORTS[parts.scheme]}"):
        yield parts._replace(netloc=netloc).geturl()
        yield parts._replace(netloc=netloc).geturl() + receipt_urls.TWILIO_RETRIES


def _taken_for(opt_out_type: str) -> Wish | None:
    """How Twilio's Advanced Opt-Out understood the message; its keywords may be of any language."""
    return Wish.__members__.get(opt_out_type)


def _attachments(number: str) -> str:
    """Pictures stay with the provider; the text only says that there are some."""
    some = "an attachment" if number == "1" else f"{number} attachments"
    return f"[without words, and with {some}]" if _NUMBER.fullmatch(number) else ""
