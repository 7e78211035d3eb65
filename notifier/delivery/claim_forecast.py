"""What the next claim would do with deliveries that are sent again now. Read only: nothing is locked or changed.

It asks what `claims.claim` asks, in the same order, so that a page promises no more than what is then sent. Quiet hours
are left out: who is in them waits until they end, and is sent to then.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Case, CharField, Count, Exists, IntegerField, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce, Right
from django.db.models.lookups import GreaterThanOrEqual

from notifier.addresses.phones import LANDLINE_DIGITS
from notifier.broadcasts import chains
from notifier.models import Broadcast, Channel, Delivery, Preference, Reason, Suppression

State = Delivery.State


@dataclass(frozen=True, slots=True)
class Forecast:
    #: How many would be sent.
    number: int
    #: How many would be skipped, by the reason.
    skipped: Mapping[str, int]

    @property
    def left_out(self) -> int:
        return sum(self.skipped.values())

    @property
    def why(self) -> str:
        """As in "address suppressed (48), client archived (2)"."""
        return ", ".join(f"{reason} ({number:,})" for reason, number in self.skipped.items())


def of_broadcast(broadcast: Broadcast, *, deliveries: QuerySet[Delivery], now: datetime) -> Forecast:
    """For these deliveries of the broadcast, counted at this moment."""
    counts: dict[str, int] = {}
    for channel in Channel:
        rows = deliveries.filter(channel=channel).order_by()
        found = rows.annotate(why=_why(broadcast, channel, now)).values_list("why").annotate(number=Count("pk"))
        for why, number in found.order_by("why"):
            counts[why] = counts.get(why, 0) + number
    return Forecast(counts.pop("", 0), counts)


def _why(broadcast: Broadcast, channel: Channel, now: datetime) -> Case:
    """The reason for which a delivery would be skipped, or "" where it would be sent."""
    agreed = Preference.objects.filter(topic=broadcast.topic_id, client=OuterRef("client"), **{channel.value: True})
    suppressed = Suppression.objects.filter(channel=channel, address=OuterRef("address"))
    # Whoever asked for nothing more since it began has withdrawn consent, as the claim sees it.
    refused = suppressed.filter(source__in=Suppression.CLIENT_REQUESTED, created_at__gt=broadcast.started_at)
    reasons: list[tuple[Any, Reason]] = [
        (Q(client__is_active=False), Reason.ARCHIVED),
        (~Exists(agreed) | Exists(refused), Reason.CONSENT_GONE),
        (Exists(suppressed), Reason.SUPPRESSED),
    ]
    if channel == Channel.SMS:
        # By the address that it goes to, which may be an earlier one than the client's.
        ending = Right("address", LANDLINE_DIGITS)
        reasons.append((Q(client__landline_ending=ending), Reason.LANDLINE))
    if broadcast.follows_id:
        chain = chains.others(broadcast_id=broadcast.pk, notification_id=broadcast.notification_id)
        reached = chains.reached(broadcast_ids=chain, channel=channel, client=OuterRef("client"))
        reasons.insert(0, (Exists(reached), Reason.REACHED))
    if (cap := settings.CAPS[channel.value]) and not broadcast.is_critical:
        maximum, days = cap
        reasons.append((_is_over_cap(channel, maximum, now - timedelta(days=days)), Reason.FREQUENCY_CAP))
    return Case(
        *(When(condition, then=Value(reason.value)) for condition, reason in reasons),
        default=Value(""),
        output_field=CharField(),
    )


def _is_over_cap(channel: Channel, maximum: int, since: datetime) -> Any:
    """Condition of a delivery: its client has had so many messages of the channel since then."""
    had = Q(state__in=[State.SENT, State.UNKNOWN], settled_at__gt=since) | Q(state=State.SENDING)
    rows = Delivery.objects.filter(had, client=OuterRef("client"), channel=channel).order_by()
    number = rows.values("client").annotate(number=Count("pk")).values("number")
    return GreaterThanOrEqual(Coalesce(Subquery(number, output_field=IntegerField()), 0), maximum)
