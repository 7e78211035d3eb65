"""Whom sending hours and caps would keep back, were something sent now: what the confirm page tells. Read only."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Max, Min, Q, QuerySet

from notifier.broadcasts import followups
from notifier.models import Broadcast, Channel, Delivery, Topic
from notifier.policies import quiet_hours_sql

State = Delivery.State


@dataclass(frozen=True, slots=True)
class KeptBack:
    """Of those who would get it on this channel. Where countries share a calling code, by the first to wake there."""

    channel: Channel
    #: It is night for them.
    in_quiet_hours: int = 0
    #: When the first and the last of them wake.
    first: datetime | None = None
    last: datetime | None = None
    #: They have had enough of late, and are skipped unless that is long ago by the time it is sent.
    sated: int = 0


def are_set(channels: list[Channel]) -> bool:
    return any(settings.QUIET_HOURS[channel.value] or settings.CAPS[channel.value] for channel in channels)


def kept_back(*, topic: Topic, channel: Channel, now: datetime) -> KeptBack:
    night = _asleep(topic, channel, now)
    return KeptBack(channel, night["number"] or 0, night["first"], night["last"], sated=_sated(topic, channel, now))


def _asleep(topic: Topic, channel: Channel, now: datetime) -> dict[str, Any]:
    opens_at = quiet_hours_sql.moment(channel=channel, client="client", now=now)
    if opens_at is None:
        return {"number": 0, "first": None, "last": None}
    wanting = followups.wanting(topic_id=topic.pk, channel=channel).annotate(opens_at=opens_at)
    found: dict[str, Any] = wanting.aggregate(number=Count("opens_at"), first=Min("opens_at"), last=Max("opens_at"))
    return found


def _sated(topic: Topic, channel: Channel, now: datetime) -> int:
    cap = settings.CAPS[channel.value]
    if cap is None:
        return 0
    most, days = cap
    full = _full(channel, most, now - timedelta(days=days))
    return followups.wanting(topic_id=topic.pk, channel=channel).filter(client__in=full).count()


def _full(channel: Channel, most: int, since: datetime) -> QuerySet[Delivery, Any]:
    """The clients who have had so many since then: by the feed's index of each broadcast that has sent since."""
    recent = Broadcast.objects.filter(Q(finished_at=None) | Q(finished_at__gt=since)).exclude(started_at=None)
    had = Q(state__in=[State.SENT, State.UNKNOWN], settled_at__gt=since) | Q(state=State.SENDING)
    rows = Delivery.objects.filter(had, broadcast__in=list(recent.values_list("pk", flat=True)), channel=channel)
    return rows.order_by().values("client").annotate(number=Count("pk")).filter(number__gte=most).values("client")
