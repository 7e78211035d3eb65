import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django.fixtures import Settings

from notifier.delivery import claims, recovery
from notifier.models import Broadcast, Channel, DailyStats, Delivery, Notification, Process, ReceiptCounts, Suppression
from notifier.notifications import statuses
from notifier.overview import concerns, menu_numbers, process_health
from notifier.overview.concerns import Kind
from notifier.overview.process_health import Health
from notifier.staff import groups
from tests.support.factories import a_broadcast, a_delivery, a_notification, a_reply, a_user

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State = Broadcast.State
MINUTE = timedelta(minutes=1)


def everything(permission: str) -> bool:
    return True


def nothing(permission: str) -> bool:
    return False


def listed(now: datetime, *health: Health, may: concerns.May = everything) -> list[tuple[str, bool, str]]:
    found = concerns.find(health=list(health), may=may, now=now)
    return [(concern.key, concern.is_problem, concern.button) for concern in found]


def test_while_all_is_well_there_is_nothing(now: datetime) -> None:
    a_broadcast(state=State.FINISHED, finished_at=now)

    assert listed(now, Health("Dispatcher", True, "1 running")) == []


def test_what_does_not_work_comes_first_and_leads_to_the_workers(now: datetime) -> None:
    a_broadcast(state=State.AWAITING_APPROVAL)
    late = a_broadcast(state=State.SCHEDULED, scheduled_for=now - timedelta(hours=1))
    ill = Health("SMS consumers", False, "No SMS consumer is running.")

    assert listed(now, ill) == [
        ("sms-consumers", True, "View processes"),
        (f"late-{late.pk}", True, "View"),
        ("approval", False, "Review and decide"),
    ]


def test_what_holds_up_messages_is_apart_from_what_waits_for_a_decision(now: datetime) -> None:
    a_broadcast(state=State.AWAITING_APPROVAL)
    a_broadcast(state=State.PAUSED)
    ill = Health("SMS consumers", False, "No SMS consumer is running.")

    found = concerns.find(health=[ill], may=everything, now=now)

    assert [(concern.label, concern.holds_up) for concern in found] == [
        ("SMS consumers", True),
        ("Paused", True),
        ("Approval", False),
    ]


def test_what_nobody_can_know_without_a_dispatcher_is_no_concern_of_its_own(now: datetime) -> None:
    found = concerns.find(health=process_health.health(channels=[Channel.SMS], now=now), may=everything, now=now)

    assert [(concern.key, concern.words, concern.command) for concern in found] == [
        ("dispatcher", "No dispatcher is running. Start one with: ", "python manage.py run_dispatcher"),
        ("sms-consumers", "No SMS consumer is running. Start one with: ", "python manage.py run_consumer sms"),
    ]


def test_what_is_ready_to_send_waits_for_those_who_may_send(now: datetime) -> None:
    ann = a_user(username="ann")
    first = a_notification(subject="Spring")
    statuses.mark_ready(notification=first, by=ann, now=now)
    may_not_send = {groups.VIEW_BROADCAST, groups.VIEW_NOTIFICATION, groups.VIEW_DELIVERY}

    [one] = concerns.find(health=[], may=everything, now=now)
    assert (one.key, one.words, one.kind) == ("ready", "ann marked “Spring” as ready to send.", Kind.TO_DECIDE)
    assert one.url.endswith(f"/notification/broadcast/?ids={first.pk}")
    assert listed(now, may=may_not_send.__contains__) == []

    statuses.mark_ready(notification=a_notification(), by=ann, now=now)
    [both] = concerns.find(health=[], may=everything, now=now)
    assert both.words == "2 notifications are ready to send."
    assert both.url.endswith("/notification/?status=ready")


def test_a_broadcast_of_which_something_fails_is_told_while_it_does(now: datetime) -> None:
    broadcast = a_broadcast(fault="it can’t be ended: DataError", fault_at=now - MINUTE)
    a_broadcast(fault="it can’t be ended: DataError", fault_at=now - timedelta(hours=1))

    [concern] = concerns.find(health=[], may=everything, now=now)

    assert (concern.key, concern.kind) == (f"faulty-{broadcast.pk}", Kind.PROBLEM)
    assert "it can’t be ended: DataError" in concern.words
    assert concern.url.endswith(f"/{broadcast.pk}/progress/")


def test_a_channel_that_paused_itself_is_tried_again_by_an_act(now: datetime) -> None:
    paused = Health("E-mail", False, "E-mail is paused automatically.", paused=Channel.EMAIL)

    [concern] = concerns.find(health=[paused], may=everything, now=now)

    assert (concern.button, concern.is_act) == ("Try again now", True)
    assert concern.url.endswith("/channels/email/try-again/")


