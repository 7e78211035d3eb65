"""Rejected broadcasts: which of them still wait for whoever asked, and what was asked for in place of one."""

from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db.models import Exists, F, OuterRef, Q

from notifier.models import Broadcast
from notifier.models.broadcasts import BroadcastQuerySet

State = Broadcast.State

#: How long whoever asked is reminded of a rejection.
SHOWN_FOR = timedelta(days=14)
#: Until this release a rejection was a cancel, with this beginning of its reason.
_BEFORE = "rejected by "
#: Of what may stand in the place of a rejected broadcast that was to follow none.
_NO_FOLLOW_UP = {"follows": None, "was_to_follow": None}


def resubmitted_as(*, broadcast: Broadcast) -> Broadcast | None:
    """The broadcast that was asked for in place of a rejected one: the next of its notification."""
    if broadcast.was_to_follow_id:
        return Broadcast.objects.filter(follows=broadcast.was_to_follow_id).first()
    later = Broadcast.objects.filter(notification=broadcast.notification_id, pk__gt=broadcast.pk, **_NO_FOLLOW_UP)
    return later.order_by("pk").first()


def waiting_for(*, user_id: int | None, now: datetime) -> BroadcastQuerySet:
    """Lately rejected ones of this user that have not been resubmitted."""
    again = Broadcast.objects.filter(notification=OuterRef("notification"), pk__gt=OuterRef("pk"), **_NO_FOLLOW_UP)
    followed = Broadcast.objects.filter(follows=OuterRef("was_to_follow"))
    resubmitted = (Q(was_to_follow=None) & Exists(again)) | Exists(followed)
    rejected = Broadcast.objects.filter(state=State.REJECTED, created_by=user_id, finished_at__gt=now - SHOWN_FOR)
    return rejected.filter(~resubmitted)


def adopt_earlier() -> int:
    """Give rejections of the release before, and of its processes that still run, the state of their own; how many.

    Safe to repeat. Who rejected it is named in the reason; where no such user is left, the reason stays as it is.
    """
    found = Broadcast.objects.filter(state=State.CANCELLED, started_at=None, ended_because__startswith=_BEFORE)
    number = 0
    for broadcast in found.exclude(finished_at=None).only("ended_because", "state"):
        name, _, why = broadcast.ended_because.removeprefix(_BEFORE).partition(": ")
        by = User.objects.filter(username=name).first()
        known = {"rejected_by": by, "ended_because": why} if by else {}
        mine = Broadcast.objects.filter(pk=broadcast.pk, state=State.CANCELLED)
        number += mine.update(state=State.REJECTED, was_to_follow=F("follows"), follows=None, **known)
    return number
