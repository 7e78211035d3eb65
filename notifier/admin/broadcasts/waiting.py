"""What a broadcast that has not begun waits for, and what its reader may do about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User

from notifier.broadcasts import acts, approvals, approvers
from notifier.broadcasts.acts import Act
from notifier.models import Broadcast, BroadcastChange
from notifier.staff import groups

#: Names of those who may approve, and changes, on a page.
SHOWN = 8


@dataclass(frozen=True, slots=True)
class Wait:
    """What a broadcast waits for, as this reader sees it."""

    broadcast: Broadcast
    #: Until it starts; None where it has no time, or that has passed.
    starts_in: timedelta | None
    is_own: bool
    #: The reader changed its text or its time, whoever asked for it.
    has_changed_it: bool
    #: By whom its text and its time were changed since it was asked for, the newest of them.
    changes: Sequence[BroadcastChange]
    may_approve: bool
    may_reschedule: bool
    #: Who else may approve it; looked up only while somebody has to.
    approvers: Sequence[User]
    is_outdated: bool

    @property
    def may_decide(self) -> bool:
        return self.may_approve and not (self.is_own or self.has_changed_it)

    @property
    def is_overdue(self) -> bool:
        return self.broadcast.scheduled_for is not None and self.starts_in is None


def changes(broadcast: Broadcast) -> Sequence[BroadcastChange]:
    """The newest changes of its text and its time, in their order."""
    return list(broadcast.changes.select_related("by").order_by("-pk")[:SHOWN])[::-1]


def wait(*, broadcast: Broadcast, user: Any, now: datetime) -> Wait | None:
    """None for one that has begun, or never will."""
    if broadcast.state not in Broadcast.BEFORE_START:
        return None
    is_asked = acts.is_allowed(Act.APPROVE, broadcast)
    later = broadcast.scheduled_for is not None and broadcast.scheduled_for > now
    return Wait(
        broadcast=broadcast,
        starts_in=broadcast.scheduled_for - now if later and broadcast.scheduled_for else None,
        is_own=broadcast.created_by_id == user.pk,
        has_changed_it=is_asked and approvals.has_changed(broadcast=broadcast, user=user),
        changes=changes(broadcast),
        may_approve=is_asked and user.has_perm(groups.APPROVE_BROADCAST),
        may_reschedule=_may_reschedule(broadcast, user),
        approvers=approvers.of(broadcast=broadcast, most=SHOWN) if is_asked else [],
        is_outdated=broadcast.is_outdated,
    )


def _may_reschedule(broadcast: Broadcast, user: Any) -> bool:
    """Not in the seconds in which it can be undone: they are no time that someone has chosen."""
    is_planned = acts.is_allowed(Act.RESCHEDULE, broadcast) and not broadcast.can_be_undone
    return is_planned and bool(user.has_perm(groups.CONTROL_BROADCAST))
