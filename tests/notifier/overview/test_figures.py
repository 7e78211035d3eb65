from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from notifier.models import Broadcast, Channel, DailyStats, Delivery
from notifier.overview import chart, dashboard, figures
from notifier.overview.dashboard import Clients
from notifier.overview.figures import Figure
from tests.support.factories import a_broadcast

pytestmark = [pytest.mark.both_engines(only_full=True), pytest.mark.django_db]

State = Delivery.State
NOW = datetime(2026, 3, 30, 12, tzinfo=UTC)


def a_day(*, ago: int = 0, channel: str = "email", **numbers: int) -> None:
    broadcast = a_broadcast(state="FINISHED", finished_at=NOW)
    for state, number in numbers.items():
        day = NOW.date() - timedelta(days=ago)
        DailyStats.objects.create(broadcast=broadcast, day=day, channel=channel, state=state, number=number)


def shown() -> dict[str, Figure]:
    to_come, number = dashboard.to_come(), dashboard.number_to_come()
    found = figures.of_broadcasts(charts=chart.charts(now=NOW), to_come=to_come, number_to_come=number, now=NOW)
    return {figure.key: figure for figure in found}


def told(key: str) -> tuple[str, str, bool]:
    figure = shown()[key]
    return figure.value, figure.words, figure.is_number


# --- Messages sent ----------------------------------------------------------------------------------------------------
def test_with_nothing_to_count_they_say_so_in_words() -> None:
    assert told("sent") == ("None", "None in the 7 days before", False)
    assert told("success") == ("Not known", "Nothing was sent", False)
    assert told("scheduled") == ("None", "No broadcast is waiting to start", False)


def test_what_was_sent_in_seven_days_is_added_up_over_channels_and_compared_with_the_seven_before() -> None:
    a_day(SENT=1000)
    a_day(SENT=80, ago=6, channel="sms")
    a_day(SENT=900, ago=7)
    a_day(SENT=100, ago=13)
    a_day(SENT=5000, ago=14)

    assert told("sent") == ("1,080", "8% more than in the 7 days before", True)


@pytest.mark.parametrize(
    ("now", "before", "words"),
    [
        (50, 100, "50% fewer than in the 7 days before"),
        (1000, 1004, "About as many as in the 7 days before"),
        (100, 100, "About as many as in the 7 days before"),
        (299, 100, "199% more than in the 7 days before"),
        (350, 100, "3 times as many as in the 7 days before"),
        (5, 0, "None in the 7 days before"),
    ],
)
def test_the_change_is_told_in_words(now: int, before: int, words: str) -> None:
    a_day(SENT=now)
    if before:
        a_day(SENT=before, ago=8)

    assert told("sent")[1] == words


def test_a_quiet_week_tells_of_the_one_before() -> None:
    a_day(SENT=1234, ago=9)

    assert told("sent") == ("None", "1,234 in the 7 days before", False)


def test_what_was_sent_since_the_last_count_is_in_it_and_nothing_twice() -> None:
    tally = {"audience": 100, "rate": 0.0, "counts": {"email": {"SENT": 70, "FAILED": 5, "PENDING": 25}}}
    running = a_broadcast(tally=tally)
    assert told("sent") == ("70", "None in the 7 days before", True)

    DailyStats.objects.create(broadcast=running, day=NOW.date(), channel="email", state="SENT", number=60)

    assert told("sent")[0] == "70"
    assert told("success") == ("93.3%", "5 failed", True)
    [email, _] = chart.charts(now=NOW)
    assert email.sums(days=1)[State.SENT] == 70


def test_what_was_sent_since_the_last_count_takes_no_more_queries_for_many() -> None:
    tally = {"audience": 1, "rate": 0.0, "counts": {"email": {"SENT": 1}}}
    a_broadcast(tally=tally)
    with CaptureQueriesContext(connection) as one:
        chart.charts(now=NOW)
    for _ in range(5):
        a_broadcast(tally=tally)

    with CaptureQueriesContext(connection) as many:
        assert told("sent")[0] == "6"

    assert len(many) == len(one) + 2  # what is to come, and its number


# --- Success ----------------------------------------------------------------------------------------------------------
def test_success_is_of_what_a_provider_was_given_and_never_rounded_up() -> None:
    a_day(SENT=99_996, FAILED=3, UNKNOWN=1, SKIPPED=50_000, CANCELLED=10_000)

    assert told("success") == ("99.9%", "3 failed, 1 unknown", True)


def test_where_nothing_failed_it_is_all_of_it() -> None:
    a_day(SENT=3, SKIPPED=5)

    assert told("success") == ("100%", "None failed", True)


def test_where_everything_failed_it_is_a_number_too() -> None:
    a_day(FAILED=3)

    assert told("success") == ("0.0%", "3 failed", True)


