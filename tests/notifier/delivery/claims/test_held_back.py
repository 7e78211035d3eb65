"""What holds back a message that the client agreed to: quiet hours and the frequency cap."""

import uuid
from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from notifier.broadcasts import schedules
from notifier.delivery import claims, fanout, settlements, sweeps, tallies, tickets
from notifier.delivery.claims import Claim
from notifier.delivery.settlements import Outcome, Verdict
from notifier.models import Broadcast, Channel, Client, Delivery, Preference, Reason
from notifier.policies import breakers, quiet_hours_sql
from notifier.transport.database import DatabaseTransport
from tests.support.database.connections import OtherConnection, at_once
from tests.support.factories import a_broadcast, a_client, a_delivery, a_topic, an_open_breaker

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State = Delivery.State
EMAIL, SMS = Channel.EMAIL, Channel.SMS
DAY, HOUR, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(seconds=1)
concurrent = pytest.mark.django_db(transaction=True)

#: Ten in the evening in London, and the next morning at eight.
TEN, EIGHT = datetime(2026, 11, 24, 22, tzinfo=UTC), datetime(2026, 11, 25, 8, tzinfo=UTC)
AUSTRALIAN, BRITISH, AMERICAN = "+61412345678", "+447911123456", "+12125550123"


@pytest.fixture
def quiet(settings: Settings) -> None:
    settings.QUIET_HOURS = {"email": (time(21), time(8)), "sms": (time(21), time(8))}
    settings.CLIENT_TIME_ZONE = "Europe/London"


@pytest.fixture
def capped(settings: Settings) -> None:
    settings.CAPS = {"email": (2, 7), "sms": None}


def claim(*rows: Delivery, now: datetime, token: uuid.UUID | None = None) -> Claim:
    return claims.claim(
        broadcast_id=rows[0].broadcast_id,
        channel=Channel(rows[0].channel),
        delivery_ids=[row.pk for row in rows],
        token=token or uuid.uuid4(),
        now=now,
    )


def addressed(taken: Claim) -> list[int]:
    return [message.delivery_id for message in taken.messages]


def fresh(row: Delivery) -> Delivery:
    return Delivery.objects.get(pk=row.pk)


def to(client: Client, *, due_at: datetime, broadcast: Broadcast | None = None, **fields: Any) -> Delivery:
    return a_delivery(broadcast=broadcast or a_broadcast(), client=client, due_at=due_at, **fields)


def from_tokyo() -> Client:
    client = a_client(phone=None, listings="both")
    Client.objects.filter(pk=client.pk).update(time_zone="Asia/Tokyo")
    return client


# --- Quiet hours ------------------------------------------------------------------------------------------------------
@pytest.mark.usefixtures("quiet")
def test_in_quiet_hours_a_row_waits_for_their_end_and_loses_no_attempt() -> None:
    row = to(a_client(phone=BRITISH, listings="both"), due_at=TEN)

    taken = claim(row, now=TEN)

    assert taken.messages == []
    after = fresh(row)
    assert (after.state, after.due_at, after.attempts) == (State.PENDING, EIGHT, 0)
    assert (after.detail, after.settled_at) == (quiet_hours_sql.WAITS, None)
    assert issue(EIGHT - SECOND) == 0
    assert issue(EIGHT) == 1
    assert addressed(claim(row, now=EIGHT)) == [row.pk]


def issue(now: datetime, channel: Channel = EMAIL) -> int:
    return tickets.issue_tickets(channel=channel, transport=DatabaseTransport("database://"), now=now)


@pytest.mark.usefixtures("quiet")
def test_of_one_window_those_wait_who_are_in_quiet_hours() -> None:
    broadcast = a_broadcast()
    row = partial(to, due_at=TEN, broadcast=broadcast)
    london, tokyo = row(a_client(phone=None, listings="both")), row(from_tokyo())
    sydney, new_york = row(a_client(phone=AUSTRALIAN, listings="both")), row(a_client(phone=AMERICAN, listings="both"))

    taken = claim(london, tokyo, sydney, new_york, now=TEN)

    # Seven in Tokyo, from six to nine and more in Australia, and five in the afternoon in New York.
    assert addressed(taken) == [new_york.pk]
    assert fresh(london).due_at == EIGHT
    assert fresh(tokyo).due_at == datetime(2026, 11, 24, 23, tzinfo=UTC)
    assert fresh(sydney).due_at == datetime(2026, 11, 25, 0, tzinfo=UTC)


