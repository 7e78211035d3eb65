from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from django.conf import LazySettings

from notifier.models import Broadcast, DailyStats, Delivery
from notifier.overview import chart
from notifier.overview.chart import HEIGHT, MIN_HEIGHT, Chart
from tests.support.factories import a_broadcast

pytestmark = [pytest.mark.both_engines(only_full=True), pytest.mark.django_db]

State = Delivery.State
NOW = datetime(2026, 3, 30, 12, tzinfo=UTC)
TODAY = NOW.date()


def a_tally(
    number: int, *, ago: int = 0, channel: str = "email", state: str = State.SENT, broadcast: Broadcast | None = None
) -> None:
    day = TODAY - timedelta(days=ago)
    DailyStats.objects.create(
        broadcast=broadcast or a_broadcast(), day=day, channel=channel, state=state, number=number
    )


def email() -> Chart:
    return chart.charts(now=NOW)[0]


def test_it_shows_thirty_days_the_last_of_which_is_today() -> None:
    days = email().days

    assert len(days) == 30
    assert (days[0].day, days[-1].day) == (date(2026, 3, 1), TODAY)
    assert all(day.pieces == [] for day in days)
    assert email().words == "From 1 Mar 2026 to 30 Mar 2026: nothing was sent."


def test_the_broadcasts_of_a_day_are_added_up_by_channel_and_outcome() -> None:
    a_tally(100)
    a_tally(50)
    a_tally(3, state=State.FAILED)
    a_tally(7, channel="sms")
    a_tally(5, ago=29)
    a_tally(1000, ago=30)

    by_email, by_sms = chart.charts(now=NOW)

    assert [(piece.state, piece.number) for piece in by_email.days[-1].pieces] == [(State.SENT, 150), (State.FAILED, 3)]
    assert by_email.totals == [(State.SENT, 155), (State.FAILED, 3)]
    assert by_sms.totals == [(State.SENT, 7)]
    assert by_email.axis == [160, 80, 0]
    assert by_email.sums(days=7)[State.SENT] == 150
    assert by_email.sums(days=7, before=23)[State.SENT] == 5
    assert by_email.words == "From 1 Mar 2026 to 30 Mar 2026: 155 sent, 3 failed."
    assert [day.day for day in by_email.busy_days] == [TODAY, date(2026, 3, 1)]
    assert by_email.days[-1].words == "30 Mar: 150 sent, 3 failed"
    assert by_email.days[-1].numbers == [150, 0, 0, 0, 3]


def test_pieces_pile_up_from_the_bottom_and_none_is_too_low_to_be_seen() -> None:
    for state, number in zip(chart.OUTCOMES, (1_000_000, 1, 1, 1, 1), strict=True):
        a_tally(number, state=state)
    a_tally(500_000, ago=1)

    pieces = email().days[-1].pieces

    assert pieces[0].y + pieces[0].height == HEIGHT
    for lower, upper in pairwise(pieces):
        assert upper.y + upper.height == lower.y
    assert all(piece.height >= MIN_HEIGHT for piece in pieces)
    assert pieces[-1].y >= 0
    assert email().days[-2].pieces[0].height < pieces[0].height


@pytest.mark.parametrize(
    ("highest", "end"),
    [
        (0, 2),
        (1, 2),
        (3, 4),
        (9, 10),
        (10, 10),
        (13, 16),
        (99, 100),
        (101, 120),
        (1_234_567, 1_600_000),
        (99_001, 100_000),
    ],
)
def test_the_axis_ends_at_a_round_number_with_a_round_half(highest: int, end: int) -> None:
    if highest:
        a_tally(highest)

    assert email().axis == [end, end // 2, 0]
    assert end % 2 == 0


def test_a_bar_is_as_high_on_the_axis_as_its_number() -> None:
    a_tally(75)
    a_tally(5, state=State.FAILED)
    a_tally(1, ago=3)

    today, earlier = email().days[-1], email().days[-4]

    assert email().axis_end == 80
    assert (sum(piece.height for piece in today.pieces), today.pieces[-1].y) == (HEIGHT, 0)
    assert today.pieces[1].height == HEIGHT * 5 // 80
    assert earlier.pieces[0].height == MIN_HEIGHT


def test_the_dates_on_the_axis_are_weeks_apart_and_end_today() -> None:
    dates = email().dates

    assert [label.words for label in dates] == ["2 Mar", "9 Mar", "16 Mar", "23 Mar", "Today"]
    assert (dates[0].x, dates[0].anchor) == ("5.00%", "middle")
    assert (dates[-1].x, dates[-1].anchor) == ("100%", "end")


def test_the_days_are_those_of_the_settings_zone(settings: LazySettings) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"

    assert chart.charts(now=datetime(2026, 3, 30, 15, tzinfo=UTC))[0].days[-1].day == date(2026, 3, 31)
