"""A channel's circuit breaker: the channel pauses itself while its provider fails most of what it is given.

While it is closed, consumers count into it. While it is open nothing is issued or claimed but one delivery after the
other, the probes, until one of them goes through.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from notifier.models import Breaker, Channel

#: Probes become rarer with each that fails, up to this.
LONGEST_WAIT = timedelta(minutes=15)
#: A probe of which nothing was heard for so long is followed by another: its ticket or its consumer may be lost.
PROBE_PATIENCE = timedelta(seconds=15)
#: Counts are kept this many times as high as the minimum at most, or a long good time would hide a provider that
#: fails now.
MAX_COUNTED = 10


@dataclass(slots=True)
class Count:
    """What a consumer saw its provider do with windows that it claimed since `since`."""

    since: datetime
    given: int = 0
    failed: int = 0
    #: The provider's words for the newest failure.
    detail: str = ""

    def mostly_failed(self) -> bool:
        return self.failed * 100 >= settings.BREAKER_PERCENT * self.given


def find_open(*, channel: Channel) -> Breaker | None:
    return Breaker.objects.open().filter(channel=channel).first()


def record(*, channel: Channel, count: Count, now: datetime) -> bool:
    """Add a count of a closed breaker's; whether that opened it.

    Ignored are counts that come late: while it is open, only a probe tells how the provider does now; and what was
    claimed before it closed again must not open it anew.
    """
    with transaction.atomic():
        breaker = _locked(channel)
        if breaker.opened_at or _was_closed_since(count.since, breaker, now):
            return False
        total = _added(breaker, count, now)
        opens = total.given >= settings.BREAKER_MINIMUM and total.mostly_failed()
        changes = {"counted_from": total.since, "given": total.given, "failed": total.failed}
        if opens:
            changes |= {"opened_at": now, "detail": count.detail[:300], "probes": 0, "probe_at": now + _wait(0)}
        Breaker.objects.filter(pk=breaker.pk).update(**changes)
    return opens


def _locked(channel: Channel) -> Breaker:
    rows = Breaker.objects.select_for_update().filter(channel=channel)
    if (breaker := rows.first()) is None:
        # Another consumer may do the same: whichever comes second finds the other's row.
        Breaker.objects.bulk_create([Breaker(channel=channel)], ignore_conflicts=True)
        breaker = rows.get()
    return breaker


def _was_closed_since(moment: datetime, breaker: Breaker, now: datetime) -> bool:
    # Not by a close that lies in the future: the clock was set back since.
    return breaker.probe_at is not None and moment < breaker.probe_at <= now


def _added(breaker: Breaker, count: Count, now: datetime) -> Count:
    total = Count(now, count.given, count.failed)
    window = timedelta(seconds=settings.BREAKER_WINDOW_SECONDS)
    # Either way, for two consumers' clocks differ a little, and a clock may be set back.
    if breaker.counted_from and abs(now - breaker.counted_from) <= window:
        total.since = breaker.counted_from
        total.given += breaker.given
        total.failed += breaker.failed
    while total.given > MAX_COUNTED * settings.BREAKER_MINIMUM:
        total.given //= 2
        total.failed //= 2
    return total


def reserve_probe(*, breaker: Breaker, now: datetime) -> datetime | None:
    """The right to issue an open breaker's next probe, as a ticket with one delivery that is reserved until the moment
    returned; None when it is not time yet, or another dispatcher has the right.

    That moment is the probe's mark: a claim takes only what is due at the breaker's `probe_at`. Once another probe
    follows, a ticket that is still under way claims nothing.
    """
    # Further ahead than any wait: the clock was set back.
    if breaker.probe_at is not None and now < breaker.probe_at <= now + max(LONGEST_WAIT, PROBE_PATIENCE):
        return None
    until = now + max(_wait(breaker.probes), PROBE_PATIENCE)
    mine = Breaker.objects.filter(pk=breaker.pk, opened_at=breaker.opened_at, probe_at=breaker.probe_at)
    return until if mine.update(probe_at=until) else None


def judge(*, channel: Channel, opened_at: datetime, succeeded: bool, detail: str, now: datetime) -> bool:
    """Take the result of a probe that was claimed while the breaker was open since `opened_at`; whether it closed it.

    Of a breaker that was closed meanwhile, and perhaps opened again, such a result says nothing.
    """
    probed = Breaker.objects.filter(channel=channel, opened_at=opened_at)
    if succeeded:
        closed = {"opened_at": None, "detail": "", "counted_from": None, "given": 0, "failed": 0, "probes": 0}
        return bool(probed.update(**closed, probe_at=now))
    with transaction.atomic():
        if breaker := probed.select_for_update().first():
            probes = breaker.probes + 1
            probed.update(probes=probes, probe_at=now + _wait(probes), detail=detail[:300])
    return False


def probe_now(*, channel: Channel, now: datetime) -> bool:
    """Let the next probe be issued at once; False when the breaker is not open."""
    return bool(Breaker.objects.open().filter(channel=channel).update(probe_at=now))


def _wait(probes: int) -> timedelta:
    """How long to wait for the next probe after so many that failed."""
    return min(LONGEST_WAIT, timedelta(seconds=settings.BREAKER_PROBE_SECONDS * 2 ** min(probes, 10)))
