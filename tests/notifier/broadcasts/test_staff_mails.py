"""Mails to staff about broadcasts: who gets one, what it says, and that none is lost or holds anything up."""

import logging
import smtplib
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.db import transaction
from django.urls import reverse

from notifier.broadcasts import acts, approvals, followups, lifecycle, schedules, staff_mails, undo
from notifier.broadcasts.send_options import AT_ONCE, SendOptions
from notifier.models import Broadcast, Notification, Profile, StaffMail
from notifier.runtime import clock
from notifier.staff import groups
from tests.support.factories import a_broadcast, a_client, a_delivery, a_notification, a_user

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State, What = Broadcast.State, StaffMail.What
HOUR = timedelta(hours=1)
UNDO = timedelta(seconds=10)


@pytest.fixture(autouse=True)
def _above_one(settings: Any) -> None:
    settings.APPROVAL_ABOVE = 1
    settings.UNDO_SECONDS = 10


@pytest.fixture
def ann() -> User:
    return with_email(a_user(username="ann"))


@pytest.fixture
def bob() -> User:
    return with_email(a_user(groups.APPROVE_BROADCAST, username="bob"))


def with_email(user: User) -> User:
    user.email = f"{user.username}@example.com"
    user.save()
    return user


def ask(by: User, now: datetime, options: SendOptions = AT_ONCE, notification: Notification | None = None) -> Broadcast:
    a_client(name="Cleo Client", listings="both")
    notification = notification or a_notification(subject="Hi {{ first_name }}, spring")
    seen = {notification.pk: notification.updated_at}
    return lifecycle.create(seen=seen, token=uuid.uuid4(), by=by, now=now, again=True, options=options)[0]


def written() -> list[tuple[str, str]]:
    return list(StaffMail.objects.order_by("pk").values_list("what", "to__username"))


def sent(now: datetime) -> Iterator[tuple[str, str]]:
    staff_mails.send_due(now=now)
    return ((message.to[0], str(message.subject)) for message in mail.outbox)


# --- Whom they go to --------------------------------------------------------------------------------------------------
def test_approvers_are_told_of_what_awaits_them_and_whoever_asked_is_not(now: datetime, ann: User, bob: User) -> None:
    ann.user_permissions.add(*bob.user_permissions.all())
    a_user(groups.APPROVE_BROADCAST, username="without-address")
    broadcast = ask(ann, now)

    assert list(sent(now)) == [("bob@example.com", "Needs approval: Hi [first name], spring")]
    body = str(mail.outbox[0].body)
    assert "It was created by ann." in body
    assert reverse("admin:notifier_broadcast_approve", args=[broadcast.pk]) in body


def test_whoever_asked_is_told_that_it_was_approved(now: datetime, ann: User, bob: User) -> None:
    broadcast = ask(ann, now, SendOptions(scheduled_for=now + HOUR))
    StaffMail.objects.all().delete()

    approvals.approve(broadcast_id=broadcast.pk, seen=acts.version(broadcast), by=bob, now=now)

    assert list(sent(now)) == [("ann@example.com", "Approved: Hi [first name], spring")]
    assert "It is due to start" in str(mail.outbox[0].body)


def test_an_approval_is_told_once_it_can_not_be_undone_any_more(now: datetime, ann: User, bob: User) -> None:
    broadcast = ask(ann, now)
    StaffMail.objects.all().delete()

    approvals.approve(broadcast_id=broadcast.pk, by=bob, now=now)

    assert list(sent(now)) == []
    assert list(sent(now + UNDO)) == [("ann@example.com", "Approved: Hi [first name], spring")]


def test_an_approval_that_was_undone_is_told_to_nobody(now: datetime, ann: User, bob: User) -> None:
    broadcast = ask(ann, now)
    StaffMail.objects.all().delete()

    approvals.approve(broadcast_id=broadcast.pk, by=bob, now=now)
    undo.undo(broadcast_id=broadcast.pk, by=bob)

    assert list(sent(now + UNDO)) == []


def test_what_was_decided_last_is_all_that_is_told(now: datetime, ann: User, bob: User) -> None:
    broadcast = ask(ann, now)

    approvals.approve(broadcast_id=broadcast.pk, by=bob, now=now)
    undo.undo(broadcast_id=broadcast.pk, by=bob)
    approvals.approve(broadcast_id=broadcast.pk, by=bob, now=now)

    assert list(sent(now + UNDO)) == [("ann@example.com", "Approved: Hi [first name], spring")]


