"""Rejected broadcasts: which of them still wait for whom, what each of them may do, and what was asked for instead."""

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery

from notifier.broadcasts import approvers
from notifier.models import Broadcast, Notification
from notifier.models.broadcasts import BroadcastQuerySet
from notifier.staff import groups

State = Broadcast.State

#: How long whoever asked is reminded of a rejection.
SHOWN_FOR = timedelta(days=14)
#: Until this release a rejection was a cancel, with this beginning of its reason.
_BEFORE = "rejected by "
#: Of what may stand in the place of a rejected broadcast that was to follow none.
_NO_FOLLOW_UP = {"follows": None, "was_to_follow": None}


class Remedy(Enum):
    """What somebody may do about a rejected broadcast."""

    #: Ask again: its text is ready.
    SEND = auto()
    #: Change the text and ask again.
    RESUBMIT = auto()
    #: Change the text, and say that it is ready for others to ask again.
    EDIT = auto()
    #: Ask again, once somebody else has changed the text.
    WAIT_FOR_EDITOR = auto()
    #: Follow up the same broadcast again, which it was to follow.
    FOLLOW_UP = auto()
    NONE = auto()


def remedy(*, broadcast: Broadcast, may: Callable[[str], bool]) -> Remedy:
    """`may`: whether the person has a permission. Reads the notification of `broadcast`."""
    may_send = may(groups.SEND_BROADCAST)
    if broadcast.was_to_follow_id:
        return Remedy.FOLLOW_UP if may_send else Remedy.NONE
    may_edit, may_ask = may(groups.CHANGE_NOTIFICATION), may_send and may(groups.VIEW_NOTIFICATION)
    if broadcast.notification.is_marked_ready:
        return Remedy.SEND if may_ask else Remedy.NONE
    if may_edit:
        return Remedy.RESUBMIT if may_send else Remedy.EDIT
    return Remedy.WAIT_FOR_EDITOR if may_ask else Remedy.NONE


def resubmitted_as(*, broadcast: Broadcast) -> Broadcast | None:
    """The broadcast that was asked for in place of a rejected one: the next of its notification."""
    if broadcast.was_to_follow_id:
        return Broadcast.objects.filter(follows=broadcast.was_to_follow_id).first()
    later = Broadcast.objects.filter(notification=broadcast.notification_id, pk__gt=broadcast.pk, **_NO_FOLLOW_UP)
    return later.order_by("pk").first()


def waiting_for(*, user_id: int, now: datetime) -> BroadcastQuerySet:
    """Lately rejected ones of this user that have not been resubmitted."""
    return _waiting(now).filter(created_by=user_id)


def to_edit(*, user_id: int, now: datetime) -> BroadcastQuerySet:
    """Those of others whose text this user has written, until it is ready to send again.

    Where nobody is known to have written it, it is everybody's who may edit.
    """
    written = Notification.history.filter(id=OuterRef("notification"), history_user__isnull=False)
    by_user = Exists(written.filter(history_user=user_id)) | ~Exists(written)
    is_ready = Q(notification__ready_of__isnull=False, notification__ready_of=F("notification__updated_at"))
    return _waiting(now).filter(by_user, was_to_follow=None).exclude(is_ready).exclude(created_by=user_id)


def _waiting(now: datetime) -> BroadcastQuerySet:
    again = Broadcast.objects.filter(notification=OuterRef("notification"), pk__gt=OuterRef("pk"), **_NO_FOLLOW_UP)
    followed = Broadcast.objects.filter(follows=OuterRef("was_to_follow"))
    resubmitted = (Q(was_to_follow=None) & Exists(again)) | Exists(followed)
    return Broadcast.objects.filter(state=State.REJECTED, finished_at__gt=now - SHOWN_FOR).filter(~resubmitted)


def with_editor(broadcasts: QuerySet[Any]) -> QuerySet[Any]:
    """Each with its `editor`: the name of whoever changed the text last and may do so still; None where nobody did."""
    may_edit = approvers.with_permission(groups.CHANGE_NOTIFICATION)
    written = Notification.history.filter(id=OuterRef("notification"), history_user__in=may_edit.values("pk"))
    latest = written.order_by("-history_date", "-history_id").values("history_user__username")
    found: QuerySet[Any] = broadcasts.annotate(editor=Subquery(latest[:1]))
    return found


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
