"""What the progress page shows of single deliveries: problems first, each client as they are reached, nothing twice."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from notifier.models import Broadcast, Channel, Delivery
from notifier.progress import feeds
from tests.support.factories import a_broadcast, a_client, a_delivery

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State = Delivery.State
EMAIL, SMS = Channel.EMAIL, Channel.SMS
SECOND = timedelta(seconds=1)
GONE, SILENT = "number not in service", "the provider did not answer within 30 seconds"


@pytest.fixture
def broadcast() -> Broadcast:
    return a_broadcast()


@pytest.fixture
def a_small_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some that were settled earlier are no longer among the newest."""
    monkeypatch.setattr(feeds, "WINDOW", 4)


def settled(
    broadcast: Broadcast,
    now: datetime,
    number: int = 1,
    *,
    state: str = State.SENT,
    detail: str = "",
    channel: str = EMAIL,
    first: int = 0,
) -> list[Delivery]:
    """So many, one a second from `first` on, each to a client of its own: "Failed 3"."""
    rows = [
        Delivery(
            broadcast=broadcast,
            client=a_client(name=f"{State(state).label} {place}"),
            channel=channel,
            state=state,
            detail=detail,
            settled_at=now + place * SECOND,
        )
        for place in range(first, first + number)
    ]
    return Delivery.objects.bulk_create(rows)


def named(line: feeds.FeedLine) -> list[str]:
    return [client.name for client in line.clients]


# --- Each client as they are reached ----------------------------------------------------------------------------------
def test_each_client_who_got_it_has_a_line_newest_first(broadcast: Broadcast, now: datetime) -> None:
    settled(broadcast, now, 3)
    a_delivery(broadcast=broadcast)
    a_delivery(state=State.SENT)

    shown = feeds.feed(broadcast, with_names=True)

    assert shown.problems == []
    assert [(named(line), line.reason, line.more) for line in shown.newest] == [
        (["Sent 2"], "", ""),
        (["Sent 1"], "", ""),
        (["Sent 0"], "", ""),
    ]
    assert [line.at for line in shown.newest] == [now + place * SECOND for place in (2, 1, 0)]


def test_the_feed_is_cut_to_its_length(broadcast: Broadcast, now: datetime) -> None:
    settled(broadcast, now, feeds.LENGTH + 5)
    settled(broadcast, now, 2, state=State.FAILED, detail=GONE)

    shown = feeds.feed(broadcast, with_names=True)

    assert (len(shown.problems), len(shown.newest)) == (1, feeds.LENGTH - 1)
    assert named(shown.newest[0]) == [f"Sent {feeds.LENGTH + 4}"]
    assert len(feeds.feed(broadcast, with_names=True, length=3).newest) == 2


def test_before_anything_is_settled_there_is_nothing(broadcast: Broadcast) -> None:
    a_delivery(broadcast=broadcast)

    assert not feeds.feed(broadcast, with_names=True)


def test_whoever_may_not_see_clients_sees_their_numbers(broadcast: Broadcast, now: datetime) -> None:
    (row,) = settled(broadcast, now)

    (line,) = feeds.feed(broadcast, with_names=False).newest

    assert line.clients == [feeds.NamedClient(row.client_id, f"Client #{row.client_id}", row.pk)]


# --- Problems first, and each reason once -----------------------------------------------------------------------------
def test_problems_come_first_however_old_they_are(broadcast: Broadcast, now: datetime) -> None:
    settled(broadcast, now, state=State.FAILED, detail=GONE)
    settled(broadcast, now, 3, first=10)
    settled(broadcast, now, state=State.UNKNOWN, detail=SILENT, first=5)

    shown = feeds.feed(broadcast, with_names=True)

    assert [(line.state, named(line)) for line in shown.problems] == [
        (State.UNKNOWN, ["Unknown 5"]),
        (State.FAILED, ["Failed 0"]),
    ]
    assert [named(line) for line in shown.newest] == [["Sent 12"], ["Sent 11"], ["Sent 10"]]


def test_those_who_were_skipped_or_cancelled_are_no_problem(broadcast: Broadcast, now: datetime) -> None:
    settled(broadcast, now, state=State.SKIPPED, detail="address suppressed")
    settled(broadcast, now, state=State.CANCELLED, detail="broadcast cancelled", first=1)

    shown = feeds.feed(broadcast, with_names=True)

    assert shown.problems == []
    assert [line.state for line in shown.newest] == [State.CANCELLED, State.SKIPPED]


