from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.utils import timezone

from notifier.delivery import daily_stats, recovery, tallies
from notifier.models import Broadcast, DailyStats, Delivery
from notifier.runtime import failpoints
from tests.support.factories import a_broadcast, a_client, a_delivery

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State = Delivery.State
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def count(broadcast: Broadcast, now: datetime = NOON) -> bool:
    return daily_stats.count(broadcast_id=broadcast.pk, now=now)


def counted(broadcast: Broadcast) -> dict[tuple[date, str, str], int]:
    rows = DailyStats.objects.filter(broadcast=broadcast)
    return {(row.day, row.channel, row.state): row.number for row in rows}


def settled(broadcast: Broadcast, state: State = State.SENT, at: datetime = NOON, channel: str = "email") -> Delivery:
    return a_delivery(broadcast=broadcast, state=state, settled_at=at, channel=channel)


def ended(**fields: Any) -> Broadcast:
    return a_broadcast(state=Broadcast.State.FINISHED, finished_at=NOON, tallied_at=NOON, **fields)


# --- What is counted --------------------------------------------------------------------------------------------------
def test_it_counts_by_day_channel_and_outcome() -> None:
    broadcast = a_broadcast()
    for at, channel, state in (
        (NOON, "email", State.SENT),
        (NOON, "email", State.SENT),
        (NOON, "sms", State.SENT),
        (NOON, "email", State.FAILED),
        (NOON + 3 * DAY, "email", State.UNKNOWN),
    ):
        settled(broadcast, state, at, channel)
    settled(a_broadcast())

    assert count(broadcast)

    assert counted(broadcast) == {
        (date(2026, 3, 10), "email", "SENT"): 2,
        (date(2026, 3, 10), "sms", "SENT"): 1,
        (date(2026, 3, 10), "email", "FAILED"): 1,
        (date(2026, 3, 13), "email", "UNKNOWN"): 1,
    }
    broadcast.refresh_from_db()
    assert broadcast.days_counted_at == NOON


def test_what_is_not_settled_is_not_counted() -> None:
    broadcast = a_broadcast()
    for state in (State.PENDING, State.SENDING, State.RETRYING):
        a_delivery(broadcast=broadcast, state=state)

    assert count(broadcast)

    assert counted(broadcast) == {}


def test_the_day_is_that_of_the_settings_zone_whoever_looks(settings: LazySettings) -> None:
    settings.TIME_ZONE = "America/New_York"
    broadcast = a_broadcast()
    midnight = datetime(2026, 3, 9, 4, tzinfo=UTC)  # after the clocks went forward on the 8th
    settled(broadcast, at=midnight - timedelta(seconds=1))
    settled(broadcast, at=midnight)
    settled(broadcast, at=datetime(2026, 3, 8, 5, tzinfo=UTC), channel="sms")
    settled(broadcast, at=datetime(2026, 3, 8, 4, 59, 59, tzinfo=UTC), channel="sms")

    with timezone.override("Asia/Tokyo"):
        count(broadcast)

    assert counted(broadcast) == {
        (date(2026, 3, 8), "email", "SENT"): 1,
        (date(2026, 3, 9), "email", "SENT"): 1,
        (date(2026, 3, 8), "sms", "SENT"): 1,
        (date(2026, 3, 7), "sms", "SENT"): 1,
    }


def test_counting_again_replaces_what_was_counted() -> None:
    row = settled(a_broadcast(), State.FAILED)
    count(row.broadcast)
    Delivery.objects.filter(pk=row.pk).update(state=State.SENT)

    assert count(row.broadcast, NOON + DAY)

    assert counted(row.broadcast) == {(date(2026, 3, 10), "email", "SENT"): 1}


def test_a_broadcast_that_is_gone_has_none() -> None:
    assert not daily_stats.count(broadcast_id=2**40, now=NOON)


# --- When -------------------------------------------------------------------------------------------------------------
def is_asked_for(broadcast: Broadcast, now: datetime = NOON) -> bool:
    return Broadcast.objects.to_count_by_day(now).filter(pk=broadcast.pk).exists()


