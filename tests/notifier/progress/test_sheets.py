import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from notifier.delivery import fanout, tallies
from notifier.models import Broadcast, Channel, Delivery
from notifier.policies import quiet_hours_sql
from notifier.progress import sheets
from tests.support.factories import a_broadcast, a_client, a_delivery, a_notification

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State = Delivery.State
EMAIL, SMS = Channel.EMAIL, Channel.SMS
SECOND = timedelta(seconds=1)


def tallied(**counts: dict[str, int]) -> Broadcast:
    total = sum(number for states in counts.values() for number in states.values())
    return a_broadcast(tally={"audience": total, "rate": 4.0, "counts": counts}, audience_upto=0)


# --- The numbers ------------------------------------------------------------------------------------------------------
def test_the_sheet_adds_up_by_channel_and_in_all() -> None:
    broadcast = tallied(
        email={"SENT": 3, "FAILED": 1, "PENDING": 2}, sms={"SENT": 1, "SKIPPED": 2, "UNKNOWN": 1, "SENDING": 1}
    )

    sheet = sheets.sheet(broadcast)

    mail, text = sheet.channels
    assert (mail.channel, mail.total, mail.settled, mail.waiting) == (EMAIL, 6, 4, 2)
    assert (text.channel, text.total, text.settled, text.waiting) == (SMS, 5, 4, 1)
    assert (sheet.audience, sheet.total, sheet.settled, sheet.waiting) == (11, 11, 8, 3)
    assert [sheet.count(state) for state in (State.SENT, State.UNKNOWN, State.RETRYING)] == [4, 1, 0]
    assert sheet.balanced


def test_books_that_do_not_balance_are_said_not_to() -> None:
    broadcast = a_broadcast(tally={"audience": 5, "rate": 0.0, "counts": {"email": {"SENT": 4}}})

    assert not sheets.sheet(broadcast).balanced


def test_before_the_first_tally_everything_is_nought() -> None:
    sheet = sheets.sheet(a_broadcast())

    assert [channel.channel for channel in sheet.channels] == [EMAIL, SMS]
    assert (sheet.total, sheet.audience, sheet.rate, sheet.balanced, sheet.time_left) == (0, 0, 0.0, True, None)


def test_a_channel_without_a_text_has_no_column_unless_it_has_rows() -> None:
    broadcast = a_broadcast(notification=a_notification(sms_body=""))
    assert [channel.channel for channel in sheets.sheet(broadcast).channels] == [EMAIL]

    broadcast.tally = {"audience": 1, "counts": {"sms": {"SENT": 1}}}
    assert [channel.channel for channel in sheets.sheet(broadcast).channels] == [EMAIL, SMS]


@pytest.mark.parametrize(
    ("cursor", "upto", "share"), [(0, 0, 1.0), (0, 10, 0.0), (5, 10, 0.5), (10, 10, 1.0), (12, 10, 1.0)]
)
def test_the_share_that_was_expanded(cursor: int, upto: int, share: float) -> None:
    assert sheets.sheet(a_broadcast(cursor=cursor, audience_upto=upto)).expanded_share == share


def test_the_time_left_is_what_waits_over_the_rate() -> None:
    broadcast = tallied(email={"PENDING": 10, "SENT": 50})

    assert sheets.sheet(broadcast).time_left == timedelta(seconds=2)


@pytest.mark.parametrize(
    "changes",
    [
        {"tally": {"audience": 1, "rate": 0.0, "counts": {"email": {"PENDING": 1}}}},
        # On its way to nothing.
        {"tally": {"audience": 20, "rate": 0.1, "counts": {"email": {"PENDING": 20}}}},
        # Their time is that of their next try.
        {"tally": {"audience": 2, "rate": 4.0, "counts": {"email": {"RETRYING": 2}}}},
        {"tally": {"audience": 2, "rate": 4.0, "counts": {"email": {"SENT": 2}}}},
        {"audience_upto": 10, "cursor": 5},
        {"state": Broadcast.State.PAUSED},
        {"state": Broadcast.State.FINISHED},
    ],
)
def test_without_a_rate_or_an_end_no_time_is_told(changes: dict[str, Any]) -> None:
    broadcast = tallied(email={"PENDING": 10})
    for name, value in changes.items():
        setattr(broadcast, name, value)

    assert sheets.sheet(broadcast).time_left is None