def test_without_rights_what_does_not_work_is_told_without_a_button(now: datetime) -> None:
    a_broadcast(state=State.AWAITING_APPROVAL)
    a_broadcast(state=State.SCHEDULED, scheduled_for=now - timedelta(hours=1))
    DailyStats.objects.create(broadcast=a_broadcast(), day=now.date(), channel="email", state="UNKNOWN", number=3)
    paused = Health("E-mail", False, "Paused.", paused=Channel.EMAIL)

    assert listed(now, Health("Dispatcher", False, "None."), paused, may=nothing) == [
        ("dispatcher", True, ""),
        ("paused-email", True, ""),
    ]


def test_unknown_deliveries_are_told_by_the_daily_tallies_of_all_times(now: datetime) -> None:
    for ago, state, number in ((0, "UNKNOWN", 1200), (400, "UNKNOWN", 34), (0, "FAILED", 7)):
        day = now.date() - timedelta(days=ago)
        DailyStats.objects.create(broadcast=a_broadcast(), day=day, channel="email", state=state, number=number)

    [concern] = concerns.find(health=[], may=everything, now=now)

    assert concern.words.startswith("1,234 messages may or may not have arrived.")
    assert concern.url.endswith("/delivery/?state__exact=UNKNOWN")


def approve_page(broadcast: Broadcast) -> str:
    return reverse("admin:notifier_broadcast_approve", args=[broadcast.pk])


def test_what_awaits_approval_leads_whoever_may_give_it_straight_to_the_page_that_decides(now: datetime) -> None:
    one = a_broadcast(notification=a_notification(subject="Spring"), state=State.AWAITING_APPROVAL)
    [concern] = concerns.find(health=[], may=everything, now=now)
    assert concern.words.startswith("“Spring” is awaiting approval")
    assert (concern.button, concern.url) == (
        "Review and decide",
        reverse("admin:notifier_broadcast_approve", args=[one.pk]),
    )

    other = a_broadcast(state=State.AWAITING_APPROVAL)
    assert [(concern.key, concern.url) for concern in concerns.find(health=[], may=everything, now=now)] == [
        (f"approval-{pk}", reverse("admin:notifier_broadcast_approve", args=[pk])) for pk in (one.pk, other.pk)
    ]

    for _ in range(concerns.MAX_NAMED):
        a_broadcast(state=State.AWAITING_APPROVAL)
    [concern] = concerns.find(health=[], may=everything, now=now)
    assert concern.words.startswith("8 broadcasts are awaiting approval")
    assert concern.url.endswith("/broadcast/?state__exact=AWAITING_APPROVAL")


def test_who_may_not_decide_sees_what_awaits_approval_and_several_are_counted(now: datetime) -> None:
    def may(permission: str) -> bool:
        return permission != groups.APPROVE_BROADCAST

    one = a_broadcast(notification=a_notification(subject="Spring"), state=State.AWAITING_APPROVAL)
    [concern] = concerns.find(health=[], may=may, now=now)
    assert (concern.button, concern.url.endswith(f"/broadcast/{one.pk}/progress/")) == ("View", True)

    a_broadcast(state=State.AWAITING_APPROVAL)
    [concern] = concerns.find(health=[], may=may, now=now)
    assert concern.words.startswith("2 broadcasts are awaiting approval")
    assert concern.url.endswith("/broadcast/?state__exact=AWAITING_APPROVAL")


def test_a_schedule_that_nobody_has_begun_is_late_after_a_while(now: datetime) -> None:
    late = a_broadcast(state=State.SCHEDULED, scheduled_for=now - 3 * MINUTE)
    a_broadcast(state=State.SCHEDULED, scheduled_for=now - MINUTE)
    a_broadcast(state=State.RUNNING, scheduled_for=now - timedelta(hours=1))

    assert listed(now) == [(f"late-{late.pk}", True, "View")]


def test_dead_letters_are_told_with_what_to_do(now: datetime) -> None:
    Process.objects.create(
        kind=Process.Kind.DISPATCHER, host="here", pid=1, started_at=now, last_seen_at=now, depths={"dead": 1}
    )

    [concern] = concerns.find(health=[], may=everything, now=now)

    assert concern.words.startswith("1 dead letter: no consumer could read it, so it was set aside.")
    assert concern.command == "python manage.py purge_dead_letters"

    [without] = concerns.find(health=[], may=nothing, now=now)

    assert without.words.endswith("Ask your administrator to find out why.")
    assert not without.command


