"""What every provider of answers by SMS does, and how a delivery can be no good."""

from typing import Protocol

from django.http import HttpRequest, HttpResponse

from notifier.consent.sms_replies import SmsReply


class Forged(Exception):
    """It does not bear the provider's signature. Whoever sent it is told nothing."""


class NotAReply(Exception):
    """The provider signed it, and it is no message of somebody's."""


class SmsProvider(Protocol):
    """Chosen by the scheme of SMS_URL, from INBOUND_SMS. A delivery is a form, and small."""

    def __init__(self, sms_url: str) -> None: ...

    def read_reply(self, request: HttpRequest) -> SmsReply:
        """The message. Raises `Forged`, before anything of it is believed, or `NotAReply`."""

    def respond(self, text: str) -> HttpResponse:
        """What has the provider send the text back to whoever wrote; with "" it sends nothing."""