@pytest.mark.parametrize(
    ("stalled", "said"),
    [
        ({}, []),
        ({SMS: "no consumer"}, ["SMS stopped: no consumer"]),
        ({EMAIL: "no dispatcher", SMS: "no dispatcher"}, ["Sending stopped: no dispatcher"]),
        (
            {EMAIL: "paused automatically", SMS: "no consumer"},
            ["E-mail stopped: paused automatically", "SMS stopped: no consumer"],
        ),
    ],
)
def test_a_channel_that_stands_still_is_said_with_the_reason_and_no_time_is_told(
    stalled: dict[Channel, str], said: list[str]
) -> None:
    broadcast = tallied(email={"PENDING": 10}, sms={"PENDING": 1})

    sheet = sheets.sheet(broadcast, stalled=stalled)

    assert sheet.stalls == said
    assert (sheet.time_left is None) == bool(said)
    # While one of the channels goes on, that has a speed.
    assert (sheet.speed is None) == (len(stalled) == 2)


def test_a_speed_is_told_only_where_it_can_be_seen_to_do_something() -> None:
    broadcast = tallied(email={"PENDING": 10})
    assert sheets.sheet(broadcast).speed == 4.0

    for changes in ({"rate": 0.1}, {"counts": {"email": {"RETRYING": 10}}}):
        slow = a_broadcast(tally=broadcast.tally | changes, audience_upto=0)
        assert sheets.sheet(slow).speed is None
    assert sheets.sheet(a_broadcast(tally=slow.tally, audience_upto=0)).only_retries == 10
    assert sheets.sheet(broadcast).only_retries == 0
    for state in (Broadcast.State.PAUSED, Broadcast.State.FINISHED):
        broadcast.state = state
        assert sheets.sheet(broadcast).speed is None


def test_a_channel_that_is_through_is_not_held_up_by_anything() -> None:
    broadcast = tallied(email={"PENDING": 10}, sms={"SENT": 1})

    assert sheets.sheet(broadcast, stalled={SMS: "no consumer"}).stalls == []
    assert sheets.sheet(broadcast, stalled={EMAIL: "no consumer"}).stalls == ["E-mail stopped: no consumer"]
    broadcast.state = Broadcast.State.PAUSED
    assert sheets.sheet(broadcast, stalled={EMAIL: "no consumer"}).stalls == []


def test_before_everybody_was_looked_at_nothing_is_through() -> None:
    broadcast = a_broadcast(audience_upto=10, cursor=0)

    assert sheets.sheet(broadcast, stalled={SMS: "no consumer"}).stalls == ["SMS stopped: no consumer"]


@pytest.mark.parametrize(
    ("counts", "result"),
    [
        ({"SENT": 697, "FAILED": 212, "UNKNOWN": 14, "SKIPPED": 63}, "697 of 923 sent, 226 problems"),
        ({"SENT": 2, "FAILED": 1}, "2 of 3 sent, 1 problem"),
        ({"SENT": 40, "CANCELLED": 444}, "40 of 484 sent, 444 cancelled"),
        ({"SENT": 3}, "3 of 3 sent"),
        ({"SKIPPED": 3}, "Nothing sent: 3 skipped"),
        ({}, "Nothing sent: the audience was empty"),
    ],
)
def test_the_result_says_what_was_sent_of_what_was_to_be_sent(counts: dict[str, int], result: str) -> None:
    assert sheets.sheet(tallied(email=counts)).result == result


def test_while_the_audience_is_worked_out_the_bar_is_about_a_part_of_it() -> None:
    broadcast = tallied(email={"SENT": 400})
    broadcast.cursor, broadcast.audience_upto = 430, 1000

    sheet = sheets.sheet(broadcast)

    for bar in (sheet.bar, sheet.channels[0].bar):
        assert (bar.share, [piece.width for piece in bar.pieces], bar.words) == (0.43, [430], "400 sent so far")
    # Once it has finished, nothing is left to be worked out.
    broadcast.state = Broadcast.State.FINISHED
    assert (sheets.sheet(broadcast).bar.share, sheets.sheet(broadcast).bar.words) == (1.0, "400 of 400 sent")


def test_what_was_cancelled_before_it_started_says_nothing_of_an_audience() -> None:
    assert sheets.sheet(a_broadcast(state=Broadcast.State.CANCELLED, started_at=None)).result == "Nothing sent"


def test_the_sheet_asks_the_database_nothing() -> None:
    broadcast = tallied(email={"SENT": 1})

    with CaptureQueriesContext(connection) as queries:
        sheet = sheets.sheet(broadcast)
        _ = (sheet.total, sheet.settled, sheet.waiting, sheet.balanced, sheet.time_left)
        _ = (sheet.result, sheet.stalls, sheet.bar.pieces)

    assert len(queries) == 0