def test_what_staff_paused_is_told_with_how_far_it_is(now: datetime) -> None:
    tally = {"audience": 10, "counts": {"email": {"SENT": 4, "PENDING": 6}}}
    paused = a_broadcast(notification=a_notification(subject="Spring"), state=State.PAUSED, tally=tally)

    [concern] = concerns.find(health=[], may=everything, now=now)

    assert (concern.key, concern.kind, concern.button) == (f"paused-{paused.pk}", Kind.PAUSED, "View")
    assert (concern.label, concern.words) == ("Paused", "“Spring”: 4 of 10 sent. Resume or cancel it.")
    assert concern.url.endswith(f"/broadcast/{paused.pk}/progress/")


def failed(now: datetime, *, emails: int = 1, texts: int = 1, **fields: Any) -> Broadcast:
    """One with so many failures, in its deliveries and in its tally."""
    values: dict[str, Any] = {"state": State.FINISHED, "finished_at": now}
    numbers = {Channel.EMAIL: emails, Channel.SMS: texts}
    counts = {channel.value: {"SENT": 4, "FAILED": number} for channel, number in numbers.items()}
    broadcast = a_broadcast(**values | {"tally": {"audience": 10, "counts": counts}} | fields)
    for channel, number in numbers.items():
        for _ in range(number):
            a_delivery(broadcast=broadcast, channel=channel, state=Delivery.State.FAILED)
    return broadcast


def suppress(delivery: Delivery) -> None:
    """As a bounce does."""
    Suppression.objects.create(
        channel=delivery.channel, address=delivery.address, reason="bounced", source=Suppression.Source.BOUNCE
    )


def told(now: datetime, **fields: Any) -> list[str]:
    return [concern.words for concern in concerns.find(health=[], may=everything, now=now, **fields)]


def test_failures_that_may_be_retried_are_told(now: datetime) -> None:
    broadcast = failed(now - timedelta(days=1), emails=2)

    [concern] = concerns.find(health=[], may=everything, now=now)

    assert (concern.key, concern.button) == (f"failed-{broadcast.pk}", "View and send again")
    assert concern.words.endswith(": 3 messages failed and can be sent again.")
    assert listed(now, may=groups.VIEW_BROADCAST.__eq__) == [(f"failed-{broadcast.pk}", False, "View")]


def test_the_number_is_what_a_retry_then_sends(now: datetime) -> None:
    broadcast = failed(now, emails=3, texts=0)
    gone = broadcast.deliveries.order_by("pk").first()
    assert gone is not None
    suppress(gone)

    assert told(now) == [
        "“Three new homes”: 3 messages failed, 2 of which can be sent again. The rest would be skipped: "
        "address suppressed (1)."
    ]
    resolved = recovery.send_again(deliveries=broadcast.deliveries.all(), by=None, why="", now=now)
    assert resolved.number == 3
    ids = list(broadcast.deliveries.values_list("pk", flat=True))
    claimed = claims.claim(
        broadcast_id=broadcast.pk, channel=Channel.EMAIL, delivery_ids=ids, token=uuid.uuid4(), now=now
    )
    assert len(claimed.messages) == 2


def test_where_none_can_be_retried_it_says_so_and_offers_no_retry(now: datetime) -> None:
    broadcast = failed(now, texts=0)
    suppress(broadcast.deliveries.get())

    [concern] = concerns.find(health=[], may=everything, now=now)

    assert concern.words.endswith(": 1 message failed. It can’t be sent again: address suppressed (1).")
    assert concern.button == "View"


@pytest.mark.parametrize("why", ["was cancelled", "has expired"])
def test_failures_of_what_is_over_are_told_without_a_retry(now: datetime, why: str) -> None:
    fields: dict[str, Any] = {"expires_at": now} if why == "has expired" else {"state": State.CANCELLED}
    broadcast = failed(now, **fields)

    [concern] = concerns.find(health=[], may=everything, now=now)

    assert (concern.key, concern.button) == (f"failed-{broadcast.pk}", "View")
    assert f"2 messages failed. The broadcast {why}, so they can’t be sent again." in concern.words


def test_failures_about_which_nothing_can_be_done_any_more_are_not(now: datetime) -> None:
    failed(now - timedelta(days=8))
    a_broadcast(follows=failed(now))

    assert listed(now) == []


def test_failures_that_were_retried_meanwhile_are_not_told_although_the_tally_has_them(now: datetime) -> None:
    failed(now).deliveries.update(state=Delivery.State.SENT)

    assert listed(now) == []


