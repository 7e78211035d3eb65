"""The consumer's side of its channel's circuit breaker: reports how sends end, and knows whether it is open."""

import logging
import time
from collections.abc import Callable, Sequence

from django import db
from django.db import connection

from notifier.delivery.claims import Claim
from notifier.delivery.settlements import Outcome, Verdict
from notifier.models import Channel
from notifier.policies import breakers
from notifier.policies.breakers import Count
from notifier.runtime import clock

logger = logging.getLogger(__name__)

#: How often counts are reported while most sends succeed. When most fail, they are reported at once.
REPORT_SECONDS = 1.0


class BreakerReporter:
    """Never raises a database error: a count that can't be written is dropped, and the next one says the same."""

    def __init__(self, *, channel: Channel) -> None:
        self._channel = channel
        self._count: Count | None = None
        self._reported_at = time.monotonic()
        #: Whether the breaker was open when it was last looked at.
        self.is_open = False

    def saw(self, claim: Claim) -> None:
        """Note whether the breaker was open at this claim, which asks for that anyway."""
        self.is_open = claim.breaker_open
        if claim.probe_of and not claim.messages:
            # The probe's client no longer wants it. Nothing was learned, so the next probe need not wait for its time.
            self._try(lambda: breakers.probe_now(channel=self._channel, now=clock.now()))

    def add(self, claim: Claim, outcomes: Sequence[Outcome]) -> None:
        """Count the outcomes of a settled window, or judge the breaker by its probe."""
        if claim.breaker_open:
            self._try(lambda: self._judge(claim, outcomes))
            return
        # What was released never reached the provider: the consumer's own back-off handles that. A recipient who has
        # opted out there says nothing about how well it works, nor does a message that could not be made.
        given = [o for o in outcomes if o.was_given and o.verdict not in (Verdict.RELEASED, Verdict.REFUSED)]
        failed = [outcome for outcome in given if outcome.verdict is not Verdict.SENT]
        if not given:
            return
        count = self._count = self._count or Count(since=claim.claimed_at)
        count.given += len(given)
        count.failed += len(failed)
        count.detail = failed[-1].detail if failed else count.detail
        for outcome in given:
            tries = outcome.message.attempts
            if outcome.verdict is Verdict.TEMPORARY:
                count.put_off[tries] = count.put_off.get(tries, 0) + 1
            elif outcome.verdict is Verdict.SENT:
                count.passed_after = max(count.passed_after, tries)
        if count.mostly_failed() or time.monotonic() - self._reported_at >= REPORT_SECONDS:
            self._report()

    def idle(self) -> None:
        """Report what is left, and ask whether the breaker is open, as no claim does that now."""
        if self._count:
            self._report()
        self._try(self._look)

    def _look(self) -> None:
        self.is_open = breakers.find_open(channel=self._channel) is not None

    def _report(self) -> None:
        count, self._count = self._count, None
        self._reported_at = time.monotonic()
        if count:
            self._try(lambda: self._record(count))

    def _record(self, count: Count) -> None:
        if breakers.record(channel=self._channel, count=count, now=clock.now()):
            logger.error(
                "%s is paused automatically, most sends fail: %s", self._channel.label, " ".join(count.detail.split())
            )

    def _judge(self, claim: Claim, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            if outcome.verdict is Verdict.REFUSED or not outcome.was_given:
                breakers.probe_now(channel=self._channel, now=clock.now())
            elif claim.probe_of and breakers.settle_probe(
                channel=self._channel,
                opened_at=claim.probe_of,
                succeeded=outcome.verdict is Verdict.SENT,
                detail=outcome.detail,
                tries=outcome.message.attempts,
                is_put_off=outcome.verdict is Verdict.TEMPORARY,
                now=clock.now(),
            ):
                logger.info("%s is resumed automatically: a single delivery succeeded.", self._channel.label)
                self.is_open = False

    def _try(self, call: Callable[[], object]) -> None:
        try:
            call()
        except db.Error as error:
            logger.warning("The %s breaker can’t be used: %s", self._channel.in_words, error)
            connection.close()
