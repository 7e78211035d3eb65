"""The table of acts: what each service does in each state is what the table says."""

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import pytest

from notifier.broadcasts import acts, approvals, followups, lifecycle, schedules, undo
from notifier.broadcasts.acts import Act
from notifier.broadcasts.send_options import SendOptions
from notifier.delivery import recovery
from notifier.models import Broadcast, Delivery
from tests.support.factories import a_broadcast, a_delivery, a_user

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

State = Broadcast.State
EVERY_PAIR = list(product(Act, State))
Service = Callable[[Broadcast, datetime], object]


def _send_again(broadcast: Broadcast, now: datetime) -> None:
    resolved = recovery.send_again(deliveries=broadcast.deliveries.all(), by=None, why="asked", now=now)
    if not resolved.number:
        raise lifecycle.NotAllowed(str(resolved.left))


def _follow_up(broadcast: Broadcast, now: datetime) -> None:
    try:
        followups.create(broadcast_id=broadcast.pk, token=uuid.uuid4(), by=None, now=now)
    except followups.FollowUpError as refusal:
        raise lifecycle.NotAllowed from refusal


SERVICES: dict[Act, Service] = {
    Act.APPROVE: lambda broadcast, now: approvals.approve(
        broadcast_id=broadcast.pk, seen=acts.version(broadcast), by=a_user(), now=now
    ),
    Act.REJECT: lambda broadcast, now: approvals.reject(
        broadcast_id=broadcast.pk, by=a_user(), why="too early", now=now
    ),
    Act.RESCHEDULE: lambda broadcast, now: schedules.reschedule(
        broadcast_id=broadcast.pk, options=SendOptions(scheduled_for=now + timedelta(days=2)), now=now
    ),
    Act.START_NOW: lambda broadcast, now: schedules.start_now(broadcast_id=broadcast.pk, now=now),
    Act.UNDO: lambda broadcast, now: undo.undo(broadcast_id=broadcast.pk, by=a_user()),
    Act.PAUSE: lambda broadcast, now: lifecycle.pause(broadcast_id=broadcast.pk, now=now),
    Act.RESUME: lambda broadcast, now: lifecycle.resume(broadcast_id=broadcast.pk),
    Act.CANCEL: lambda broadcast, now: lifecycle.cancel(broadcast_id=broadcast.pk),
    Act.SEND_AGAIN: _send_again,
    Act.FOLLOW_UP: _follow_up,
}


def a_broadcast_in(state: Broadcast.State, now: datetime) -> Broadcast:
    """With a delivery that failed, so nothing but its state stands in the way of an act."""
    begun = state not in Broadcast.BEFORE_START
    a_moment_ago: dict[str, Any] = {
        "scheduled_for": now + timedelta(seconds=10),
        "undo_until": now + timedelta(seconds=10),
    }
    broadcast = a_broadcast(
        state=state,
        needs_approval=state == State.AWAITING_APPROVAL,
        started_at=now if begun else None,
        finished_at=now if state in (State.CANCELLED, State.FINISHED, State.REJECTED) else None,
        **(a_moment_ago if state == State.SCHEDULED else {}),
    )
    a_delivery(broadcast=broadcast, state=Delivery.State.FAILED)
    return broadcast


def snapshot() -> list[Any]:
    return [*Broadcast.objects.order_by("pk").values(), *Delivery.objects.order_by("pk").values()]


def test_every_act_has_its_states_and_its_service() -> None:
    assert set(acts.ALLOWED) == set(Act) == set(SERVICES)


@pytest.mark.parametrize(("act", "state"), EVERY_PAIR)
def test_the_service_does_it_in_the_states_of_the_table_and_in_no_other(
    act: Act, state: Broadcast.State, now: datetime
) -> None:
    broadcast = a_broadcast_in(state, now)
    before = snapshot()

    if acts.is_allowed(act, broadcast):
        SERVICES[act](broadcast, now)
        assert snapshot() != before
    else:
        with pytest.raises(lifecycle.NotAllowed):
            SERVICES[act](broadcast, now)
        assert snapshot() == before


@pytest.mark.parametrize(("act", "state"), EVERY_PAIR)
def test_the_row_to_update_is_found_where_the_table_allows_it(act: Act, state: Broadcast.State, now: datetime) -> None:
    broadcast = a_broadcast_in(state, now)

    assert acts.allowing(act, broadcast_id=broadcast.pk).exists() == acts.is_allowed(act, broadcast)


def test_a_cancelled_one_is_followed_up_only_once_all_of_it_is_settled(now: datetime) -> None:
    broadcast = a_broadcast(state=State.CANCELLED, finished_at=None)

    with pytest.raises(followups.NotEnded):
        followups.check(broadcast=broadcast)