def test_failures_of_many_broadcasts_take_no_more_queries_than_those_of_one(now: datetime) -> None:
    failed(now)
    with CaptureQueriesContext(connection) as one:
        listed(now)
    for _ in range(5):
        failed(now)

    with CaptureQueriesContext(connection) as many:
        assert len(listed(now)) == 6

    assert len(many) == len(one)


def test_of_very_many_failures_nothing_is_counted_and_nothing_promised(now: datetime) -> None:
    counts = {"email": {"FAILED": concerns.MAX_FORECAST + 1}}
    a_broadcast(state=State.FINISHED, finished_at=now, tally={"audience": 501, "counts": counts})

    with CaptureQueriesContext(connection) as queries:
        [concern] = concerns.find(health=[], may=everything, now=now)

    assert concern.words.endswith(": 501 messages failed. Its page counts those that can be sent again.")
    assert concern.button == "View"
    assert not [query for query in queries if 'FROM "notifier_delivery"' in query["sql"]]


def test_what_was_to_start_and_still_awaits_approval_is_overdue(now: datetime) -> None:
    overdue = a_broadcast(state=State.AWAITING_APPROVAL, scheduled_for=now - MINUTE)
    a_broadcast(state=State.AWAITING_APPROVAL, scheduled_for=now + MINUTE)

    button = "Review and decide"
    assert listed(now) == [("approval", False, button), (f"overdue-{overdue.pk}", False, button)]
    [_, concern] = concerns.find(health=[], may=everything, now=now)
    assert concern.url == reverse("admin:notifier_broadcast_approve", args=[overdue.pk])


EDIT, SEND, READ = groups.CHANGE_NOTIFICATION, groups.SEND_BROADCAST, groups.VIEW_NOTIFICATION


def rejected(now: datetime, **fields: Any) -> Broadcast:
    """Of a text that ann, an editor, has written."""
    values = {"state": State.REJECTED, "started_at": None, "finished_at": now, "ended_because": "a misprint"}
    return a_broadcast(**values | fields)


def written_by(editor: User, subject: str = "Spring") -> Notification:
    notification = a_notification(subject=subject)
    Notification.history.filter(id=notification.pk).update(history_user=editor)
    return notification


def rejection(now: datetime, user: User) -> list[concerns.Concern]:
    found = concerns.find(health=[], may=user.has_perm, now=now, user_id=user.pk)
    return [concern for concern in found if concern.label == "Rejected"]


def edit_page(broadcast: Broadcast) -> str:
    return reverse("admin:notifier_notification_change", args=[broadcast.notification_id])


def test_a_rejection_leads_whoever_may_edit_and_send_to_the_text(now: datetime) -> None:
    ann, bob = a_user(groups.VIEW_BROADCAST, EDIT, SEND, READ), a_user(username="bob")
    notification = a_notification(subject="Hi {{ first_name }}")
    broadcast = rejected(now, notification=notification, created_by=ann, rejected_by=bob)

    [concern] = rejection(now, ann)

    assert concern.key == f"rejected-{broadcast.pk}"
    assert concern.words == "“Hi [first name]” was rejected by bob: a misprint."
    assert (concern.button, concern.url) == ("Edit and resubmit", edit_page(broadcast))
    assert rejection(now, bob) == []


def test_who_asked_and_may_not_edit_is_told_who_can_and_offered_no_edit(now: datetime) -> None:
    sam, eve = a_user(group=groups.SENDERS), a_user(username="eve", group=groups.EDITORS)
    broadcast = rejected(now, notification=written_by(eve), created_by=sam)
    rejected(now, notification=a_notification(subject="Autumn"), created_by=sam)

    other, concern = rejection(now, sam)

    assert concern.words == "“Spring” was rejected: a misprint. eve can edit the text and mark it as ready to send."
    assert (concern.button, concern.url) == (
        "View",
        reverse("admin:notifier_broadcast_progress", args=[broadcast.pk]),
    )
    assert other.words.endswith("Anyone who may edit notifications can edit the text and mark it as ready to send.")


def test_who_wrote_the_text_is_told_of_its_rejection_until_it_is_ready_again(now: datetime) -> None:
    eve, ned = a_user(group=groups.EDITORS), a_user(group=groups.EDITORS)
    sam = a_user(group=groups.SENDERS)
    broadcast = rejected(now, notification=written_by(eve), created_by=sam)

    [concern] = rejection(now, eve)
    assert (concern.button, concern.url) == ("Edit", edit_page(broadcast))
    assert concern.words.endswith("a misprint. Edit the text, then mark it as ready to send.")
    assert rejection(now, ned) == []

    statuses.mark_ready(notification=broadcast.notification, by=eve, now=now)
    assert rejection(now, eve) == []
    [concern] = rejection(now, sam)
    assert concern.button == "View and send"
    assert concern.url.endswith(f"/notification/broadcast/?ids={broadcast.notification_id}")
    # And in one line only.
    urls = [one.url for one in concerns.find(health=[], may=sam.has_perm, now=now, user_id=sam.pk)]
    assert urls == [concern.url]


