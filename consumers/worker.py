"""The consumer's loop: receive a ticket; claim, send and settle each window of it; only then acknowledge it."""

import logging
import time
import uuid
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta

from django import db
from django.conf import settings
from django.db import connection

from consumers import results
from consumers.breaker_reporter import BreakerReporter
from consumers.rate_limiter import RateLimiter
from consumers.sender import Sender
from notifier.broadcasts import faults
from notifier.delivery import claims
from notifier.delivery.claims import Claim
from notifier.delivery.settlements import Outcome, Verdict
from notifier.models import Channel, Process
from notifier.runtime import clock, db_faults, failpoints
from notifier.runtime.backoff import Backoff
from notifier.runtime.heartbeats import Heartbeat
from notifier.runtime.shutdown import StopFlag
from notifier.transport.base import Received, Transport, TransportError

logger = logging.getLogger(__name__)

IDLE_SECONDS = 1.0
#: From when on a send that has no answer is shown to staff.
SILENT_SECONDS = 15
#: When what a fault of ours kept from being handled is tried again.
FAULTY_WAIT = timedelta(seconds=30)


class Consumer:
    """Handles one channel's queue. Only the sending itself happens in other threads than the caller's."""

    def __init__(
        self, *, channel: Channel, transport: Transport, sender: Sender, concurrency: int, stop: StopFlag
    ) -> None:
        self._channel = channel
        self._transport = transport
        self._sender = sender
        self._window = concurrency
        self._stop = stop
        self._heartbeat = Heartbeat(kind=Process.Kind.CONSUMER, channel=channel)
        self._breaker_reporter = BreakerReporter(channel=channel)
        self._rate_limiter = RateLimiter(channel=channel, stop=stop, waiting=self._beat_at_work)
        self._channel_backoff = Backoff(first_seconds=2, longest_seconds=60)
        self._down_for = timedelta()
        self._patience = Backoff(first_seconds=0.2, longest_seconds=5)
        #: What it waits for; empty once a ticket came, or the queue was found empty.
        self._trouble = ""

    def run(self, *, until_idle: bool = False) -> None:
        """Go on until told to stop, or until the queue was empty for IDLE_SECONDS.

        Waits for a broker that is away; only with `until_idle` that is a `TransportError`.
        """
        try:
            while not self._stop.is_set():
                try:
                    self._receive(until_idle)
                    break
                except TransportError as error:
                    if until_idle:
                        raise
                    self._wait_out(f"{error} Trying again.", self._patience.next_seconds())
                except db.Error as error:
                    self._wait_for_database(error)
                except Exception:
                    logger.exception("A ticket could not be handled; it comes again.")
                    self._stop.wait(self._patience.next_seconds())
        finally:
            self._sender.close()
            self._heartbeat.stop()
            self._transport.close()

    def _receive(self, until_idle: bool) -> None:
        if not self._trouble:
            self._heartbeat.beat(Process.State.IDLE)
        self._rate_limiter.prepare()
        # Closing gives the tickets at hand back to the broker.
        with closing(self._transport.receive(self._channel, IDLE_SECONDS)) as tickets:  # type: ignore[type-var]
            for received in tickets:
                self._trouble = ""
                if self._stop.is_set():
                    return
                if received is not None:
                    failpoints.reached("ticket.received")
                    self._work_or_put_off(received)
                    failpoints.reached("ticket.acked")
                elif until_idle and not self._transport.depth(self._channel):
                    return
                else:
                    self._breaker_reporter.idle()
                self._patience.reset()
                self._beat_between_tickets()

    def _beat_between_tickets(self) -> None:
        if self._breaker_reporter.is_open:
            self._heartbeat.beat(
                Process.State.WAITING, f"Waiting while {self._channel.in_words} is paused automatically."
            )
        elif self._rate_limiter.words:
            self._beat_at_work()
        else:
            self._heartbeat.beat(Process.State.IDLE, self._sender.words)

    def _beat_at_work(self) -> None:
        seconds, what = self._sender.silence()
        if self._stop.is_set():
            words = f"{self._channel.label}: stopping. It waits up to {self._sender.stop_seconds:g} s for the provider."
            self._heartbeat.beat(Process.State.WAITING, words)
        elif seconds > SILENT_SECONDS:
            self._heartbeat.beat(
                Process.State.WAITING, f"{self._channel.label}: {what} for more than {SILENT_SECONDS} s."
            )
        else:
            self._heartbeat.beat(Process.State.WORKING, self._rate_limiter.words or self._sender.words)

    def _work_or_put_off(self, received: Received) -> None:
        """A fault of ours in one ticket must not stop those behind it: a broker would hand out the same one first."""
        try:
            self._work(received)
        except Exception as error:
            if db_faults.is_away(error) or isinstance(error, TransportError):
                raise
            broadcast_id, step = received.ticket.broadcast, "one of its tickets can’t be processed"
            faults.log(error, step=step, broadcast_id=broadcast_id, seconds=FAULTY_WAIT.total_seconds())
            faults.note(broadcast_id=broadcast_id, step=step, error=error, now=clock.now())
            self._release(received.ticket.deliveries, due_at=clock.now() + FAULTY_WAIT)
            received.ack()

    def _work(self, received: Received) -> None:
        ids = received.ticket.deliveries
        start = size = 0
        # With a provider that takes few messages an hour, the ticket would be held until it counts as lost, or until
        # the broker takes it back.
        until = time.monotonic() + settings.TICKET_LIFETIME_SECONDS / 3
        while (start := start + size) < len(ids):
            size = self._allowed(len(ids) - start, until=until)
            if not size:
                self._release(ids[start:], due_at=clock.now())
                break
            outcomes = self._work_window(received.ticket.broadcast, ids[start : start + size])
            self._rate_limiter.release(size - sum(outcome.verdict is not Verdict.RELEASED for outcome in outcomes))
            if down := _why_down(outcomes):
                # The rest would only fail in the same way.
                self._release(ids[start:], due_at=clock.now() + self._down_for)
                received.ack()
                self._wait_out(f"{self._channel.label}: {down}", self._down_for.total_seconds())
                return
            if self._breaker_reporter.is_open:
                # If the probe was in this ticket, it was sent; nothing else of it may be.
                self._release(ids[start:], due_at=clock.now())
                break
        received.ack()

    def _allowed(self, left: int, *, until: float) -> int:
        """How many deliveries the next window takes; 0 where it has to stop."""
        if self._stop.is_set():
            return 0
        return self._rate_limiter.take(wanted=self._sender.window_size(min(self._window, left)), until=until)

    def _release(self, delivery_ids: Sequence[int], *, due_at: datetime) -> None:
        claims.release(delivery_ids=delivery_ids, due_at=due_at)
        failpoints.reached("release.committed")

    def _work_window(self, broadcast_id: int, delivery_ids: Sequence[int]) -> Sequence[Outcome]:
        """Claim, send and settle up to a window of deliveries, each step committed before the next begins."""
        # Counted from before the claim, like the lease. Otherwise a process that is stopped during the claim, or waits
        # long for its commit, would send what staff may have had sent again meanwhile.
        starts_until = time.monotonic() + self._seconds_to_start()
        claim = self._claim(broadcast_id, delivery_ids)
        self._breaker_reporter.saw(claim)
        if not claim.messages:
            return ()
        failpoints.reached("claim.committed")
        outcomes = self._sender.send(
            claim.messages, starts_until=starts_until, waiting=self._beat_at_work, is_stopping=self._stop.is_set
        )
        failpoints.reached("window.sent")
        if _why_down(outcomes):
            self._down_for = timedelta(seconds=self._channel_backoff.next_seconds())
            outcomes = [o.postponed(self._down_for) if o.verdict is Verdict.RELEASED else o for o in outcomes]
        else:
            self._channel_backoff.reset()
        results.settle(claim, outcomes)
        failpoints.reached("settle.committed")
        self._breaker_reporter.add(claim, outcomes)
        return outcomes

    def _seconds_to_start(self) -> float:
        """How long after the claim a send may begin, so that it ends within the lease.

        `manage.py check` warns where the lease is too short for even one send.
        """
        lease = float(settings.LEASE_SECONDS)
        return max(lease - self._sender.longest_send_seconds, lease / 10)

    def _claim(self, broadcast_id: int, delivery_ids: Sequence[int]) -> Claim:
        token = uuid.uuid4()
        try:
            return claims.claim(
                broadcast_id=broadcast_id,
                channel=self._channel,
                delivery_ids=delivery_ids,
                token=token,
                now=clock.now(),
            )
        except Exception as error:
            # The commit may have been made, and only its answer lost, or the text could not be made. Nothing was sent,
            # so undo it: otherwise the rows would end as UNKNOWN.
            wait = timedelta() if db_faults.is_away(error) else FAULTY_WAIT
            results.insist(
                lambda: claims.release_claim(token=token, delivery_ids=delivery_ids, due_at=clock.now() + wait)
            )
            raise

    def _wait_for_database(self, error: db.Error) -> None:
        connection.close()
        self._wait_out(f"The database can’t be used: {error}", self._patience.next_seconds())

    def _wait_out(self, reason: str, seconds: float) -> None:
        """Wait, and say why in the heartbeat, because something that is needed is not there."""
        # Logged as an error once only: a broker may be away for hours.
        level = logging.DEBUG if reason == self._trouble else logging.ERROR
        logger.log(level, "%s Next try in %.1f s.", " ".join(reason.split()), seconds)
        self._trouble = reason
        ends_at = time.monotonic() + seconds
        while (left := ends_at - time.monotonic()) > 0 and not self._stop.is_set():
            self._heartbeat.beat(Process.State.WAITING, reason)
            self._stop.wait(min(left, 1.0))


def _why_down(outcomes: Sequence[Outcome]) -> str:
    """Why the provider can't be used; empty where it can. A message that is put off by itself has no reason."""
    return next((outcome.detail for outcome in outcomes if outcome.verdict is Verdict.RELEASED and outcome.detail), "")
