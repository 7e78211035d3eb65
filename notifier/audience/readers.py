"""Whose copy of a text staff are shown before it is sent, and afterwards: one client for all channels, where one gets
it on all. Read only.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef

from notifier.audience import chains, reachable
from notifier.models import Broadcast, Channel, Client, Delivery, Notification
from notifier.policies import caps, quiet_hours

#: How many clients are looked at to find one: it takes a few milliseconds, however many there are.
LOOKED_AT = 100


def of(text: Notification | Broadcast, *, now: datetime) -> dict[Channel, Client | None]:
    """By each channel that it has a text for, a client who gets it; None where none was found.

    Of a broadcast that has begun it may be somebody who has reached the frequency cap since, maybe by getting it.
    """
    channels = text.channels
    lists = {channels[0]: _recipients(text, channels[0], now)} if channels else {}
    for channel in channels[1:]:
        both = _recipients(text, channel, now, among=[client.pk for client in lists[channels[0]]])
        if both:
            return dict.fromkeys(channels, both[0])
        lists[channel] = _recipients(text, channel, now)
    return {channel: next(iter(found), None) for channel, found in lists.items()}


def _recipients(
    text: Notification | Broadcast, channel: Channel, now: datetime, among: Collection[int] | None = None
) -> list[Client]:
    """The first of those who get it, in the order of their ids."""
    if among is not None and not among:
        return []
    wanting = reachable.wanting(topic_id=text.topic_id, channel=channel)
    if among is not None:
        wanting = wanting.filter(client__in=among)
    broadcast = text if isinstance(text, Broadcast) else None
    is_to_begin = broadcast is None or broadcast.state in Broadcast.BEFORE_START
    if broadcast and broadcast.follows_id is not None and is_to_begin:
        chain = chains.whole(broadcast_id=broadcast.follows_id, notification_id=broadcast.notification_id)
        reached = chains.reached(broadcast_ids=chain, channel=channel, client=OuterRef("client_id"))
        wanting = wanting.filter(~Exists(reached))
    found = [one.client for one in wanting.select_related("client").order_by("client_id")[:LOOKED_AT]]
    if not is_to_begin or (broadcast and broadcast.is_critical):
        return found
    scheduled_for = broadcast.scheduled_for if broadcast else None
    return _below_cap(found, channel, max(now, scheduled_for or now))


def _below_cap(clients: Sequence[Client], channel: Channel, now: datetime) -> list[Client]:
    """Those who will not have reached the cap when it is their turn."""
    cap: tuple[int, int] | None = settings.CAPS[channel.value]
    if not clients or cap is None:
        return list(clients)
    maximum, days = cap
    period = timedelta(days=days)
    had = caps.counted(since=now - period)
    rows = Delivery.objects.filter(had, client__in=[client.pk for client in clients], channel=channel)
    settled: dict[int, list[datetime | None]] = defaultdict(list)
    for client_id, at in rows.order_by().values_list("client", "settled_at"):
        settled[client_id].append(at)

    def number(client: Client) -> int:
        since = _turn(client, channel, now) - period
        return sum(1 for at in settled[client.pk] if at is None or at > since)

    return [client for client in clients if number(client) < maximum]


def _turn(client: Client, channel: Channel, now: datetime) -> datetime:
    hours = settings.QUIET_HOURS[channel.value]
    if hours is None:
        return now
    phone = str(client.phone) if client.phone else None
    zones = quiet_hours.zones_of(time_zone=client.time_zone, phone=phone)
    return quiet_hours.opens_at(zones=zones, hours=hours, now=now)
