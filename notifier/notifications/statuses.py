"""A notification's status, and handing it over to those who send."""

from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Case, CharField, Exists, F, OuterRef, Q, QuerySet, Value, When

from notifier.models import Broadcast, Notification
from notifier.runtime.versions import NotAsShown

Status = Notification.Status


class SentAlready(Exception):
    """The text as it stands has been sent, so there is nothing to hand over."""


def with_status(notifications: QuerySet[Any]) -> QuerySet[Any]:
    """Each with its `status`, which follows from its broadcasts and from the text that staff said is ready.

    What has a broadcast that has not begun is scheduled, whatever it waits for. The text that staff said is ready is
    that until it is edited or has been sent. What was sent once stays sent, until a new text of it is ready.
    """
    broadcasts = Broadcast.objects.filter(notification=OuterRef("pk"))
    is_ready = Q(ready_of=F("updated_at")) & ~_was_sent_as_it_stands()
    status = Case(
        When(Exists(broadcasts.before_start()), then=Value(Status.SCHEDULED)),
        When(is_ready, then=Value(Status.READY)),
        When(Exists(broadcasts.filter(started_at__isnull=False)), then=Value(Status.SENT)),
        default=Value(Status.DRAFT),
        output_field=CharField(),
    )
    found: QuerySet[Any] = notifications.annotate(status=status)
    return found


def _was_sent_as_it_stands() -> Exists:
    """Condition of a notification: a broadcast of this very text has begun."""
    begun = Broadcast.objects.filter(notification=OuterRef("pk"), started_at__isnull=False)
    return Exists(begun.filter(text_of=OuterRef("updated_at")))


def ready() -> QuerySet[Notification]:
    """Those that wait for someone to send them, the newest first."""
    return with_status(Notification.objects.all()).filter(status=Status.READY).order_by("-ready_at", "-pk")


def is_ready(*, notification_id: int) -> bool:
    """Whether staff said so of the text as it stands, sent or not."""
    return Notification.objects.filter(pk=notification_id, ready_of=F("updated_at")).exists()


def mark_ready(*, notification: Notification, by: User, now: datetime) -> None:
    """Say that the text, as it was read into `notification`, is ready to send. Its version and history stay the same.

    Raises `SentAlready`, and `NotAsShown` where it is another text by now.
    """
    same = Notification.objects.filter(pk=notification.pk, updated_at=notification.updated_at)
    if same.filter(~_was_sent_as_it_stands()).update(ready_of=F("updated_at"), ready_at=now, ready_by=by):
        return
    if same.exists():
        raise SentAlready(
            f"“{notification}” has been sent with this text. To send it to everyone again, duplicate it. To reach "
            "only those who did not get it, open its broadcast."
        )
    raise NotAsShown(f"“{notification}” has been changed since you opened the page. Check it again.")


def take_back(*, notification_id: int) -> None:
    """It is a draft again, or what it was before."""
    Notification.objects.filter(pk=notification_id).update(ready_of=None, ready_at=None, ready_by=None)


def take_back_rejected(*, broadcast_id: int) -> None:
    """The text that this broadcast was to send is a draft again; that of a follow-up has been sent, whatever it is."""
    asked = Broadcast.objects.filter(pk=broadcast_id, follows=None).values("notification")
    Notification.objects.filter(pk__in=asked).update(ready_of=None, ready_at=None, ready_by=None)
