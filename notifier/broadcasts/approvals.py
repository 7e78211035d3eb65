"""Approval by a second person: who may give it, for which text and time, and what an edit does to it."""

from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from notifier.broadcasts import acts, lifecycle, staff_mails
from notifier.broadcasts.acts import Act
from notifier.broadcasts.lifecycle import NotAllowed
from notifier.models import Broadcast, BroadcastChange, Notification, StaffMail
from notifier.models.broadcasts import BroadcastQuerySet
from notifier.notifications import statuses
from notifier.runtime.versions import NotAsShown

State = Broadcast.State
What = BroadcastChange.What


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
    allowed = open_to(by.pk, waiting).filter(Q(expires_at=None) | Q(expires_at__gt=now))
    approval = {"approved_by": by, "approved_at": now}
    due = allowed.filter(Q(scheduled_for=None) | Q(scheduled_for__lte=now))
    with transaction.atomic():
        waits = allowed.filter(scheduled_for__gt=now).update(state=State.SCHEDULED, **approval)
        if not waits and not due.update(**lifecycle.sent_columns(by=by, now=now), **approval):
            raise _refusal(broadcast_id, by, now)
        # Not while it can be undone: then nothing has been decided yet.
        decided_at = now if waits else now + timedelta(seconds=settings.UNDO_SECONDS)
        staff_mails.tell_requester(broadcast_id=broadcast_id, what=StaffMail.What.APPROVED, due_at=decided_at)


def reject(*, broadcast_id: int, by: User, why: str, now: datetime, seen: str | None = None) -> None:
    """Nothing of it is ever sent. The person who asked for it reads who rejected it and why, and may ask again.

    Its text is no longer ready to send, and a draft again. What it was to follow may be followed by another.
    `seen`: the `acts.version` that was read. Raises `NotAsShown` where it is another by now.
    """
    waiting = acts.allowing(Act.REJECT, broadcast_id=broadcast_id, seen=seen)
    # It has no deliveries, so nothing is left for the dispatcher to settle or to count.
    ended = dict.fromkeys(("finished_at", "tallied_at", "days_counted_at"), now)
    columns = {"state": State.REJECTED, "rejected_by": by, "ended_because": why[:300], **ended}
    with transaction.atomic():
        # The notification first, as where one is saved: in the other order the two would wait for each other.
        statuses.take_back_rejected(broadcast_id=broadcast_id)
        if not waiting.update(**columns, was_to_follow=F("follows"), follows=None):
            raise lifecycle.refusal(Act.REJECT, broadcast_id)
        staff_mails.tell_requester(broadcast_id=broadcast_id, what=StaffMail.What.REJECTED, due_at=now)


def take_edit(*, notification: Notification, by: User) -> int:
    """Give broadcasts that need approval and have not begun the new text; returns how many.

    An approval was for the old text, so it is asked for again. Call it in the transaction that saves the notification:
    an approval at the same moment then either sees the new text or has started the old one. Broadcasts that need no
    approval keep their text. Every editor is recorded, because nobody may approve a text that they had a hand in.
    """
    frozen = lifecycle.frozen_columns(notification)
    stale = not_begun(notification=notification).filter(needs_approval=True).exclude(**frozen)
    with transaction.atomic():
        found = list(stale.select_for_update(of=("self",)))
        ids = [broadcast.pk for broadcast in found]
        BroadcastChange.objects.bulk_create(
            BroadcastChange(broadcast_id=pk, by=by, what=What.TEXT, at=notification.updated_at) for pk in ids
        )
        number = Broadcast.objects.filter(pk__in=ids).update(
            **frozen,
            text_of=notification.updated_at,
            text_by=by,
            state=State.AWAITING_APPROVAL,
            scheduled_for=lifecycle.chosen_time(),
            approved_by=None,
            approved_at=None,
        )
        # Those that waited already have been told of; a mail for each edit would be too much.
        for broadcast in (one for one in found if one.state != State.AWAITING_APPROVAL):
            staff_mails.ask_approvers(broadcast=broadcast, now=notification.updated_at)
        return number


def open_to(user_id: int, broadcasts: BroadcastQuerySet) -> BroadcastQuerySet:
    """Those that this user neither asked for nor changed since."""
    return broadcasts.exclude(created_by=user_id).exclude(text_by=user_id).filter(~changed_by(user_id))


def changed_by(user_id: int) -> Exists:
    """Condition of a broadcast: this user has changed its text or its time since it was asked for."""
    return Exists(BroadcastChange.objects.filter(broadcast=OuterRef("pk"), by=user_id))


def has_changed(*, broadcast: Broadcast, user: User) -> bool:
    # `text_by` is all that processes of the release before write.
    return broadcast.text_by_id == user.pk or broadcast.changes.filter(by=user).exists()


def not_begun(*, notification: Notification) -> QuerySet[Broadcast]:
    """The broadcasts of this notification that have not begun."""
    # A follow-up has the text of the broadcast that it follows, whatever is edited.
    return Broadcast.objects.before_start().filter(notification=notification, follows=None).order_by("pk")


def _refusal(broadcast_id: int, by: User, now: datetime) -> lifecycle.BroadcastError | NotAsShown:
    broadcast = acts.allowing(Act.APPROVE, broadcast_id=broadcast_id).first()
    if broadcast is None:
        return lifecycle.refusal(Act.APPROVE, broadcast_id)
    if broadcast.created_by_id == by.pk:
        return OwnRequest(f"You created {broadcast} yourself, so someone else has to approve it.")
    if has_changed(broadcast=broadcast, user=by):
        changed = set(broadcast.changes.filter(by=by).values_list("what", flat=True))
        first = What.TEXT if broadcast.text_by_id == by.pk or What.TEXT in changed else min(changed)
        what = What(first).label.lower()
        return OwnRequest(f"You changed the {what} of {broadcast} yourself, so someone else has to approve it.")
    if broadcast.is_expired(now):
        return NotAllowed(f"{broadcast} has expired, so it can’t be sent. Send it again with another time.")
    return NotAsShown()
