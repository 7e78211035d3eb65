"""The second person: who may let a broadcast go, on which text and time, and what an edit does to their word."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet

from notifier.broadcasts import acts, lifecycle
from notifier.broadcasts.acts import Act
from notifier.broadcasts.lifecycle import ChangedMeanwhile, NotAllowed
from notifier.models import Broadcast, Notification

State = Broadcast.State
PERMISSION = "notifier.approve_broadcast"
#: The one that knows of permissions, whatever else a login goes by.
_BACKEND = "django.contrib.auth.backends.ModelBackend"


class OwnRequest(NotAllowed):
    """Nobody approves what they asked for, or wrote, themselves, whatever else they may do."""


@dataclass(frozen=True, slots=True)
class Version:
    """What somebody has looked at. With another text or time, or critical, it is not what they agreed to."""

    text_of: datetime | None
    scheduled_for: datetime | None
    expires_at: datetime | None
    is_critical: bool = False

    @classmethod
    def of(cls, broadcast: Broadcast) -> Self:
        return cls(broadcast.text_of, broadcast.scheduled_for, broadcast.expires_at, broadcast.is_critical)


def approve(*, broadcast_id: int, seen: Version, by: User, now: datetime) -> None:
    """Let it go: at once, or at its time where that is still to come.

    Raises `OwnRequest`, `ChangedMeanwhile` where it is no longer what `seen` says, and `NotAllowed`.
    """
    waiting = acts.allowing(Act.APPROVE, broadcast_id=broadcast_id).filter(
        text_of=seen.text_of,
        scheduled_for=seen.scheduled_for,
        expires_at=seen.expires_at,
        is_critical=seen.is_critical,
    )
    allowed = waiting.exclude(created_by=by).exclude(text_by=by).filter(Q(expires_at=None) | Q(expires_at__gt=now))
    approval = {"approved_by": by, "approved_at": now}
    if allowed.filter(scheduled_for__gt=now).update(state=State.SCHEDULED, **approval):
        return
    due = allowed.filter(Q(scheduled_for=None) | Q(scheduled_for__lte=now))
    if not due.update(**lifecycle.running_columns(now=now), **approval):
        raise _refusal(broadcast_id, by, now)


def reject(*, broadcast_id: int, by: User, why: str) -> None:
    """It is never sent. Whoever asked reads who refused it and why."""
    because = f"rejected by {by.get_username()}: {why}"[:300]
    waiting = acts.allowing(Act.REJECT, broadcast_id=broadcast_id)
    if not waiting.update(state=State.CANCELLED, ended_because=because):
        raise lifecycle.refusal(Act.REJECT, broadcast_id)


def take_edit(*, notification: Notification, by: User) -> int:
    """Give what waits for a second person, or has their word and not begun, the new text; returns how many.

    Their word was for the old one, so it is asked for anew. Call it in the transaction that saves the notification:
    whoever approves at the same moment either sees the new text or has let the old one go. What needs no approval
    keeps the text of when it was asked for. Whoever edited it is kept: it would be their own word on their own text.
    """
    frozen = {name: getattr(notification, name) for name in Broadcast.FROZEN}
    stale = not_begun(notification=notification).filter(needs_approval=True).exclude(**frozen)
    return stale.update(
        **frozen,
        text_of=notification.updated_at,
        text_by=by,
        state=State.AWAITING_APPROVAL,
        approved_by=None,
        approved_at=None,
    )


def not_begun(*, notification: Notification) -> QuerySet[Broadcast]:
    """What an edit is about: those that need approval take it over, and the others keep their text."""
    # A follow-up says again what the broadcast that it follows has said.
    return Broadcast.objects.before_start().filter(notification=notification, follows=None).order_by("pk")


def approvers(*, broadcast: Broadcast, most: int) -> list[User]:
    """Who may approve it, by name."""
    may = User.objects.with_perm(PERMISSION, is_active=True, backend=_BACKEND).filter(is_staff=True)
    others = may.exclude(pk__in=[pk for pk in (broadcast.created_by_id, broadcast.text_by_id) if pk])
    return list(others.order_by("username")[:most])


def _refusal(broadcast_id: int, by: User, now: datetime) -> lifecycle.BroadcastError:
    broadcast = acts.allowing(Act.APPROVE, broadcast_id=broadcast_id).first()
    if broadcast is None:
        return lifecycle.refusal(Act.APPROVE, broadcast_id)
    if broadcast.created_by_id == by.pk:
        return OwnRequest(f"You asked for {broadcast} yourself, so somebody else has to approve it.")
    if broadcast.text_by_id == by.pk:
        return OwnRequest(f"You changed the text of {broadcast} yourself, so somebody else has to approve it.")
    if broadcast.is_expired(now):
        return NotAllowed(f"{broadcast} has expired, so it is not sent any more. Ask for it again with another time.")
    return ChangedMeanwhile(f"{broadcast} was changed after you had opened this page. Read it again before approving.")
