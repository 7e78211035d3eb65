"""The consumer's side of its channel's throttle: waits for its turn before each claim, and says so meanwhile."""

import logging
import time
from collections.abc import Callable

from django import db
from django.db import connection

from notifier.models import Channel
from notifier.policies import throttles
from notifier.runtime import clock
from notifier.runtime.shutdown import StopFlag

logger = logging.getLogger(__name__)

#: Where there is no limit it is looked at again after so long: staff may have set one. So it costs nothing.
FREE_SECONDS = 2.0
#: No wait is longer than this without another look: staff may have changed the rate.
LOOK_SECONDS = 1.0
#: How long it is said that it waits, after it last did: between two windows it would change many times a second.
SAID_SECONDS = 5.0


class Pacer:
    def __init__(self, *, channel: Channel, stop: StopFlag, waiting: Callable[[], None]) -> None:
        """`waiting` is called each second meanwhile, to say that the process lives."""
        self._channel = channel
        self._stop = stop
        self._waiting = waiting
        self._free_until = 0.0
        self._words = ""
        self._waited_at = 0.0

    @property
    def words(self) -> str:
        """What it waits for, in words for staff; empty while there is nothing to wait for."""
        return self._words if time.monotonic() - self._waited_at < SAID_SECONDS else ""

    def prepare(self) -> None:
        """Staff can set a rate from now on."""
        throttles.register(channel=self._channel, now=clock.now())

    def take(self, *, wanted: int, until: float) -> int:
        """How many messages may be sent now; 0 once it is told to stop, or nothing was to be had `until` then
        (monotonic seconds)."""
        while time.monotonic() >= self._free_until:
            grant = throttles.take(channel=self._channel, wanted=wanted, now=clock.now())
            if grant.rate is None:
                self._free_until = time.monotonic() + FREE_SECONDS
                break
            if grant.number:
                return grant.number
            self._words, self._waited_at = f"Waits for its turn: {throttles.in_words(grant.rate)}.", time.monotonic()
            if self._stop.is_set() or time.monotonic() >= until:
                return 0
            self._waiting()
            self._stop.wait(min(grant.wait.total_seconds(), LOOK_SECONDS))
        return wanted

    def give_back(self, number: int) -> None:
        """Of messages that were not sent after all. Lost ones only make it a little slower."""
        if number <= 0 or time.monotonic() < self._free_until:
            return
        try:
            throttles.give_back(channel=self._channel, number=number)
        except db.Error as error:
            logger.warning("The %s throttle can't be used: %s", self._channel.in_words, error)
            connection.close()