def test_what_fifty_have_in_common_is_said_once_with_the_latest_three(broadcast: Broadcast, now: datetime) -> None:
    settled(broadcast, now, 51, state=State.FAILED, detail=GONE, channel=SMS)
    settled(broadcast, now, 60, first=60)

    (line,) = feeds.feed(broadcast, with_names=True).problems

    assert (line.state, line.channel, line.reason, line.more) == (State.FAILED, SMS, GONE, "48 more")
    assert named(line) == ["Failed 50", "Failed 49", "Failed 48"]
    assert line.at == now + 50 * SECOND


@pytest.mark.parametrize(
    "other", [{"channel": EMAIL}, {"detail": "blocked"}, {"state": State.UNKNOWN}], ids=["channel", "reason", "outcome"]
)
def test_what_differs_has_a_line_of_its_own(broadcast: Broadcast, now: datetime, other: dict[str, str]) -> None:
    same: dict[str, Any] = {"state": State.FAILED, "detail": GONE, "channel": SMS}
    settled(broadcast, now, 5, **same)
    settled(broadcast, now, 4, first=5, **same | other)

    shown = feeds.feed(broadcast, with_names=True)

    assert [line.more for line in shown.problems] == ["1 more", "2 more"]


def test_skips_for_one_reason_are_one_line_where_the_latest_stands(broadcast: Broadcast, now: datetime) -> None:
    settled(broadcast, now, 2)
    settled(broadcast, now, 7, state=State.SKIPPED, detail="no e-mail address", first=2)
    settled(broadcast, now, first=20)

    shown = feeds.feed(broadcast, with_names=True)

    assert [(line.state, line.more) for line in shown.newest] == [
        (State.SENT, ""),
        (State.SKIPPED, "4 more"),
        (State.SENT, ""),
        (State.SENT, ""),
    ]


def test_a_line_has_a_key_that_stays_while_others_join_it(broadcast: Broadcast, now: datetime) -> None:
    keys = []
    for place in range(3):
        settled(broadcast, now, 4, state=State.FAILED, detail=GONE, channel=SMS, first=4 * place)
        settled(broadcast, now, 4, state=State.FAILED, detail="blocked", channel=SMS, first=100 + 4 * place)
        keys.append([line.key for line in feeds.feed(broadcast, with_names=True).problems])

    assert keys[0] == keys[1] == keys[2]
    assert len(set(keys[0])) == 2


def test_those_that_staff_marked_as_sent_are_one_line(broadcast: Broadcast, now: datetime) -> None:
    settled(broadcast, now, 9, detail="marked as sent by ann: in their log")

    (line,) = feeds.feed(broadcast, with_names=True).newest

    assert (line.more, line.reason) == ("6 more", "marked as sent by ann: in their log")


def test_of_many_different_problems_the_newest_are_shown(broadcast: Broadcast, now: datetime) -> None:
    for place in range(feeds.MAX_PROBLEMS + 3):
        settled(broadcast, now, state=State.FAILED, detail=f"reason {place}", first=place)
    settled(broadcast, now)

    shown = feeds.feed(broadcast, with_names=True)

    assert [line.reason for line in shown.problems] == [f"reason {place}" for place in range(10, 2, -1)]
    assert len(shown.newest) == 1


# --- More than the newest ---------------------------------------------------------------------------------------------
@pytest.mark.usefixtures("a_small_window")
def test_problems_that_are_over_are_found_and_counted_by_channel(broadcast: Broadcast, now: datetime) -> None:
    settled(broadcast, now, 5, state=State.FAILED, detail="blocked", channel=SMS)
    settled(broadcast, now, 6, state=State.FAILED, detail="blocked", channel=EMAIL)
    settled(broadcast, now, state=State.UNKNOWN, detail=SILENT, first=7)
    settled(broadcast, now, 9, first=20)

    shown = feeds.feed(broadcast, with_names=True)

    assert [(line.state, line.channel, line.more, named(line)[0]) for line in shown.problems] == [
        (State.UNKNOWN, EMAIL, "", "Unknown 7"),
        (State.FAILED, EMAIL, "3 more", "Failed 5"),
        (State.FAILED, SMS, "2 more", "Failed 4"),
    ]
    assert [named(line) for line in shown.newest] == [[f"Sent {place}"] for place in (28, 27, 26, 25)]