@pytest.mark.usefixtures("quiet")
def test_what_is_refused_anyway_does_not_wait_for_the_morning() -> None:
    row = to(a_client(phone=BRITISH, listings="both"), due_at=TEN)
    Preference.objects.update(email=False)

    claim(row, now=TEN)

    assert (fresh(row).state, fresh(row).detail) == (State.SKIPPED, Reason.CONSENT_GONE)


@pytest.mark.usefixtures("quiet")
def test_what_waits_for_the_morning_is_not_taken_for_a_lost_ticket() -> None:
    row = to(a_client(phone=BRITISH, listings="both"), due_at=TEN)
    claim(row, now=TEN)

    assert not tickets.looks_lost(channel=EMAIL, depth=0, now=TEN)
    assert tickets.reissue_lost(channel=EMAIL, now=TEN) == 0
    assert not tallies.finish(broadcast_id=row.broadcast_id, now=TEN)


@pytest.mark.usefixtures("quiet")
def test_a_broadcast_that_expires_in_quiet_hours_is_not_sent_after_them() -> None:
    row = to(a_client(phone=BRITISH, listings="both"), due_at=TEN, broadcast=a_broadcast(expires_at=TEN + HOUR))
    claim(row, now=TEN)

    assert schedules.expire(now=TEN + 2 * HOUR) == 1
    sweeps.sweep(now=TEN + 2 * HOUR)

    assert fresh(row).state == State.CANCELLED
    assert issue(EIGHT) == 0


@pytest.mark.usefixtures("quiet")
def test_a_probe_wakes_nobody() -> None:
    row = to(a_client(phone=BRITISH, listings="both"), due_at=TEN)
    an_open_breaker(now=TEN)
    assert issue(TEN) == 1

    taken = claim(row, now=TEN)

    assert (taken.messages, taken.breaker_open) == ([], True)
    # So that the next one need not wait for its time.
    assert taken.probe_of is not None
    assert fresh(row).due_at == EIGHT
    breakers.probe_now(channel=EMAIL, now=TEN + SECOND)
    assert issue(TEN + SECOND) == 0


def test_without_quiet_hours_nobody_is_asked_for_their_zone() -> None:
    row = to(a_client(phone=BRITISH, listings="both"), due_at=TEN)

    with CaptureQueriesContext(connection) as queries:
        assert addressed(claim(row, now=TEN)) == [row.pk]

    assert not any("time_zone" in query["sql"] or "advisory" in query["sql"] for query in queries.captured_queries)


# --- The fan-out knows quiet hours as well ----------------------------------------------------------------------------
def expand(broadcast: Broadcast, now: datetime) -> None:
    while fanout.expand(broadcast_id=broadcast.pk, now=now) is not None:
        pass


PEOPLE: list[dict[str, Any]] = [
    {"phone": None},
    *({"phone": phone} for phone in (BRITISH, AMERICAN, AUSTRALIAN, "+33612345678", "+79161234567", "+77012345678")),
    *({"phone": phone} for phone in ("+18765550123", "+80012345678", "+35796123456", "+99455123456")),
    *({"phone": phone} for phone in ("+18085550123", "+18505550123", "+5511987654321", "+525512345678")),
    {"phone": "+447911123457", "time_zone": "Asia/Tokyo"},
    {"phone": None, "time_zone": "America/Los_Angeles"},
    {"phone": "+447911123458", "time_zone": "Mars/Olympus"},
]


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("hour", [0, 5, 10, 15, 20])
def test_rows_made_in_quiet_hours_are_born_waiting_and_never_for_longer_than_a_claim_would_say(hour: int) -> None:
    now = datetime(2026, 7, 1, hour, 30, tzinfo=UTC)
    a_topic()
    for person in PEOPLE:
        client = a_client(phone=person["phone"], listings="email")
        Client.objects.filter(pk=client.pk).update(time_zone=person.get("time_zone", ""))
    broadcast = a_broadcast()

    expand(broadcast, now)

    born = {row.pk: row.due_at or now for row in Delivery.objects.all()}
    assert len(born) == len(PEOPLE)
    rows = list(Delivery.objects.all())
    for row in rows:
        assert (row.lease_token is not None) == (row.detail == quiet_hours_sql.WAITS) == (born[row.pk] > now)
    Delivery.objects.update(lease_token=None)
    claim(*rows, now=now)
    exact = 0
    for row in Delivery.objects.all():
        wakes = row.due_at if row.state == State.PENDING and row.due_at else now
        assert born[row.pk] <= wakes
        exact += born[row.pk] == wakes
    # All but those of whom their calling code tells several countries: two of +7, one of +44 and one of +61.
    assert exact >= len(PEOPLE) - 4


