"""Settling the deliveries that nobody else will: of dead consumers, and of cancelled broadcasts."""

from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db.models import Q, QuerySet

from notifier.broadcasts.faults import RAISED, Faults
from notifier.delivery import bulk_updates
from notifier.models import Broadcast, Channel, Delivery
from notifier.runtime import failpoints

STEP = "unfinished messages can’t be completed"
LEASE_RAN_OUT = "the consumer stopped responding while sending: it may or may not have arrived"

State = Delivery.State


def sweep(*, now: datetime, faults: Faults = RAISED) -> int:
    """Make sends whose lease ran out UNKNOWN, and what waits in cancelled broadcasts CANCELLED.

    Returns how many rows it changed: for each broadcast at most CHUNK of either. A fault in one of them is contained.
    """
    # No lease ends that far ahead: the clock was set back. If the consumer is dead, these rows would hold up the end of
    # their broadcast, and the search for lost tickets, until then. If it is alive, its result still counts.
    too_far = now + 2 * timedelta(seconds=settings.LEASE_SECONDS)
    over = Q(due_at__lt=now) | Q(due_at__gt=too_far)
    swept = Broadcast.objects.to_sweep().order_by("pk").only("state", "ended_because")
    return faults.run(STEP, swept, partial(_sweep, over=over, now=now))


def _sweep(broadcast: Broadcast, over: Q, now: datetime) -> int:
    active = Delivery.objects.active().filter(broadcast=broadcast.pk, channel__in=Channel.values)
    changed = _settle(active.filter(over, state=State.SENDING), State.UNKNOWN, LEASE_RAN_OUT, now)
    if broadcast.state == Broadcast.State.CANCELLED:
        waiting = active.filter(state__in=[State.PENDING, State.RETRYING])
        changed += _settle(waiting, State.CANCELLED, broadcast.ended_because or "broadcast cancelled", now)
    return changed


def _settle(rows: QuerySet[Delivery], state: Delivery.State, detail: str, now: datetime) -> int:
    if not rows.exists():  # without taking SQLite's one write lock
        return 0
    changes = {"state": state, "detail": detail, "due_at": None, "settled_at": now}
    number = len(bulk_updates.update_returning(rows, bulk_updates.CHUNK, changes))
    failpoints.reached("sweep.committed")
    return number