@pytest.mark.usefixtures("a_small_window")
def test_those_who_were_skipped_are_counted_as_well(broadcast: Broadcast, now: datetime) -> None:
    settled(broadcast, now, 9, state=State.SKIPPED, detail="no e-mail address")

    (line,) = feeds.feed(broadcast, with_names=True).newest

    assert line.more == "6 more"


@pytest.mark.usefixtures("a_small_window")
def test_where_nobody_has_counted_it_says_at_least(broadcast: Broadcast, now: datetime) -> None:
    settled(broadcast, now, 9, detail="marked as sent by ann: in their log")

    (line,) = feeds.feed(broadcast, with_names=True).newest

    assert line.more == "at least 1 more"


@pytest.mark.usefixtures("a_small_window")
def test_a_problem_beyond_the_reasons_that_are_looked_for_is_shown_while_it_is_new(
    broadcast: Broadcast, now: datetime
) -> None:
    for place in range(feeds.MAX_REASONS + 2):
        settled(broadcast, now, 3, state=State.FAILED, detail=f"reason {place}", first=3 * place)

    shown = feeds.feed(broadcast, with_names=True)

    found = {line.reason: (line.more, line.is_open_ended) for line in shown.problems}
    assert set(found) == {f"reason {place}" for place in range(feeds.MAX_REASONS + 2)}
    assert found["reason 7"] == ("", True)
    assert shown.problems[0].reason == "reason 7"


@pytest.mark.usefixtures("a_small_window")
def test_no_reason_is_counted_without_end(broadcast: Broadcast, now: datetime) -> None:
    fill(broadcast, feeds.MAX_COUNTED + 5, State.FAILED, now)
    settled(broadcast, now, 5, first=60)

    (line,) = feeds.feed(broadcast, with_names=True).problems

    assert line.more == "at least 1,000 more"


# --- What it costs ----------------------------------------------------------------------------------------------------
def fill(broadcast: Broadcast, number: int, state: str, now: datetime) -> None:
    """So many deliveries of one reason, in one statement; to clients that are only numbers."""
    moment = connection.ops.adapt_datetimefield_value(now)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO notifier_delivery (broadcast_id, client_id, channel, address, state, detail, attempts,
                                           provider_id, settled_at)
            SELECT %s, 1000000 + n, 'sms', '', %s, %s, 1, '', %s
            FROM (WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < {number})
                  SELECT n FROM counted) numbers
            """,
            [broadcast.pk, state, "" if state == State.SENT else GONE, moment],
        )


def asked(broadcast: Broadcast) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        feeds.feed(broadcast, with_names=True)
    return [query["sql"] for query in captured]


def test_it_asks_four_questions_at_most_however_many_there_are(broadcast: Broadcast, now: datetime) -> None:
    settled(broadcast, now, 5)
    few = asked(broadcast)
    fill(broadcast, 5_000, State.SENT, now)
    fill(a_broadcast(), 5_000, State.FAILED, now)
    for place in range(20):
        settled(broadcast, now, 2, state=State.FAILED, detail=f"reason {place:02}", first=2 * place)
        settled(broadcast, now, 2, state=State.UNKNOWN, detail=f"reason {place:02}", first=2 * place, channel=SMS)

    many = asked(broadcast)

    assert len(few) == 2
    assert len(many) == 4
    newest, reasons, rows, names = many
    assert f"LIMIT {feeds.WINDOW}" in newest
    assert "COUNT(" not in reasons
    assert rows.count(f"LIMIT {feeds.MAX_COUNTED}") == 2 * feeds.MAX_REASONS
    assert names.count(",") < feeds.LENGTH * feeds.NAMED


def test_every_question_about_deliveries_is_answered_by_an_index(broadcast: Broadcast, now: datetime) -> None:
    # Far more of the same reason before and after: whoever reads the table finds ours late.
    fill(a_broadcast(), 20_000, State.FAILED, now)
    fill(broadcast, 10_000, State.FAILED, now)
    fill(a_broadcast(), 20_000, State.FAILED, now)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE notifier_delivery")
    questions = [sql for sql in asked(broadcast) if "notifier_delivery" in sql]
    word = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"

    plans = []
    with connection.cursor() as cursor:
        for question in questions:
            cursor.execute(f"{word} {question}")
            plans.append("\n".join(str(row) for row in cursor.fetchall()))

    assert len(plans) == 3
    assert "delivery_feed" in plans[0]
    assert "delivery_state_broadcast" in plans[1]
    assert "delivery_state_broadcast" in plans[2]
    for plan in plans:
        assert "Seq Scan" not in plan
        assert "SCAN notifier_delivery" not in plan
