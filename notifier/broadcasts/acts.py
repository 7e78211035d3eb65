"""What staff may tell a broadcast to do, and in which of its states.

One table for both sides: the services update a broadcast only in these states, and the back office shows a button only
in these states. Conditions other than the state stand where the act is carried out.
"""

from collections.abc import Mapping
from enum import StrEnum

from notifier.models import Broadcast
from notifier.models.broadcasts import BroadcastQuerySet
from notifier.runtime import versions
from notifier.runtime.versions import NotAsShown

State = Broadcast.State

#: The columns that a page shows before something is done to a broadcast that has not begun. The page posts a digest of
#: them, so that the act is about what was read there: see `version`.
SHOWN = (
    "state",
    "text_of",
    "scheduled_for",
    "expires_at",
    "is_critical",
    "needs_approval",
    "approved_at",
    "audience_of",
)


class Act(StrEnum):
    """The value is the verb of "you can't … it now"."""

    APPROVE = "approve"
    REJECT = "reject"
    RESCHEDULE = "reschedule"
    START_NOW = "start"
    UNDO = "undo"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    SEND_AGAIN = "send again"
    FOLLOW_UP = "follow up"


ALLOWED: Mapping[Act, tuple[Broadcast.State, ...]] = {
    # See `approvals`: not by those who asked for it or wrote it, and not once it has expired.
    Act.APPROVE: (State.AWAITING_APPROVAL,),
    Act.REJECT: (State.AWAITING_APPROVAL,),
    # See `schedules`. Only what one person may send alone is started before its time.
    Act.RESCHEDULE: Broadcast.BEFORE_START,
    Act.START_NOW: (State.SCHEDULED,),
    # See `undo`. Only in the seconds after it was sent.
    Act.UNDO: (State.SCHEDULED,),
    # See `lifecycle`. Before the start only while it can be undone: what is planned is cancelled, or gets another time.
    Act.PAUSE: (State.RUNNING, State.SCHEDULED),
    Act.RESUME: (State.PAUSED,),
    Act.CANCEL: (State.AWAITING_APPROVAL, State.SCHEDULED, State.RUNNING, State.PAUSED),
    # See `notifier.delivery.recovery`: a finished one goes on for it. Neither once it has expired, nor what a follow-up
    # has taken over.
    Act.SEND_AGAIN: (State.RUNNING, State.FINISHED),
    # See `followups`: once nothing of it may still go out, and only once.
    Act.FOLLOW_UP: (State.CANCELLED, State.FINISHED),
}


def is_allowed(act: Act, broadcast: Broadcast) -> bool:
    """By the state in which the broadcast was read; the service asks again, in its UPDATE."""
    return broadcast.state in ALLOWED[act]


def allowing(act: Act, *, broadcast_id: int, seen: str | None = None) -> BroadcastQuerySet:
    """This broadcast where its state allows the act, to be updated in one statement; no row where it does not.

    `seen`: only as a page showed it. Raises `NotAsShown` where it is another already.
    """
    found = Broadcast.objects.filter(pk=broadcast_id, state__in=ALLOWED[act])
    if seen is None or (row := found.first()) is None:
        return found
    if version(row) != seen:
        raise NotAsShown
    return found.filter(**{name: getattr(row, name) for name in SHOWN})


def version(broadcast: Broadcast) -> str:
    """The digest of `SHOWN`, which the page that asks shows and posts back."""
    return versions.digest(getattr(broadcast, name) for name in SHOWN)
