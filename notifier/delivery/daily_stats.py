"""Daily stats: how many deliveries of a broadcast were settled on which day, by channel and outcome."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Case, Count, QuerySet, Value, When
from django.utils.timezone import get_default_timezone, localtime

from notifier.models import Broadcast, DailyStats, Delivery
from notifier.models.broadcasts import BroadcastQuerySet
from notifier.runtime import failpoints

State = Broadcast.State


def count(*, broadcast_id: int, now: datetime) -> bool:
    """Count the settled deliveries of a broadcast by day, channel and state, in place of what was counted before.

    Counting holds no lock. It takes about half a second for a million rows, while consumers and staff go on. Returns
    whether the count was written: not if another process counted meanwhile or has locked the broadcast, or the
    deliveries changed. Then a count is still due.
    """
    seen = Broadcast.objects.filter(pk=broadcast_id).values("finished_at", "tallied_at", "days_counted_at").first()
    if seen is None or (seen["finished_at"] and seen["tallied_at"] is None):
        return False  # deleted; or its last tally is due again, which will make this count due again
    days = [DailyStats(broadcast_id=broadcast_id, **row) for row in _count(broadcast_id)]
    failpoints.reached("daily_stats.counted")
    with transaction.atomic():
        if not _unchanged(broadcast_id, seen).update_unlocked(days_counted_at=now):
            return False
        DailyStats.objects.filter(broadcast=broadcast_id).delete()
        DailyStats.objects.bulk_create(days)
    failpoints.reached("daily_stats.committed")
    return True


def _unchanged(broadcast_id: int, seen: Mapping[str, Any]) -> BroadcastQuerySet:
    """The broadcast, if nobody counted meanwhile, and if it has not ended or been changed since it ended.

    While a broadcast goes on, its rows change all the time, and another count follows. After its end none does unless
    somebody asks, so a change during our count must not be lost. Whoever makes one changes `tallied_at`.
    """
    same = {"days_counted_at": seen["days_counted_at"], "finished_at": seen["finished_at"]}
    if seen["finished_at"]:
        same["tallied_at"] = seen["tallied_at"]
    return Broadcast.objects.filter(pk=broadcast_id, **same)


def _count(broadcast_id: int) -> Sequence[Mapping[str, Any]]:
    settled = Delivery.objects.filter(broadcast=broadcast_id, settled_at__isnull=False, state__in=Delivery.SETTLED)
    days = list(_days(settled))
    if not days:
        return []
    # Compared with the ends of the days: for the date of each row SQLite would ask Python, which is ten times slower.
    ends = [When(settled_at__lt=_start(day + timedelta(days=1)), then=Value(day)) for day in days]
    by_day = settled.annotate(day=Case(*ends)).exclude(day=None).order_by()
    return list(by_day.values("day", "channel", "state").annotate(number=Count("pk")))


def _days(settled: QuerySet[Delivery]) -> Iterator[date]:
    """The days on which anything was settled, in order; one query by the index for each."""
    zone = get_default_timezone()  # not the zone of whoever is logged in: the numbers are the same for everybody
    since = settled.order_by("settled_at").values_list("settled_at", flat=True)
    moment = since.first()
    while moment is not None:
        day = localtime(moment, zone).date()
        yield day
        moment = since.filter(settled_at__gte=_start(day + timedelta(days=1))).first()


def _start(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=get_default_timezone())
