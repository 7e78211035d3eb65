"""Whom a rejection waits for, what took its place, and the rejections of the release before."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from notifier.broadcasts import rejections
from notifier.models import Broadcast
from tests.support.factories import a_broadcast, a_user

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State = Broadcast.State


def rejected(now: datetime, **fields: Any) -> Broadcast:
    values = {"state": State.REJECTED, "started_at": None, "finished_at": now, "ended_because": "a misprint"}
    return a_broadcast(**values | fields)


def test_a_rejection_waits_for_whoever_asked_and_for_nobody_else(now: datetime) -> None:
    ann = a_user()
    broadcast = rejected(now, created_by=ann)
    a_broadcast(state=State.CANCELLED, finished_at=now, created_by=ann)
    rejected(now)

    assert list(rejections.waiting_for(user_id=ann.pk, now=now)) == [broadcast]
    assert not rejections.waiting_for(user_id=a_user().pk, now=now).exists()


def test_nobody_is_reminded_for_ever(now: datetime) -> None:
    ann = a_user()
    rejected(now - rejections.SHOWN_FOR - timedelta(minutes=1), created_by=ann)

    assert not rejections.waiting_for(user_id=ann.pk, now=now).exists()


def test_once_it_was_asked_for_again_the_rejection_waits_no_more(now: datetime) -> None:
    ann = a_user()
    broadcast = rejected(now, created_by=ann)
    assert rejections.resubmitted_as(broadcast=broadcast) is None

    again = a_broadcast(notification=broadcast.notification, state=State.AWAITING_APPROVAL, started_at=None)

    assert rejections.resubmitted_as(broadcast=broadcast) == again
    assert not rejections.waiting_for(user_id=ann.pk, now=now).exists()


def test_another_follow_up_takes_the_place_of_a_rejected_one_and_no_other_broadcast_does(now: datetime) -> None:
    ann, original = a_user(), a_broadcast(state=State.FINISHED, finished_at=now)
    broadcast = rejected(now, created_by=ann, notification=original.notification, was_to_follow=original)
    a_broadcast(notification=original.notification)
    assert rejections.waiting_for(user_id=ann.pk, now=now).exists()

    again = a_broadcast(notification=original.notification, follows=original)

    assert rejections.resubmitted_as(broadcast=broadcast) == again
    assert not rejections.waiting_for(user_id=ann.pk, now=now).exists()


def test_a_rejection_of_the_release_before_gets_the_state_and_who_rejected_it(now: datetime) -> None:
    bob, original = a_user(username="bob"), a_broadcast(state=State.FINISHED, finished_at=now)
    before = {"state": State.CANCELLED, "ended_because": "rejected by bob: the price: 2 €"}
    broadcast = rejected(now, **before, follows=original)

    assert (rejections.adopt_earlier(), rejections.adopt_earlier()) == (1, 0)

    broadcast.refresh_from_db()
    assert (broadcast.state, broadcast.rejected_by, broadcast.ended_because) == (State.REJECTED, bob, "the price: 2 €")
    assert (broadcast.follows, broadcast.was_to_follow) == (None, original)


def test_who_is_not_there_any_more_stays_in_the_reason(now: datetime) -> None:
    broadcast = rejected(now, state=State.CANCELLED, ended_because="rejected by bob: a misprint")

    rejections.adopt_earlier()

    broadcast.refresh_from_db()
    assert (broadcast.state, broadcast.rejected_by) == (State.REJECTED, None)
    assert broadcast.ended_because == "rejected by bob: a misprint"


@pytest.mark.parametrize(
    "fields",
    [
        {"ended_because": "expired on 24 Nov 2026, before anybody had approved it"},
        {"ended_because": ""},
        {"ended_because": "rejected by bob: no", "finished_at": None},
        {"ended_because": "rejected by bob: no", "started_at": datetime(2026, 1, 1, tzinfo=None).astimezone()},
    ],
)
def test_what_was_cancelled_otherwise_or_is_not_ended_yet_stays_as_it_is(now: datetime, fields: dict[str, Any]) -> None:
    rejected(now, **{"state": State.CANCELLED} | fields)

    assert rejections.adopt_earlier() == 0
