"""How many connections the provider takes from this process, as its refusals show; tried upwards again."""

import logging
import time

logger = logging.getLogger(__name__)

#: After a refusal, how long to go on with the connections that work before one more is tried. While those are taken,
#: twice as many more are tried each time.
RAISE_SECONDS = 60.0


class ConnectionLimit:
    def __init__(self, most: int) -> None:
        self._most = most
        self._step = 1
        self._since = 0.0
        #: How many connections are in use at the most.
        self.number = most
        self._refusal = ""

    @property
    def words(self) -> str:
        """What staff should know about it, as a sentence; empty where there is no limit below ours."""
        if self.number >= self._most:
            return ""
        return f"Sending over {self.number} connections at once instead of {self._most}: {self._refusal}"

    def raise_if_due(self) -> None:
        if self.number < self._most and time.monotonic() - self._since >= RAISE_SECONDS:
            self.number = min(self._most, self.number + self._step)
            self._step *= 2
            self._since = time.monotonic()

    def lower(self, number: int, *, refusal: str) -> None:
        """The provider refused a connection while `number` others worked."""
        before, self.number = self.number, max(1, number)
        self._step, self._since, self._refusal = 1, time.monotonic(), " ".join(refusal.split())
        if self.number < before - 1:
            logger.warning("The provider takes %d connections at once, not %d.", self.number, self._most)

    def fitting(self, most: int) -> int:
        """How large a window of up to `most` messages should be, so that no connection waits for the last of it."""
        return max(1, most // self.number * self.number) if self.number <= most else most
