"""The numbers in the menu: what waits for this member of staff. Read only.

They stand on every page, so they take one query, about few rows.
"""

from datetime import datetime
from typing import Any

from notifier.broadcasts import approvals, rejections
from notifier.models import Broadcast
from notifier.staff import groups

#: Nothing is counted beyond this.
MAX_SHOWN = 100


def of_user(*, user: Any, now: datetime) -> dict[str, int]:
    """By the name of the model whose page it leads to, without zeros.

    Of broadcasts: those that the user may approve, and the user's own that were rejected and not resubmitted since.
    """
    if not user.has_perm(groups.VIEW_BROADCAST):
        return {}
    found = rejections.waiting_for(user_id=user.pk, now=now).order_by().values("pk")
    if user.has_perm(groups.APPROVE_BROADCAST):
        # None of them has ended, and those that have not ended have an index of their own.
        waiting = Broadcast.objects.filter(state=Broadcast.State.AWAITING_APPROVAL, finished_at=None)
        found = found.union(approvals.open_to(user.pk, waiting).order_by().values("pk"), all=True)
    number = len(found[:MAX_SHOWN])
    return {"Broadcast": number} if number else {}
