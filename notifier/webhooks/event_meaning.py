"""What an event of an e-mail provider says about an address, and of a message; django-anymail has read it by then."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from anymail.signals import AnymailTrackingEvent, EventType, RejectReason
from django.utils.crypto import salted_hmac

from notifier.consent import bounce_status
from notifier.consent.bounce_status import Finding
from notifier.consent.provider_events import Event, Kind
from notifier.models import Channel, Installation, Receipt
from notifier.receipts.taking import Told
from notifier.runtime import foreign_text
from notifier.wording.wall_clocks import YEARS

#: What our messages are sent with, where the provider carries it along (consumers/backends/django_mail.py).
METADATA = "delivery"
#: Our own Message-ID, where the provider does not replace it; those of before have no installation's code.
_MESSAGE_ID = re.compile(r"<?(\d+\.\d+)(?:\.([0-9a-f]{1,16}))?@")
#: In these fields of an event providers say that a bounce is soft, though anymail reports it as any other.
_FIELDS = {"type", "bouncetype", "bounce_type", "severity", "bounce_class", "hard_bounce"}
_SOFT = {
    "softbounce",
    "soft",
    "transient",
    "undetermined",
    "temporary",
    "false",
    "20",
    "21",
    "22",
    "23",
    "24",
    "40",
    "70",
}

#: The provider itself, or the server, refuses what comes from us.
_OF_THE_SENDER = {RejectReason.BLOCKED, RejectReason.SPAM}
#: The reasons that say something about the address.
_REJECTED = {
    RejectReason.INVALID: Kind.HARD_BOUNCE,
    RejectReason.BOUNCED: Kind.HARD_BOUNCE,
    RejectReason.TIMED_OUT: Kind.SOFT_BOUNCE,
    RejectReason.SPAM: Kind.COMPLAINT,
    RejectReason.UNSUBSCRIBED: Kind.UNSUBSCRIBED,
}
_OTHERS = {
    EventType.COMPLAINED: Kind.COMPLAINT,
    EventType.UNSUBSCRIBED: Kind.UNSUBSCRIBED,
}

#: What an event says of the message. Opened and clicked say nothing that is certain: machines do both. Of a bounce its
#: kind says it: see `receipt`.
_RECEIPTS = {
    EventType.QUEUED: Receipt.State.ACCEPTED,
    EventType.SENT: Receipt.State.ACCEPTED,
    EventType.DEFERRED: Receipt.State.ACCEPTED,
    EventType.REJECTED: Receipt.State.UNDELIVERED,
    EventType.FAILED: Receipt.State.UNDELIVERED,
    EventType.DELIVERED: Receipt.State.DELIVERED,
    EventType.AUTORESPONDED: Receipt.State.DELIVERED,
    EventType.COMPLAINED: Receipt.State.COMPLAINED,
}
#: The status of a server's answer, or else its reply code.
_CODES = (re.compile(r"(?<![\d.])[245]\.\d{1,3}\.\d{1,3}(?![\d.])"), re.compile(r"^\W*([245]\d\d)(?!\d)"))


def receipt(event: AnymailTrackingEvent, *, provider: str, now: datetime) -> Told | None:
    """None where the event says nothing of what became of the message, or names none of ours."""
    state = _RECEIPTS.get(event.event_type)
    if event.event_type == EventType.BOUNCED:
        # After a soft bounce some providers go on, and it may be delivered yet.
        is_soft = _kind_of_bounce(event) == Kind.SOFT_BOUNCE
        state = Receipt.State.UNDELIVERED if is_soft else Receipt.State.BOUNCED
    reference = _reference(event) if state else ""
    if state is None or not reference:
        return None
    return Told(
        reference=reference,
        channel=Channel.EMAIL,
        state=state,
        at=_moment(event.timestamp) or now,
        provider=provider[:40],
        provider_id=str(event.message_id or ""),
        code="" if state in (Receipt.State.DELIVERED, Receipt.State.COMPLAINED) else _code(event),
    )


def _code(event: AnymailTrackingEvent) -> str:
    for text in (event.mta_response, event.description):
        for code in _CODES:
            if found := code.search(_words(text)):
                return found[found.lastindex or 0]
    return str(event.reject_reason or "")


def translated(event: AnymailTrackingEvent, *, provider: str, now: datetime) -> Event | None:
    """None where the event says nothing about the address: opened, clicked, queued, rejected for its content."""
    kind = _kind(event)
    if not event.recipient or (kind is None and event.event_type != EventType.DELIVERED):
        return None
    return Event(
        provider=provider,
        event_id=_id(event),
        kind=kind,
        address=event.recipient,
        at=_moment(event.timestamp) or now,
        detail=_detail(event),
        reference=_reference(event),
    )


def _moment(told: datetime | None) -> datetime | None:
    """In UTC where the provider names no zone; None for what no database or page can show in every zone."""
    if told is None or told.year not in YEARS:
        return None
    return told if told.tzinfo else told.replace(tzinfo=UTC)


def _kind(event: AnymailTrackingEvent) -> Kind | None:
    if event.event_type == EventType.REJECTED:
        return _REJECTED.get(event.reject_reason)
    if event.event_type in (EventType.BOUNCED, EventType.DEFERRED):
        return _kind_of_bounce(event)
    return _OTHERS.get(event.event_type)


def _kind_of_bounce(event: AnymailTrackingEvent) -> Kind:
    """By what the server answered; where that leaves it open, by what the provider makes of it."""
    finding = bounce_status.finding(_words(event.mta_response))
    if finding == Finding.OPEN:
        finding = bounce_status.finding(_words(event.description))
    if finding == Finding.NOT_THE_ADDRESS or (finding == Finding.OPEN and event.reject_reason in _OF_THE_SENDER):
        return Kind.REFUSED
    if event.event_type == EventType.DEFERRED or _SOFT & set(_field_values(event.esp_event)):
        return Kind.SOFT_BOUNCE
    is_open_and_hard = finding == Finding.OPEN and event.reject_reason in (RejectReason.BOUNCED, RejectReason.INVALID)
    return Kind.HARD_BOUNCE if finding == Finding.FOR_GOOD or is_open_and_hard else Kind.SOFT_BOUNCE


def _words(text: object) -> str:
    """In one line, without what no database stores: that may stand in the midst of an address."""
    return " ".join(foreign_text.cleaned(str(text or "")).split())


def _field_values(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if str(name).lower() in _FIELDS and isinstance(inner, str | int | bool):
                yield str(inner).lower()
            else:
                yield from _field_values(inner)


def _id(event: AnymailTrackingEvent) -> str:
    """The provider's id; where it gives none, a digest of what identifies the event."""
    if event.event_id:
        return f"{event.event_type}:{event.event_id}"
    parts = (event.event_type, event.recipient, event.message_id, event.timestamp, event.reject_reason)
    return f"{event.event_type}:{salted_hmac('notifier.mail_events', repr(parts)).hexdigest()}"


def _detail(event: AnymailTrackingEvent) -> str:
    """In one line, and without the address, which is stored beside it and erased separately."""
    words = _words(event.mta_response or event.description or event.reject_reason)
    return re.sub(re.escape(event.recipient or "@"), "…", words, flags=re.IGNORECASE)


def _reference(event: AnymailTrackingEvent) -> str:
    metadata = event.metadata if isinstance(event.metadata, dict) else {}
    if METADATA in metadata:
        return str(metadata[METADATA])
    found = _MESSAGE_ID.match(event.message_id or "")
    if found is None or (found[2] and not Installation.objects.filter(code=found[2]).exists()):
        return ""
    return found[1]
