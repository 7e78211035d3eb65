"""How long to wait before trying something again that failed: doubling, with jitter, up to a limit.

It is for what a process does: to reach a broker, to run a step. When a delivery is tried again stands in its row, and
is worked out in `notifier/delivery/settlements.py` (`retry_delay`).
"""

import random


class Backoff:
    def __init__(self, *, first_seconds: float, longest_seconds: float) -> None:
        self._first = first_seconds
        self._longest = longest_seconds
        self._failures = 0

    def next_seconds(self) -> float:
        """The wait after one more failure: between half and all of it, so that many processes don't retry at once."""
        seconds = min(self._longest, self._first * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return seconds * random.uniform(0.5, 1)

    def reset(self) -> None:
        self._failures = 0
