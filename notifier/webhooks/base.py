"""What every provider of inbound SMS has to do, and why a request may be refused."""

from typing import Protocol

from django.http import HttpRequest, HttpResponse

from notifier.consent.sms_replies import SmsReply


class Forged(Exception):
    """The signature is not the provider's. The sender is told nothing."""


class NotAReply(Exception):
    """The provider signed the request, but it is no SMS that somebody sent."""


class SmsProvider(Protocol):
    """Chosen by the scheme of SMS_URL, from INBOUND_SMS. Its requests are small forms."""

    def __init__(self, sms_url: str) -> None: ...

    def read_reply(self, request: HttpRequest) -> SmsReply:
        """The message. Raises `Forged` before it uses anything of the request, or `NotAReply`."""

    def respond(self, text: str) -> HttpResponse:
        """The response that makes the provider send the text back to the sender; "" sends nothing."""