def test_whoever_asked_is_told_who_rejected_it_and_why(now: datetime, ann: User, bob: User) -> None:
    broadcast = ask(ann, now)
    StaffMail.objects.all().delete()

    approvals.reject(broadcast_id=broadcast.pk, by=bob, why="a misprint in the price", now=now)

    assert list(sent(now)) == [("ann@example.com", "Rejected: Hi [first name], spring")]
    body = str(mail.outbox[0].body)
    assert "bob: a misprint in the price" in body
    page = reverse("admin:notifier_broadcast_progress", args=[broadcast.pk])
    assert body.endswith(f"View it:\nhttp://localhost:8000{page}\n")


def test_a_rejection_leads_whoever_may_edit_and_send_to_the_text(now: datetime, bob: User) -> None:
    rights = (groups.VIEW_NOTIFICATION, groups.CHANGE_NOTIFICATION, groups.SEND_BROADCAST)
    broadcast = ask(with_email(a_user(*rights, username="eve")), now)
    StaffMail.objects.all().delete()

    approvals.reject(broadcast_id=broadcast.pk, by=bob, why="a misprint", now=now)

    assert [to for to, _ in sent(now)] == ["eve@example.com"]
    page = reverse("admin:notifier_notification_change", args=[broadcast.notification_id])
    assert str(mail.outbox[0].body).endswith(f"Edit and resubmit it:\nhttp://localhost:8000{page}\n")


def test_an_edit_of_what_was_approved_asks_again_and_one_of_what_still_waits_does_not(
    now: datetime, ann: User, bob: User
) -> None:
    broadcast = ask(ann, now, SendOptions(scheduled_for=now + HOUR))
    edit(broadcast.notification, "still waiting")
    assert written() == [("TO_APPROVE", "bob")]

    Broadcast.objects.update(state=State.SCHEDULED, approved_by=bob)
    edit(broadcast.notification, "approved")

    assert written() == [("TO_APPROVE", "bob")] * 2


def edit(notification: Notification, text: str) -> None:
    with transaction.atomic():
        notification.sms_body = text
        notification.save()
        approvals.take_edit(notification=notification, by=a_user())


def test_another_time_asks_again_but_not_whoever_chose_it(now: datetime, ann: User, bob: User) -> None:
    dora = with_email(a_user(groups.APPROVE_BROADCAST, username="dora"))
    broadcast = ask(ann, now, SendOptions(scheduled_for=now + HOUR))
    StaffMail.objects.all().delete()
    Broadcast.objects.update(state=State.SCHEDULED, approved_by=bob)

    schedules.reschedule(broadcast_id=broadcast.pk, options=SendOptions(scheduled_for=now + 2 * HOUR), now=now, by=dora)

    assert written() == [("TO_APPROVE", "bob")]


@pytest.mark.parametrize("starts", ["by itself", "now"])
def test_one_that_has_outgrown_what_one_person_may_send_asks(now: datetime, ann: User, bob: User, starts: str) -> None:
    a_client(listings="both")
    broadcast = a_broadcast(state=State.SCHEDULED, scheduled_for=now, started_at=None, created_by=ann)

    if starts == "by itself":
        schedules.start_due(now=now)
    else:
        with pytest.raises(lifecycle.NotAllowed):
            schedules.start_now(broadcast_id=broadcast.pk, now=now, by=ann)

    assert written() == [("TO_APPROVE", "bob")]


def test_a_follow_up_asks(now: datetime, ann: User, bob: User) -> None:
    original = a_broadcast(state=State.FINISHED, finished_at=now)
    for _ in range(2):
        a_delivery(broadcast=original, state="FAILED")

    followups.create(broadcast_id=original.pk, token=uuid.uuid4(), by=ann, now=now)

    assert written() == [("TO_APPROVE", "bob")]


def test_without_the_setting_nobody_is_told(now: datetime, ann: User, bob: User, settings: Any) -> None:
    settings.STAFF_MAILS = False

    ask(ann, now)

    assert written() == []


# --- That none is lost, and none holds anything up --------------------------------------------------------------------
def test_an_act_that_is_undone_tells_nobody(now: datetime, ann: User, bob: User) -> None:
    with transaction.atomic():
        ask(ann, now)
        transaction.set_rollback(True)

    assert written() == []


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise ConnectionRefusedError("bob@example.com: no")

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", refuse)


@pytest.mark.usefixtures("broken")
def test_a_mail_server_that_is_away_is_logged_without_the_address_and_tried_again(
    now: datetime, ann: User, bob: User, caplog: pytest.LogCaptureFixture
) -> None:
    broadcast = ask(ann, now)

    with caplog.at_level(logging.ERROR):
        assert staff_mails.send_due(now=now) == 0

    [waiting] = StaffMail.objects.all()
    assert (waiting.due_at, waiting.attempts) == (now + staff_mails.FIRST_WAIT, 1)
    assert f"Mail {waiting.pk} to staff could not be sent" in caplog.text
    assert "bob" not in caplog.text
    assert Broadcast.objects.get(pk=broadcast.pk).state == State.AWAITING_APPROVAL


