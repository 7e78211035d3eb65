"""What staff do to broadcasts. Every change is one conditional UPDATE whose row count is checked, so that double
clicks, back buttons and two people pressing at once each get a true answer."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Max, Q
from django.utils.formats import date_format
from django.utils.timezone import localtime

from notifier.models import Broadcast, Client, Notification

State = Broadcast.State

#: What each order may be given in, and what it leads to. Sending again what has failed: see `recovery`.
ALLOWED = {
    "pause": ((State.RUNNING,), State.PAUSED),
    "resume": ((State.PAUSED,), State.RUNNING),
    "cancel": ((State.RUNNING, State.PAUSED), State.CANCELLED),
}
#: Sending the same notification again within this time needs an explicit word.
RECENT = timedelta(hours=1)


class BroadcastError(Exception):
    """The order can't be carried out; the text says why, to staff."""


class NotAllowed(BroadcastError):
    """The broadcast is not in a state for this order."""


class ChangedMeanwhile(BroadcastError):
    """A notification is no longer what the staff member saw."""


class SentRecently(BroadcastError):
    """A notification is running, or was sent a short while ago; sending it again must be asked for."""

    def __init__(self, earlier: Sequence[Broadcast]) -> None:
        super().__init__("Sent a short while ago: " + "; ".join(describe(broadcast) for broadcast in earlier))
        self.earlier = earlier


def create(
    *,
    seen: Mapping[int, datetime],
    token: uuid.UUID,
    by: User | None,
    now: datetime,
    again: bool = False,
) -> list[Broadcast]:
    """One running broadcast for each notification in `seen`, which gives the `updated_at` that the sender looked at.

    All of them or none. The same token returns what it made the first time, however often it comes. Raises
    `SentRecently` unless `again`, and `ChangedMeanwhile`.
    """
    with transaction.atomic():
        # The lock makes a second press wait for the first, and then see what it made.
        locked = Notification.objects.select_for_update().select_related(None).filter(pk__in=seen).order_by("pk")
        notifications = list(locked)
        requests = {n.pk: uuid.uuid5(token, str(n.pk)) for n in notifications}
        made = {b.notification_id: b for b in Broadcast.objects.filter(request_id__in=requests.values())}
        fresh = [n for n in notifications if n.pk not in made]
        if len(notifications) < len(seen) or any(n.updated_at != seen[n.pk] for n in fresh):
            raise ChangedMeanwhile("A notification was changed or deleted meanwhile. Look at it again before sending.")
        if not again and (earlier := sent_recently(notification_ids=[n.pk for n in fresh], now=now)):
            raise SentRecently(earlier)
        upto = Client.objects.aggregate(highest=Max("pk"))["highest"] or 0
        for n in fresh:
            made[n.pk] = _start(n, request_id=requests[n.pk], upto=upto, by=by, now=now)
    return [made[n.pk] for n in notifications]


def _start(n: Notification, *, request_id: uuid.UUID, upto: int, by: User | None, now: datetime) -> Broadcast:
    """The content and the audience are frozen here: later edits and later clients change nothing."""
    return Broadcast.objects.create(
        notification=n,
        topic_id=n.topic_id,
        subject=n.subject,
        email_body=n.email_body,
        sms_body=n.sms_body,
        audience_upto=upto,
        request_id=request_id,
        created_by=by,
        started_at=now,
    )


def sent_recently(*, notification_ids: Sequence[int], now: datetime) -> list[Broadcast]:
    """The broadcasts of these notifications that are under way, or were started within the last hour."""
    under_way = Q(state__in=[State.RUNNING, State.PAUSED])
    recent = Q(started_at__gte=now - RECENT) | Q(finished_at__gte=now - RECENT)
    earlier = Broadcast.objects.filter(under_way | recent, notification__in=notification_ids)
    return list(earlier.select_related("created_by").order_by("-pk"))


def describe(broadcast: Broadcast) -> str:
    """Who sent it and when, in words."""
    who = broadcast.created_by.get_username() if broadcast.created_by else "the command line"
    when = date_format(localtime(broadcast.started_at), "j M Y, H:i") if broadcast.started_at else "not yet"
    return f"{broadcast} by {who}, {when}, {broadcast.get_state_display().lower()}"


def pause(*, broadcast_id: int) -> None:
    """No window that starts after this is sent; what is being sent ends by itself."""
    _order("pause", broadcast_id)


def resume(*, broadcast_id: int) -> None:
    """Its rows are due already: the dispatcher finds them at its next cycle."""
    _order("resume", broadcast_id)


def cancel(*, broadcast_id: int) -> None:
    """What has not been sent never will be; the dispatcher settles those rows as CANCELLED."""
    _order("cancel", broadcast_id)


def _order(order: str, broadcast_id: int) -> None:
    allowed, state = ALLOWED[order]
    changed = Broadcast.objects.filter(pk=broadcast_id, state__in=allowed).update(state=state)
    if not changed:
        broadcast = Broadcast.objects.filter(pk=broadcast_id).first()
        if broadcast is None:
            raise NotAllowed(f"There is no broadcast {broadcast_id}.")
        raise NotAllowed(f"{broadcast} is {broadcast.get_state_display().lower()}: you can't {order} it now.")
