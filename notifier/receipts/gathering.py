"""Receipts that come at once, each in a request of its own, written together: a commit takes longer than all the rest.

Whoever finds nobody writing writes for all who have come by then, and those who come meanwhile wait for the next turn.
So one that comes alone waits for nobody, and each is answered only once its own receipt is committed.
"""

import threading
from datetime import datetime

from notifier.receipts import taking
from notifier.receipts.taking import Told
from notifier.runtime import db_faults


class NotWritten(Exception):
    """The thread that was to write it ended; the provider calls again."""


class _Waiting:
    """One receipt, until it is written or can't be."""

    def __init__(self, told: Told) -> None:
        self.told = told
        self.is_done = False
        #: Until it is written. Whoever writes for others may be ended in the midst of it.
        self.error: Exception | None = NotWritten()


class Gatherer:
    def __init__(self) -> None:
        self._list = threading.Lock()
        self._waiting: list[_Waiting] = []
        #: Held by whoever writes.
        self._turn = threading.Lock()

    def take(self, told: Told, *, now: datetime) -> None:
        """Return once it is kept. Raises what `taking.take` raises, for this receipt."""
        mine = _Waiting(told)
        with self._list:
            self._waiting.append(mine)
        with self._turn:
            if not mine.is_done:
                with self._list:
                    batch, self._waiting = self._waiting, []
                _write(batch, now)
        if mine.error:
            raise mine.error


def _write(batch: list[_Waiting], now: datetime) -> None:
    """All of them together; or each by itself where that fails, so that one is not the others' fault."""
    try:
        taking.take([one.told for one in batch], now=now)
        for one in batch:
            one.error = None
    except Exception as error:  # noqa: BLE001  (whatever it is, each must be told)
        for one in batch:
            if len(batch) == 1 or db_faults.is_away(error):
                one.error = error
            else:
                _write([one], now)
    finally:
        for one in batch:
            one.is_done = True


#: Of this process.
gatherer = Gatherer()
