"""The dispatcher's loop: start what is due, expand, issue tickets, sweep, tally, finish, and count for the overview.

Any number may run; each may die at any time.
"""

import logging
import time
from collections.abc import Iterator
from datetime import datetime

from django import db
from django.db import connection
from django.db.models import QuerySet

from notifier.broadcasts import rejections, schedules
from notifier.broadcasts.faults import Faults
from notifier.clients import counts
from notifier.clients.imports import retention
from notifier.delivery import daily_stats, fanout, sweeps, tallies, tickets
from notifier.delivery.staff_mail_thread import StaffMailThread
from notifier.models import Broadcast, Channel, Process
from notifier.receipts import counting, proofs
from notifier.runtime import clock, db_faults
from notifier.runtime.backoff import Backoff
from notifier.runtime.heartbeats import Heartbeat
from notifier.runtime.shutdown import StopFlag
from notifier.transport.base import Transport, TransportError

logger = logging.getLogger(__name__)

BUSY_PAUSE_SECONDS = 0.05
IDLE_PAUSE_SECONDS = 0.2
#: How often it looks at what starts or expires by itself.
SCHEDULE_SECONDS = 0.5
SWEEP_SECONDS = 0.5
DEPTH_SECONDS = 2.0
#: A queue that looks empty twice, this far apart, while rows wait for its tickets, has lost them.
LOST_AFTER_SECONDS = tickets.LOST_AFTER.total_seconds()
TALLY_SECONDS = 1.0
#: Counting a huge broadcast, or looking for tickets that hang, may take this share of the dispatcher's time at most.
TALLY_SHARE = 0.05
#: How long it counts for the overview without a break, since the other work waits for it.
STRETCH_SECONDS = 0.5
#: How long a statement waits for a lock. What others lock for longer is put off, and SIGTERM waits no longer either.
LOCK_SECONDS = 5.0
#: What can't be done for a broadcast that is faulty, in words for staff.
EXPAND = "its messages can’t be created"
TALLY = "its messages can’t be counted"
FINISH = "it can’t be finished"
COUNT = "its daily numbers can’t be counted"
#: …and for all of them.
RECEIPTS = "receipts can’t be counted"
EARLY = "receipts that came early can’t be compared with their messages"
LOST, OVERTAKEN = "lost tickets can’t be looked for", "stuck tickets can’t be looked for"
#: How often uploads whose time is over are emptied.
PURGE_SECONDS = 600.0
#: How often rejections of the release before are given their state, first this long after the start: by then no web
#: process of that release runs any more, whose pages don't know it.
ADOPT_SECONDS = 600.0


