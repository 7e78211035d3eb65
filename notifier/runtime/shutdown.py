"""How a process is asked to stop: the first signal ends it cleanly, a second one at once."""

import logging
import os
import signal
import threading
import time
from types import FrameType

logger = logging.getLogger(__name__)

#: A second signal ends the process only after this time: a terminal and a supervisor may both pass on one Ctrl-C.
IMPATIENT_AFTER_SECONDS = 1.0
FORCED_EXIT_STATUS = 1


class StopFlag:
    """Set once a signal came. Every loop sleeps with `wait`, which the signal ends."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._asked_at = 0.0

    def listen(self) -> "StopFlag":
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        return self

    def is_set(self) -> bool:
        return self._event.is_set()

    def set(self) -> None:
        self._event.set()

    def wait(self, seconds: float) -> bool:
        return self._event.wait(seconds)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if not self._event.is_set():
            self._asked_at = time.monotonic()
            self._event.set()
        elif time.monotonic() - self._asked_at > IMPATIENT_AFTER_SECONDS:
            # What is being sent keeps its lease, and becomes UNKNOWN when that ends.
            os._exit(FORCED_EXIT_STATUS)
