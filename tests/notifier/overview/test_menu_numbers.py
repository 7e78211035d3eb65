"""What waits for a member of staff, as the menu says it on every page."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from notifier.broadcasts import rejections
from notifier.models import Broadcast, BroadcastChange
from notifier.overview import menu_numbers
from notifier.staff import groups
from tests.support.factories import a_broadcast, a_user

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State = Broadcast.State
VIEW, APPROVE = groups.VIEW_BROADCAST, groups.APPROVE_BROADCAST


def awaiting(**fields: Any) -> Broadcast:
    return a_broadcast(state=State.AWAITING_APPROVAL, started_at=None, **fields)


def test_an_approver_is_told_how_many_they_may_decide(now: datetime) -> None:
    bob = a_user(VIEW, APPROVE)
    awaiting(created_by=bob)
    awaiting(text_by=bob)
    changed = awaiting()
    BroadcastChange.objects.create(broadcast=changed, by=bob, what="TIME", at=now)
    assert menu_numbers.of_user(user=bob, now=now) == {}

    awaiting()
    awaiting(created_by=a_user())

    assert menu_numbers.of_user(user=bob, now=now) == {"Broadcast": 2}
    assert menu_numbers.of_user(user=a_user(VIEW), now=now) == {}
    assert menu_numbers.of_user(user=a_user(APPROVE), now=now) == {}


def test_whoever_asked_is_told_how_many_were_rejected(now: datetime) -> None:
    ann = a_user(VIEW)
    a_broadcast(state=State.REJECTED, started_at=None, finished_at=now, created_by=ann)

    assert menu_numbers.of_user(user=ann, now=now) == {"Broadcast": 1}


def test_each_is_told_their_own_by_their_rights_within_the_same_minute(now: datetime) -> None:
    ann, bob, eve = a_user(VIEW), a_user(VIEW), a_user(VIEW, APPROVE)
    for owner, number in ((ann, 1), (bob, 2)):
        for _ in range(number):
            a_broadcast(state=State.REJECTED, started_at=None, finished_at=now, created_by=owner)
    awaiting(created_by=ann)

    told = [menu_numbers.of_user(user=user, now=now) for user in (ann, bob, eve, ann)]

    assert told == [{"Broadcast": 1}, {"Broadcast": 2}, {"Broadcast": 1}, {"Broadcast": 1}]


def test_a_rejection_is_told_of_for_as_long_as_it_is_listed(now: datetime) -> None:
    ann = a_user(VIEW)
    a_broadcast(state=State.REJECTED, started_at=None, finished_at=now, created_by=ann)

    later = now + rejections.SHOWN_FOR

    assert menu_numbers.of_user(user=ann, now=later - timedelta(minutes=2)) == {"Broadcast": 1}
    assert menu_numbers.of_user(user=ann, now=later + timedelta(minutes=2)) == {}


def test_no_more_are_counted_than_are_shown(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    bob = a_user(VIEW, APPROVE)
    for _ in range(3):
        awaiting()

    monkeypatch.setattr(menu_numbers, "MAX_SHOWN", 2)
    # Nobody else is to be told so few.
    monkeypatch.setattr(menu_numbers, "_built", menu_numbers._built.__wrapped__)

    assert menu_numbers.of_user(user=bob, now=now) == {"Broadcast": 2}


def test_it_takes_one_query(now: datetime) -> None:
    bob = a_user(VIEW, APPROVE)
    bob.has_perm(VIEW)
    awaiting()
    a_broadcast(state=State.REJECTED, started_at=None, finished_at=now, created_by=bob)

    with CaptureQueriesContext(connection) as queries:
        assert menu_numbers.of_user(user=bob, now=now) == {"Broadcast": 2}

    assert len(queries) == 1
