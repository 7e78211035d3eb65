"""Who joined a saved audience, and who left it, since the last broadcast to it. Read only."""

from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q

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
    started = Broadcast.objects.filter(saved_audience=audience_id, follows=None).exclude(started_at=None)
    last = started.order_by("-started_at", "-pk").first()
    if last is None:
        return None
    had = Exists(Delivery.objects.filter(broadcast=last.pk, client=OuterRef("pk")))
    members = within.clients()
    return Turnover(
        last=last,
        joined=members.filter(~had).count(),
        left=Client.objects.filter(had).filter(~(within.q() & Q(is_active=True))).count(),
    )