@pytest.mark.usefixtures("quiet")
def test_a_row_that_is_made_in_quiet_hours_may_be_one_that_is_never_sent() -> None:
    a_client(email=None, phone=BRITISH, listings="email")
    broadcast = a_broadcast()

    expand(broadcast, TEN)

    row = Delivery.objects.get()
    assert (row.state, row.detail, row.due_at, row.lease_token) == (State.SKIPPED, Reason.NO_EMAIL, None, None)


@pytest.mark.usefixtures("quiet")
def test_what_is_born_waiting_is_issued_in_the_morning() -> None:
    a_client(phone=BRITISH, listings="email")
    broadcast = a_broadcast()
    expand(broadcast, TEN)

    assert not tickets.looks_lost(channel=EMAIL, depth=0, now=TEN)
    assert [issue(TEN), issue(EIGHT)] == [0, 1]
    assert len(claim(Delivery.objects.get(), now=EIGHT).messages) == 1


# --- Critical ---------------------------------------------------------------------------------------------------------
@pytest.mark.usefixtures("quiet", "capped")
def test_a_critical_broadcast_ignores_quiet_hours_and_cap() -> None:
    client = a_client(phone=BRITISH, listings="both")
    for _ in range(2):
        to(client, due_at=TEN, state=State.SENT, settled_at=TEN)
    broadcast = a_broadcast(is_critical=True)
    expand(broadcast, TEN)
    row = Delivery.objects.get(broadcast=broadcast, channel=EMAIL)

    assert row.due_at == TEN
    assert addressed(claim(row, now=TEN)) == [row.pk]


@pytest.mark.usefixtures("quiet", "capped")
def test_a_critical_broadcast_does_not_ignore_consent() -> None:
    row = to(a_client(phone=BRITISH, listings="both"), due_at=TEN, broadcast=a_broadcast(is_critical=True))
    Preference.objects.update(email=False)

    assert claim(row, now=TEN).messages == []
    assert fresh(row).detail == Reason.CONSENT_GONE


# --- Caps -------------------------------------------------------------------------------------------------------------
@pytest.mark.usefixtures("capped")
@pytest.mark.parametrize(
    ("before", "goes_out"),
    [
        ([], True),
        ([(State.SENT, DAY)], True),
        ([(State.SENT, DAY), (State.SENT, 6 * DAY)], False),
        ([(State.SENT, DAY), (State.UNKNOWN, DAY)], False),
        ([(State.SENT, DAY), (State.SENDING, DAY)], False),
        # What is older than a week, or did not arrive, does not count.
        ([(State.SENT, DAY), (State.SENT, 7 * DAY)], True),
        ([(State.SENT, DAY), (State.FAILED, DAY), (State.SKIPPED, DAY), (State.CANCELLED, DAY)], True),
        ([(State.SENT, DAY), (State.RETRYING, DAY), (State.PENDING, DAY)], True),
    ],
)
def test_who_has_had_enough_is_skipped(before: list[tuple[str, timedelta]], goes_out: bool) -> None:
    client = a_client(listings="both")
    for state, ago in before:
        waits = state in Delivery.OPEN
        to(client, due_at=TEN + HOUR, state=state, settled_at=None if waits else TEN - ago)
    row = to(client, due_at=TEN)

    taken = claim(row, now=TEN)

    assert addressed(taken) == ([row.pk] if goes_out else [])
    if not goes_out:
        assert (fresh(row).state, fresh(row).detail) == (State.SKIPPED, Reason.FREQUENCY_CAP)
        assert (fresh(row).due_at, fresh(row).settled_at, fresh(row).attempts) == (None, TEN, 0)


