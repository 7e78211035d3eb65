"""Named points between the steps of dispatcher and consumer, at which a test can kill, stop or fail the process.

    FAILPOINT=claim.committed            kill -9 itself the first time it gets there
    FAILPOINT=claim.committed:3          …the third time
    FAILPOINT=claim.committed:3:stop     SIGSTOP instead; `error` raises what an unreachable database raises

For tests only: without the variable a point costs one comparison, and `check` warns where it is set.
"""

import itertools
import os
import signal

from django import db

ENVIRONMENT_NAME = "FAILPOINT"
#: Every point, in the order in which a broadcast passes it.
POINTS = (
    # The dispatcher's cycle.
    "start.committed",  # a scheduled broadcast runs, and nothing of it is expanded
    "expire.committed",
    "expand.inserted",  # in the transaction, before the cursor moves
    "expand.committed",
    "reserve.committed",  # reserved, and no ticket published
    "publish.confirmed",
    "sweep.committed",
    "reissue.committed",
    "tally.committed",
    "finish.locked",  # in the transaction, before the broadcast ends
    "finish.committed",
    "daily_stats.counted",  # a day’s numbers are known, and not written
    "daily_stats.committed",
    # The consumer's cycle.
    "ticket.received",
    "claim.taken",  # in the transaction
    "claim.committed",
    "send.begun",
    "send.accepted",  # the provider has taken one message, and nobody here has written it down
    "window.sent",  # …all of a window
    "settle.written",  # in the transaction; only where not all were sent
    "settle.committed",
    "ticket.acked",
    "release.committed",  # what is left of a ticket went back
)
ACTIONS = ("kill", "stop", "error")


class FailpointReached(db.OperationalError):
    """What `error` raises."""


class _Armed:
    def __init__(self, order: str) -> None:
        self.point, _, rest = order.partition(":")
        times, _, action = rest.partition(":")
        self.action = action or "kill"
        if self.point not in POINTS or self.action not in ACTIONS or not (times or "1").isdecimal():
            raise ValueError(f"{ENVIRONMENT_NAME}={order!r} is not a point of {POINTS}, a number, and one of {ACTIONS}")
        self.times = int(times or 1)
        # Several threads may get here at once, and next() of a count is atomic.
        self.passed = itertools.count(1)

    def act(self) -> None:
        if next(self.passed) != self.times:
            return
        if self.action == "error":
            raise FailpointReached(f"failpoint {self.point}")
        os.kill(os.getpid(), signal.SIGKILL if self.action == "kill" else signal.SIGSTOP)


_armed = _Armed(os.environ[ENVIRONMENT_NAME]) if os.environ.get(ENVIRONMENT_NAME) else None


def reached(point: str) -> None:
    """Does what the environment asks for at this point, which is nothing outside tests."""
    if _armed is not None and _armed.point == point:
        _armed.act()


def is_armed() -> bool:
    return _armed is not None
