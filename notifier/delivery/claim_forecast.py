"""What the next claim would do with deliveries that are sent again now. Read only: nothing is locked or changed.

It asks what `claims.claim` asks, in the same order, so that a page promises no more than what is then sent. Quiet hours
are left out: who is in them waits until they end, and is sent to then.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

from django.conf import settings
from django.db.models import (
    Case,
    CharField,
    Count,
    Exists,
    F,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Cast, Coalesce, Right
from django.db.models.lookups import GreaterThanOrEqual

from notifier.addresses.phones import LANDLINE_DIGITS
from notifier.audience import chains
from notifier.models import Broadcast, Channel, Delivery, Preference, Reason, Suppression
from notifier.policies import caps, client_values

State = Delivery.State

#: Broadcasts whose texts are in memory at the same time.
TEXTS_AT_ONCE = 100
#: Each takes queries of its own.
MAX_FOLLOW_UPS = 20


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
        return ", ".join(f"{Reason.in_words(reason)} ({number:,})" for reason, number in self.skipped.items())


def of_deliveries(deliveries: QuerySet[Delivery], *, now: datetime) -> Forecast | None:
    """For deliveries of any broadcasts; None where among these are too many follow-ups to be asked one by one."""
    followed = deliveries.filter(broadcast__follows__isnull=False).order_by().values("broadcast").distinct()
    followers = list(Broadcast.objects.filter(pk__in=followed).order_by("pk")[: MAX_FOLLOW_UPS + 1])
    if len(followers) > MAX_FOLLOW_UPS:
        return None
    each = [
        _forecast(deliveries.filter(broadcast__follows=None), None, (), now),
        *(of_broadcast(one, deliveries=deliveries.filter(broadcast=one), now=now) for one in followers),
    ]
    skipped = sum((Counter(one.skipped) for one in each), Counter[str]())
    return Forecast(sum(one.number for one in each), dict(sorted(skipped.items())))


def of_each(broadcasts: Iterable[Broadcast], *, deliveries: QuerySet[Delivery], now: datetime) -> dict[int, Forecast]:
    """For those of these deliveries that are of the broadcasts, by broadcast. Follow-ups take queries of their own."""
    plain: dict[int, Broadcast] = {}
    found: dict[int, Forecast] = {}
    for one in broadcasts:
        if one.follows_id is None:
            plain[one.pk] = one
        else:
            found[one.pk] = of_broadcast(one, deliveries=deliveries.filter(broadcast=one), now=now)
    counts: dict[int, Counter[str]] = {pk: Counter() for pk in plain}
    if plain:
        for pk, why, number in _counted(deliveries.filter(broadcast__in=plain), plain.values(), (), now):
            counts[pk][why] += number
    return found | {pk: _as_forecast(why) for pk, why in counts.items()}


def of_broadcast(broadcast: Broadcast, *, deliveries: QuerySet[Delivery], now: datetime) -> Forecast:
    """For these deliveries of the broadcast, counted at this moment."""
    is_follow_up = broadcast.follows_id is not None
    chain = chains.others(broadcast_id=broadcast.pk, notification_id=broadcast.notification_id) if is_follow_up else ()
    return _forecast(deliveries, broadcast, chain, now)


def _forecast(
    deliveries: QuerySet[Delivery], broadcast: Broadcast | None, chain: Collection[int], now: datetime
) -> Forecast:
    """`broadcast`: whose deliveries they are, where they are one's; `chain`: those that leave out whom they reached."""
    counts = Counter[str]()
    for _, why, number in _counted(deliveries, [broadcast] if broadcast else None, chain, now):
        counts[why] += number
    return _as_forecast(counts)


def _as_forecast(counts: Counter[str]) -> Forecast:
    sent = counts.pop("", 0)
    return Forecast(sent, dict(sorted(counts.items())))


def _counted(
    deliveries: QuerySet[Delivery],
    broadcasts: Collection[Broadcast] | None,
    chain: Collection[int],
    now: datetime,
) -> Iterator[tuple[int, str, int]]:
    """How many there are, as (broadcast, reason or "", number). `broadcasts`: whose they are; None: of any."""
    # Nothing else is sent again, and SQLite uses the index of the few that were not sent only where this stands here.
    unsent = deliveries.filter(state__in=Delivery.UNSENT).order_by()
    for channel in Channel:
        rows = unsent.filter(channel=channel).annotate(to=_address(channel))
        lacking = _lacking(channel, _broadcasts_that_may_need(rows) if broadcasts is None else broadcasts)
        found = rows.annotate(why=_why(channel, chain, lacking, now))
        yield from found.values_list("broadcast_id", "why").annotate(number=Count("pk")).order_by("why")


