"""Two people for a large audience: who may let it go, on what text, and what changes their word."""

import uuid
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from notifier.broadcasts import acts, approvals, approvers, followups, lifecycle, schedules
from notifier.broadcasts.approvals import OwnRequest
from notifier.broadcasts.lifecycle import NotAllowed
from notifier.broadcasts.send_options import AT_ONCE, SendOptions
from notifier.models import Broadcast, Notification
from notifier.notifications import statuses
from notifier.runtime.versions import NotAsShown
from notifier.staff import groups
from tests.support.database.connections import OtherConnection, at_once
from tests.support.factories import a_broadcast, a_client, a_notification, a_topic, a_user

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State = Broadcast.State
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
concurrent = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _above_one(settings: Any) -> None:
    settings.APPROVAL_ABOVE = 1


def ask(notification: Notification, *, by: User | None, now: datetime, options: SendOptions = AT_ONCE) -> Broadcast:
    seen = {notification.pk: notification.updated_at}
    return lifecycle.create(seen=seen, token=uuid.uuid4(), by=by, now=now, again=True, options=options)[0]


def waiting(now: datetime, *, by: User | None = None, **fields: Any) -> Broadcast:
    """A broadcast of a notification as it is that awaits approval."""
    notification = fields.pop("notification", None) or a_notification()
    values: dict[str, Any] = {
        "state": State.AWAITING_APPROVAL,
        "needs_approval": True,
        "text_of": notification.updated_at,
        "audience_upto": 0,
        "started_at": None,
        "created_by": by or a_user(),
    }
    return a_broadcast(notification=notification, **values | fields)


def approve(broadcast: Broadcast, *, by: User, now: datetime, seen: str | None = None) -> None:
    approvals.approve(broadcast_id=broadcast.pk, seen=seen or acts.version(broadcast), by=by, now=now)
    broadcast.refresh_from_db()


def edit(notification: Notification, by: User | None = None, **changes: Any) -> int:
    """As the notification's page does."""
    with transaction.atomic():
        for name, value in changes.items():
            setattr(notification, name, value)
        notification.save()
        return approvals.take_edit(notification=notification, by=by or a_user())


# --- When it is asked for ---------------------------------------------------------------------------------------------
def test_more_messages_than_one_person_may_send_wait_for_a_second(now: datetime) -> None:
    a_client(listings="both")

    broadcast = ask(a_notification(), by=a_user(), now=now)

    assert (broadcast.state, broadcast.needs_approval) == (State.AWAITING_APPROVAL, True)
    assert (broadcast.started_at, broadcast.audience_upto) == (None, 0)


@pytest.mark.parametrize(
    ("consent", "texts", "state"),
    [
        ("email", {}, State.RUNNING),
        ("both", {"sms_body": ""}, State.RUNNING),
        ("both", {}, State.AWAITING_APPROVAL),
    ],
)
def test_the_messages_of_the_channels_that_have_a_text_are_counted(
    now: datetime, consent: Any, texts: dict[str, Any], state: str
) -> None:
    a_client(listings=consent)

    assert ask(a_notification(**texts), by=a_user(), now=now).state == state


def test_a_superuser_needs_a_second_person_like_everybody_else(now: datetime) -> None:
    a_client(listings="both")

    assert ask(a_notification(), by=a_user(is_superuser=True), now=now).state == State.AWAITING_APPROVAL


def test_without_the_setting_nobody_needs_one(now: datetime, settings: Any) -> None:
    settings.APPROVAL_ABOVE = None
    a_client(listings="both")

    assert ask(a_notification(), by=a_user(), now=now).state == State.RUNNING


# --- The word ---------------------------------------------------------------------------------------------------------
def test_a_second_persons_word_starts_it_with_the_clients_of_that_moment(now: datetime) -> None:
    broadcast, bob = waiting(now), a_user()
    newest = a_client()

    approve(broadcast, by=bob, now=now)

    assert (broadcast.state, broadcast.started_at, broadcast.audience_upto) == (State.RUNNING, now, newest.pk)
    assert (broadcast.approved_by, broadcast.approved_at) == (bob, now)


def test_one_that_has_a_time_to_come_waits_for_it(now: datetime) -> None:
    broadcast = waiting(now, scheduled_for=now + HOUR)

    approve(broadcast, by=a_user(), now=now)

    assert (broadcast.state, broadcast.started_at, broadcast.approved_at) == (State.SCHEDULED, None, now)


