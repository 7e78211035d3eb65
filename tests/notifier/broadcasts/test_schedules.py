"""What starts by itself, what ends by itself, and that neither does it twice, or late."""

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from notifier.broadcasts import lifecycle, schedules
from notifier.broadcasts.lifecycle import BadSendOptions, NotAllowed
from notifier.broadcasts.send_options import AT_ONCE, SendOptions
from notifier.delivery import claims, fanout, sweeps, tallies
from notifier.models import Broadcast, Channel, Delivery
from notifier.runtime import failpoints
from tests.support.database.connections import at_once
from tests.support.factories import a_broadcast, a_client, a_delivery, a_notification, a_user

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State = Broadcast.State
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
concurrent = pytest.mark.django_db(transaction=True)


def ask(now: datetime, options: SendOptions = AT_ONCE, **values: Any) -> Broadcast:
    notification = a_notification()
    seen = {notification.pk: notification.updated_at}
    return lifecycle.create(seen=seen, token=uuid.uuid4(), now=now, options=options, **{"by": None} | values)[0]


def scheduled(now: datetime, **fields: Any) -> Broadcast:
    """It is due now."""
    values: dict[str, Any] = {"state": State.SCHEDULED, "scheduled_for": now, "started_at": None, "audience_upto": 0}
    return a_broadcast(**values | fields)


def fresh(broadcast: Broadcast) -> Broadcast:
    broadcast.refresh_from_db()
    return broadcast


def claim(row: Delivery, now: datetime) -> int:
    """How many a consumer would get of it."""
    claimed = claims.claim(
        broadcast_id=row.broadcast_id,
        channel=Channel(row.channel),
        delivery_ids=[row.pk],
        token=uuid.uuid4(),
        now=now,
    )
    return len(claimed.messages)


# --- Asking -----------------------------------------------------------------------------------------------------------
def test_one_for_later_is_scheduled_with_its_text_and_no_audience_yet(now: datetime) -> None:
    a_client(listings="both")

    broadcast = ask(now, SendOptions(scheduled_for=now + HOUR, expires_at=now + 2 * HOUR))

    assert (broadcast.state, broadcast.scheduled_for, broadcast.expires_at) == (
        State.SCHEDULED,
        now + HOUR,
        now + 2 * HOUR,
    )
    assert (broadcast.started_at, broadcast.audience_upto, broadcast.sms_body) == (None, 0, "Hello {{ name }}")
    assert broadcast.text_of == broadcast.notification.updated_at


@pytest.mark.parametrize(
    ("start", "expiry", "field"),
    [
        (timedelta(), None, "scheduled_for"),
        (-HOUR, None, "scheduled_for"),
        (None, timedelta(), "expires_at"),
        (None, -HOUR, "expires_at"),
        (HOUR, HOUR, "expires_at"),
        (2 * HOUR, HOUR, "expires_at"),
    ],
)
def test_times_that_can_not_be_kept_are_refused(
    now: datetime, start: timedelta | None, expiry: timedelta | None, field: str
) -> None:
    options = SendOptions(now + start if start is not None else None, now + expiry if expiry is not None else None)

    with pytest.raises(BadSendOptions) as caught:
        ask(now, options)

    assert list(caught.value.mistakes) == [field]
    assert not Broadcast.objects.exists()


def test_the_same_request_again_after_its_time_is_still_the_same_broadcast(now: datetime) -> None:
    notification, token = a_notification(), uuid.uuid4()
    order = partial(
        lifecycle.create,
        seen={notification.pk: notification.updated_at},
        token=token,
        by=None,
        options=SendOptions(scheduled_for=now + SECOND),
    )

    assert order(now=now) == order(now=now + HOUR)


# --- Starting ---------------------------------------------------------------------------------------------------------
def test_at_its_time_it_starts_with_the_clients_of_that_moment(now: datetime) -> None:
    broadcast = scheduled(now)
    newest = a_client(listings="both")

    assert schedules.start_due(now=now) == 1

    assert (fresh(broadcast).state, broadcast.started_at, broadcast.audience_upto) == (State.RUNNING, now, newest.pk)
    assert fanout.expand(broadcast_id=broadcast.pk, now=now) == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"scheduled_for": HOUR},
        {"state": State.AWAITING_APPROVAL},
        {"state": State.CANCELLED},
        {"expires_at": timedelta()},
    ],
)
def test_what_is_not_due_may_not_or_has_expired_does_not_start(now: datetime, fields: dict[str, Any]) -> None:
    moments = {name: now + value if isinstance(value, timedelta) else value for name, value in fields.items()}
    broadcast = scheduled(now, **moments)

    assert schedules.start_due(now=now) == 0

    assert (fresh(broadcast).started_at, broadcast.audience_upto) == (None, 0)


