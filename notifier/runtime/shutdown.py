"""How a process is asked to stop: the first signal ends it cleanly, a second one at once."""

import os
import select
import signal
import time
import weakref
from types import FrameType

#: A second signal ends the process only after this time: a terminal and a supervisor may both pass on one Ctrl-C.
IMPATIENT_AFTER_SECONDS = 1.0
FORCED_EXIT_STATUS = 1


class StopFlag:
    """Set once a signal came. Every loop sleeps with `wait`, which the signal ends.

    A handler runs in the middle of whatever the main thread does, often in the middle of `wait`. So nothing here may
    take a lock, as a `threading.Event` does: the handler would wait for the thread that it interrupted, for ever.
    """

    def __init__(self) -> None:
        self._is_set = False
        #: Once it holds anything, nobody waits any more. It is never read, so that this is true for each thread.
        self._reading, self._writing = os.pipe()
        self._asked_at = 0.0
        # At the end of the process a thread may still wait.
        weakref.finalize(self, _close, self._reading, self._writing).atexit = False

    def listen(self) -> "StopFlag":
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        return self

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        if not self._is_set:
            self._is_set = True
            os.write(self._writing, b"!")

    def wait(self, seconds: float) -> bool:
        """Whether it is set, at once if it is and after so many seconds otherwise."""
        if not self._is_set:
            waiting = select.poll()
            waiting.register(self._reading, select.POLLIN)
            waiting.poll(max(seconds, 0) * 1000)
        return self._is_set

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if not self._asked_at:
            self._asked_at = time.monotonic()
            self.set()
        elif time.monotonic() - self._asked_at > IMPATIENT_AFTER_SECONDS:
            # What is being sent keeps its lease, and becomes UNKNOWN when that ends.
            os._exit(FORCED_EXIT_STATUS)


def _close(*numbers: int) -> None:
    for number in numbers:
        os.close(number)
