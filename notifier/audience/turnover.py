"""Who joined a saved audience, and who left it, since the last broadcast to it. Read only."""

from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q, QuerySet

from notifier.models import Broadcast, Client, Delivery
from notifier.saved_audiences.compiling import Members


@dataclass(frozen=True, slots=True)
class Turnover:
    """Known from the deliveries of that broadcast: whoever was in the audience and had not agreed had none."""

    last: Broadcast
    #: Clients who are in it now and had no delivery.
    joined: int
    #: Clients who had one, and are not in it any more, or archived.
    left: int


def since_last(*, audience_id: int, within: Members) -> Turnover | None:
    """None where nothing was sent to it yet. Two passes: over the members, and over the deliveries of one broadcast."""
    last = last_broadcast(audience_id)
    if last is None:
        return None
    return Turnover(last=last, joined=joined(last, within).count(), left=left(last, within).count())


def last_broadcast(audience_id: int) -> Broadcast | None:
    """That was started; a follow-up of one went to those who are left, and is none."""
    started = Broadcast.objects.filter(saved_audience=audience_id, follows=None).exclude(started_at=None)
    return started.order_by("-started_at", "-pk").first()


def joined(last: Broadcast, within: Members) -> QuerySet[Client]:
    return within.clients().filter(~_had_one(last))


def left(last: Broadcast, within: Members) -> QuerySet[Client]:
    return Client.objects.filter(_had_one(last)).filter(~(within.q() & Q(is_active=True)))


def _had_one(last: Broadcast) -> Exists:
    return Exists(Delivery.objects.filter(broadcast=last.pk, client=OuterRef("pk")))
