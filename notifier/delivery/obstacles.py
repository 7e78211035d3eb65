"""Why a decision of staff leaves a delivery as it is: by its own state, by its broadcast, or for want of an address."""

from collections.abc import Mapping
from datetime import datetime
from functools import reduce
from operator import or_

from django.db.models import Q, QuerySet, TextChoices

from notifier.broadcasts import acts
from notifier.broadcasts.acts import Act
from notifier.models import Broadcast, Channel, Delivery, Resolution

Action = Resolution.Action
State = Delivery.State

#: The states that each decision applies to. SKIPPED was never sent, so it can't be marked as sent.
RESOLVABLE: Mapping[str, tuple[Delivery.State, ...]] = {
    Action.MARKED_SENT: (State.UNKNOWN, State.FAILED),
    Action.SENT_AGAIN: (State.UNKNOWN, State.FAILED, State.SKIPPED),
}
#: Of broadcasts in these states something may be sent again; a finished one goes on for it.
OPEN_BROADCASTS = acts.ALLOWED[Act.SEND_AGAIN]


class Obstacle(TextChoices):
    """Why a delivery is left as it is. The text completes "12 unchanged: …"."""

    SENT = "already sent"
    UNDER_WAY = "still being sent"
    NEVER_SENT = "skipped or cancelled, so never sent"
    CANCELLED = "cancelled"
    PAUSED_BROADCAST = "in a paused broadcast (resume it first)"
    CANCELLED_BROADCAST = "in a cancelled broadcast, which can’t send anything more"
    EXPIRED_BROADCAST = "in an expired broadcast, which can’t send anything more"
    NOT_STARTED = "in a broadcast that has not started yet"
    FOLLOWED = "in a broadcast that has a follow-up (send to those who missed the follow-up instead)"
    NO_ADDRESS = "without an address, and the client still has none"
    CHANGED = "already changed by someone else or by a late result"


def of_delivery(
    action: str, state: Delivery.State, of_its_broadcast: Obstacle | None, *, is_followed: bool
) -> Obstacle | None:
    """Of one in this state, whose broadcast has this obstacle; None where the decision would change it."""
    if state in RESOLVABLE[action]:
        again = action == Action.SENT_AGAIN and state != State.UNKNOWN
        return Obstacle.FOLLOWED if again and is_followed and not of_its_broadcast else of_its_broadcast
    if state == State.SENT:
        return Obstacle.SENT
    if state not in Delivery.SETTLED:
        return Obstacle.UNDER_WAY
    return Obstacle.NEVER_SENT if action == Action.MARKED_SENT else Obstacle.CANCELLED


def of_broadcast(action: str, state: str, *, is_expired: bool) -> Obstacle | None:
    """Of all deliveries of a broadcast in this state; None where it is in nobody's way."""
    if action == Action.MARKED_SENT:
        return None
    # The dispatcher would cancel the broadcast at once, with what was to be sent again. Resuming a paused one does not
    # help either.
    if is_expired and state != Broadcast.State.CANCELLED:
        return Obstacle.EXPIRED_BROADCAST
    if state in OPEN_BROADCASTS:
        return None
    if state in acts.ALLOWED[Act.RESUME]:
        return Obstacle.PAUSED_BROADCAST
    return Obstacle.NOT_STARTED if state in Broadcast.BEFORE_START else Obstacle.CANCELLED_BROADCAST


def free_to_send_again(deliveries: QuerySet[Delivery], now: datetime) -> QuerySet[Delivery]:
    """Those that sending again would change."""
    ended_badly = deliveries.filter(state__in=RESOLVABLE[Action.SENT_AGAIN], broadcast__state__in=OPEN_BROADCASTS)
    in_time = ended_badly.exclude(broadcast__expires_at__lte=now)
    free = in_time.filter(Q(state=State.UNKNOWN) | Q(broadcast__followed_by=None))
    return free.exclude(Q(state=State.SKIPPED, address="") & _has_no_address())


def unreachable(deliveries: QuerySet[Delivery], now: datetime) -> int:
    """Skipped ones of open broadcasts that have no address, and whose client has none today."""
    skipped = deliveries.filter(
        state=State.SKIPPED, address="", broadcast__state__in=OPEN_BROADCASTS, broadcast__followed_by=None
    )
    skipped = skipped.exclude(broadcast__expires_at__lte=now).order_by()
    return skipped.filter(_has_no_address()).count()


def _has_no_address() -> Q:
    """Condition of a delivery: its client has no address for its channel today."""
    return reduce(or_, (Q(channel=channel, **{f"client__{channel.address_field}": None}) for channel in Channel))
