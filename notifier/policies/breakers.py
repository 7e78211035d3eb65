"""A channel's circuit breaker: the channel pauses itself while most sends to its provider fail.

While it is closed, consumers add their counts to it. While it is open, only probes are issued and claimed: one delivery
after the other, until one of them is sent.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F

from notifier.models import Breaker, Channel

#: The wait between probes grows with each that fails, up to this.
LONGEST_WAIT = timedelta(minutes=15)
#: A probe without a result is followed by another after this time: its ticket or its consumer may be lost.
PROBE_PATIENCE = timedelta(seconds=15)
#: After an hour in which none went through after as many failed tries, one try less is taken to be enough.
REMEMBERED = timedelta(hours=1)
#: Greylisting takes a delivery on its second or third try. One that passes on its eighth says nothing about the others:
#: it was one mailbox, full for a while. Without this, being put off would never again count for any of them.
MAX_TRIES_FORGIVEN = 2
#: A probe that passes so soon after its channel was paused, having been put off before, was greylisted. Postgrey takes
#: five minutes, others up to ten. By then a delivery has failed six times, and that is the most that is ever forgiven.
GREYLISTING = timedelta(minutes=15)
MAX_TRIES_GREYLISTED = 6
#: While probes are put off for less than GREYLISTING, they follow each other after no more than this.
PUT_OFF_WAIT = timedelta(minutes=1)
#: Tries that nobody forgives, at the least: otherwise a provider that puts everything off would use up all there are.
TRIES_LEFT = 2
#: A retry comes a fifth early at most (`delivery.settlements.retry_delay`).
EARLIEST = 0.8
#: Counts grow to at most this many times the minimum: otherwise a long good time would hide a provider that fails now.
MAX_COUNTED = 10


@dataclass(slots=True)
class Count:
    """How many messages of the windows claimed since `since` a consumer gave to its provider, and how many failed."""

    since: datetime
    given: int = 0
    failed: int = 0
    #: The provider's text for the newest failure.
    detail: str = ""
    #: How many of `failed` the provider put off ("not now"), by how many tries had failed before.
    put_off: dict[int, int] = field(default_factory=dict)
    #: The most failed tries after which one went through.
    passed_after: int = 0

    def forgiving(self, tries: int) -> "Count":
        """Without what was put off on fewer than `tries` tries: others went through after as many."""
        forgiven = sum(number for failed, number in self.put_off.items() if failed < tries)
        return replace(self, given=self.given - forgiven, failed=self.failed - forgiven)

    def mostly_failed(self) -> bool:
        return self.failed * 100 >= settings.BREAKER_PERCENT * self.given


def find_open(*, channel: Channel) -> Breaker | None:
    return Breaker.objects.open().filter(channel=channel).first()


def record(*, channel: Channel, count: Count, now: datetime) -> bool:
    """Add a count to a closed breaker; returns whether that opened it.

    Late counts are ignored: while the breaker is open, only a probe shows how the provider works now; and what was
    claimed before it closed must not open it again.
    """
    with transaction.atomic():
        breaker = _locked(channel)
        if breaker.opened_at or _was_closed_since(count.since, breaker, now):
            return False
        passed = _passed(breaker, _shown(breaker, count.passed_after, now), now)
        forgiven = max(_forgiven(breaker, now), _shown(breaker, count.passed_after, now))
        total = _added(breaker, count.forgiving(forgiven), now)
        opens = total.given >= settings.BREAKER_MINIMUM and total.mostly_failed()
        changes = {"counted_from": total.since, "given": total.given, "failed": total.failed, **passed}
        if opens:
            changes |= {"opened_at": now, "detail": count.detail[:300], "probe_at": now + _wait(0)}
            changes |= {"probes": 0, "issued": 0}
        Breaker.objects.filter(pk=breaker.pk).update(**changes)
    return opens


def _locked(channel: Channel) -> Breaker:
    rows = Breaker.objects.select_for_update().filter(channel=channel)
    if (breaker := rows.first()) is None:
        # If another consumer does the same, the second one finds the first one's row.
        Breaker.objects.bulk_create([Breaker(channel=channel)], ignore_conflicts=True)
        breaker = rows.get()
    return breaker


def _passed(breaker: Breaker, tries: int, now: datetime) -> dict[str, Any]:
    """The columns to change once a delivery went through that has shown so many failed tries to be no trouble.

    What passed after fewer tries than others lately does not renew what those have shown.
    """
    if not tries or tries < _forgiven(breaker, now):
        return {}
    return {"passed_after_tries": tries, "passed_at": now}


def _forgiven(breaker: Breaker, now: datetime) -> int:
    """How many failed tries are no sign of trouble, as far as was seen before."""
    if breaker.passed_at is None:
        return 0
    # abs(), because a clock may be set back.
    return max(0, min(breaker.passed_after_tries, _most()) - abs(now - breaker.passed_at) // REMEMBERED)


def _most() -> int:
    return max(MAX_TRIES_FORGIVEN, min(MAX_TRIES_GREYLISTED, settings.MAX_ATTEMPTS - TRIES_LEFT))


def _shown(breaker: Breaker, tries: int, now: datetime) -> int:
    """How many failed tries are no trouble, as one shows that went through after `tries` of them.

    More than MAX_TRIES_FORGIVEN it only confirms: a probe has to show them first.
    """
    return tries if tries <= max(MAX_TRIES_FORGIVEN, _forgiven(breaker, now)) else MAX_TRIES_FORGIVEN


def _shown_by_probe(breaker: Breaker, tries: int, now: datetime) -> int:
    """The same of a probe. It was tried too seldom for its tries to tell how long greylisting takes: the time does."""
    paused_for = now - breaker.opened_at if breaker.opened_at else timedelta()
    if not tries or paused_for > GREYLISTING:
        return _shown(breaker, tries, now)
    return max(_shown(breaker, tries, now), _tries_in(paused_for))


def _tries_in(time: timedelta) -> int:
    """How often a delivery that is tried at its times has failed after so long; at most what may be forgiven."""
    base = EARLIEST * settings.RETRY_BASE_SECONDS
    return next((tries for tries in range(_most()) if base * (2**tries - 1) >= time.total_seconds()), _most())


def _was_closed_since(moment: datetime, breaker: Breaker, now: datetime) -> bool:
    # A close that lies in the future does not count: the clock was set back since.
    return breaker.probe_at is not None and moment < breaker.probe_at <= now


def _added(breaker: Breaker, count: Count, now: datetime) -> Count:
    total = Count(now, count.given, count.failed)
    window = timedelta(seconds=settings.BREAKER_WINDOW_SECONDS)
    # abs(), because two consumers' clocks differ a little, and a clock may be set back.
    if breaker.counted_from and abs(now - breaker.counted_from) <= window:
        total.since = breaker.counted_from
        total.given += breaker.given
        total.failed += breaker.failed
    while total.given > MAX_COUNTED * settings.BREAKER_MINIMUM:
        total.given //= 2
        total.failed //= 2
    return total


def reserve_probe(*, breaker: Breaker, now: datetime) -> datetime | None:
    """Reserve an open breaker's next probe; None if it is not due yet, or another dispatcher reserved it.

    The caller issues one delivery, reserved until the time that is returned. That time marks the probe: a claim takes
    only the delivery that is due at the breaker's `probe_at`. Once another probe follows, the ticket of this one claims
    nothing.
    """
    # A time further ahead than any wait was written before the clock was set back.
    if breaker.probe_at is not None and now < breaker.probe_at <= now + max(LONGEST_WAIT, PROBE_PATIENCE):
        return None
    until = now + max(_wait(breaker.probes), PROBE_PATIENCE)
    mine = Breaker.objects.filter(pk=breaker.pk, opened_at=breaker.opened_at, probe_at=breaker.probe_at)
    return until if mine.update(probe_at=until, issued=F("issued") + 1) else None


def settle_probe(
    *,
    channel: Channel,
    opened_at: datetime,
    succeeded: bool,
    detail: str,
    now: datetime,
    tries: int = 0,
    is_put_off: bool = False,
) -> bool:
    """Take the result of a probe of the breaker that opened at `opened_at`; returns whether it closed the breaker.

    `tries`: how many had failed before. `is_put_off`: the provider said "not now". If the breaker was closed meanwhile,
    and perhaps opened again, the result is ignored.
    """
    probed = Breaker.objects.filter(channel=channel, opened_at=opened_at)
    with transaction.atomic():
        breaker = probed.select_for_update().first()
        if breaker is None:
            return False
        if succeeded:
            closed = {"opened_at": None, "detail": "", "counted_from": None, "given": 0, "failed": 0, "probes": 0}
            probed.update(**closed, **_passed(breaker, _shown_by_probe(breaker, tries, now), now), probe_at=now)
        else:
            probes = breaker.probes + 1
            wait = _wait(probes)
            if is_put_off and timedelta() <= now - opened_at < GREYLISTING:
                wait = min(wait, max(PUT_OFF_WAIT, _wait(0)))
            probed.update(probes=probes, probe_at=now + wait, detail=detail[:300])
    return succeeded


def probe_now(*, channel: Channel, now: datetime) -> bool:
    """Make the next probe due now; False if the breaker is not open."""
    return bool(Breaker.objects.open().filter(channel=channel).update(probe_at=now))


def _wait(probes: int) -> timedelta:
    """How long to wait for the next probe after so many that failed."""
    return min(LONGEST_WAIT, timedelta(seconds=settings.BREAKER_PROBE_SECONDS * 2 ** min(probes, 10)))
