from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from notifier.models import Broadcast, Channel, DailyStats, Process
from notifier.notifications import statuses
from notifier.overview import concerns, process_health
from notifier.overview.concerns import Kind
from notifier.overview.process_health import Health
from notifier.staff import groups
from tests.support.factories import a_broadcast, a_notification, a_reply, a_user

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

    [concern] = concerns.find(health=[], may=nothing, now=now)

    assert concern.words.startswith("1 dead letter: no consumer could read it, so it was set aside.")
    assert concern.command == "python manage.py purge_dead_letters"


def test_what_staff_paused_is_told_with_how_far_it_is(now: datetime) -> None:
    tally = {"audience": 10, "counts": {"email": {"SENT": 4, "PENDING": 6}}}
    paused = a_broadcast(notification=a_notification(subject="Spring"), state=State.PAUSED, tally=tally)

    [concern] = concerns.find(health=[], may=everything, now=now)

    assert (concern.key, concern.kind, concern.button) == (f"paused-{paused.pk}", Kind.PAUSED, "View")
    assert (concern.label, concern.words) == ("Paused", "“Spring”: 4 of 10 sent. Resume or cancel it.")
    assert concern.url.endswith(f"/broadcast/{paused.pk}/progress/")


def failed(now: datetime, **fields: Any) -> Broadcast:
    values: dict[str, Any] = {"state": State.FINISHED, "finished_at": now}
    tally = {"audience": 10, "counts": {"email": {"SENT": 4, "FAILED": 5}, "sms": {"FAILED": 1}}}
    return a_broadcast(**values | {"tally": tally} | fields)


def test_failures_that_may_be_retried_are_told(now: datetime) -> None:
    broadcast = failed(now - timedelta(days=1))

    [concern] = concerns.find(health=[], may=everything, now=now)

    assert (concern.key, concern.button) == (f"failed-{broadcast.pk}", "View and send again")
    assert "6 messages failed" in concern.words
    see_only = [(groups.VIEW_BROADCAST, True)]
    assert listed(now, may=lambda right: (right, True) in see_only) == [(f"failed-{broadcast.pk}", False, "View")]


def test_failures_about_which_nothing_can_be_done_any_more_are_not(now: datetime) -> None:
    failed(now - timedelta(days=8))
    failed(now, expires_at=now)
    failed(now, state=State.CANCELLED)
    a_broadcast(follows=failed(now))

    assert listed(now) == []


def test_failures_are_read_from_the_tallies(now: datetime) -> None:
    failed(now)
    with CaptureQueriesContext(connection) as one:
        listed(now)
    for _ in range(5):
        failed(now)

    with CaptureQueriesContext(connection) as many:
        assert len(listed(now)) == 6

    assert len(many) == len(one)


def test_what_was_to_start_and_still_awaits_approval_is_overdue(now: datetime) -> None:
    overdue = a_broadcast(state=State.AWAITING_APPROVAL, scheduled_for=now - MINUTE)
    a_broadcast(state=State.AWAITING_APPROVAL, scheduled_for=now + MINUTE)

    button = "Review and decide"
    assert listed(now) == [("approval", False, button), (f"overdue-{overdue.pk}", False, button)]
    [_, concern] = concerns.find(health=[], may=everything, now=now)
    assert concern.url == reverse("admin:notifier_broadcast_approve", args=[overdue.pk])


def test_a_rejection_is_told_to_whoever_asked_and_to_nobody_else(now: datetime) -> None:
    ann, bob = a_user(), a_user(username="bob")
    rejected = a_broadcast(
        notification=a_notification(subject="Hi {{ first_name }}"),
        state=State.REJECTED,
        finished_at=now,
        created_by=ann,
        rejected_by=bob,
        ended_because="a misprint",
    )

    [concern] = concerns.find(health=[], may=everything, now=now, user_id=ann.pk)

    assert concern.key == f"rejected-{rejected.pk}"
    assert concern.words == "“Hi [first name]” was rejected by bob: a misprint"
    assert concerns.find(health=[], may=everything, now=now, user_id=bob.pk) == []


def test_an_unread_reply_waits_for_whoever_may_read_it(now: datetime) -> None:
    a_reply()

    [concern] = concerns.find(health=[], may=everything, now=now)

    assert (concern.key, concern.button) == ("inbox", "Read")
    assert concern.words.startswith("1 unread SMS reply without a keyword")
    assert concerns.find(health=[], may=nothing, now=now) == []