def test_one_whose_time_has_passed_starts_at_once(now: datetime) -> None:
    broadcast = waiting(now, scheduled_for=now - HOUR)

    approve(broadcast, by=a_user(), now=now)

    assert (broadcast.state, broadcast.started_at) == (State.RUNNING, now)


@pytest.mark.parametrize("is_superuser", [False, True])
def test_nobody_approves_what_they_asked_for_themselves(now: datetime, is_superuser: bool) -> None:
    ann = a_user(is_superuser=is_superuser)
    broadcast = waiting(now, by=ann)

    with pytest.raises(OwnRequest, match="someone else has to approve it"):
        approve(broadcast, by=ann, now=now)

    broadcast.refresh_from_db()
    assert broadcast.state == State.AWAITING_APPROVAL


def test_the_word_for_an_older_text_is_no_word_for_the_newer(now: datetime) -> None:
    broadcast = waiting(now)
    seen = acts.version(broadcast)
    edit(broadcast.notification, sms_body="Quite another thing")

    with pytest.raises(NotAsShown):
        approve(broadcast, by=a_user(), now=now, seen=seen)

    broadcast.refresh_from_db()
    assert (broadcast.state, broadcast.approved_by) == (State.AWAITING_APPROVAL, None)


@pytest.mark.parametrize("name", ["scheduled_for", "expires_at"])
def test_the_word_for_another_time_is_no_word_either(now: datetime, name: str) -> None:
    broadcast = waiting(now, scheduled_for=now + HOUR, expires_at=now + 3 * HOUR)
    seen = acts.version(broadcast)
    Broadcast.objects.update(**{name: now + 2 * HOUR})

    with pytest.raises(NotAsShown):
        approve(broadcast, by=a_user(), now=now, seen=seen)


def test_what_has_expired_is_not_approved_even_if_no_dispatcher_runs(now: datetime) -> None:
    broadcast = waiting(now, expires_at=now)

    with pytest.raises(NotAllowed, match="has expired"):
        approve(broadcast, by=a_user(), now=now)


@pytest.mark.parametrize("state", [state for state in State if state != State.AWAITING_APPROVAL])
def test_only_what_waits_for_a_word_takes_one(now: datetime, state: State) -> None:
    broadcast = waiting(now, state=state)
    is_now = "being sent" if state == State.RUNNING else state.label.lower()

    with pytest.raises(NotAllowed, match=f"is {is_now}: you can’t approve it now"):
        approve(broadcast, by=a_user(), now=now)
    with pytest.raises(NotAllowed, match=f"is {is_now}: you can’t reject it now"):
        approvals.reject(broadcast_id=broadcast.pk, by=a_user(), why="no", now=now)

    broadcast.refresh_from_db()
    assert (broadcast.state, broadcast.approved_by) == (state, None)


def test_a_rejected_one_says_who_rejected_it_when_and_why(now: datetime) -> None:
    broadcast, bob = waiting(now), a_user(username="bob")

    approvals.reject(broadcast_id=broadcast.pk, by=bob, why="a misprint in the price", now=now)

    broadcast.refresh_from_db()
    assert (broadcast.state, broadcast.rejected_by) == (State.REJECTED, bob)
    assert (broadcast.ended_because, broadcast.finished_at) == ("a misprint in the price", now)


def test_nothing_is_left_for_the_dispatcher_to_do_about_a_rejected_one(now: datetime) -> None:
    broadcast = waiting(now)

    approvals.reject(broadcast_id=broadcast.pk, by=a_user(), why="no", now=now)

    to_do = (Broadcast.objects.to_tally(), Broadcast.objects.to_finish(), Broadcast.objects.to_count_by_day(now))
    assert [found.exists() for found in to_do] == [False, False, False]


def test_what_was_to_follow_another_leaves_that_free_to_be_followed(now: datetime) -> None:
    original = a_broadcast(state=State.FINISHED, finished_at=now)
    broadcast = waiting(now, notification=original.notification, follows=original)

    approvals.reject(broadcast_id=broadcast.pk, by=a_user(), why="not this week", now=now)

    broadcast.refresh_from_db()
    assert (broadcast.follows, broadcast.was_to_follow) == (None, original)
    followups.check(broadcast=original)