class Dispatcher:
    def __init__(self, *, transport: Transport, stop: StopFlag) -> None:
        self._transport = transport
        self._stop = stop
        self._heartbeat = Heartbeat(kind=Process.Kind.DISPATCHER)
        self._broker = _Broker()
        self._faults = Faults(passes=(TransportError,))
        self._busy = False
        #: Decided once a cycle. Under an alarm the broker takes no tickets but still counts them: that is no recovery.
        self._may_ask_broker = False
        self._depths: dict[str, int] = {}
        self._depths_at = self._scheduled_at = self._swept_at = self._purged_at = float("-inf")
        self._adopted_at = time.monotonic()
        self._staff_mails = StaffMailThread(stop)
        self._lost_since: dict[Channel, float] = {}
        self._overtaken = {channel: tickets.Overtaken() for channel in Channel}
        self._overtaken_due = float("-inf")
        self._tally_due: dict[int, float] = {}
        self._overview_due = float("-inf")

    def run(self, *, until_idle: bool = False) -> None:
        """Go on until told to stop, or until no broadcast is left that it could do anything for.

        Waits for a broker that is away; only with `until_idle` that is a `TransportError`.
        """
        try:
            self._run(until_idle)
        finally:
            self._staff_mails.join()
            self._heartbeat.stop()
            self._transport.close()

    def _run(self, until_idle: bool) -> None:
        patience = Backoff(first_seconds=0.2, longest_seconds=5)
        while not self._stop.is_set():
            try:
                worked = self.cycle()
                idle = not self._busy
                patience.reset()
            except db.Error as error:
                self._wait_for_database(error, patience)
                continue
            except Exception:
                # An error of ours in one broadcast must stop neither the others nor make the loop spin.
                logger.exception("The dispatcher’s cycle failed and is tried again.")
                self._stop.wait(patience.next_seconds())
                continue
            if until_idle and self._broker.trouble:
                raise TransportError(self._broker.trouble)
            if until_idle and idle:
                return
            if not worked:
                self._stop.wait(IDLE_PAUSE_SECONDS if idle else BUSY_PAUSE_SECONDS)

    def cycle(self) -> bool:
        """Do one round of everything; returns whether there was anything to do."""
        db_faults.limit_lock_waits(LOCK_SECONDS)  # each time, because the connection may be a new one
        now = clock.now()
        self._may_ask_broker = self._broker.is_worth_a_try()
        with self._heartbeat.kept():
            worked = self._keep_to_the_schedule(now)
            worked |= self._expand(now)
        worked |= self._issue(now)
        self._sweep(now)
        self._reissue_overtaken(now)
        with self._heartbeat.kept():
            self._tally(now)
            self._purge(now)
            self._adopt()
            self._staff_mails.start_if_due(now)
            worked |= self._finish(now)
            self._count_for_overview(now)
        self._busy = worked or Broadcast.objects.to_settle().exclude(pk__in=self._faults.waiting()).exists()
        self._look_at_queues(now)
        return worked

    def _keep_to_the_schedule(self, now: datetime) -> bool:
        """Expire broadcasts, then start others: after an outage both times of one may have passed."""
        if time.monotonic() - self._scheduled_at < SCHEDULE_SECONDS:
            return False
        changed = schedules.expire(now=now, faults=self._faults) + schedules.start_due(now=now, faults=self._faults)
        self._scheduled_at = time.monotonic()
        return changed > 0

    def _expand(self, now: datetime) -> bool:
        made = 0
        for pk in self._sound(EXPAND, Broadcast.objects.to_expand()):
            with self._faults.contained(EXPAND, pk):
                made += fanout.expand(broadcast_id=pk, now=now) or 0
        return made > 0

    def _sound(self, step: str, broadcasts: QuerySet[Broadcast]) -> Iterator[int]:
        """Their ids, without those for which this step failed and is not due again; none once it is to stop."""
        for pk in _ids(broadcasts):
            if self._stop.is_set():
                return
            if not self._faults.waits(step, pk):
                self._heartbeat.goes_on()
                yield pk

    def _issue(self, now: datetime) -> bool:
        if not self._may_ask_broker:
            return False
        issued = 0
        try:
            if self._broker.trouble:
                # Under an alarm the broker still counts, and takes one ticket: neither shows that it is back.
                self._transport.check()
                self._broker.answered()
            for channel in Channel:
                rows = tickets.issue_tickets(channel=channel, transport=self._transport, now=now, faults=self._faults)
                if rows:
                    self._broker.answered()
                issued += rows
        except TransportError as error:
            self._broker_away(error)
        return issued > 0

    def _sweep(self, now: datetime) -> None:
        if time.monotonic() - self._swept_at >= SWEEP_SECONDS:
            if number := sweeps.sweep(now=now, faults=self._faults):
                logger.info("Swept %d deliveries.", number)
            # After the sweep: what it has just made UNKNOWN may have its receipt already.
            if not self._faults.waits(EARLY):
                with self._faults.contained(EARLY):
                    if number := proofs.settle_early(now=now):
                        logger.info("Receipts settled %d deliveries.", number)
            self._swept_at = time.monotonic()

    def _tally(self, now: datetime) -> None:
        for pk in self._sound(TALLY, Broadcast.objects.to_tally()):
            began = time.monotonic()
            if self._tally_due.get(pk, 0) <= began:
                with self._faults.contained(TALLY, pk):
                    tallies.tally(broadcast_id=pk, now=now)
                took = time.monotonic() - began
                self._tally_due[pk] = began + max(TALLY_SECONDS, took / TALLY_SHARE)

        if not self._stop.is_set() and not self._faults.waits(RECEIPTS):
            with self._faults.contained(RECEIPTS):
                counting.count_due(now=now)

    def _purge(self, now: datetime) -> None:
        if time.monotonic() - self._purged_at >= PURGE_SECONDS and not self._stop.is_set():
            self._purged_at = time.monotonic()  # if it fails, it is not tried again in every cycle
            with self._faults.contained("old uploads can’t be emptied"):
                retention.purge(now=now)

    def _adopt(self) -> None:
        if time.monotonic() - self._adopted_at >= ADOPT_SECONDS:
            self._adopted_at = time.monotonic()
            with self._faults.contained("earlier rejections can’t be told from cancelled broadcasts"):
                rejections.adopt_earlier()

    def _finish(self, now: datetime) -> bool:
        finished = []
        for pk in self._sound(FINISH, Broadcast.objects.to_finish()):
            with self._faults.contained(FINISH, pk):
                finished += [pk] if tallies.finish(broadcast_id=pk, now=now) else []
        for pk in finished:
            self._tally_due.pop(pk, None)
            self._overview_due = float("-inf")
            logger.info("Broadcast %d has ended.", pk)
        return bool(finished)

    def _count_for_overview(self, now: datetime) -> None:
        """Daily stats and client counts, in as small a share of the time as the tallies."""
        began = time.monotonic()
        if began < self._overview_due or self._stop.is_set():
            return
        self._overview_due = began + TALLY_SECONDS  # if it fails, it is not tried again in every cycle
        for pk in self._sound(COUNT, Broadcast.objects.to_count_by_day(now)):
            with self._faults.contained(COUNT, pk):
                daily_stats.count(broadcast_id=pk, now=now)
            if time.monotonic() - began > STRETCH_SECONDS:
                break  # the others come next time: after an upgrade it may be every broadcast there is
        with self._faults.contained("clients can’t be counted"):
            if counts.is_due(now=now):
                counts.count(now=now)
        took = time.monotonic() - began
        self._overview_due = began + max(TALLY_SECONDS, took / TALLY_SHARE)

    def _look_at_queues(self, now: datetime) -> None:
        """Write the queues' depths with the heartbeat, so that no page asks the broker; and look for lost tickets."""
        if time.monotonic() - self._depths_at >= DEPTH_SECONDS and self._may_ask_broker:
            try:
                self._depths = {channel.value: self._transport.depth(channel) for channel in Channel}
                self._depths[Process.DEAD] = self._transport.dead()
                self._broker.answered()
                if not self._faults.waits(LOST):
                    with self._faults.contained(LOST):
                        self._reissue_lost(now)
            except TransportError as error:
                self._broker_away(error)
            self._depths_at = time.monotonic()
        state = Process.State.WORKING if self._busy else Process.State.IDLE
        if self._broker.trouble:
            state = Process.State.WAITING
        self._heartbeat.beat(state, self._broker.trouble, self._depths)

    def _reissue_lost(self, now: datetime) -> None:
        for channel in Channel:
            if not tickets.looks_lost(channel=channel, depth=self._depths[channel.value], now=now):
                self._lost_since.pop(channel, None)
            elif time.monotonic() - self._lost_since.setdefault(channel, time.monotonic()) >= LOST_AFTER_SECONDS:
                number = tickets.reissue_lost(channel=channel, now=now)
                logger.warning("The %s queue lost its tickets: %d deliveries are issued again.", channel, number)
                self._lost_since.pop(channel, None)

    def _reissue_overtaken(self, now: datetime) -> None:
        began = time.monotonic()
        if began < self._overtaken_due or self._faults.waits(OVERTAKEN):
            return
        with self._faults.contained(OVERTAKEN):
            for channel, overtaken in self._overtaken.items():
                if before := overtaken.look(tickets.travelling(channel=channel, now=now), now):
                    number = tickets.reissue_lost(channel=channel, now=now, issued_before=before)
                    logger.warning("Later tickets overtook %d %s deliveries, which are issued again.", number, channel)
        self._overtaken_due = began + max(DEPTH_SECONDS, (time.monotonic() - began) / TALLY_SHARE)

    def _broker_away(self, error: TransportError) -> None:
        if str(error) != self._broker.trouble:
            logger.error("%s Broadcasts wait; trying again.", error)
        self._broker.failed(str(error))
        self._may_ask_broker = False

    def _wait_for_database(self, error: db.Error, patience: Backoff) -> None:
        seconds = patience.next_seconds()
        logger.error("The database can’t be used, next try in %.1f s: %s", seconds, error)
        connection.close()
        if not db_faults.is_away(error):
            first_line = str(error).partition("\n")[0]
            self._heartbeat.beat(Process.State.WAITING, f"{Process.DATABASE_TROUBLE}: {first_line}")
        self._stop.wait(seconds)


class _Broker:
    """Whether the broker answers, and when to ask it again after it did not."""

    def __init__(self) -> None:
        self.trouble = ""
        self._backoff = Backoff(first_seconds=0.5, longest_seconds=5)
        self._retry_at = float("-inf")

    def is_worth_a_try(self) -> bool:
        return time.monotonic() >= self._retry_at

    def answered(self) -> None:
        if self.trouble:
            logger.info("The broker is back.")
            self.trouble = ""
        self._backoff.reset()

    def failed(self, trouble: str) -> None:
        self.trouble = trouble
        self._retry_at = time.monotonic() + self._backoff.next_seconds()


def _ids(broadcasts: QuerySet[Broadcast]) -> list[int]:
    return list(broadcasts.order_by("pk").values_list("pk", flat=True))