def test_it_is_asked_for_when_new_and_then_once_a_minute_while_it_goes_on() -> None:
    broadcast = a_broadcast()

    assert is_asked_for(broadcast)
    count(broadcast)
    assert not is_asked_for(broadcast, NOON + timedelta(seconds=59))
    assert is_asked_for(broadcast, NOON + timedelta(seconds=60))


def test_after_the_end_it_is_asked_for_once_more_and_then_no_more(now: datetime) -> None:
    broadcast = settled(a_broadcast(audience_upto=0)).broadcast
    count(broadcast, now)
    assert tallies.finish(broadcast_id=broadcast.pk, now=now)

    assert is_asked_for(broadcast, now)
    assert count(broadcast, now)
    assert not is_asked_for(broadcast, now + DAY)


def test_it_is_asked_for_when_staff_mark_as_sent_what_has_ended(now: datetime) -> None:
    row = settled(ended(days_counted_at=NOON), State.UNKNOWN)

    recovery.mark_as_sent(deliveries=Delivery.objects.filter(pk=row.pk), by=None, why="in the log", now=now)
    assert not count(row.broadcast)  # its last tally comes first
    tallies.tally(broadcast_id=row.broadcast_id, now=now)

    assert is_asked_for(row.broadcast)
    assert count(row.broadcast)
    assert counted(row.broadcast) == {(date(2026, 3, 10), "email", "SENT"): 1}


def test_it_is_asked_for_at_once_when_staff_send_again(now: datetime) -> None:
    row = settled(ended(days_counted_at=now), State.FAILED)

    recovery.send_again(deliveries=Delivery.objects.filter(pk=row.pk), by=None, why="mended", now=now)

    assert is_asked_for(row.broadcast, now)
    assert count(row.broadcast, now)
    assert counted(row.broadcast) == {}


# --- Beside others ----------------------------------------------------------------------------------------------------
@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What is put into it happens between the count and the writing."""
    calls: list[object] = []

    def reached(name: str) -> None:
        while name == "daily_stats.counted" and calls:
            calls.pop()()  # type: ignore[operator]

    monkeypatch.setattr(failpoints, "reached", reached)
    return calls


def test_of_two_that_count_at_once_the_first_writes(meanwhile: list[object]) -> None:
    row = settled(a_broadcast())

    def other() -> None:
        settled(row.broadcast)
        assert count(row.broadcast)

    meanwhile.append(other)

    assert not count(row.broadcast)
    assert counted(row.broadcast) == {(date(2026, 3, 10), "email", "SENT"): 2}


def test_what_was_counted_before_the_end_is_not_taken_for_the_last_word(meanwhile: list[object], now: datetime) -> None:
    broadcast = settled(a_broadcast(audience_upto=0)).broadcast

    def end() -> None:
        settled(broadcast)
        assert tallies.finish(broadcast_id=broadcast.pk, now=now)

    meanwhile.append(end)

    assert not count(broadcast)
    assert is_asked_for(broadcast)


def test_what_staff_change_while_it_is_counted_is_counted_again(meanwhile: list[object], now: datetime) -> None:
    row = settled(ended(), State.UNKNOWN)

    def decide() -> None:
        recovery.mark_as_sent(deliveries=Delivery.objects.filter(pk=row.pk), by=None, why="in the log", now=now)
        tallies.tally(broadcast_id=row.broadcast_id, now=now)

    meanwhile.append(decide)

    assert not count(row.broadcast)
    assert is_asked_for(row.broadcast)


def test_a_client_reached_by_both_channels_counts_for_both() -> None:
    broadcast, client = a_broadcast(), a_client()
    for channel in ("email", "sms"):
        a_delivery(broadcast=broadcast, client=client, channel=channel, state=State.SENT, settled_at=NOON)

    count(broadcast)

    assert sorted(channel for _, channel, _ in counted(broadcast)) == ["email", "sms"]