@pytest.mark.parametrize(
    ("stalled", "waiting", "value", "words"),
    [
        ({Channel.SMS: "no consumer is running"}, 50, "50.0%", "50 waiting, SMS stopped"),
        ({Channel.SMS: "no consumer is running"}, 0, "100%", "None failed, SMS stopped"),
        ({Channel.EMAIL: "paused automatically"}, 50, "100%", "None failed, e-mail stopped"),
        (dict.fromkeys(Channel, "no dispatcher is running"), 50, "50.0%", "50 waiting, sending stopped"),
    ],
)
def test_what_a_stopped_channel_does_not_send_is_no_success(
    stalled: dict[Channel, str], waiting: int, value: str, words: str
) -> None:
    a_broadcast(tally={"audience": 100, "rate": 0.0, "counts": {"email": {"SENT": 50}, "sms": {"PENDING": waiting}}})
    under_way = dashboard.under_way(stalled=stalled)

    figure = figures.of_broadcasts(
        charts=chart.charts(now=NOW), to_come=[], number_to_come=0, now=NOW, under_way=under_way, stalled=stalled
    )[1]

    assert (figure.value, figure.words) == (value, words)


def test_what_waits_for_quiet_hours_is_no_failure_of_a_stopped_channel() -> None:
    stalled = {Channel.SMS: "no consumer is running"}
    late = {"sms": {"number": 30, "until": (NOW + timedelta(hours=9)).isoformat()}}
    counts = {"email": {"SENT": 50}, "sms": {"PENDING": 40}}
    a_broadcast(tally={"audience": 90, "rate": 0.0, "counts": counts, "waiting": late})
    alone = {"sms": {"number": 20, "until": (NOW + timedelta(hours=9)).isoformat()}}
    a_broadcast(tally={"audience": 20, "rate": 0.0, "counts": {"sms": {"PENDING": 20}}, "waiting": alone})
    # Staff have stopped this one, and not its channel.
    a_broadcast(state="PAUSED", tally={"audience": 7, "rate": 0.0, "counts": {"sms": {"PENDING": 7}}})

    figure = figures.of_broadcasts(
        charts=chart.charts(now=NOW),
        to_come=[],
        number_to_come=0,
        now=NOW,
        under_way=dashboard.under_way(stalled=stalled),
        stalled=stalled,
    )[1]

    assert (figure.value, figure.words) == ("83.3%", "10 waiting, SMS stopped")


# --- Scheduled --------------------------------------------------------------------------------------------------------
def test_what_is_scheduled_is_told_with_the_next_time() -> None:
    for hours in (30, 20):
        a_broadcast(state="SCHEDULED", scheduled_for=NOW + timedelta(hours=hours), started_at=None)
    a_broadcast(state="AWAITING_APPROVAL", scheduled_for=NOW - timedelta(hours=1), started_at=None)

    assert told("scheduled") == ("3", "Next: 31 Mar 2026, 08:00", True)


def test_what_is_overdue_is_not_told_as_the_next_one() -> None:
    a_broadcast(state="SCHEDULED", scheduled_for=NOW - timedelta(hours=1), started_at=None)
    assert told("scheduled") == ("1", "Due since 30 Mar 2026, 11:00", True)

    a_broadcast(state="SCHEDULED", scheduled_for=NOW + timedelta(hours=20), started_at=None)
    assert told("scheduled") == ("2", "Next: 31 Mar 2026, 08:00", True)


def test_what_only_waits_for_a_decision_has_no_time() -> None:
    a_broadcast(state=Broadcast.State.AWAITING_APPROVAL, started_at=None)

    assert told("scheduled") == ("1", "Once approved", True)


def test_very_many_are_not_counted_to_the_end() -> None:
    [*_, figure] = figures.of_broadcasts(
        charts=chart.charts(now=NOW), to_come=[], number_to_come=dashboard.MAX_COUNTED, now=NOW
    )

    assert figure.value == "100 or more"


# --- Clients ----------------------------------------------------------------------------------------------------------
def counted(active: int, new: int | None = 0) -> Clients:
    return Clients(active=active, archived=0, topics=[], new=new, counted_at="12:00", is_old=False)


@pytest.mark.parametrize(
    ("clients", "value", "words", "is_number"),
    [
        (None, "Counting…", "Updated every minute", False),
        (counted(0), "None yet", "Add or import the first ones", False),
        (counted(1234, 56), "1,234", "56 added in the last 7 days", True),
        (counted(1234, 0), "1,234", "None added in the last 7 days", True),
        # By the release before, which did not count them.
        (counted(1234, None), "1,234", "", True),
    ],
)
def test_clients_are_told_as_they_were_counted(
    clients: Clients | None, value: str, words: str, is_number: bool
) -> None:
    figure = figures.of_clients(clients)

    assert (figure.value, figure.words, figure.is_number) == (value, words, is_number)
