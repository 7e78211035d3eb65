"""How many recipients quiet hours and the frequency cap would hold back now, for the confirm page. Read only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Max, Min, Q, QuerySet

from notifier.audience import reachable
from notifier.models import Broadcast, Channel, Delivery, Topic
from notifier.policies import client_values, quiet_hours_sql
from notifier.saved_audiences.compiling import Members

State = Delivery.State


@dataclass(frozen=True, slots=True)
class HeldBack:
    """How many recipients of one channel would be held back, and until when."""

    channel: Channel
    #: Clients who are in quiet hours now.
    in_quiet_hours: int = 0
    #: When the quiet hours of the first and of the last of them end.
    first: datetime | None = None
    last: datetime | None = None
    #: Clients who reached the frequency cap. They are skipped if that still holds when it is their turn.
    over_cap: int = 0


def are_set(channels: list[Channel]) -> bool:
    """Whether any of these channels has quiet hours or a cap."""
    return any(settings.QUIET_HOURS[channel.value] or settings.CAPS[channel.value] for channel in channels)


def caps_are_set() -> bool:
    return any(settings.CAPS.values())


def count(
    *, topic: Topic, channel: Channel, now: datetime, needed: Sequence[str] = (), within: Members | None = None
) -> HeldBack:
    """`needed`: the placeholders that a client must have a value for; who lacks one is skipped for that alone."""
    quiet = _in_quiet_hours(topic, channel, now, needed, within)
    skipped = over_cap(topic_id=topic.pk, channel=channel, now=now, needed=needed, within=within)
    return HeldBack(channel, quiet["number"] or 0, quiet["first"], quiet["last"], over_cap=skipped)


def _in_quiet_hours(
    topic: Topic, channel: Channel, now: datetime, needed: Sequence[str], within: Members | None
) -> dict[str, Any]:
    opens_at = quiet_hours_sql.moment(channel=channel, client="client", now=now)
    if opens_at is None:
        return {"number": 0, "first": None, "last": None}
    recipients = reachable.wanting(topic_id=topic.pk, channel=channel, within=within)
    wanting = recipients.filter(*client_values.present(needed, client="client__")).annotate(opens_at=opens_at)
    found: dict[str, Any] = wanting.aggregate(number=Count("opens_at"), first=Min("opens_at"), last=Max("opens_at"))
    return found


def over_cap(
    *,
    topic_id: int,
    channel: Channel,
    now: datetime,
    follows: Broadcast | None = None,
    needed: Sequence[str] = (),
    within: Members | None = None,
) -> int:
    """How many recipients would be skipped, unless it is critical; with `follows` only of those whom that one missed.

    Who is in quiet hours is not left out: the cap counts for them once these end, when it is most likely still reached.
    """
    cap = settings.CAPS[channel.value]
    if cap is None:
        return 0
    maximum, days = cap
    full = _full(channel, maximum, now - timedelta(days=days))
    wanting = reachable.missed_by(topic_id=topic_id, channel=channel, broadcast=follows, within=within)
    return wanting.filter(*client_values.present(needed, client="client__"), client__in=full).count()


def _full(channel: Channel, maximum: int, since: datetime) -> QuerySet[Delivery, Any]:
    """The clients who got `maximum` messages or more since then.

    Found by the index `delivery_feed` of each broadcast that has sent since.
    """
    recent = Broadcast.objects.filter(Q(finished_at=None) | Q(finished_at__gt=since)).exclude(started_at=None)
    had = Q(state__in=[State.SENT, State.UNKNOWN], settled_at__gt=since) | Q(state=State.SENDING)
    rows = Delivery.objects.filter(had, broadcast__in=list(recent.values_list("pk", flat=True)), channel=channel)
    return rows.order_by().values("client").annotate(number=Count("pk")).filter(number__gte=maximum).values("client")
