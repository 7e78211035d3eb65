"""Undo after Send: nothing goes out before the time is over, whoever starts and whoever undoes at the same moment."""

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User

from notifier.broadcasts import acts, approvals, followups, lifecycle, schedules, undo
from notifier.broadcasts.lifecycle import NotAllowed
from notifier.broadcasts.send_options import AT_ONCE, SendOptions
from notifier.delivery import fanout, tallies
from notifier.models import Broadcast, Notification
from tests.support.database.connections import OtherConnection, at_once
from tests.support.factories import a_broadcast, a_client, a_delivery, a_notification, a_user

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]
concurrent = pytest.mark.django_db(transaction=True)

State = Broadcast.State
WAIT = timedelta(seconds=10)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _ten_seconds(settings: LazySettings) -> None:
    settings.UNDO_SECONDS = 10


def send(now: datetime, *, by: User | None, options: SendOptions = AT_ONCE, **chosen: Any) -> Broadcast:
    notification = chosen.pop("notification", None) or a_notification()
    seen = {notification.pk: notification.updated_at}
    return lifecycle.create(seen=seen, token=uuid.uuid4(), by=by, now=now, options=options, **chosen)[0]


def approved(now: datetime, settings: LazySettings, **by: User) -> Broadcast:
    """Of two messages, where one is the most that one person may send."""
    settings.APPROVAL_ABOVE = 1
    a_client(listings="both")
    broadcast = send(now, by=by.get("asked") or a_user())
    approver = by.get("approver") or a_user()
    approvals.approve(broadcast_id=broadcast.pk, seen=acts.version(broadcast), by=approver, now=now)
    return fresh(broadcast)


def fresh(broadcast: Broadcast) -> Broadcast:
    return Broadcast.objects.get(pk=broadcast.pk)


# --- The wait ---------------------------------------------------------------------------------------------------------
def test_what_staff_send_starts_when_it_can_be_undone_no_more(now: datetime) -> None:
    client = a_client(listings="both")
    broadcast = send(now, by=a_user())
    assert broadcast.can_be_undone
    assert lifecycle.state_in_words(broadcast) == "about to start"

    assert schedules.start_due(now=now + WAIT - timedelta(milliseconds=1)) == 0
    assert fanout.expand(broadcast_id=broadcast.pk, now=now) is None
    assert schedules.start_due(now=now + WAIT) == 1

    begun = fresh(broadcast)
    assert (begun.state, begun.started_at, begun.audience_upto) == (State.RUNNING, now + WAIT, client.pk)
    assert not begun.can_be_undone


def test_what_is_sent_from_the_command_line_starts_at_once(now: datetime) -> None:
    assert send(now, by=None).state == State.RUNNING


def test_with_no_seconds_it_starts_at_once(now: datetime, settings: LazySettings) -> None:
    settings.UNDO_SECONDS = 0

    assert send(now, by=a_user()).state == State.RUNNING


def test_what_has_a_time_of_its_own_is_cancelled_and_not_undone(now: datetime) -> None:
    broadcast = send(now, by=a_user(), options=SendOptions(scheduled_for=now + HOUR))

    assert not broadcast.can_be_undone
    with pytest.raises(NotAllowed, match="is scheduled: you can’t undo it now"):
        undo.undo(broadcast_id=broadcast.pk, by=a_user())


def test_with_another_time_it_is_planned_and_can_not_be_undone(now: datetime) -> None:
    broadcast = send(now, by=a_user())

    schedules.reschedule(broadcast_id=broadcast.pk, options=SendOptions(scheduled_for=now + HOUR), now=now)

    assert not fresh(broadcast).can_be_undone
    with pytest.raises(NotAllowed):
        lifecycle.pause(broadcast_id=broadcast.pk, now=now)


# --- Undo -------------------------------------------------------------------------------------------------------------
def test_undone_nothing_is_ever_sent_and_the_same_can_be_sent_anew(now: datetime) -> None:
    a_client(listings="both")
    notification, ann = a_notification(), a_user(username="ann")
    broadcast = send(now, by=ann, notification=notification)

    undo.undo(broadcast_id=broadcast.pk, by=ann)

    assert schedules.start_due(now=now + HOUR) == 0
    assert fanout.expand(broadcast_id=broadcast.pk, now=now) is None
    assert tallies.finish(broadcast_id=broadcast.pk, now=now)
    undone = fresh(broadcast)
    assert (undone.state, undone.started_at, undone.deliveries.count()) == (State.CANCELLED, None, 0)
    assert undone.ended_because == "undone by ann, before anything was sent"
    # No question whether it is to be sent again.
    assert send(now, by=ann, notification=notification).can_be_undone


