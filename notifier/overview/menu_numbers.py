"""The numbers in the menu: what waits for this member of staff. Read only.

They stand on every page, so they take one query, about few rows.
"""

from datetime import datetime
from functools import lru_cache
from typing import Any

from django.contrib.auth.models import User
from django.db import connection

from notifier.broadcasts import approvals, rejections
from notifier.models import Broadcast
from notifier.staff import groups

#: Nothing is counted beyond this.
MAX_SHOWN = 100
#: Stands for whoever asks in the query that is built for all; no user has it for an id.
_ANYBODY = -2_000_000_011


def of_user(*, user: Any, now: datetime) -> dict[str, int]:
    """By the name of the model whose page it leads to, without zeros.

    Of broadcasts: those that the user may approve, and the user's own that were rejected and not resubmitted since.
    """
    if not user.has_perm(groups.VIEW_BROADCAST):
        return {}
    # By the minute is close enough, for what is shown for days.
    minute = now.replace(second=0, microsecond=0)
    statement, parameters = _built(may_approve=user.has_perm(groups.APPROVE_BROADCAST), now=minute)
    with connection.cursor() as cursor:
        cursor.execute(statement, [user.pk if one == _ANYBODY else one for one in parameters])
        number = len(cursor.fetchall())
    return {"Broadcast": number} if number else {}


@lru_cache(maxsize=4)
def _built(*, may_approve: bool, now: datetime) -> tuple[str, tuple[Any, ...]]:
    """The query and its parameters. To build it takes ten times as long as to ask it, on every page."""
    found = rejections.waiting_for(user_id=_ANYBODY, now=now).order_by().values("pk")
    if may_approve:
        # None of them has ended, and those that have not ended have an index of their own.
        waiting = Broadcast.objects.filter(state=Broadcast.State.AWAITING_APPROVAL, finished_at=None)
        found = found.union(approvals.open_to(User(pk=_ANYBODY), waiting).order_by().values("pk"), all=True)
    statement, parameters = found[:MAX_SHOWN].query.sql_with_params()
    return statement, parameters
