"""Approval by a second person: who may give it, for which text and time, and what an edit does to it."""

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from notifier.broadcasts import acts, lifecycle
from notifier.broadcasts.acts import Act
from notifier.broadcasts.lifecycle import NotAllowed
from notifier.models import Broadcast, BroadcastChange, Notification
from notifier.runtime.versions import NotAsShown
from notifier.staff import groups

State = Broadcast.State
What = BroadcastChange.What
#: The backend that knows permissions; others only log people in.
_BACKEND = "django.contrib.auth.backends.ModelBackend"


class OwnRequest(NotAllowed):
    """Nobody may approve a broadcast that they asked for, or whose text or time they changed since, whatever else
    they may do."""


def approve(*, broadcast_id: int, by: User, now: datetime, seen: str | None = None) -> None:
    """Send the broadcast, or schedule it if its time is still to come.

    `seen`: the `acts.version` that was read: an approval is for exactly that text and those times. Raises `OwnRequest`,
    `NotAsShown` where it is another by now, and `NotAllowed`.
    """
    try:
        waiting = acts.allowing(Act.APPROVE, broadcast_id=broadcast_id, seen=seen)
    except NotAsShown as changed:
        # Whoever changed it themselves reads that nobody may approve their own text.
        raise _refusal(broadcast_id, by, now) from changed
    others = waiting.exclude(created_by=by).exclude(text_by=by).filter(~changed_by(by))
    allowed = others.filter(Q(expires_at=None) | Q(expires_at__gt=now))
    approval = {"approved_by": by, "approved_at": now}
    if allowed.filter(scheduled_for__gt=now).update(state=State.SCHEDULED, **approval):
        return
    due = allowed.filter(Q(scheduled_for=None) | Q(scheduled_for__lte=now))
    if not due.update(**lifecycle.sent_columns(by=by, now=now), **approval):
        raise _refusal(broadcast_id, by, now)


def reject(*, broadcast_id: int, by: User, why: str, seen: str | None = None) -> None:
    """Cancel it for good. The person who asked for it can read who rejected it and why.

    `seen`: the `acts.version` that was read. Raises `NotAsShown` where it is another by now.
    """
    because = f"rejected by {by.get_username()}: {why}"[:300]
    waiting = acts.allowing(Act.REJECT, broadcast_id=broadcast_id, seen=seen)
    if not waiting.update(state=State.CANCELLED, ended_because=because):
        raise lifecycle.refusal(Act.REJECT, broadcast_id)


def take_edit(*, notification: Notification, by: User) -> int:
    """Give broadcasts that need approval and have not begun the new text; returns how many.

    An approval was for the old text, so it is asked for again. Call it in the transaction that saves the notification:
    an approval at the same moment then either sees the new text or has started the old one. Broadcasts that need no
    approval keep their text. Every editor is recorded, because nobody may approve a text that they had a hand in.
    """
    frozen = lifecycle.frozen_columns(notification)
    stale = not_begun(notification=notification).filter(needs_approval=True).exclude(**frozen)
    with transaction.atomic():
        ids = list(stale.select_for_update(of=("self",)).values_list("pk", flat=True))
        BroadcastChange.objects.bulk_create(
            BroadcastChange(broadcast_id=pk, by=by, what=What.TEXT, at=notification.updated_at) for pk in ids
        )
        return Broadcast.objects.filter(pk__in=ids).update(
            **frozen,
            text_of=notification.updated_at,
            text_by=by,
            state=State.AWAITING_APPROVAL,
            scheduled_for=lifecycle.chosen_time(),
            approved_by=None,
            approved_at=None,
        )


def changed_by(user: User) -> Exists:
    """Condition of a broadcast: this user has changed its text or its time since it was asked for."""
    return Exists(BroadcastChange.objects.filter(broadcast=OuterRef("pk"), by=user))


def has_changed(*, broadcast: Broadcast, user: User) -> bool:
    # `text_by` is all that processes of the release before write.
    return broadcast.text_by_id == user.pk or broadcast.changes.filter(by=user).exists()


def not_begun(*, notification: Notification) -> QuerySet[Broadcast]:
    """The broadcasts of this notification that have not begun."""
    # A follow-up has the text of the broadcast that it follows, whatever is edited.
    return Broadcast.objects.before_start().filter(notification=notification, follows=None).order_by("pk")


def approvers(*, broadcast: Broadcast, most: int) -> list[User]:
    """Who may approve it, by name."""
    may = User.objects.with_perm(groups.APPROVE_BROADCAST, is_active=True, backend=_BACKEND).filter(is_staff=True)
    had_a_hand = {broadcast.created_by_id, broadcast.text_by_id, *broadcast.changes.values_list("by", flat=True)}
    others = may.exclude(pk__in=[pk for pk in had_a_hand if pk])
    return list(others.order_by("username")[:most])


def _refusal(broadcast_id: int, by: User, now: datetime) -> lifecycle.BroadcastError | NotAsShown:
    broadcast = acts.allowing(Act.APPROVE, broadcast_id=broadcast_id).first()
    if broadcast is None:
        return lifecycle.refusal(Act.APPROVE, broadcast_id)
    if broadcast.created_by_id == by.pk:
        return OwnRequest(f"You requested {broadcast} yourself, so someone else has to approve it.")
    if has_changed(broadcast=broadcast, user=by):
        is_time = broadcast.text_by_id != by.pk and not broadcast.changes.filter(by=by, what=What.TEXT).exists()
        what = "time" if is_time else "text"
        return OwnRequest(f"You changed the {what} of {broadcast} yourself, so someone else has to approve it.")
    if broadcast.is_expired(now):
        return NotAllowed(f"{broadcast} has expired, so it can’t be sent. Request it again with another time.")
    return NotAsShown()
