"""What every provider of SMS delivers, replies and receipts, and why a request may be refused."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from django.http import HttpRequest, HttpResponse

from notifier.consent.sms_replies import SmsReply
from notifier.models import Receipt


class Forged(Exception):
    """The signature is not the provider's. The sender is told nothing."""


class NotAReply(Exception):
    """The provider signed the request, but it is no SMS that somebody sent."""


class NotAReceipt(Exception):
    """The provider signed the request, but it says nothing of what became of a message."""


@dataclass(frozen=True, slots=True)
class ReceiptRead:
    """What a request says of the message that its address names."""

    state: Receipt.State
    provider_id: str
    code: str = ""
    #: None where the provider does not say when.
    at: datetime | None = None


class SmsProvider(Protocol):
    """Chosen by the scheme of SMS_URL, from INBOUND_SMS. Its requests are small forms."""

    def __init__(self, sms_url: str) -> None: ...

    def read_reply(self, request: HttpRequest) -> SmsReply:
        """The message. Raises `Forged` before it uses anything of the request, or `NotAReply`."""

    def respond(self, text: str) -> HttpResponse:
        """The response that makes the provider send the text back to the sender; "" sends nothing."""

    def read_receipt(self, request: HttpRequest) -> ReceiptRead:
        """What became of a message. Raises `Forged` before it uses anything of the request, or `NotAReceipt`."""