def test_a_text_that_nobody_is_known_to_have_written_is_for_every_editor(now: datetime) -> None:
    broadcast = rejected(now, created_by=a_user())

    [concern] = rejection(now, a_user(group=groups.EDITORS))

    assert concern.key == f"rejected-{broadcast.pk}"


def test_a_rejected_follow_up_leads_to_what_it_was_to_follow(now: datetime) -> None:
    sam, first = a_user(group=groups.SENDERS), a_broadcast(state=State.FINISHED, finished_at=now)
    rejected(now, notification=first.notification, was_to_follow=first, created_by=sam)

    [concern] = rejection(now, sam)

    assert concern.button == f"View #{first.pk}"
    assert concern.url == reverse("admin:notifier_broadcast_progress", args=[first.pk])
    assert rejection(now, a_user(group=groups.EDITORS)) == []


def test_many_rejections_are_counted_and_take_no_more_queries(now: datetime) -> None:
    sam = a_user(group=groups.SENDERS)
    rejected(now, created_by=sam)
    rejection(now, sam)
    with CaptureQueriesContext(connection) as one:
        assert len(rejection(now, sam)) == 1
    for _ in range(concerns.MAX_NAMED + 1):
        rejected(now, created_by=sam)

    with CaptureQueriesContext(connection) as many:
        *named, more = rejection(now, sam)

    assert len(named) == concerns.MAX_NAMED
    assert more.words == "2 more broadcasts were rejected."
    assert len(many) == len(one)


def test_what_an_approver_had_a_hand_in_is_for_somebody_else_to_decide(now: datetime) -> None:
    bob = a_user(group=groups.APPROVERS)
    asked = a_broadcast(notification=a_notification(subject="Mine"), state=State.AWAITING_APPROVAL, created_by=bob)
    other = a_broadcast(state=State.AWAITING_APPROVAL, created_by=a_user())

    found = concerns.find(health=[], may=bob.has_perm, now=now, user_id=bob.pk)

    assert [(one.button, one.url) for one in found] == [
        ("Review and decide", approve_page(other)),
        ("View", reverse("admin:notifier_broadcast_progress", args=[asked.pk])),
    ]
    assert found[1].words.endswith("You created or changed it yourself, so someone else has to approve it.")
    assert menu_numbers.of_user(user=bob, now=now) == {"Broadcast": 1}


def test_an_unread_reply_waits_for_whoever_may_read_it(now: datetime) -> None:
    a_reply()

    [concern] = concerns.find(health=[], may=everything, now=now)

    assert (concern.key, concern.button) == ("inbox", "Read")
    assert concern.words == "1 SMS reply hasn’t been read yet."
    assert concerns.find(health=[], may=nothing, now=now) == []


# --- Receipts ---------------------------------------------------------------------------------------------------------
def a_silent_one(now: datetime, *, ended: timedelta, told: int) -> Broadcast:
    """Of 100 SMS, so many have their last receipt."""
    tally = {"audience": 100, "counts": {"sms": {"SENT": 100}}, "receipts": ["sms"]}
    broadcast = a_broadcast(state=State.FINISHED, started_at=now - ended, finished_at=now - ended, tally=tally)
    counts = {"sms": {"ACCEPTED": 3, "DELIVERED": told - 1, "UNDELIVERED": 1}}
    ReceiptCounts.objects.create(broadcast=broadcast, told_at=now, counts=counts)
    return broadcast


def test_receipts_that_do_not_come_are_told_after_a_while(now: datetime, settings: Settings) -> None:
    settings.RECEIPT_MINUTES, settings.RECEIPT_PERCENT = 60, 20
    overdue = a_silent_one(now, ended=60 * MINUTE, told=79)
    a_silent_one(now, ended=60 * MINUTE, told=80)
    a_silent_one(now, ended=59 * MINUTE, told=10)
    a_silent_one(now, ended=timedelta(days=8), told=10)

    found = concerns.find(health=[], may=everything, now=now)

    assert [(concern.key, concern.is_problem, concern.button) for concern in found] == [
        (f"receipts-{overdue.pk}-sms", False, "View")
    ]
    assert "21 of 100 SMS still wait for a receipt" in found[0].words
    assert listed(now, may=nothing) == []