def test_a_rejected_text_is_a_draft_again_until_someone_says_that_it_is_ready(now: datetime) -> None:
    notification = a_notification()
    statuses.mark_ready(notification=notification, by=a_user(), now=now)
    broadcast = waiting(now, notification=notification, text_of=notification.updated_at)

    approvals.reject(broadcast_id=broadcast.pk, by=a_user(), why="no", now=now)
    assert not statuses.ready().exists()

    statuses.mark_ready(notification=notification, by=a_user(), now=now)
    assert statuses.ready().get() == notification


def test_rejecting_a_follow_up_leaves_the_next_text_ready(now: datetime) -> None:
    original = a_broadcast(state=State.FINISHED, finished_at=now)
    statuses.mark_ready(notification=original.notification, by=a_user(), now=now)
    broadcast = waiting(now, notification=original.notification, follows=original)

    approvals.reject(broadcast_id=broadcast.pk, by=a_user(), why="not this week", now=now)

    assert statuses.ready().get() == original.notification


def test_a_rejected_text_is_offered_to_nobody(now: datetime) -> None:
    broadcast = waiting(now)
    approvals.reject(broadcast_id=broadcast.pk, by=a_user(), why="no", now=now)

    with pytest.raises(followups.NotEnded):
        followups.check(broadcast=Broadcast.objects.get())
    assert lifecycle.sent_recently(notification_ids=[broadcast.notification_id], now=now) == []


# --- Edits ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("state", [State.AWAITING_APPROVAL, State.SCHEDULED])
@pytest.mark.parametrize("field", ["subject", "email_body", "sms_body"])
def test_an_edit_is_taken_over_and_asks_for_the_word_anew(now: datetime, state: State, field: str) -> None:
    word: dict[str, Any] = {"approved_by": a_user(), "approved_at": now} if state == State.SCHEDULED else {}
    broadcast = waiting(now, state=state, scheduled_for=now + HOUR, **word)

    changed = edit(broadcast.notification, None, **{field: "as it is now"})

    broadcast.refresh_from_db()
    assert changed == 1
    assert (broadcast.state, broadcast.approved_by, broadcast.approved_at) == (State.AWAITING_APPROVAL, None, None)
    assert (getattr(broadcast, field), broadcast.text_of) == ("as it is now", broadcast.notification.updated_at)
    assert broadcast.scheduled_for == now + HOUR


@pytest.mark.parametrize("is_superuser", [False, True])
def test_nobody_approves_the_text_that_they_put_in_themselves(now: datetime, is_superuser: bool) -> None:
    eve, bob = a_user(is_superuser=is_superuser), a_user()
    broadcast = waiting(now)
    edit(broadcast.notification, by=eve, sms_body="Eve's own")
    broadcast.refresh_from_db()

    with pytest.raises(OwnRequest, match=r"You changed the text of .* someone else has to approve it"):
        approve(broadcast, by=eve, now=now)
    broadcast.refresh_from_db()
    assert (broadcast.state, broadcast.text_by) == (State.AWAITING_APPROVAL, eve)

    approve(broadcast, by=bob, now=now)
    assert (broadcast.state, broadcast.sms_body) == (State.RUNNING, "Eve's own")


def test_a_save_that_changes_nothing_makes_the_text_nobody_elses(now: datetime) -> None:
    eve = a_user()
    broadcast = waiting(now)
    edit(broadcast.notification, by=eve, sms_body="Eve's own")

    edit(broadcast.notification, by=a_user())

    broadcast.refresh_from_db()
    assert broadcast.text_by == eve


def test_another_topic_is_an_edit_too(now: datetime) -> None:
    broadcast = waiting(now, state=State.SCHEDULED)
    offerings = a_topic(slug="offerings")

    edit(broadcast.notification, topic=offerings)

    broadcast.refresh_from_db()
    assert (broadcast.topic, broadcast.state) == (offerings, State.AWAITING_APPROVAL)


def test_saving_without_a_change_leaves_the_word(now: datetime) -> None:
    broadcast = waiting(now, state=State.SCHEDULED, approved_by=a_user(), approved_at=now)

    assert edit(broadcast.notification) == 0

    broadcast.refresh_from_db()
    assert (broadcast.state, broadcast.approved_at) == (State.SCHEDULED, now)


def test_what_needs_no_approval_keeps_its_text_and_shows_that_it_is_old(now: datetime) -> None:
    broadcast = waiting(now, state=State.SCHEDULED, needs_approval=False)

    assert edit(broadcast.notification, sms_body="new") == 0

    broadcast = Broadcast.objects.get()
    assert (broadcast.state, broadcast.sms_body, broadcast.is_outdated) == (State.SCHEDULED, "Hello {{ name }}", True)


