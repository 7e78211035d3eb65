"""Events of e-mail providers, such as bounces, by the webhooks of django-anymail.

`/hooks/mail/<provider>/tracking/` is there where EMAIL_BACKEND is one of that package's, for that provider alone, and
only with ANYMAIL_WEBHOOK_SECRET: nobody else may say that an address bounced.
"""

import logging
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from json import JSONDecodeError
from typing import Any, cast

from anymail.signals import AnymailTrackingEvent, EventType, RejectReason, tracking
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.dispatch import receiver
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest
from django.utils.crypto import salted_hmac
from django.utils.module_loading import import_string
from django.views.decorators.csrf import csrf_exempt

from notifier.consent import bounce_status, provider_events
from notifier.consent.bounce_status import Finding
from notifier.consent.provider_events import Event, Kind
from notifier.models import Installation
from notifier.runtime import clock

logger = logging.getLogger(__name__)

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


@csrf_exempt
def hook(request: HttpRequest, provider: str) -> HttpResponse:
    """Calls anymail's webhook of this provider, which checks the secret and reads what was posted."""
    view = _webhook(provider)
    if view is None:
        raise Http404
    try:
        return view(request)
    except JSONDecodeError:
        return HttpResponseBadRequest()


def _webhook(provider: str) -> Callable[[HttpRequest], HttpResponse] | None:
    used = re.fullmatch(r"anymail\.backends\.(\w+)\.EmailBackend", settings.EMAIL_BACKEND)
    if used is None or used[1] != provider or not settings.ANYMAIL.get("WEBHOOK_SECRET"):
        return None
    found = {pattern.name: pattern.callback for pattern in import_string("anymail.urls.urlpatterns")}
    return cast("Callable[[HttpRequest], HttpResponse] | None", found.get(f"{provider}_tracking_webhook"))


@receiver(tracking)
def _receive(event: AnymailTrackingEvent, esp_name: str, **kwargs: Any) -> None:
    """django-anymail reports each event by a signal."""
    try:
        if found := translated(event, provider=esp_name, now=clock.now()):
            provider_events.record_event(found, clock.now())
    except (OperationalError, InterfaceError):  # the database is away: the provider delivers them all again
        raise
    except Exception:
        # Those beside it in the same request are recorded all the same. Delivered again, it would fail again.
        logger.exception("An event of %s could not be recorded.", esp_name)


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
        at=event.timestamp or now,
        detail=_detail(event),
        reference=_reference(event),
    )


def _kind(event: AnymailTrackingEvent) -> Kind | None:
    if event.event_type == EventType.REJECTED:
        return _REJECTED.get(event.reject_reason)
    if event.event_type in (EventType.BOUNCED, EventType.DEFERRED):
        return _kind_of_bounce(event)
    return _OTHERS.get(event.event_type)


def _kind_of_bounce(event: AnymailTrackingEvent) -> Kind:
    """By what the server answered; where that leaves it open, by what the provider makes of it."""
    finding = bounce_status.read(_words(event.mta_response))
    if finding == Finding.OPEN:
        finding = bounce_status.read(_words(event.description))
    if finding == Finding.NOT_THE_ADDRESS or (finding == Finding.OPEN and event.reject_reason in _OF_THE_SENDER):
        return Kind.REFUSED
    if event.event_type == EventType.DEFERRED or _SOFT & set(_field_values(event.esp_event)):
        return Kind.SOFT_BOUNCE
    is_open_and_hard = finding == Finding.OPEN and event.reject_reason in (RejectReason.BOUNCED, RejectReason.INVALID)
    return Kind.HARD_BOUNCE if finding == Finding.FOR_GOOD or is_open_and_hard else Kind.SOFT_BOUNCE


def _words(text: object) -> str:
    """In one line."""
    return " ".join(str(text or "").split())


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
    text = event.mta_response or event.description or event.reject_reason or ""
    words = " ".join(str(text).split())
    return re.sub(re.escape(event.recipient or "@"), "…", words, flags=re.IGNORECASE)


def _reference(event: AnymailTrackingEvent) -> str:
    metadata = event.metadata if isinstance(event.metadata, dict) else {}
    if METADATA in metadata:
        return str(metadata[METADATA])
    found = _MESSAGE_ID.match(event.message_id or "")
    if found is None or (found[2] and not Installation.objects.filter(code=found[2]).exists()):
        return ""
    return found[1]
