"""Events that providers report after they took a message, such as bounces: kept as evidence, and acted on once."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction

from notifier.consent import digests, suppressions
from notifier.consent.suppressions import Clean, Evidence, Source
from notifier.models import Channel, Delivery, InboundMessage, ProviderEvent, SoftBounces
from notifier.runtime import foreign_text
from notifier.wording import numbers

Kind = ProviderEvent.Kind

_DETAIL = 300


@dataclass(frozen=True, slots=True)
class Event:
    """One event of any provider, in one form."""

    provider: str
    #: The provider's own id, or a digest of the event. An event that is delivered twice is recorded once.
    event_id: str
    #: None: the message has arrived, which resets the count of soft bounces and is not kept.
    kind: ProviderEvent.Kind | None
    address: str
    at: datetime
    channel: Channel = Channel.EMAIL
    detail: str = ""
    #: `broadcast.delivery`, as it was sent with the message. It may be forged, so it is looked up.
    reference: str = ""

    def __post_init__(self) -> None:
        for name in ("event_id", "address", "detail", "reference"):
            object.__setattr__(self, name, foreign_text.cleaned(getattr(self, name)))


#: The kinds that suppress an address, with source and reason. Unsubscribing at the provider means all topics.
SUPPRESSED_BY = {
    Kind.HARD_BOUNCE: (Source.BOUNCE, "the mailbox does not exist or refuses for good"),
    Kind.COMPLAINT: (Source.COMPLAINT, "reported as spam"),
    Kind.UNSUBSCRIBED: (Source.CLIENT, "unsubscribed at the provider"),
}


def record_event(event: Event, now: datetime) -> bool:
    """Record one event and act on it, in one transaction. False where it had been recorded before.

    An address that nobody has is suppressed all the same: somebody may enter it tomorrow.
    """
    address = event.channel.canonical(event.address)
    if not address:
        return False
    if event.kind is None:
        return _reset_soft_bounces(event, address)
    with transaction.atomic():
        kept, is_new = _keep(event, event.kind, address)
        # A provider delivers an event again when it got no answer.
        if is_new:
            _act(kept, address, now)
    return is_new


def delivery_of(reference: str, channel: Channel) -> Delivery | None:
    """The delivery that `broadcast.delivery` names; None where there is none with both numbers."""
    broadcast, delivery = (numbers.read_id(part) for part in reference.partition(".")[::2])
    if broadcast is None or delivery is None:
        return None
    return Delivery.objects.filter(pk=delivery, broadcast=broadcast, channel=channel).first()


def _keep(event: Event, kind: ProviderEvent.Kind, address: str) -> tuple[ProviderEvent, bool]:
    delivery = delivery_of(event.reference, event.channel)
    return ProviderEvent.objects.get_or_create(
        provider=event.provider,
        event_id=event.event_id[:200],
        defaults={
            "channel": event.channel,
            "kind": kind,
            "address": suppressions.stored_form(event.channel, address),
            "delivery_id": delivery.pk if delivery else None,
            "detail": event.detail[:_DETAIL],
            "at": event.at,
        },
    )


def _act(event: ProviderEvent, address: str, now: datetime) -> None:
    channel = Channel(event.channel)
    if event.kind == Kind.REFUSED:
        return
    if event.kind == Kind.SOFT_BOUNCE:
        in_a_row = _count_soft_bounce(event)
        if in_a_row < settings.SOFT_BOUNCES:
            return
        evidence = Evidence(Source.BOUNCE, _reason(f"bounced {in_a_row} times in a row", event.detail))
        # Once the suppression is lifted, the count begins again.
        SoftBounces.objects.filter(channel=channel, address=event.address).delete()
    else:
        source, reason = SUPPRESSED_BY[Kind(event.kind)]
        evidence = Evidence(source, _reason(reason, event.detail))
    suppressions.suppress(channel=channel, address=address, evidence=evidence, now=now)


def _reason(reason: str, detail: str) -> str:
    return f"{reason}: {detail}" if detail else reason


# --- Soft bounces -----------------------------------------------------------------------------------------------------
def _count_soft_bounce(event: ProviderEvent) -> int:
    """How many messages in a row have bounced softly, this one among them.

    One message counts once, however often its provider tells that it still tries.
    """
    SoftBounces.objects.get_or_create(
        channel=event.channel, address=event.address, defaults={"in_a_row": 0, "last_at": event.at}
    )
    row = SoftBounces.objects.select_for_update().get(channel=event.channel, address=event.address)
    if not _is_repeated(event):
        row.in_a_row += 1
    row.last_at = max(row.last_at, event.at)
    row.save(update_fields=["in_a_row", "last_at"])
    return row.in_a_row


def _is_repeated(event: ProviderEvent) -> bool:
    if event.delivery_id is None:
        return False
    earlier = ProviderEvent.objects.filter(address=event.address, channel=event.channel, kind=Kind.SOFT_BOUNCE)
    return earlier.filter(delivery_id=event.delivery_id).exclude(pk=event.pk).exists()


def _reset_soft_bounces(event: Event, address: str) -> bool:
    """A message has arrived. A later bounce still counts, for events may arrive out of order."""
    named = [address, *digests.digests(event.channel, address)]
    row = SoftBounces.objects.filter(channel=event.channel, address__in=named, last_at__lte=event.at)
    return row.delete()[0] > 0


# --- Erasing ----------------------------------------------------------------------------------------------------------
def pseudonymise(*, channel: Channel, address: str, clean: Clean) -> None:
    """Replace the address by its digest and clean the details, in the caller's transaction."""
    digest = digests.digest(channel, address)
    events = ProviderEvent.objects.filter(channel=channel, address=address)
    for event in events.exclude(detail="").only("detail"):
        ProviderEvent.objects.filter(pk=event.pk).update(detail=clean(event.detail, most=_DETAIL))
    events.update(address=digest)
    InboundMessage.objects.filter(channel=channel, sender=address).update(sender=digest, text="")
    SoftBounces.objects.filter(channel=channel, address=address).delete()
