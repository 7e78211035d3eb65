import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest

from notifier.broadcasts import lifecycle
from notifier.broadcasts.send_options import SendOptions
from notifier.models import Broadcast, Notification
from notifier.notifications import duplicates, statuses
from notifier.runtime.versions import NotAsShown
from tests.support.factories import a_broadcast, a_notification, a_user

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

State, Status = Broadcast.State, Notification.Status


def status(notification: Notification) -> str:
    return str(statuses.with_status(Notification.objects.all()).get(pk=notification.pk).status)


def send(notification: Notification, now: datetime, **options: Any) -> Broadcast:
    seen = {notification.pk: notification.updated_at}
    return lifecycle.create(
        seen=seen, token=uuid.uuid4(), by=None, now=now, again=True, options=SendOptions(**options)
    )[0]


def edited(notification: Notification) -> Notification:
    """By somebody who has read the row anew: a whole save of an older one would take the mark away by itself."""
    fresh = Notification.objects.get(pk=notification.pk)
    fresh.sms_body += "!"
    fresh.save()
    return fresh


def a_ready_one(now: datetime, **fields: Any) -> Notification:
    notification = a_notification(**fields)
    statuses.mark_ready(notification=notification, by=a_user(), now=now)
    return notification


def test_it_begins_as_a_draft_and_is_ready_once_somebody_says_so(now: datetime) -> None:
    notification, ann = a_notification(), a_user(username="ann")
    version = notification.updated_at
    assert status(notification) == Status.DRAFT

    statuses.mark_ready(notification=notification, by=ann, now=now)

    assert status(notification) == Status.READY
    fresh = Notification.objects.get()
    assert (fresh.ready_by, fresh.ready_at) == (ann, now)
    # It is the same text: whoever has read it may send it, and its history has nothing new.
    assert (fresh.updated_at, fresh.history.count()) == (version, 1)


def test_a_ready_text_is_a_draft_again_once_it_is_edited_whoever_saves_it(now: datetime) -> None:
    notification = a_ready_one(now)

    edited(notification)

    assert status(notification) == Status.DRAFT


def test_it_can_be_taken_back(now: datetime) -> None:
    notification = a_ready_one(now)

    statuses.take_back(notification_id=notification.pk)

    assert status(notification) == Status.DRAFT
    assert Notification.objects.get().ready_by is None


@pytest.mark.parametrize("state", Broadcast.BEFORE_START)
def test_what_has_not_begun_is_scheduled_whatever_else_is_said_of_it(state: str, now: datetime) -> None:
    notification = a_ready_one(now)
    a_broadcast(notification=notification, state=State.FINISHED)
    a_broadcast(notification=notification, state=state, started_at=None)

    assert status(notification) == Status.SCHEDULED


def test_a_ready_text_is_sent_once_its_broadcast_has_begun(now: datetime) -> None:
    notification = a_ready_one(now)
    broadcast = send(notification, now, scheduled_for=now + timedelta(hours=1))
    assert status(notification) == Status.SCHEDULED

    Broadcast.objects.filter(pk=broadcast.pk).update(state=State.RUNNING, started_at=now)

    assert status(notification) == Status.SENT


def test_it_is_ready_again_where_its_broadcast_never_began(now: datetime) -> None:
    notification = a_ready_one(now)
    broadcast = send(notification, now, scheduled_for=now + timedelta(hours=1))

    lifecycle.cancel(broadcast_id=broadcast.pk)

    assert status(notification) == Status.READY


def test_what_was_sent_stays_sent_until_a_new_text_of_it_is_ready(now: datetime) -> None:
    notification = a_notification()
    send(notification, now)
    assert status(notification) == Status.SENT

    notification = edited(notification)
    assert status(notification) == Status.SENT
    statuses.mark_ready(notification=notification, by=a_user(), now=now)

    assert status(notification) == Status.READY
    send(notification, now)
    assert status(notification) == Status.SENT


def test_a_text_that_was_sent_is_not_handed_over_as_it_stands(now: datetime) -> None:
    notification = a_notification()
    send(notification, now)

    with pytest.raises(statuses.SentAlready, match="has been sent with this text"):
        statuses.mark_ready(notification=notification, by=a_user(), now=now)

    assert status(notification) == Status.SENT


def test_nobody_says_so_of_a_text_that_they_have_not_read(now: datetime) -> None:
    notification = a_notification()
    edited(Notification.objects.get())

    with pytest.raises(NotAsShown):
        statuses.mark_ready(notification=notification, by=a_user(), now=now)

    assert status(notification) == Status.DRAFT


def test_those_that_are_ready_are_found_the_newest_first(now: datetime) -> None:
    first = a_ready_one(now)
    second = a_ready_one(now + timedelta(minutes=1))
    a_notification()
    edited(a_ready_one(now))

    assert list(statuses.ready()) == [second, first]


def test_whoever_said_so_may_be_deleted(now: datetime) -> None:
    notification = a_ready_one(now)
    a_user_of_it = Notification.objects.get().ready_by
    assert a_user_of_it is not None

    a_user_of_it.delete()

    assert status(notification) == Status.READY


def test_a_copy_of_a_ready_one_is_a_draft(now: datetime) -> None:
    assert status(duplicates.duplicate(notification=a_ready_one(now))) == Status.DRAFT
