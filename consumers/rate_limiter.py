"""The consumer's side of its channel's rate limit: waits before each claim until it may send, and says so."""

import logging
import time
from collections.abc import Callable

from django import db
from django.db import connection

from notifier.models import Channel
from notifier.policies import rates, throttles
from notifier.runtime import clock
from notifier.runtime.shutdown import StopFlag

logger = logging.getLogger(__name__)

#: Without a limit, how long it sends before it looks for one again: staff may have set it. So looking costs nothing.
FREE_SECONDS = 2.0
#: The longest wait before it looks at the rate again: staff may have changed it.
LOOK_SECONDS = 1.0
#: How long after a wait it still says that it waits: between two windows that would change many times a second.
SAID_SECONDS = 5.0


class RateLimiter:
    def __init__(self, *, channel: Channel, stop: StopFlag, waiting: Callable[[], None]) -> None:
        """`waiting` is called each second of a wait, to say that the process is alive."""
        self._channel = channel
        self._stop = stop
        self._waiting = waiting
        self._free_until = 0.0
        self._words = ""
        self._waited_at = 0.0

    @property
    def words(self) -> str:
        """What it waits for, as a sentence for staff; empty if it does not wait."""
        return self._words if time.monotonic() - self._waited_at < SAID_SECONDS else ""

    def prepare(self) -> None:
        """Create the channel's row, where staff can set a rate from now on."""
        throttles.register(channel=self._channel, now=clock.now())

    def take(self, *, wanted: int, until: float) -> int:
        """How many messages may be sent now, after waiting if need be.

        0 once it is told to stop, or where none was allowed `until` then (monotonic seconds).
        """
        while time.monotonic() >= self._free_until:
            grant = throttles.take(channel=self._channel, wanted=wanted, now=clock.now())
            if grant.rate is None:
                self._free_until = time.monotonic() + FREE_SECONDS
                break
            if grant.number:
                return grant.number
            self._words, self._waited_at = f"Waiting for its turn: {rates.formatted(grant.rate)}.", time.monotonic()
            if self._stop.is_set() or time.monotonic() >= until:
                return 0
            self._waiting()
            self._stop.wait(min(grant.wait.total_seconds(), LOOK_SECONDS))
        return wanted

    def release(self, number: int) -> None:
        """Return what `take` gave for messages that were not sent. If that fails, sending is only a little slower."""
        if number <= 0 or time.monotonic() < self._free_until:
            return
        try:
            throttles.release(channel=self._channel, number=number)
        except db.Error as error:
            logger.warning("The %s throttle can’t be used: %s", self._channel.in_words, error)
            connection.close()
