from datetime import datetime, timedelta

import pytest

from notifier.broadcasts.progress import Health
from notifier.models import Broadcast, Channel, ClientCounts, DailyStats, Delivery, Process
from notifier.overview import dashboard
from tests.support.factories import a_broadcast, a_notification, a_topic

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State = Broadcast.State
MINUTE = timedelta(minutes=1)


def everything(permission: str) -> bool:
    return True


def nothing(permission: str) -> bool:
    return False


def concerns(now: datetime, *health: Health, may: dashboard.May = everything) -> list[tuple[str, bool, str]]:
    found = dashboard.concerns(health=list(health), may=may, now=now)
    return [(concern.key, concern.is_bad, concern.button) for concern in found]


# --- What needs attention ---------------------------------------------------------------------------------------------
def test_while_all_is_well_there_is_nothing(now: datetime) -> None:
    a_broadcast(state=State.FINISHED, finished_at=now)

    assert concerns(now, Health("Dispatcher", True, "1 running")) == []


def test_what_does_not_work_comes_first_and_leads_to_the_workers(now: datetime) -> None:
    a_broadcast(state=State.AWAITING_APPROVAL)
    late = a_broadcast(state=State.SCHEDULED, scheduled_for=now - timedelta(hours=1))
    ill = Health("SMS consumers", False, "No SMS consumer is running.")

    assert concerns(now, ill) == [
        ("sms-consumers", True, "See the workers"),
        (f"late-{late.pk}", True, "Open it"),
        ("approval", False, "Look and decide"),
    ]


def test_a_channel_that_paused_itself_is_tried_again_by_an_order(now: datetime) -> None:
    paused = Health("E-mail", False, "E-mail is paused by itself.", paused=Channel.EMAIL)

    [concern] = dashboard.concerns(health=[paused], may=everything, now=now)

    assert (concern.button, concern.is_order) == ("Try again now", True)
    assert concern.url.endswith("/channels/email/try-again/")


def test_without_rights_what_does_not_work_is_told_without_a_button(now: datetime) -> None:
    a_broadcast(state=State.AWAITING_APPROVAL)
    a_broadcast(state=State.SCHEDULED, scheduled_for=now - timedelta(hours=1))
    DailyStats.objects.create(broadcast=a_broadcast(), day=now.date(), channel="email", state="UNKNOWN", number=3)
    paused = Health("E-mail", False, "Paused.", paused=Channel.EMAIL)

    assert concerns(now, Health("Dispatcher", False, "None."), paused, may=nothing) == [
        ("dispatcher", True, ""),
        ("paused-email", True, ""),
    ]


def test_unknown_deliveries_are_told_by_the_daily_tallies_of_all_times(now: datetime) -> None:
    for ago, state, number in ((0, "UNKNOWN", 1200), (400, "UNKNOWN", 34), (0, "FAILED", 7)):
        day = now.date() - timedelta(days=ago)
        DailyStats.objects.create(broadcast=a_broadcast(), day=day, channel="email", state=state, number=number)

    [concern] = dashboard.concerns(health=[], may=everything, now=now)

    assert concern.words.startswith("1,234 deliveries may or may not have arrived.")
    assert concern.url.endswith("/delivery/?state__exact=UNKNOWN")


def test_one_broadcast_that_awaits_approval_is_named_and_several_are_counted(now: datetime) -> None:
    one = a_broadcast(notification=a_notification(subject="Spring"), state=State.AWAITING_APPROVAL)
    [concern] = dashboard.concerns(health=[], may=everything, now=now)
    assert concern.words.startswith("“Spring” awaits approval")
    assert concern.url.endswith(f"/broadcast/{one.pk}/progress/")

    a_broadcast(state=State.AWAITING_APPROVAL)
    [concern] = dashboard.concerns(health=[], may=everything, now=now)
    assert concern.words.startswith("2 broadcasts await approval")
    assert concern.url.endswith("/broadcast/?state__exact=AWAITING_APPROVAL")


def test_a_schedule_that_nobody_has_begun_is_late_after_a_while(now: datetime) -> None:
    late = a_broadcast(state=State.SCHEDULED, scheduled_for=now - 3 * MINUTE)
    a_broadcast(state=State.SCHEDULED, scheduled_for=now - MINUTE)
    a_broadcast(state=State.RUNNING, scheduled_for=now - timedelta(hours=1))

    assert concerns(now) == [(f"late-{late.pk}", True, "Open it")]


def test_dead_tickets_are_told_with_what_to_do(now: datetime) -> None:
    Process.objects.create(
        kind=Process.Kind.DISPATCHER, host="here", pid=1, started_at=now, last_seen_at=now, depths={"dead": 1}
    )

    [concern] = dashboard.concerns(health=[], may=nothing, now=now)

    assert concern.words.startswith("1 dead ticket: no consumer could read it, so it was put aside.")
    assert concern.command == "python manage.py purge_dead_letters"


# --- Broadcasts -------------------------------------------------------------------------------------------------------
def test_what_is_to_come_comes_in_the_order_of_its_time(now: datetime) -> None:
    later = a_broadcast(state=State.SCHEDULED, scheduled_for=now + 2 * MINUTE)
    sooner = a_broadcast(state=State.SCHEDULED, scheduled_for=now + MINUTE)
    a_broadcast()

    unknown = a_broadcast(state=State.AWAITING_APPROVAL)

    assert dashboard.to_come() == [sooner, later, unknown]


def test_what_is_under_way_and_what_has_finished_are_apart(now: datetime) -> None:
    running, paused = a_broadcast(), a_broadcast(state=State.PAUSED)
    tally = {"audience": 3, "rate": 0.0, "counts": {"email": {"SENT": 1}, "sms": {"SENT": 1, "FAILED": 1}}}
    ended = a_broadcast(state=State.FINISHED, finished_at=now, tally=tally)
    a_broadcast(state=State.SCHEDULED, scheduled_for=now)

    assert [sheet.broadcast for sheet in dashboard.under_way()] == [paused, running]
    assert dashboard.finished() == [dashboard.Finished(ended, [(Delivery.State.SENT, 2), (Delivery.State.FAILED, 1)])]


# --- Clients ----------------------------------------------------------------------------------------------------------
def test_before_anybody_has_counted_there_are_no_numbers(now: datetime) -> None:
    assert dashboard.clients(now=now) is None


def test_the_census_is_told_by_topic_and_channel_with_its_age(now: datetime) -> None:
    listings, newer = a_topic(slug="listings"), a_topic(slug="newer")
    counts = {"clients": 12, "archived": 2, "consents": {str(listings.pk): {"email": 5, "sms": 0}}}
    ClientCounts.objects.create(pk=1, counts=counts, counted_at=now - 14 * MINUTE)

    found = dashboard.clients(now=now)

    assert found is not None
    assert (found.active, found.archived, found.is_old) == (10, 2, False)
    by_topic = {row.topic: row.channels for row in found.topics}
    assert by_topic[listings] == [(Channel.EMAIL, 5, 0.5), (Channel.SMS, 0, 0.0)]
    assert by_topic[newer] == [(Channel.EMAIL, None, 0.0), (Channel.SMS, None, 0.0)]
    later = dashboard.clients(now=now + 2 * MINUTE)
    assert later is not None
    assert later.is_old