def test_the_time_is_over_only_once_it_has_started(now: datetime) -> None:
    broadcast = send(now - HOUR, by=a_user())

    undo.undo(broadcast_id=broadcast.pk, by=a_user())

    assert schedules.start_due(now=now) == 0


def test_what_has_started_is_not_undone(now: datetime) -> None:
    broadcast = send(now, by=a_user())
    schedules.start_due(now=now + WAIT)

    with pytest.raises(NotAllowed, match="is being sent: you can’t undo it now"):
        undo.undo(broadcast_id=broadcast.pk, by=a_user())

    assert fresh(broadcast).state == State.RUNNING


def test_it_is_cancelled_like_any_other(now: datetime) -> None:
    broadcast = send(now, by=a_user())

    lifecycle.cancel(broadcast_id=broadcast.pk)

    assert schedules.start_due(now=now + HOUR) == 0


# --- Pause ------------------------------------------------------------------------------------------------------------
def test_paused_it_begins_with_nothing_sent_and_resumed_it_goes_to_everybody(now: datetime) -> None:
    client = a_client(listings="both")
    broadcast = send(now, by=a_user())

    lifecycle.pause(broadcast_id=broadcast.pk, now=now)

    assert schedules.start_due(now=now + HOUR) == 0
    assert fanout.expand(broadcast_id=broadcast.pk, now=now) is None
    paused = fresh(broadcast)
    assert (paused.state, paused.started_at, paused.audience_upto) == (State.PAUSED, now, client.pk)

    lifecycle.resume(broadcast_id=broadcast.pk)
    assert fanout.expand(broadcast_id=broadcast.pk, now=now) == 2


def test_a_pause_leaves_the_audience_of_what_runs_as_it_is(now: datetime) -> None:
    broadcast = a_broadcast(audience_upto=7, started_at=now - HOUR)
    a_client()

    lifecycle.pause(broadcast_id=broadcast.pk, now=now)

    assert (fresh(broadcast).audience_upto, fresh(broadcast).started_at) == (7, now - HOUR)


# --- A second person --------------------------------------------------------------------------------------------------
def test_an_approval_can_be_undone_and_is_asked_for_again(now: datetime, settings: LazySettings) -> None:
    approver = a_user()
    broadcast = approved(now, settings, approver=approver)
    assert broadcast.can_be_undone

    undo.undo(broadcast_id=broadcast.pk, by=approver)

    asked = fresh(broadcast)
    assert (asked.state, asked.approved_by, asked.approved_at) == (State.AWAITING_APPROVAL, None, None)
    assert (asked.scheduled_for, asked.ended_because) == (None, "")
    assert schedules.start_due(now=now + HOUR) == 0
    approvals.approve(broadcast_id=broadcast.pk, seen=acts.version(asked), by=approver, now=now)
    assert schedules.start_due(now=now + WAIT) == 1


def test_an_edit_in_these_seconds_asks_for_approval_and_leaves_no_time_that_nobody_chose(
    now: datetime, settings: LazySettings
) -> None:
    broadcast = approved(now, settings)
    notification = Notification.objects.get()
    notification.sms_body = "Other"
    notification.save()

    approvals.take_edit(notification=notification, by=a_user())

    edited = fresh(broadcast)
    assert (edited.state, edited.sms_body, edited.scheduled_for) == (State.AWAITING_APPROVAL, "Other", None)


def test_a_time_that_was_chosen_stays_through_an_edit(now: datetime, settings: LazySettings) -> None:
    settings.APPROVAL_ABOVE = 1
    a_client(listings="both")
    broadcast = send(now, by=a_user(), options=SendOptions(scheduled_for=now + HOUR))
    notification = Notification.objects.get()
    notification.sms_body = "Other"
    notification.save()

    approvals.take_edit(notification=notification, by=a_user())

    assert fresh(broadcast).scheduled_for == now + HOUR


def test_what_grows_beyond_one_person_in_these_seconds_waits_for_a_second(
    now: datetime, settings: LazySettings
) -> None:
    settings.APPROVAL_ABOVE = 2
    a_client(listings="both")
    broadcast = send(now, by=a_user())
    a_client(listings="both")

    assert schedules.start_due(now=now + WAIT) == 0

    assert (fresh(broadcast).state, fresh(broadcast).scheduled_for) == (State.AWAITING_APPROVAL, None)


# --- Follow-ups -------------------------------------------------------------------------------------------------------
def an_ended(now: datetime, *, reached: int) -> Broadcast:
    """One of two clients failed, and so many got it."""
    ended = a_broadcast(notification=a_notification(sms_body=""), state=State.FINISHED, finished_at=now)
    for number in range(reached + 1):
        state = "SENT" if number else "FAILED"
        a_delivery(broadcast=ended, client=a_client(listings="both"), state=state)
    return ended


