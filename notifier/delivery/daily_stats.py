"""The daily tallies: how many deliveries of a broadcast were settled on which day, by channel and outcome."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Case, Count, QuerySet, Value, When
from django.utils.timezone import get_default_timezone, localtime

from notifier.models import Broadcast, DailyStats, Delivery
from notifier.runtime import failpoints

State = Broadcast.State


def count(*, broadcast_id: int, now: datetime) -> bool:
    """Count the settled deliveries of a broadcast by day, channel and state, in place of what was counted before.

    The count holds no lock: about half a second for a million rows, in which consumers, staff and the finish go on.
    Returns whether it was written. It was not where somebody else counted meanwhile, or changed what it is about: then
    it is still asked for.
    """
    seen = Broadcast.objects.filter(pk=broadcast_id).values("finished_at", "tallied_at", "days_counted_at").first()
    if seen is None or (seen["finished_at"] and seen["tallied_at"] is None):
        return False  # gone; or its last tally is to be made anew, which asks for this once more
    tallies = [DailyStats(broadcast_id=broadcast_id, **row) for row in _count(broadcast_id)]
    failpoints.reached("daily.counted")
    with transaction.atomic():
        if not _unchanged(broadcast_id, seen).update(days_counted_at=now):
            return False
        DailyStats.objects.filter(broadcast=broadcast_id).delete()
        DailyStats.objects.bulk_create(tallies)
    failpoints.reached("daily.committed")
    return True


def _unchanged(broadcast_id: int, seen: Mapping[str, Any]) -> QuerySet[Broadcast]:
    """The broadcast, if nobody counted meanwhile, and if it has not ended or been changed since it ended.

    While it goes on its rows change all the time, and another count follows. After the end none does, unless somebody
    asks: what they changed while we counted must not be taken for counted. Whoever does moves `tallied_at`.
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
    # By the days' ends, as moments: SQLite would ask Python for the date of each row, ten times as slow.
    ends = [When(settled_at__lt=_start(day + timedelta(days=1)), then=Value(day)) for day in days]
    by_day = settled.annotate(day=Case(*ends)).exclude(day=None).order_by()
    return list(by_day.values("day", "channel", "state").annotate(number=Count("pk")))


def _days(settled: QuerySet[Delivery]) -> Iterator[date]:
    """The days on which anything was settled, in order: one look into the index for each."""
    zone = get_default_timezone()  # not the zone of whoever is logged in: the tallies are everybody's
    since = settled.order_by("settled_at").values_list("settled_at", flat=True)
    moment = since.first()
    while moment is not None:
        day = localtime(moment, zone).date()
        yield day
        moment = since.filter(settled_at__gte=_start(day + timedelta(days=1))).first()


def _start(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=get_default_timezone())
