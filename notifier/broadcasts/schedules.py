"""Starting broadcasts at their time, cancelling those that expire, and how staff change either time.

Any number of dispatchers may run; each call is safe to repeat and to kill.
"""

import logging
from datetime import datetime
from functools import partial

from django.contrib.auth.models import User
from django.db import transaction

from notifier.audience import topic_counts, unreached
from notifier.broadcasts import acts, lifecycle, staff_mails
from notifier.broadcasts.acts import Act
from notifier.broadcasts.faults import RAISED, Faults
from notifier.broadcasts.lifecycle import BadSendOptions, NotAllowed
from notifier.broadcasts.send_options import SendOptions
from notifier.models import Broadcast, BroadcastChange
from notifier.runtime import failpoints
from notifier.saved_audiences import compiling
from notifier.wording import wall_clocks

logger = logging.getLogger(__name__)

START, EXPIRE = "it can’t be started at its scheduled time", "it can’t be cancelled at its expiry time"

State = Broadcast.State


# --- The dispatcher's part --------------------------------------------------------------------------------------------
def start_due(*, now: datetime, faults: Faults = RAISED) -> int:
    """Start the scheduled broadcasts whose time has come; returns how many. A fault in one of them is contained.

    A broadcast whose audience has grown until it needs approval awaits that instead.
    """
    due = Broadcast.objects.to_start(now).select_related("topic", "created_by", "follows").order_by("pk")
    return faults.run(START, due, partial(_start, now=now))


def _start(broadcast: Broadcast, now: datetime) -> int:
    # Each change checks this again: another dispatcher, a cancel, an edit or a new time may have come first.
    due = Broadcast.objects.to_start(now).filter(pk=broadcast.pk, needs_approval=broadcast.needs_approval)
    if _has_outgrown(broadcast, now):
        chosen = lifecycle.chosen_time()
        with transaction.atomic():
            if due.update_unlocked(state=State.AWAITING_APPROVAL, needs_approval=True, scheduled_for=chosen):
                staff_mails.ask_approvers(broadcast=broadcast, now=now)
        return 0
    started = due.update_unlocked(**lifecycle.running_columns(now=now))
    if started:
        logger.info("Broadcast %d has started, as scheduled.", broadcast.pk)
    failpoints.reached("start.committed")
    return started


def expire(*, now: datetime, faults: Faults = RAISED) -> int:
    """Cancel the broadcasts whose time has passed; returns how many. A fault in one of them is contained.

    The sweep settles what was still to be sent, with the reason. Until then no claim takes it (`delivery.claims`).
    """
    overdue = Broadcast.objects.to_expire(now).only("state", "expires_at").order_by("pk")
    return faults.run(EXPIRE, overdue, partial(_expire, now=now))


def _expire(broadcast: Broadcast, now: datetime) -> int:
    # Only in the state that the reason mentions. If that has changed, the next round finds the broadcast again.
    overdue = Broadcast.objects.to_expire(now).filter(pk=broadcast.pk, state=broadcast.state)
    expired = overdue.update_unlocked(state=State.CANCELLED, ended_because=_why_expired(broadcast))
    if expired:
        logger.info("Broadcast %d has expired.", broadcast.pk)
    failpoints.reached("expire.committed")
    return expired


def _why_expired(broadcast: Broadcast) -> str:
    moment = wall_clocks.with_zone(broadcast.expires_at) if broadcast.expires_at else ""
    match broadcast.state:
        case State.AWAITING_APPROVAL:
            return f"expired on {moment}, before anyone approved it"
        case State.SCHEDULED:
            return f"expired on {moment}, before it started"
    return f"the broadcast expired on {moment}"


# --- Staff's part -----------------------------------------------------------------------------------------------------
def reschedule(
    *, broadcast_id: int, options: SendOptions, now: datetime, by: User | None = None, seen: str | None = None
) -> None:
    """Change when a broadcast that has not begun starts and expires; without a time it starts at once.

    Its approval, if it needs one, is asked for again: a second person approves the time and `is_critical` as well, and
    that can't be `by`. `seen`: the `acts.version` that was shown. Raises `BadSendOptions`, `NotAllowed`, `NotAsShown`.
    """
    if mistakes := options.mistakes(now):
        raise BadSendOptions(mistakes)
    broadcast = _before_start(Act.RESCHEDULE, broadcast_id)
    large = broadcast.needs_approval or _has_outgrown(broadcast, now)
    columns = lifecycle.initial_columns(needs_approval=large, options=options, now=now) | {
        "approved_by": None,
        "approved_at": None,
    }
    waiting = acts.allowing(Act.RESCHEDULE, broadcast_id=broadcast_id, seen=seen)
    with transaction.atomic():
        if not waiting.filter(needs_approval=broadcast.needs_approval).update(**columns):
            raise lifecycle.refusal(Act.RESCHEDULE, broadcast_id)
        if options != SendOptions(broadcast.scheduled_for, broadcast.expires_at, broadcast.is_critical):
            _record_change(broadcast_id, by, now)
        # One that waited already has been told of.
        if large and broadcast.state == State.SCHEDULED:
            staff_mails.ask_approvers(broadcast=broadcast, now=now)


def _record_change(broadcast_id: int, by: User | None, now: datetime) -> None:
    if by is not None:
        BroadcastChange.objects.create(broadcast_id=broadcast_id, by=by, what=BroadcastChange.What.TIME, at=now)


def start_now(*, broadcast_id: int, now: datetime, by: User | None = None, seen: str | None = None) -> None:
    """Start a scheduled broadcast before its time, if that was for one person to decide.

    `by` and `seen`: as for `reschedule`.
    """
    broadcast = _before_start(Act.START_NOW, broadcast_id)
    if broadcast.needs_approval:
        raise NotAllowed(f"{broadcast} needs approval. Change its time to submit it for approval.")
    scheduled = acts.allowing(Act.START_NOW, broadcast_id=broadcast_id, seen=seen).filter(needs_approval=False)
    if _has_outgrown(broadcast, now):
        with transaction.atomic():
            if scheduled.update(state=State.AWAITING_APPROVAL, needs_approval=True, scheduled_for=None):
                _record_change(broadcast_id, by, now)
                staff_mails.ask_approvers(broadcast=broadcast, now=now)
        raise NotAllowed(
            f"{broadcast} would now go to more people than you can send to alone, so it is awaiting approval."
        )
    if not scheduled.unexpired(now).update(scheduled_for=None, **lifecycle.running_columns(now=now)):
        raise lifecycle.refusal(Act.START_NOW, broadcast_id)


def _before_start(act: Act, broadcast_id: int) -> Broadcast:
    related = ("topic", "created_by", "follows")
    waiting = Broadcast.objects.before_start().filter(pk=broadcast_id).select_related(*related)
    broadcast = waiting.first()
    if broadcast is None:
        raise lifecycle.refusal(act, broadcast_id)
    return broadcast


def _has_outgrown(broadcast: Broadcast, now: datetime) -> bool:
    """Whether its audience has grown until it needs approval."""
    return not broadcast.needs_approval and lifecycle.needs_approval(
        by=broadcast.created_by, sends=partial(_sends, broadcast, now)
    )


def _sends(broadcast: Broadcast, now: datetime) -> int:
    """How many messages it would be now; a follow-up goes only to those whom the others missed."""
    if broadcast.follows:
        return unreached.total(unreached.missing(broadcast=broadcast.follows, now=now))
    return topic_counts.sends(broadcast, within=compiling.of_broadcast(broadcast, now=now))