# --- JSON -------------------------------------------------------------------------------------------------------------
def test_the_json_has_exactly_the_documented_keys(now: datetime) -> None:
    broadcast = tallied(email={"SENT": 3, "FAILED": 1}, sms={"SENT": 2})
    broadcast.state, broadcast.started_at, broadcast.finished_at = Broadcast.State.FINISHED, now, now + SECOND

    assert sheets.as_json(broadcast) == {
        "id": broadcast.pk,
        "state": "FINISHED",
        "topic": "listings",
        "deliveries": {"email": {"SENT": 3, "FAILED": 1}, "sms": {"SENT": 2}},
        "total": 6,
        "balanced": True,
        "started_at": now.isoformat(),
        "finished_at": (now + SECOND).isoformat(),
    }


def test_the_json_has_every_channel_even_one_without_a_text(now: datetime) -> None:
    said = sheets.as_json(a_broadcast(notification=a_notification(sms_body=""), started_at=None))

    assert said["deliveries"] == {"email": {}, "sms": {}}
    assert (said["started_at"], said["finished_at"]) == (None, None)


def test_the_json_says_when_a_broadcast_starts_and_expires_and_why_it_was_cancelled(now: datetime) -> None:
    scheduled = a_broadcast(state="SCHEDULED", started_at=None, scheduled_for=now + SECOND, expires_at=now + 2 * SECOND)
    rejected = a_broadcast(state="CANCELLED", started_at=None, ended_because="rejected by bob: a misprint")

    said = sheets.as_json(scheduled)

    assert (said["state"], said["started_at"]) == ("SCHEDULED", None)
    assert said["scheduled_for"] == (now + SECOND).isoformat()
    assert said["expires_at"] == (now + 2 * SECOND).isoformat()
    assert sheets.as_json(rejected)["ended_because"] == "rejected by bob: a misprint"


def test_books_of_a_real_expansion_balance(now: datetime) -> None:
    for consent in ("email", "sms", "both", "neither"):
        a_client(listings=consent)
    broadcast = a_broadcast()

    fanout.expand(broadcast_id=broadcast.pk, now=now)
    tallies.tally(broadcast_id=broadcast.pk, now=now)

    broadcast.refresh_from_db()
    sheet = sheets.sheet(broadcast)
    assert (sheet.total, sheet.balanced, sheet.waiting, sheet.expanded_share) == (4, True, 4, 1.0)


# --- Quiet hours and limits -------------------------------------------------------------------------------------------
def test_the_sheet_says_how_many_wait_for_their_hours_and_until_when(now: datetime) -> None:
    broadcast = a_broadcast(audience_upto=0)
    night: dict[str, Any] = {"broadcast": broadcast, "detail": quiet_hours_sql.WAITS}
    for hours, fields in (
        (3, {"lease_token": uuid.uuid4()}),
        (2, {"lease_token": uuid.uuid4()}),
        # In a ticket again, due by now, claimed, and something else altogether.
        (1, {}),
        (-1, {"lease_token": uuid.uuid4()}),
        (1, {"lease_token": uuid.uuid4(), "state": State.SENDING}),
        (1, {"lease_token": uuid.uuid4(), "detail": "E-mail is away"}),
    ):
        a_delivery(due_at=now + hours * 3600 * SECOND, **night | fields)

    tallies.tally(broadcast_id=broadcast.pk, now=now)

    broadcast.refresh_from_db()
    (late,) = sheets.sheet(broadcast).quiet_hours
    assert (late.channel, late.number, late.until) == (EMAIL, 2, now + 2 * 3600 * SECOND)
    assert sheets.as_json(broadcast)["waiting_for_hours"]["email"]["number"] == 2


def test_the_time_left_leaves_out_those_who_wait_for_the_morning(now: datetime) -> None:
    broadcast = tallied(email={"SENT": 4, "PENDING": 48})
    broadcast.tally["waiting"] = {"email": {"number": 40, "until": now.isoformat()}}
    assert sheets.sheet(broadcast).time_left == 2 * SECOND

    broadcast.tally["waiting"]["email"]["number"] = 48
    assert sheets.sheet(broadcast).time_left is None


@pytest.mark.parametrize(("limit", "seconds"), [(2.0, 24), (4.0, 12), (100.0, 12)])
def test_the_time_left_is_by_the_providers_limit_where_that_is_the_narrower(limit: float, seconds: int) -> None:
    broadcast = tallied(email={"SENT": 4, "PENDING": 48})

    assert sheets.sheet(broadcast, limits={EMAIL: limit}).time_left == seconds * SECOND
