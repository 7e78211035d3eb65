"""Taking back what was just sent: until the time to undo it is over, nothing of it has gone out.

A broadcast that someone sends is scheduled for UNDO_SECONDS later. Undoing it and starting it are each one conditional
UPDATE of its row in that state, so whichever comes first wins, and the other changes nothing.
"""

from django.contrib.auth.models import User

from notifier.broadcasts import acts, lifecycle
from notifier.broadcasts.acts import Act
from notifier.models import Broadcast

State = Broadcast.State


def undo(*, broadcast_id: int, by: User) -> None:
    """Nothing of it is sent. One that was approved waits for approval again; any other is cancelled for good.

    A follow-up follows nothing any more, so that there can be another. Raises `NotAllowed` where it has started.
    """
    undoable = acts.allowing(Act.UNDO, broadcast_id=broadcast_id).undoable()
    because = f"undone by {by.get_username()}, before anything was sent"[:300]
    cancelled = {"state": State.CANCELLED, "ended_because": because, "follows": None}
    asked_again = {
        "state": State.AWAITING_APPROVAL,
        "scheduled_for": None,
        "undo_until": None,
        "approved_by": None,
        "approved_at": None,
    }
    if undoable.filter(needs_approval=False).update(**cancelled):
        return
    if not undoable.filter(needs_approval=True).update(**asked_again):
        raise lifecycle.refusal(Act.UNDO, broadcast_id)
