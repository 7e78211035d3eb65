from datetime import datetime, timedelta

import pytest

from notifier.models import Broadcast, Channel, ClientCounts, Delivery
from notifier.overview import dashboard
from tests.support.factories import a_broadcast, a_topic

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State = Broadcast.State
MINUTE = timedelta(minutes=1)


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

    assert [sheet.broadcast for sheet in dashboard.under_way(stalled={})] == [paused, running]
    assert [one.broadcast for one in dashboard.finished()] == [ended]


def test_what_is_paused_or_being_stopped_is_not_among_what_is_being_sent() -> None:
    running, paused, stopping = (a_broadcast(state=state) for state in (State.RUNNING, State.PAUSED, State.CANCELLED))

    groups = dashboard.by_state(dashboard.under_way(stalled={}))

    assert [(group.heading, [sheet.broadcast for sheet in group.broadcasts]) for group in groups] == [
        ("Sending now", [running]),
        ("Cancelling", [stopping]),
        ("Paused", [paused]),
    ]


def test_what_was_sent_is_told_by_channel_with_what_somebody_should_look_at(now: datetime) -> None:
    counts = {"email": {"SENT": 4, "FAILED": 1, "SKIPPED": 7}, "sms": {"SKIPPED": 3}}
    a_broadcast(state=State.FINISHED, finished_at=now, tally={"audience": 15, "rate": 0.0, "counts": counts})

    [one] = dashboard.finished()

    assert [(channel, bar.words if bar else None) for channel, bar in one.results] == [
        (Channel.EMAIL, "4 of 5 sent, 1 failed"),
        (Channel.SMS, None),
    ]
    assert one.problems == [(Delivery.State.FAILED, 1)]


def test_those_that_have_not_begun_are_counted_up_to_a_limit(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    for state in (State.SCHEDULED, State.AWAITING_APPROVAL, State.RUNNING, State.REJECTED, State.SCHEDULED):
        a_broadcast(state=state, finished_at=now if state == State.REJECTED else None)

    assert dashboard.number_to_come() == 3
    monkeypatch.setattr(dashboard, "MAX_COUNTED", 2)
    assert dashboard.number_to_come() == 2


def test_what_never_started_was_not_sent_recently(now: datetime) -> None:
    for state in (State.CANCELLED, State.REJECTED):
        a_broadcast(state=state, started_at=None, finished_at=now)

    assert dashboard.finished() == []


# --- Clients ----------------------------------------------------------------------------------------------------------
def test_before_anybody_has_counted_there_are_no_numbers(now: datetime) -> None:
    assert dashboard.clients(now=now) is None


def test_client_counts_are_told_by_topic_and_channel_with_its_age(now: datetime) -> None:
    listings, newer = a_topic(slug="listings"), a_topic(slug="newer")
    counts = {"clients": 12, "archived": 2, "new": 3, "consents": {str(listings.pk): {"email": 5, "sms": 0}}}
    ClientCounts.objects.create(pk=1, counts=counts, counted_at=now - 14 * MINUTE)

    found = dashboard.clients(now=now)

    assert found is not None
    assert (found.active, found.archived, found.new, found.is_old) == (10, 2, 3, False)
    by_topic = {row.topic: row.channels for row in found.topics}
    assert by_topic[listings] == [(Channel.EMAIL, 5, 0.5), (Channel.SMS, 0, 0.0)]
    assert by_topic[newer] == [(Channel.EMAIL, None, 0.0), (Channel.SMS, None, 0.0)]
    later = dashboard.clients(now=now + 2 * MINUTE)
    assert later is not None
    assert later.is_old