def _address(channel: Channel) -> Case:
    """The address that it goes to: that of the fan-out, or the client's of today where there was none."""
    today = Cast(f"client__{channel.address_field}", CharField())
    return Case(When(address="", then=today), default=F("address"), output_field=CharField())


def _broadcasts_that_may_need(rows: QuerySet[Delivery]) -> Iterator[Broadcast]:
    """Those of the deliveries whose text has any placeholder: which values it needs is told by the text alone.

    One after the other: their texts may be long, and so may be the time in which they were sent.
    """
    texts = ("subject", "preheader", "email_body", "sms_body", "variants")
    has_any = reduce(or_, (Q(**{f"{name}__contains": "{{"}) for name in texts))
    found = Broadcast.objects.filter(has_any, pk__in=rows.values("broadcast"))
    return found.only(*texts).iterator(chunk_size=TEXTS_AT_ONCE)


def _lacking(channel: Channel, broadcasts: Iterable[Broadcast]) -> Q:
    """The deliveries of these whose client lacks a value that the text needs."""
    by_keys: dict[tuple[str, ...], list[int]] = {}
    for broadcast in broadcasts:
        if keys := client_values.needed(broadcast, channel):
            by_keys.setdefault(keys, []).append(broadcast.pk)
    # Read once for all of them, however many different texts there are.
    sources = client_values.read(dict.fromkeys(key for keys in by_keys for key in keys))
    found = Q(pk__in=[])
    for keys, ids in by_keys.items():
        found |= Q(broadcast__in=ids) & sources.only(keys).missing("client__")
    return found


def _why(channel: Channel, chain: Collection[int], lacking: Q, now: datetime) -> Case:
    """The reason for which a delivery would be skipped, or "" where it would be sent."""
    topic, client = OuterRef("broadcast__topic"), OuterRef("client")
    agreed = Preference.objects.filter(topic=topic, client=client, **{channel.value: True})
    suppressed = Suppression.objects.filter(channel=channel, address=OuterRef("to"))
    # Whoever asked for nothing more since it began has withdrawn consent, as the claim sees it.
    since = OuterRef("broadcast__started_at")
    refused = suppressed.filter(source__in=Suppression.CLIENT_REQUESTED, created_at__gt=since)
    reasons: list[tuple[Any, Reason]] = [
        (Q(client__is_active=False), Reason.ARCHIVED),
        (~Exists(agreed) | Exists(refused), Reason.CONSENT_GONE),
        (Exists(suppressed), Reason.SUPPRESSED),
    ]
    if chain:
        reached = chains.reached(broadcast_ids=chain, channel=channel, client=client)
        reasons.insert(0, (Exists(reached), Reason.REACHED))
    if channel == Channel.SMS:
        ending = Right("to", LANDLINE_DIGITS)
        reasons.append((Q(client__landline_ending=ending), Reason.LANDLINE))
    reasons.append((lacking, Reason.NO_VALUE))
    if cap := settings.CAPS[channel.value]:
        maximum, days = cap
        over_cap = _is_over_cap(channel, maximum, now - timedelta(days=days))
        reasons.append((Q(broadcast__is_critical=False) & Q(over_cap), Reason.FREQUENCY_CAP))
    return Case(
        *(When(condition, then=Value(reason.value)) for condition, reason in reasons),
        default=Value(""),
        output_field=CharField(),
    )


def _is_over_cap(channel: Channel, maximum: int, since: datetime) -> Any:
    """Condition of a delivery: its client has had so many messages of the channel since then."""
    # Without itself, which is unknown no longer once it is sent again.
    others = Delivery.objects.exclude(pk=OuterRef("pk"))
    rows = others.filter(caps.counted(since=since), client=OuterRef("client"), channel=channel).order_by()
    number = rows.values("client").annotate(number=Count("pk")).values("number")
    return GreaterThanOrEqual(Coalesce(Subquery(number, output_field=IntegerField()), 0), maximum)
