"""What became of the messages that were sent, by channel: arrived, not delivered, waiting for a receipt. Read only.

The numbers come from the tally and the receipts' own count, so a page costs the same for any audience.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, QuerySet

from notifier.models import Broadcast, Channel, Delivery, Receipt, ReceiptCounts


class Standing(models.TextChoices):
    """What a receipt means to staff, and what lists filter by."""

    ARRIVED = "arrived", "Delivered"
    WAITING = "waiting", "Waiting for a receipt"
    MISSED = "missed", "Not delivered"

    @property
    def in_words(self) -> str:
        """After a number: 12 delivered, 3 waiting for a receipt."""
        return str(self.label).lower()


#: The states of receipts behind each; WAITING is also whatever was sent and has no receipt.
STATES: Mapping[Standing, tuple[Receipt.State, ...]] = {
    Standing.ARRIVED: Receipt.ARRIVED,
    Standing.MISSED: Receipt.MISSED,
}


#: The key of a tally for the channels that receipts were expected of while it was sent. Settings may change later.
EXPECTED = "receipts"


def expected() -> dict[str, list[str]]:
    """What a tally keeps of that, by today's settings; nothing where none are expected."""
    found = [channel.value for channel in Channel if are_expected(channel)]
    return {EXPECTED: found} if found else {}


def are_expected(channel: Channel) -> bool:
    """Whether the provider of a channel reports what becomes of its messages, by today's settings."""
    if channel is Channel.SMS:
        return bool(settings.SMS_RECEIPTS) and urlsplit(settings.SMS_URL).scheme in settings.INBOUND_SMS
    is_anymail = settings.EMAIL_BACKEND.startswith("anymail.backends.")
    return is_anymail and bool(settings.ANYMAIL.get("WEBHOOK_SECRET"))


def narrowed(deliveries: QuerySet[Delivery], standing: str, *, broadcast_id: int) -> QuerySet[Delivery]:
    """Those deliveries of a broadcast that stand so; none for a word that is no standing."""
    receipts = Receipt.objects.filter(broadcast=broadcast_id)
    if standing == Standing.WAITING:
        final = receipts.filter(delivery=OuterRef("pk"), state__in=Receipt.FINAL)
        return deliveries.filter(~Exists(final), state=Delivery.State.SENT)
    states = {str(one): states for one, states in STATES.items()}.get(standing, ())
    # From the few that were not delivered, by the index on their state.
    return deliveries.filter(pk__in=receipts.filter(state__in=states).values("delivery"))


@dataclass(frozen=True, slots=True)
class ChannelReceipts:
    """The receipts of one channel of a broadcast."""

    channel: Channel
    sent: int
    arrived: int
    missed: int
    complained: int
    #: How many were UNKNOWN, or about to be tried again, until a receipt proved them sent.
    proven: int

    @property
    def waiting(self) -> int:
        return max(0, self.sent - self.arrived - self.missed)

    @property
    def is_overdue(self) -> bool:
        """Whether more of them wait for a receipt than may. Asked of broadcasts that ended long enough ago."""
        return self.waiting > self.sent * settings.RECEIPT_PERCENT / 100

    def count(self, standing: Standing) -> int:
        return {Standing.ARRIVED: self.arrived, Standing.WAITING: self.waiting, Standing.MISSED: self.missed}[standing]


def of_broadcast(broadcast: Broadcast) -> list[ChannelReceipts]:
    """By channel; only those of which receipts came, or were expected of what was sent.

    In one query, or none where the broadcast was read with its `receipt_counts`.
    """
    try:
        return _of_channels(broadcast, broadcast.receipt_counts)
    except ReceiptCounts.DoesNotExist:
        return _of_channels(broadcast, None)


def _of_channels(broadcast: Broadcast, found: ReceiptCounts | None) -> list[ChannelReceipts]:
    sent: dict[str, dict[str, int]] = broadcast.tally.get("counts", {})
    counts: dict[str, Any] = found.counts if found else {}
    proofs: dict[str, int] = found.proofs if found else {}
    expected = broadcast.tally.get(EXPECTED, [])
    return [
        _of_channel(channel, sent.get(channel, {}), counts.get(channel, {}), proofs.get(channel, 0))
        for channel in Channel
        if counts.get(channel) or (channel.value in expected and sent.get(channel, {}).get(Delivery.State.SENT))
    ]


def _of_channel(channel: Channel, sent: Mapping[str, int], counts: Mapping[str, int], proven: int) -> ChannelReceipts:
    return ChannelReceipts(
        channel=channel,
        sent=sent.get(Delivery.State.SENT, 0),
        arrived=sum(counts.get(state, 0) for state in Receipt.ARRIVED),
        missed=sum(counts.get(state, 0) for state in Receipt.MISSED),
        complained=counts.get(Receipt.State.COMPLAINED, 0),
        proven=proven,
    )