@pytest.mark.usefixtures("capped")
def test_a_cap_counts_one_channel_and_one_client() -> None:
    client, other = a_client(listings="both"), a_client(listings="both")
    for _ in range(2):
        to(client, due_at=TEN, channel=SMS, state=State.SENT, settled_at=TEN)
        to(other, due_at=TEN, state=State.SENT, settled_at=TEN)
    mail, sms = to(client, due_at=TEN), to(other, due_at=TEN, channel=SMS)

    assert addressed(claim(mail, now=TEN)) == [mail.pk]
    assert addressed(claim(sms, now=TEN)) == [sms.pk]


@pytest.mark.usefixtures("capped", "quiet")
def test_in_quiet_hours_the_cap_is_not_judged_yet() -> None:
    client = a_client(phone=BRITISH, listings="both")
    for ago in (DAY, 7 * DAY - HOUR):
        to(client, due_at=TEN, state=State.SENT, settled_at=TEN - ago)
    row = to(client, due_at=TEN)

    claim(row, now=TEN)
    assert fresh(row).state == State.PENDING
    issue(EIGHT)

    assert addressed(claim(row, now=EIGHT)) == [row.pk]


@concurrent
@pytest.mark.usefixtures("capped")
def test_two_broadcasts_claimed_at_once_do_not_exceed_the_cap_together() -> None:
    for _ in range(5):
        clients = [a_client(listings="both") for _ in range(8)]
        for client in clients:
            to(client, due_at=TEN, state=State.SENT, settled_at=TEN)
        one, other = a_broadcast(), a_broadcast()
        ours = [to(client, due_at=TEN, broadcast=one) for client in clients]
        theirs = [to(client, due_at=TEN, broadcast=other) for client in reversed(clients)]

        taken = at_once(partial(claim, *ours, now=TEN), partial(claim, *theirs, now=TEN))

        assert all(isinstance(found, Claim) for found in taken), taken
        for client in clients:
            states = Delivery.objects.filter(client=client, broadcast__in=[one, other]).values_list("state", flat=True)
            assert sorted(states) == [State.SENDING, State.SKIPPED]


@concurrent
@pytest.mark.usefixtures("capped", "only_postgresql")
def test_a_claim_waits_for_another_of_the_same_client_and_counts_what_that_has_taken() -> None:
    client = a_client(listings="both")
    to(client, due_at=TEN, state=State.SENT, settled_at=TEN)
    mine, yours = to(client, due_at=TEN), to(client, due_at=TEN)

    with OtherConnection() as one, OtherConnection() as other:
        one.begin()
        first = one.call(lambda: claim(mine, now=TEN))
        second = other.start_and_wait_until_blocked(lambda: claim(yours, now=TEN))
        one.commit()

        assert addressed(first) == [mine.pk]
        assert second.result(30).messages == []
    assert fresh(yours).detail == Reason.FREQUENCY_CAP


@pytest.mark.usefixtures("capped")
def test_what_did_not_go_out_makes_room_again() -> None:
    client = a_client(listings="both")
    to(client, due_at=TEN, state=State.SENT, settled_at=TEN)
    first, second = to(client, due_at=TEN), to(client, due_at=TEN)
    taken = claim(first, now=TEN)
    outcomes = [Outcome(message, Verdict.PERMANENT, detail="550 no such user") for message in taken.messages]
    settlements.settle(claim=taken, outcomes=outcomes, now=TEN)

    assert addressed(claim(second, now=TEN)) == [second.pk]


@pytest.mark.usefixtures("capped", "only_postgresql")
def test_a_cap_is_counted_by_the_index_on_the_client() -> None:
    clients = Client.objects.bulk_create(Client(name=f"c{n}", email=f"c{n}@example.com") for n in range(300))
    for _ in range(20):
        broadcast = a_broadcast()
        Delivery.objects.bulk_create(
            Delivery(broadcast=broadcast, client=client, channel=EMAIL, state=State.SENT, settled_at=TEN)
            for client in clients
        )
    row = to(a_client(listings="both"), due_at=TEN)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    with CaptureQueriesContext(connection) as queries:
        claim(row, now=TEN)
    (look,) = [query["sql"] for query in queries.captured_queries if "COUNT(*)" in query["sql"]]

    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {look}")
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert "notifier_delivery_client_id" in plan, plan
