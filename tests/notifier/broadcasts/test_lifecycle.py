import uuid
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User

from notifier.broadcasts import lifecycle
from notifier.broadcasts.lifecycle import ChangedMeanwhile, NotAllowed, SentRecently
from notifier.delivery import tallies
from notifier.messages import brands
from notifier.models import Brand, Broadcast, Notification
from notifier.runtime import clock
from tests.support.database.connections import OtherConnection, at_once
from tests.support.factories import a_brand, a_broadcast, a_client, a_notification, a_picture, a_user

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State = Broadcast.State
SECOND = timedelta(seconds=1)
concurrent = pytest.mark.django_db(transaction=True)


def press(
    *notifications: Notification,
    now: datetime,
    token: uuid.UUID | None = None,
    by: User | None = None,
    again: bool = False,
) -> list[Broadcast]:
    seen = {n.pk: n.updated_at for n in notifications}
    return lifecycle.create(seen=seen, token=token or uuid.uuid4(), by=by, now=now, again=again)


# --- Create -----------------------------------------------------------------------------------------------------------
def test_a_press_makes_a_running_broadcast_with_frozen_text_and_audience(now: datetime) -> None:
    a_client(listings="both")
    newest = a_client()
    notification = a_notification(
        subject="Homes", preheader="Near you", email_body="Mail {{ name }}", sms_body="Text {{ name }}"
    )
    ann = a_user(username="ann")

    (broadcast,) = press(notification, now=now, by=ann)

    broadcast.refresh_from_db()
    assert (broadcast.notification, broadcast.topic, broadcast.created_by) == (notification, notification.topic, ann)
    assert (broadcast.subject, broadcast.preheader, broadcast.email_body, broadcast.sms_body) == (
        "Homes",
        "Near you",
        "Mail {{ name }}",
        "Text {{ name }}",
    )
    assert (broadcast.state, broadcast.started_at, broadcast.finished_at) == (State.RUNNING, now, None)
    assert (broadcast.cursor, broadcast.audience_upto, broadcast.audience) == (0, newest.pk, 0)


def test_later_edits_change_nothing(now: datetime) -> None:
    notification = a_notification(email_body="as it was")
    (broadcast,) = press(notification, now=now)

    notification.email_body = notification.preheader = "edited"
    notification.save()

    broadcast.refresh_from_db()
    assert (broadcast.email_body, broadcast.preheader) == ("as it was", "")
    assert broadcast.is_outdated


def test_the_brand_is_frozen_with_it(now: datetime) -> None:
    a_brand(name="Acme", colour="#0a6b4f", logo=a_picture())
    look = Brand.objects.look()
    (broadcast,) = press(a_notification(), now=now)

    a_brand(name="Other", logo=None)

    broadcast.refresh_from_db()
    assert brands.of(broadcast.brand) == look
    assert look.name == "Acme"


def test_without_any_client_it_ends_at_once(now: datetime) -> None:
    (broadcast,) = press(a_notification(), now=now)

    assert broadcast.audience_upto == 0
    assert tallies.finish(broadcast_id=broadcast.pk, now=now)


def test_one_token_makes_one_broadcast_however_often_it_is_posted(now: datetime) -> None:
    notification, token = a_notification(), uuid.uuid4()

    first = press(notification, now=now, token=token)
    second = press(notification, now=now + SECOND, token=token)

    assert first == second
    assert Broadcast.objects.count() == 1


def test_a_token_counts_even_when_the_notification_was_changed_after_its_first_use(now: datetime) -> None:
    notification, token = a_notification(), uuid.uuid4()
    seen = {notification.pk: notification.updated_at}
    first = lifecycle.create(seen=seen, token=token, by=None, now=now)
    notification.save()

    assert lifecycle.create(seen=seen, token=token, by=None, now=now) == first