def test_it_goes_out_once_the_mail_server_is_back_and_only_once(now: datetime, ann: User, bob: User) -> None:
    ask(ann, now)
    StaffMail.objects.update(attempts=3, due_at=now)

    assert (staff_mails.send_due(now=now), staff_mails.send_due(now=now + HOUR)) == (1, 0)
    assert len(mail.outbox) == 1


@pytest.mark.usefixtures("broken")
def test_after_a_day_it_is_given_up_and_that_is_logged(
    now: datetime, ann: User, bob: User, caplog: pytest.LogCaptureFixture
) -> None:
    ask(ann, now)
    began = now

    with caplog.at_level(logging.ERROR):
        while due := StaffMail.objects.values_list("due_at", flat=True)[0]:
            now = due
            staff_mails.send_due(now=now)

    assert timedelta(days=1) < now - began < timedelta(days=2)
    assert caplog.text.count("given up") == 1


@pytest.mark.usefixtures("broken")
def test_one_that_could_not_be_sent_is_told_of_with_the_reason_until_it_is_sent_or_old_news(
    now: datetime, ann: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    broadcast = ask(ann, now)
    assert staff_mails.unsent_of(broadcast=broadcast) == []

    staff_mails.send_due(now=now)
    [unsent] = staff_mails.unsent_of(broadcast=broadcast)
    assert (unsent.to, unsent.failed_at, unsent.error) == (bob, now, "the mail server can’t be reached")
    Broadcast.objects.update(state=State.CANCELLED)
    broadcast.refresh_from_db()
    assert staff_mails.unsent_of(broadcast=broadcast) == []

    Broadcast.objects.update(state=State.AWAITING_APPROVAL)
    monkeypatch.undo()
    assert staff_mails.send_due(now=now + HOUR) == 1
    assert not staff_mails.unsent().exists()


@pytest.mark.usefixtures("broken")
def test_one_that_was_given_up_is_still_told_of_and_a_decision_ends_it(now: datetime, ann: User, bob: User) -> None:
    broadcast = ask(ann, now)
    StaffMail.objects.update(attempts=staff_mails.MAX_ATTEMPTS - 1)
    staff_mails.send_due(now=now)
    assert [mail.due_at for mail in staff_mails.unsent_of(broadcast=broadcast)] == [None]

    staff_mails.tell_requester(broadcast_id=broadcast.pk, what=What.REJECTED, due_at=now)

    assert not staff_mails.unsent().exists()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (smtplib.SMTPAuthenticationError(535, b"bob"), "the mail server refused the username or password"),
        (smtplib.SMTPRecipientsRefused({"bob@example.com": (550, b"no")}), "the mail server refused the address"),
        (smtplib.SMTPSenderRefused(550, b"no", "ann@example.com"), "the mail server refused the sender"),
        (smtplib.SMTPServerDisconnected(), "the mail server can’t be reached"),
        (smtplib.SMTPDataError(550, b"bob"), "the mail server refused it"),
        (TimeoutError("bob"), "the mail server can’t be reached"),
        (ValueError("bob"), "an error that the dispatcher’s log names"),
    ],
)
def test_the_reason_is_in_words_and_holds_no_address(
    now: datetime, ann: User, bob: User, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise error

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", refuse)
    ask(ann, now)
    staff_mails.send_due(now=now)

    assert StaffMail.objects.get().error == words


def test_a_mail_of_a_process_that_died_is_sent_by_another_after_its_lease(now: datetime, ann: User, bob: User) -> None:
    ask(ann, now)
    [taken] = StaffMail.objects.all()
    assert staff_mails._take(taken, now)

    assert staff_mails.send_due(now=now) == 0
    assert staff_mails.send_due(now=now + staff_mails.LEASE) == 1


def test_two_processes_never_send_the_same_mail(now: datetime, ann: User, bob: User) -> None:
    ask(ann, now)
    [one], [other] = StaffMail.objects.all(), StaffMail.objects.all()

    assert [staff_mails._take(one, now), staff_mails._take(other, now)] == [True, False]


def test_old_news_is_not_sent(now: datetime, ann: User, bob: User) -> None:
    ask(ann, now)
    Broadcast.objects.update(state=State.CANCELLED)

    assert list(sent(now)) == []
    assert not staff_mails.due(now + HOUR).exists()


def test_the_reader_sees_the_time_of_their_own_zone(now: datetime, ann: User, bob: User) -> None:
    Profile.objects.create(user=bob, time_zone="Asia/Tokyo")
    ask(ann, now, SendOptions(scheduled_for=now + HOUR))

    staff_mails.send_due(now=clock.now())

    assert "JST" in str(mail.outbox[0].body)
