"""Broadcasts of one text that follow one another: each goes only to those whom the others did not reach."""

from collections.abc import Collection

from django.db.models import OuterRef, Q, QuerySet

from notifier.models import Broadcast, Channel, Delivery

#: It arrived, or may have. What is still under way may yet: see `reached`.
ARRIVED = (Delivery.State.SENT, Delivery.State.UNKNOWN)


def others(*, broadcast_id: int, notification_id: int) -> list[int]:
    """The ids of all that this one follows, and of all that follow it, near or far; in order."""
    # A chain is of one notification, so one query finds all its links.
    linked = Broadcast.objects.filter(notification=notification_id).exclude(follows=None)
    earlier = dict(linked.values_list("pk", "follows_id"))
    later = {before: pk for pk, before in earlier.items()}
    found = set()
    for step in (earlier, later):
        pk: int | None = broadcast_id
        while (pk := step.get(pk)) is not None:
            found.add(pk)
    return sorted(found)


def reached(*, broadcast_ids: Collection[int], channel: Channel, client: OuterRef) -> QuerySet[Delivery]:
    """The deliveries of these broadcasts that got to the client on this channel, may have, or may yet."""
    got = Q(state__in=ARRIVED) | Q(due_at__isnull=False)
    return Delivery.objects.filter(got, broadcast__in=broadcast_ids, client=client, channel=channel)