@pytest.mark.parametrize("state", [State.RUNNING, State.PAUSED, State.CANCELLED, State.FINISHED])
def test_what_has_begun_or_ended_keeps_its_text(now: datetime, state: State) -> None:
    broadcast = waiting(now, state=state)

    assert edit(broadcast.notification, sms_body="new") == 0

    broadcast.refresh_from_db()
    assert (broadcast.state, broadcast.sms_body) == (state, "Hello {{ name }}")


def test_an_edit_of_another_notification_changes_nothing(now: datetime) -> None:
    broadcast = waiting(now, state=State.SCHEDULED)

    edit(a_notification(), sms_body="new")

    broadcast.refresh_from_db()
    assert broadcast.state == State.SCHEDULED


# --- Who may ----------------------------------------------------------------------------------------------------------
def test_those_who_may_approve_are_named_but_not_the_one_who_asked(now: datetime) -> None:
    ann = a_user(groups.APPROVE_BROADCAST, username="ann")
    a_user(groups.APPROVE_BROADCAST, username="bob")
    a_user("notifier.send_broadcast", username="carl")
    a_user(username="dora", is_superuser=True)
    gone = a_user(groups.APPROVE_BROADCAST, username="eve")
    gone.is_active = False
    gone.save()

    broadcast = waiting(now, by=ann)

    assert [user.username for user in approvers.of(broadcast=broadcast, most=8)] == ["bob", "dora"]

    edit(broadcast.notification, by=User.objects.get(username="bob"), sms_body="Bob's own")
    broadcast.refresh_from_db()
    assert [user.username for user in approvers.of(broadcast=broadcast, most=8)] == ["dora"]


# --- Two at once ------------------------------------------------------------------------------------------------------
@concurrent
def test_two_approvers_at_once_start_it_once(now: datetime) -> None:
    for _ in range(5):
        broadcast, bob, eve = waiting(now), a_user(), a_user()
        seen = acts.version(broadcast)
        word = partial(approvals.approve, broadcast_id=broadcast.pk, seen=seen, now=now)

        answers = at_once(partial(word, by=bob), partial(word, by=eve))

        assert sorted(type(answer).__name__ for answer in answers) == ["NoneType", "NotAllowed"]


@concurrent
def test_a_word_and_an_edit_at_once_never_send_the_text_that_nobody_read(now: datetime) -> None:
    for number in range(5):
        broadcast, bob = waiting(now, scheduled_for=now + HOUR), a_user()
        seen, notification = acts.version(broadcast), Notification.objects.get(pk=broadcast.notification_id)

        at_once(
            partial(approvals.approve, broadcast_id=broadcast.pk, seen=seen, by=bob, now=now),
            partial(edit, notification, sms_body=f"edited {number}"),
        )

        # Whoever came first: the edit is taken over, and nobody's word is on it.
        broadcast.refresh_from_db()
        assert (broadcast.state, broadcast.sms_body) == (State.AWAITING_APPROVAL, f"edited {number}")
        assert broadcast.approved_by is None


@concurrent
@pytest.mark.usefixtures("only_postgresql")
def test_a_word_that_waits_for_an_edit_sees_it(now: datetime) -> None:
    broadcast, bob = waiting(now), a_user()
    seen, notification = acts.version(broadcast), Notification.objects.get(pk=broadcast.notification_id)

    with OtherConnection() as editor, OtherConnection() as approver:
        editor.begin()
        editor.call(lambda: edit(notification, sms_body="edited"))
        word = approver.start_and_wait_until_blocked(
            lambda: approvals.approve(broadcast_id=broadcast.pk, seen=seen, by=bob, now=now)
        )
        editor.commit()

        with pytest.raises(NotAsShown):
            word.result(30)


@concurrent
def test_a_word_and_a_cancel_at_once_get_one_true_answer_each(now: datetime) -> None:
    for _ in range(5):
        broadcast, bob = waiting(now, scheduled_for=now + HOUR), a_user()

        answers = at_once(
            partial(approvals.approve, broadcast_id=broadcast.pk, seen=acts.version(broadcast), by=bob, now=now),
            partial(lifecycle.cancel, broadcast_id=broadcast.pk),
        )

        # Approved and then cancelled, or cancelled: in any case it is not sent.
        broadcast.refresh_from_db()
        assert broadcast.state == State.CANCELLED
        assert answers[1] is None


