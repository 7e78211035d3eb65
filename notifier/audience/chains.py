"""Chains of follow-ups: broadcasts of one text, each only for those whom the others did not reach."""

from collections.abc import Collection, Iterator, Mapping

from django.db.models import Exists, OuterRef, Q, QuerySet

from notifier.models import Broadcast, Channel, Delivery, Receipt

#: It arrived, or may have: unless its receipt says that it did not. Deliveries still under way may yet arrive: see
#: `reached`.
ARRIVED = (Delivery.State.SENT, Delivery.State.UNKNOWN)


def others(*, broadcast_id: int, notification_id: int) -> list[int]:
    """The ids, in order, of all broadcasts that this one follows, directly or not, and of all that follow it."""
    # All broadcasts of a chain have the same notification, so one query finds them.
    linked = Broadcast.objects.filter(notification=notification_id).exclude(follows=None)
    earlier = {pk: before for pk, before in linked.values_list("pk", "follows_id") if before is not None}
    later = {before: pk for pk, before in earlier.items()}
    return sorted([*_from(broadcast_id, earlier), *_from(broadcast_id, later)])


def whole(*, broadcast_id: int, notification_id: int) -> list[int]:
    """The ids of all broadcasts of the chain, this one first."""
    return [broadcast_id, *others(broadcast_id=broadcast_id, notification_id=notification_id)]


def _from(pk: int, step: Mapping[int, int]) -> Iterator[int]:
    while pk in step:
        pk = step[pk]
        yield pk


def reached(*, broadcast_ids: Collection[int], channel: Channel, client: OuterRef) -> QuerySet[Delivery]:
    """The deliveries of these broadcasts that got to the client on this channel, may have, or may yet.

    What the provider took and could not deliver did not get there.
    """
    undelivered = Exists(Receipt.objects.filter(delivery=OuterRef("pk"), state__in=Receipt.MISSED))
    got = (Q(state__in=ARRIVED) & ~undelivered) | Q(due_at__isnull=False)
    return Delivery.objects.filter(got, broadcast__in=broadcast_ids, client=client, channel=channel)