def follow(broadcast: Broadcast, by: User, now: datetime) -> Broadcast:
    return followups.create(broadcast_id=broadcast.pk, token=uuid.uuid4(), by=by, now=now)


def test_a_follow_up_that_was_undone_can_be_sent_anew(now: datetime) -> None:
    ended, ann = an_ended(now, reached=1), a_user()
    first = follow(ended, ann, now)
    assert first.can_be_undone

    undo.undo(broadcast_id=first.pk, by=ann)
    second = follow(ended, ann, now)

    assert schedules.start_due(now=now + WAIT) == 1
    assert fresh(second).state == State.RUNNING
    assert fanout.expand(broadcast_id=second.pk, now=now) == 1


def test_a_follow_up_to_a_few_of_many_starts_without_a_second_person(now: datetime, settings: LazySettings) -> None:
    settings.APPROVAL_ABOVE = 2
    follower = follow(an_ended(now, reached=4), a_user(), now)

    assert schedules.start_due(now=now + WAIT) == 1

    assert fresh(follower).state == State.RUNNING


# --- Two at once ------------------------------------------------------------------------------------------------------
#: What may come first when the dispatcher starts it, and the states in which it then is.
RACES: dict[str, tuple[Callable[[Broadcast, User, datetime], Any], Broadcast.State]] = {
    "undo": (lambda broadcast, ann, now: undo.undo(broadcast_id=broadcast.pk, by=ann), State.CANCELLED),
    "pause": (lambda broadcast, ann, now: lifecycle.pause(broadcast_id=broadcast.pk, now=now), State.PAUSED),
    "cancel": (lambda broadcast, ann, now: lifecycle.cancel(broadcast_id=broadcast.pk), State.CANCELLED),
}


@concurrent
def test_of_an_undo_and_a_start_at_the_same_moment_one_happens(now: datetime) -> None:
    ann = a_user()
    a_client(listings="both")
    outcomes = set()
    for _ in range(12):
        broadcast = send(now, by=ann, again=True)

        started, undone = at_once(
            partial(schedules.start_due, now=now + WAIT), partial(undo.undo, broadcast_id=broadcast.pk, by=ann)
        )
        made = fanout.expand(broadcast_id=broadcast.pk, now=now)

        was_undone = undone is None
        assert was_undone or isinstance(undone, NotAllowed), undone
        assert (started, made) == ((0, None) if was_undone else (1, 2))
        assert fresh(broadcast).state == (State.CANCELLED if was_undone else State.RUNNING)
        assert broadcast.deliveries.exists() != was_undone
        outcomes.add(was_undone)
        Broadcast.objects.update(state=State.FINISHED)
    assert outcomes


@concurrent
@pytest.mark.usefixtures("only_postgresql")
@pytest.mark.parametrize("act", RACES)
def test_whoever_comes_while_it_is_being_started_waits_and_finds_it_running(act: str, now: datetime) -> None:
    ann, (press, _) = a_user(), RACES[act]
    a_client(listings="both")
    broadcast = send(now, by=ann)

    with OtherConnection() as dispatcher, OtherConnection() as staff:
        dispatcher.begin()
        assert dispatcher.call(lambda: schedules.start_due(now=now + WAIT)) == 1
        pressed = staff.start_and_wait_until_blocked(lambda: _outcome(press, broadcast, ann, now))
        dispatcher.commit()
        outcome = pressed.result()

    if act == "undo":
        assert isinstance(outcome, NotAllowed)
        assert fresh(broadcast).state == State.RUNNING
    else:
        # They are acts for what runs as well, and leave the audience that the dispatcher has just frozen.
        assert outcome is None
        assert fresh(broadcast).started_at == now + WAIT


@concurrent
@pytest.mark.usefixtures("only_postgresql")
@pytest.mark.parametrize("act", RACES)
def test_a_dispatcher_that_comes_while_it_is_being_undone_starts_nothing(act: str, now: datetime) -> None:
    ann, (press, state) = a_user(), RACES[act]
    a_client(listings="both")
    broadcast = send(now, by=ann)

    with OtherConnection() as staff, OtherConnection() as dispatcher:
        staff.begin()
        staff.call(lambda: press(broadcast, ann, now))
        # It waits for nobody who has the row, and comes again.
        assert dispatcher.call(lambda: schedules.start_due(now=now + WAIT)) == 0
        staff.commit()

    assert schedules.start_due(now=now + WAIT) == 0
    assert fresh(broadcast).state == state
    assert fanout.expand(broadcast_id=broadcast.pk, now=now) is None


def _outcome(press: Callable[..., Any], *args: Any) -> Any:
    try:
        return press(*args)
    except NotAllowed as refusal:
        return refusal
