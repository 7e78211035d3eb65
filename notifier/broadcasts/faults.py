"""Faults of ours, or of one broadcast's data: each is put off by itself, so that it stops nothing else."""

import logging
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django import db

from notifier.models import Broadcast
from notifier.runtime import clock, db_faults
from notifier.runtime.backoff import Backoff

logger = logging.getLogger(__name__)

FIRST_SECONDS, LONGEST_SECONDS = 5.0, 300.0
#: A fault that was not seen again for so long is over, whichever process saw it.
SHOWN_FOR = timedelta(seconds=3 * LONGEST_SECONDS)

Key = tuple[str, int | None]


class Faults:
    """What failed in this process, and when each is tried again."""

    def __init__(self, *, passes: tuple[type[Exception], ...] = ()) -> None:
        """`passes`: errors that are no faults, besides those of a database that is away; they are raised."""
        self._passes = passes
        self._backoffs: dict[Key, Backoff] = {}
        self._retry_at: dict[Key, float] = {}

    def waits(self, step: str, broadcast_id: int | None = None) -> bool:
        """Whether it failed and is not due again yet."""
        return self._retry_at.get((step, broadcast_id), 0.0) > time.monotonic()

    def waiting(self) -> list[int]:
        """The broadcasts for which something waits to be tried again."""
        return [pk for step, pk in self._retry_at if pk is not None and self.waits(step, pk)]

    def run(self, step: str, broadcasts: Iterable[Broadcast], act: Callable[[Broadcast], int]) -> int:
        """Do a step for each broadcast for which it does not wait; returns the sum of what `act` returned.

        A fault in one of them is `contained`.
        """
        total = 0
        for broadcast in broadcasts:
            if not self.waits(step, broadcast.pk):
                with self.contained(step, broadcast.pk):
                    total += act(broadcast)
        return total

    @contextmanager
    def contained(self, step: str, broadcast_id: int | None = None) -> Iterator[None]:
        """Run a step of a broadcast, or of none; what it raises is logged and shown to staff, and goes no further.

        `step` is what can't be done, in words for staff. Errors of a database that is away are raised: nothing else
        would succeed either.
        """
        key = (step, broadcast_id)
        try:
            yield
        except Exception as error:
            if db_faults.is_away(error) or isinstance(error, self._passes):
                raise
            seconds = self._put_off(key)
            log(error, step=step, broadcast_id=broadcast_id, seconds=seconds)
            if broadcast_id is not None:
                note(broadcast_id=broadcast_id, step=step, error=error, now=clock.now())
        else:
            self._retry_at.pop(key, None)
            if key in self._backoffs and (broadcast_id is None or _clear(broadcast_id=broadcast_id, step=step)):
                del self._backoffs[key]

    def _put_off(self, key: Key) -> float:
        """How many seconds to wait before the next try."""
        new = Backoff(first_seconds=FIRST_SECONDS, longest_seconds=LONGEST_SECONDS)
        seconds = self._backoffs.setdefault(key, new).next_seconds()
        self._retry_at[key] = time.monotonic() + seconds
        return seconds


#: Contains nothing: every error is raised, as it is for all but the dispatcher's loop.
RAISED = Faults(passes=(Exception,))


def log(error: Exception, *, step: str, broadcast_id: int | None, seconds: float) -> None:
    """Where it happened, without the error's text: a database's words about data hold the data."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    whose = f"Broadcast {broadcast_id}" if broadcast_id is not None else "The dispatcher"
    logger.error(
        "%s: %s (%s at %s:%s); tried again in %.0f s.",
        whose,
        step,
        type(error).__name__,
        frame.filename,
        frame.lineno,
        seconds,
    )


def note(*, broadcast_id: int, step: str, error: Exception, now: datetime) -> None:
    """Show it on the broadcast's page and on the overview. That may fail in turn, and then it is only logged.

    It waits for nobody: the fault may be that somebody else has locked the broadcast.
    """
    words = f"{step}: {type(error).__name__}"[:300]
    try:
        if not Broadcast.objects.filter(pk=broadcast_id).update_unlocked(fault=words, fault_at=now):
            logger.warning("The fault of broadcast %d could not be noted: its row is locked.", broadcast_id)
    except db.Error as failure:
        logger.warning("The fault of broadcast %d could not be noted: %s", broadcast_id, type(failure).__name__)


def _clear(*, broadcast_id: int, step: str) -> bool:
    """Take the step's fault off the page; returns whether it is gone. Another step's fault stays: it is not over."""
    mine = Broadcast.objects.filter(pk=broadcast_id, fault__startswith=f"{step}: ")
    try:
        return bool(mine.update_unlocked(fault="", fault_at=None)) or not mine.exists()
    except db.Error as failure:
        logger.warning("The fault of broadcast %d could not be cleared: %s", broadcast_id, type(failure).__name__)
        return False