def test_one_that_has_outgrown_what_one_person_may_send_waits_for_a_second(now: datetime, settings: Any) -> None:
    settings.APPROVAL_ABOVE = 2
    a_client(listings="both")
    broadcast = ask(now, SendOptions(scheduled_for=now + SECOND), by=a_user())
    assert broadcast.state == State.SCHEDULED
    a_client(listings="both")

    assert schedules.start_due(now=now + SECOND) == 0

    assert (fresh(broadcast).state, broadcast.needs_approval) == (State.AWAITING_APPROVAL, True)


def test_one_that_has_the_word_starts_however_it_has_grown(now: datetime, settings: Any) -> None:
    settings.APPROVAL_ABOVE = 0
    a_client(listings="both")
    broadcast = scheduled(now, needs_approval=True, approved_by=a_user(), approved_at=now, created_by=a_user())

    assert schedules.start_due(now=now) == 1
    assert fresh(broadcast).state == State.RUNNING


@concurrent
def test_two_dispatchers_at_once_start_it_once(now: datetime) -> None:
    for _ in range(5):
        broadcast = scheduled(now)

        answers = at_once(*[partial(schedules.start_due, now=now)] * 3)

        assert sorted(answers) == [0, 0, 1]
        assert fresh(broadcast).state == State.RUNNING


@concurrent
def test_a_cancel_and_the_start_at_once_end_cancelled(now: datetime) -> None:
    for _ in range(5):
        broadcast = scheduled(now)

        at_once(partial(schedules.start_due, now=now), partial(lifecycle.cancel, broadcast_id=broadcast.pk))

        assert fresh(broadcast).state == State.CANCELLED


# --- Ending before the start ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("state", Broadcast.BEFORE_START)
def test_what_is_cancelled_before_it_starts_ends_at_the_dispatchers_next_look(now: datetime, state: State) -> None:
    broadcast = scheduled(now, state=state)

    lifecycle.cancel(broadcast_id=broadcast.pk)

    assert schedules.start_due(now=now) == 0
    assert tallies.finish(broadcast_id=broadcast.pk, now=now)
    assert (fresh(broadcast).state, broadcast.finished_at, broadcast.tally["audience"]) == (State.CANCELLED, now, 0)


@pytest.mark.parametrize(
    ("state", "why"),
    [(State.AWAITING_APPROVAL, "before anyone approved it"), (State.SCHEDULED, "before it started")],
)
def test_what_has_not_begun_when_it_expires_never_does(now: datetime, state: State, why: str) -> None:
    broadcast = scheduled(now, state=state, expires_at=now)

    assert (schedules.expire(now=now), schedules.start_due(now=now)) == (1, 0)

    assert fresh(broadcast).state == State.CANCELLED
    assert broadcast.ended_because.startswith("expired on ")
    assert broadcast.ended_because.endswith(why)
    assert tallies.finish(broadcast_id=broadcast.pk, now=now)


# --- Ending under way -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("state", [State.RUNNING, State.PAUSED])
def test_what_is_not_sent_when_it_expires_never_is_and_says_why(now: datetime, state: State) -> None:
    broadcast = a_broadcast(state=state, expires_at=now, audience=3)
    rows = [a_delivery(broadcast=broadcast, state=state) for state in ("SENT", "PENDING", "RETRYING")]

    assert schedules.expire(now=now) == 1
    assert sweeps.sweep(now=now) == 2

    assert fresh(broadcast).state == State.CANCELLED
    found = dict(Delivery.objects.filter(pk__in=[row.pk for row in rows]).values_list("state", "detail"))
    assert found.keys() == {"SENT", "CANCELLED"}
    assert found["CANCELLED"].startswith("the broadcast expired on ")
    assert tallies.finish(broadcast_id=broadcast.pk, now=now)


def test_one_that_is_not_expanded_to_the_end_expires_too(now: datetime) -> None:
    a_client()
    broadcast = a_broadcast(expires_at=now)

    assert schedules.expire(now=now) == 1
    assert fresh(broadcast).state == State.CANCELLED


def test_one_that_has_nothing_left_to_do_finishes_instead(now: datetime) -> None:
    broadcast = a_broadcast(expires_at=now, audience_upto=0)

    assert schedules.expire(now=now) == 0
    assert tallies.finish(broadcast_id=broadcast.pk, now=now)
    assert fresh(broadcast).state == State.FINISHED


@pytest.mark.parametrize("moment", [None, SECOND])
def test_what_has_not_expired_goes_on(now: datetime, moment: timedelta | None) -> None:
    row = a_delivery(broadcast=a_broadcast(expires_at=moment and now + moment))

    assert schedules.expire(now=now) == 0
    assert claim(row, now) == 1


