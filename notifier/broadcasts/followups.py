"""Sending a broadcast's text once more, to those who want it now and did not get it.

Nobody gets it twice. A broadcast is followed at most once, after it has ended. From then on, what failed or was skipped
in it is not sent again (see `delivery.recovery`), so it can't go out beside the follow-up.
"""

import uuid
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from notifier.audience import unreached
from notifier.broadcasts import acts, lifecycle, staff_mails
from notifier.broadcasts.acts import Act
from notifier.broadcasts.send_options import SendOptions
from notifier.models import Broadcast
from notifier.saved_audiences import freezing


class FollowUpError(Exception):
    """There can be no follow-up; the text tells staff why."""


class NotEnded(FollowUpError):
    """Something of the broadcast may still go out."""


class FollowedAlready(FollowUpError):
    """The broadcast has a follow-up already; only that one can be followed now."""

    def __init__(self, follower: Broadcast) -> None:
        super().__init__(f"It has a follow-up already: {follower}. Continue from there.")
        self.follower = follower


def follower_of(*, broadcast_id: int) -> Broadcast | None:
    return Broadcast.objects.filter(follows=broadcast_id).only("pk", "subject", "state").first()


def check(*, broadcast: Broadcast) -> None:
    """Raises `FollowUpError` where this broadcast can have no follow-up now."""
    if follower := follower_of(broadcast_id=broadcast.pk):
        raise FollowedAlready(follower)
    # A cancelled one ends once the dispatcher has settled what was left.
    if not acts.is_allowed(Act.FOLLOW_UP, broadcast) or broadcast.finished_at is None:
        raise NotEnded(f"{broadcast} has not finished yet. Wait until it has, or cancel it first.")


def find_existing(*, broadcast_id: int, token: uuid.UUID) -> Broadcast | None:
    """The follow-up that `create` made for this token, if any."""
    return Broadcast.objects.filter(request_id=_request_id(broadcast_id, token)).first()


def _request_id(broadcast_id: int, token: uuid.UUID) -> uuid.UUID:
    return uuid.uuid5(token, f"follows {broadcast_id}")


def create(
    *, broadcast_id: int, token: uuid.UUID, by: User | None, now: datetime, is_critical: bool = False
) -> Broadcast:
    """Make a broadcast of the same frozen text for all who did not get that one; raises `FollowUpError`.

    It is critical only if `is_critical`, whatever the broadcast before it was. A repeated token returns the follow-up
    that it made the first time.
    """
    if earlier := find_existing(broadcast_id=broadcast_id, token=token):
        return earlier
    # Before the lock: counting takes seconds, in which whoever decides about its deliveries would wait.
    original = Broadcast.objects.get(pk=broadcast_id)
    check(broadcast=original)
    needs_approval = lifecycle.needs_approval(
        by=by, sends=lambda: unreached.total(unreached.missing(broadcast=original, now=now))
    )
    with transaction.atomic():
        # `delivery.recovery` locks it too: either it reopens the broadcast first, or it finds that it is followed.
        original = Broadcast.objects.select_for_update(no_key=True).get(pk=broadcast_id)
        if earlier := find_existing(broadcast_id=broadcast_id, token=token):
            return earlier
        check(broadcast=original)
        values = lifecycle.initial_columns(
            needs_approval=needs_approval, options=SendOptions(is_critical=is_critical), now=now, by=by
        )
        # Like any other broadcast, it starts once it can't be undone any more, or after someone else has approved it.
        made = lifecycle.make(
            original,
            follows=original,
            notification_id=original.notification_id,
            text_of=original.text_of,
            brand=original.brand,
            **freezing.columns_of(original),
            request_id=_request_id(broadcast_id, token),
            created_by=by,
            **values,
        )
        if needs_approval:
            staff_mails.ask_approvers(broadcast=made, now=now)
        return made