def test_several_notifications_make_a_broadcast_each(now: datetime) -> None:
    one, two = a_notification(subject="One"), a_notification(subject="Two")

    made = press(one, two, now=now)

    assert [(broadcast.notification_id, broadcast.subject) for broadcast in made] == [(one.pk, "One"), (two.pk, "Two")]


def test_of_several_all_are_made_or_none(now: datetime) -> None:
    one, two = a_notification(), a_notification()
    seen = {one.pk: one.updated_at, two.pk: two.updated_at}
    two.save()

    with pytest.raises(ChangedMeanwhile):
        lifecycle.create(seen=seen, token=uuid.uuid4(), by=None, now=now)

    assert not Broadcast.objects.exists()


def test_a_fault_in_the_middle_of_several_makes_none(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = a_notification(), a_notification()
    make = lifecycle.make

    def dies_on_the_second(n: Notification, **values: Any) -> Broadcast:
        if n == two:
            raise RuntimeError("killed")
        return make(n, **values)

    monkeypatch.setattr(lifecycle, "make", dies_on_the_second)
    with pytest.raises(RuntimeError, match="killed"):
        press(one, two, now=now)

    assert not Broadcast.objects.exists()


def test_a_notification_that_was_deleted_meanwhile_is_not_sent(now: datetime) -> None:
    notification = a_notification()
    seen = {notification.pk: notification.updated_at}
    notification.delete()

    with pytest.raises(ChangedMeanwhile, match="changed or deleted since"):
        lifecycle.create(seen=seen, token=uuid.uuid4(), by=None, now=now)


@pytest.mark.parametrize("state", [State.AWAITING_APPROVAL, State.SCHEDULED, State.RUNNING, State.PAUSED])
def test_another_token_while_it_is_under_way_needs_a_word(now: datetime, state: Broadcast.State) -> None:
    notification = a_notification()
    earlier = a_broadcast(notification=notification, state=state, started_at=now - timedelta(days=2))

    with pytest.raises(SentRecently) as caught:
        press(notification, now=now)

    assert caught.value.earlier == [earlier]
    assert Broadcast.objects.count() == 1


def test_another_token_within_the_hour_needs_a_word(now: datetime) -> None:
    notification = a_notification()
    hour = timedelta(hours=1)
    a_broadcast(notification=notification, state=State.FINISHED, started_at=now - hour, finished_at=now - hour)

    with pytest.raises(SentRecently):
        press(notification, now=now)
    with pytest.raises(SentRecently):
        press(notification, a_notification(), now=now)

    assert len(press(notification, now=now + SECOND)) == 1


def test_one_that_ended_within_the_hour_counts_whenever_it_began(now: datetime) -> None:
    notification = a_notification()
    a_broadcast(
        notification=notification, state=State.FINISHED, started_at=now - timedelta(days=1), finished_at=now - SECOND
    )

    with pytest.raises(SentRecently):
        press(notification, now=now)


def test_an_explicit_word_sends_it_again(now: datetime) -> None:
    notification = a_notification()
    press(notification, now=now)

    press(notification, now=now, again=True)

    assert Broadcast.objects.count() == 2


def test_the_refusal_names_who_sent_it_and_when(now: datetime) -> None:
    notification = a_notification(subject="Homes")
    at = datetime.fromisoformat("2026-03-04T15:06:00+00:00")
    (broadcast,) = press(notification, now=at, by=a_user(username="ann"))

    with pytest.raises(SentRecently) as caught:
        press(notification, now=at)

    assert f"#{broadcast.pk} Homes by ann" in str(caught.value)
    assert "4 Mar 2026, 15:06" in str(caught.value)
    assert "being sent" in str(caught.value)


def test_what_the_command_line_sent_is_said_to_be_its(now: datetime) -> None:
    (broadcast,) = press(a_notification(subject="Homes"), now=now)

    assert f"#{broadcast.pk} Homes by the command line" in lifecycle.describe(broadcast)


def test_another_notification_is_not_kept_back(now: datetime) -> None:
    press(a_notification(), now=now)

    assert len(press(a_notification(), now=now)) == 1


# --- Acts -------------------------------------------------------------------------------------------------------------
def pause(*, broadcast_id: int) -> None:
    lifecycle.pause(broadcast_id=broadcast_id, now=clock.now())


ACTS = {
    "pause": pause,
    "resume": lifecycle.resume,
    "cancel": lifecycle.cancel,
}
WORKS = {
    ("pause", State.RUNNING): State.PAUSED,
    ("resume", State.PAUSED): State.RUNNING,
    ("cancel", State.AWAITING_APPROVAL): State.CANCELLED,
    ("cancel", State.SCHEDULED): State.CANCELLED,
    ("cancel", State.RUNNING): State.CANCELLED,
    ("cancel", State.PAUSED): State.CANCELLED,
}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("state", State)
def test_an_act_is_carried_out_where_the_table_allows_it_and_refused_elsewhere(
    act: str, state: Broadcast.State
) -> None:
    broadcast = a_broadcast(state=state, subject="Homes")
    expected = WORKS.get((act, state))

    if expected:
        ACTS[act](broadcast_id=broadcast.pk)
    else:
        with pytest.raises(NotAllowed) as caught:
            ACTS[act](broadcast_id=broadcast.pk)
        is_now = "being sent" if state == State.RUNNING else state.label.lower()
        assert str(caught.value) == f"#{broadcast.pk} Homes is {is_now}: you can’t {act} it now."

    broadcast.refresh_from_db()
    assert broadcast.state == (expected or state)


@pytest.mark.parametrize("act", ACTS)
def test_an_act_for_a_broadcast_that_is_not_there_says_so(act: str) -> None:
    with pytest.raises(NotAllowed, match="There is no broadcast 12345678"):
        ACTS[act](broadcast_id=12_345_678)


def test_a_second_press_on_pause_is_told_the_truth(now: datetime) -> None:
    broadcast = a_broadcast()
    lifecycle.pause(broadcast_id=broadcast.pk, now=now)

    with pytest.raises(NotAllowed, match="is paused: you can’t pause it now"):
        lifecycle.pause(broadcast_id=broadcast.pk, now=now)


# --- Two at once ------------------------------------------------------------------------------------------------------
@concurrent
def test_two_people_who_press_at_once_make_one_broadcast(now: datetime) -> None:
    for _ in range(5):
        notification = a_notification()

        made, *refused = sorted(
            at_once(*[partial(press, notification, now=now)] * 3),
            key=lambda answer: isinstance(answer, SentRecently),
        )

        assert len(made) == 1
        assert [type(answer) for answer in refused] == [SentRecently] * 2
        assert notification.broadcasts.count() == 1


@concurrent
def test_one_token_posted_twice_at_once_makes_one_broadcast(now: datetime) -> None:
    for _ in range(5):
        notification, token = a_notification(), uuid.uuid4()

        first, second = at_once(*[partial(press, notification, now=now, token=token)] * 2)

        assert first == second
        assert notification.broadcasts.count() == 1


@concurrent
@pytest.mark.usefixtures("only_postgresql")
def test_a_second_press_waits_for_the_first_and_then_sees_it(now: datetime) -> None:
    notification = a_notification()

    with OtherConnection() as first, OtherConnection() as second:
        first.begin()
        first.call(lambda: press(notification, now=now))
        pressed = second.start_and_wait_until_blocked(lambda: press(notification, now=now))
        first.commit()

        with pytest.raises(SentRecently):
            pressed.result(30)


@concurrent
def test_two_acts_at_once_get_one_true_answer_each(now: datetime) -> None:
    for _ in range(5):
        broadcast = a_broadcast()

        answers = at_once(*[partial(lifecycle.pause, broadcast_id=broadcast.pk, now=now)] * 2)

        assert sorted(type(answer).__name__ for answer in answers) == ["NoneType", "NotAllowed"]