def test_a_later_change_of_the_time_asks_for_the_word_anew(now: datetime) -> None:
    broadcast = waiting(now, state=State.SCHEDULED, scheduled_for=now + HOUR, approved_by=a_user(), approved_at=now)

    schedules.reschedule(broadcast_id=broadcast.pk, options=SendOptions(scheduled_for=now + 2 * HOUR), now=now)

    broadcast.refresh_from_db()
    assert (broadcast.state, broadcast.approved_by) == (State.AWAITING_APPROVAL, None)
    assert broadcast.scheduled_for == now + 2 * HOUR


# --- Who had a hand in it ---------------------------------------------------------------------------------------------
def test_whoever_changed_the_text_is_not_let_off_by_the_next_editor(now: datetime) -> None:
    eve, dot, bob = (a_user("notifier.approve_broadcast", username=name) for name in ("eve", "dot", "bob"))
    broadcast = waiting(now)
    edit(broadcast.notification, by=eve, sms_body="Eve's own")
    edit(broadcast.notification, by=dot, sms_body="Eve's own.")
    broadcast.refresh_from_db()

    for editor in (eve, dot):
        with pytest.raises(OwnRequest, match="You changed the text of"):
            approve(broadcast, by=editor, now=now)
    assert approvers.of(broadcast=broadcast, most=9) == [bob]
    assert list(broadcast.changes.order_by("pk").values_list("by", "what")) == [(eve.pk, "TEXT"), (dot.pk, "TEXT")]
    broadcast.refresh_from_db()
    assert broadcast.state == State.AWAITING_APPROVAL

    approve(broadcast, by=bob, now=now)
    assert broadcast.state == State.RUNNING


def test_a_text_that_was_put_back_as_it_was_has_had_its_editors_all_the_same(now: datetime) -> None:
    eve = a_user()
    broadcast = waiting(now)
    before = broadcast.sms_body
    edit(broadcast.notification, by=eve, sms_body="Eve's own")
    edit(broadcast.notification, by=a_user(), sms_body=before)
    broadcast.refresh_from_db()

    with pytest.raises(OwnRequest):
        approve(broadcast, by=eve, now=now)


def test_whoever_chose_another_time_does_not_approve_it(now: datetime) -> None:
    ben, bob = a_user("notifier.approve_broadcast", username="ben"), a_user("notifier.approve_broadcast")
    broadcast = waiting(now, scheduled_for=now + HOUR)
    options = SendOptions(now + 2 * HOUR, is_critical=True)
    schedules.reschedule(broadcast_id=broadcast.pk, options=options, now=now, by=ben)
    broadcast.refresh_from_db()

    with pytest.raises(OwnRequest, match="You changed the time of"):
        approve(broadcast, by=ben, now=now)
    assert approvers.of(broadcast=broadcast, most=9) == [bob]

    approve(broadcast, by=bob, now=now)
    assert broadcast.state == State.SCHEDULED


def test_who_saves_the_time_as_it_was_has_changed_nothing(now: datetime) -> None:
    ben = a_user()
    broadcast = waiting(now, scheduled_for=now + HOUR)
    schedules.reschedule(broadcast_id=broadcast.pk, options=SendOptions(now + HOUR), now=now, by=ben)
    broadcast.refresh_from_db()

    approve(broadcast, by=ben, now=now)

    assert broadcast.state == State.SCHEDULED


def test_what_one_person_may_send_is_approved_by_somebody_else_than_who_gave_it_its_time(now: datetime) -> None:
    ben = a_user()
    broadcast = waiting(now, state=State.SCHEDULED, needs_approval=False, scheduled_for=now + HOUR)
    schedules.reschedule(broadcast_id=broadcast.pk, options=SendOptions(now + 2 * HOUR), now=now, by=ben)
    # Its audience has outgrown one person since.
    Broadcast.objects.update(state=State.AWAITING_APPROVAL, needs_approval=True)
    broadcast.refresh_from_db()

    with pytest.raises(OwnRequest):
        approve(broadcast, by=ben, now=now)


def test_what_processes_of_the_release_before_wrote_holds_too(now: datetime) -> None:
    eve = a_user()
    broadcast = waiting(now, text_by=eve)

    with pytest.raises(OwnRequest, match="You changed the text of"):
        approve(broadcast, by=eve, now=now)