def test_after_the_expiry_no_claim_takes_anything_though_no_dispatcher_runs(now: datetime) -> None:
    row = a_delivery(broadcast=a_broadcast(expires_at=now))

    assert claim(row, now) == 0

    row.refresh_from_db()
    assert (row.state, row.broadcast.state) == (Delivery.State.PENDING, State.RUNNING)


@concurrent
def test_two_dispatchers_at_once_expire_it_once(now: datetime) -> None:
    for _ in range(5):
        scheduled(now, expires_at=now)

        answers = at_once(*[partial(schedules.expire, now=now)] * 3)

        assert sorted(answers) == [0, 0, 1]


# --- Staff change the time --------------------------------------------------------------------------------------------
def test_another_time_is_taken(now: datetime) -> None:
    broadcast = scheduled(now + HOUR)

    schedules.reschedule(broadcast_id=broadcast.pk, options=SendOptions(now + 2 * HOUR, now + 3 * HOUR), now=now)

    assert (fresh(broadcast).state, broadcast.scheduled_for, broadcast.expires_at) == (
        State.SCHEDULED,
        now + 2 * HOUR,
        now + 3 * HOUR,
    )
    assert schedules.start_due(now=now + HOUR) == 0


@pytest.mark.parametrize("start", [schedules.start_now, partial(schedules.reschedule, options=AT_ONCE)])
def test_staff_start_it_before_its_time(now: datetime, start: Callable[..., None]) -> None:
    broadcast = scheduled(now + HOUR)
    newest = a_client()

    start(broadcast_id=broadcast.pk, now=now)

    assert (fresh(broadcast).state, broadcast.started_at, broadcast.audience_upto) == (State.RUNNING, now, newest.pk)
    assert broadcast.scheduled_for is None


def test_a_time_that_a_second_person_agreed_to_is_not_one_persons_to_change(now: datetime) -> None:
    broadcast = scheduled(now + HOUR, needs_approval=True, approved_by=a_user(), approved_at=now)

    with pytest.raises(NotAllowed, match="needs approval"):
        schedules.start_now(broadcast_id=broadcast.pk, now=now)

    assert (fresh(broadcast).state, broadcast.approved_at) == (State.SCHEDULED, now)


def test_one_that_has_outgrown_one_person_is_not_started_by_one(now: datetime, settings: Any) -> None:
    broadcast = scheduled(now + HOUR, created_by=a_user())
    a_client(listings="both")
    settings.APPROVAL_ABOVE = 1

    with pytest.raises(NotAllowed, match="it is awaiting approval"):
        schedules.start_now(broadcast_id=broadcast.pk, now=now)

    assert (fresh(broadcast).state, broadcast.needs_approval) == (State.AWAITING_APPROVAL, True)


def test_what_has_expired_is_not_started_by_hand_either(now: datetime) -> None:
    broadcast = scheduled(now + HOUR, expires_at=now)

    with pytest.raises(NotAllowed):
        schedules.start_now(broadcast_id=broadcast.pk, now=now)

    assert fresh(broadcast).state == State.SCHEDULED


@pytest.mark.parametrize("state", [state for state in State if state not in Broadcast.BEFORE_START])
def test_what_has_begun_or_ended_has_no_time_to_change(now: datetime, state: State) -> None:
    broadcast = a_broadcast(state=state)

    with pytest.raises(NotAllowed, match="you can’t reschedule it now"):
        schedules.reschedule(broadcast_id=broadcast.pk, options=AT_ONCE, now=now)
    with pytest.raises(NotAllowed, match="you can’t start it now"):
        schedules.start_now(broadcast_id=broadcast.pk, now=now)

    assert fresh(broadcast).state == state


def test_a_bad_time_changes_nothing(now: datetime) -> None:
    broadcast = scheduled(now + HOUR)

    with pytest.raises(BadSendOptions):
        schedules.reschedule(broadcast_id=broadcast.pk, options=SendOptions(scheduled_for=now), now=now)

    assert fresh(broadcast).scheduled_for == now + HOUR


# --- Dying in between -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("point", ["start.committed", "expire.committed"])
def test_a_dispatcher_that_dies_between_two_of_them_leaves_the_others_to_the_next(
    now: datetime, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expires_at = now if point.startswith("expire") else None
    made = [scheduled(now, expires_at=expires_at) for _ in range(2)]

    def dies(reached: str) -> None:
        if reached == point:
            raise RuntimeError("killed")

    monkeypatch.setattr(failpoints, "reached", dies)
    step = schedules.expire if expires_at else schedules.start_due
    with pytest.raises(RuntimeError):
        step(now=now)
    monkeypatch.undo()

    assert step(now=now) == 1
    assert {fresh(broadcast).state for broadcast in made} == {State.CANCELLED if expires_at else State.RUNNING}
