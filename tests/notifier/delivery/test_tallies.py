from datetime import datetime, timedelta
from functools import partial

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from notifier.broadcasts import lifecycle
from notifier.delivery import fanout, recovery, tallies
from notifier.models import Broadcast, Channel, Delivery
from tests.support.database.connections import OtherConnection, at_once, impatient
from tests.support.factories import a_broadcast, a_client, a_delivery

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State = Delivery.State
SECOND = timedelta(seconds=1)
concurrent = pytest.mark.django_db(transaction=True)


def tally(broadcast: Broadcast, now: datetime) -> dict[str, object]:
    tallies.tally(broadcast_id=broadcast.pk, now=now)
    broadcast.refresh_from_db()
    return dict(broadcast.tally)


def finish(broadcast: Broadcast, now: datetime) -> bool:
    ended = tallies.finish(broadcast_id=broadcast.pk, now=now)
    broadcast.refresh_from_db()
    return ended


def retry(broadcast_id: int, now: datetime) -> int:
    """As staff do; returns how many rows."""
    failed = Delivery.objects.filter(broadcast=broadcast_id, state=State.FAILED)
    return recovery.send_again(deliveries=failed, by=None, why="the mailbox is back", now=now).number


# --- The tally --------------------------------------------------------------------------------------------------------
def test_the_tally_counts_by_channel_and_state_and_tells_the_audience(now: datetime) -> None:
    broadcast = a_broadcast(audience=4, started_at=now)
    for channel, state in (("email", State.SENT), ("email", State.SENT), ("email", State.FAILED), ("sms", State.SENT)):
        a_delivery(broadcast=broadcast, channel=channel, state=state)
    a_delivery(state=State.UNKNOWN)

    counted = tally(broadcast, now)

    assert counted == {"audience": 4, "counts": {"email": {"SENT": 2, "FAILED": 1}, "sms": {"SENT": 1}}, "rate": 0.0}
    assert broadcast.tallied_at == now


def test_the_audience_equals_the_rows_after_each_chunk(now: datetime) -> None:
    for _ in range(5):
        a_client(listings="both")
    broadcast = a_broadcast()

    fanout.expand(broadcast_id=broadcast.pk, now=now)
    counted = tally(broadcast, now)

    assert counted["audience"] == 10
    assert counted["counts"] == {"email": {"PENDING": 5}, "sms": {"PENDING": 5}}


def test_a_broadcast_without_deliveries_has_an_empty_tally(now: datetime) -> None:
    assert tally(a_broadcast(), now) == {"audience": 0, "counts": {}, "rate": 0.0}


def test_a_broadcast_that_is_gone_has_none(now: datetime) -> None:
    tallies.tally(broadcast_id=2**40, now=now)


def test_audience_and_rows_are_counted_in_one_statement_and_so_in_one_snapshot(now: datetime) -> None:
    broadcast = a_broadcast()

    with CaptureQueriesContext(connection) as queries:
        tallies.tally(broadcast_id=broadcast.pk, now=now)

    counting = [query["sql"] for query in queries if "COUNT(*)" in query["sql"]]
    assert len(counting) == 1
    assert "audience" in counting[0]


def test_the_rate_is_what_was_settled_a_second_smoothed(now: datetime) -> None:
    broadcast = a_broadcast()
    rates = []
    for second, settled in enumerate((0, 10, 0, 20)):
        for _ in range(settled):
            a_delivery(broadcast=broadcast, state=State.SENT)
        a_delivery(broadcast=broadcast)  # waits, and so is no work done
        rates.append(tally(broadcast, now + second * SECOND)["rate"])

    assert rates == [0.0, 10.0, 6.0, 11.6]


def test_after_a_long_pause_the_rate_starts_anew(now: datetime) -> None:
    broadcast = a_broadcast()
    tally(broadcast, now)
    a_delivery(broadcast=broadcast, state=State.SENT)

    assert tally(broadcast, now + timedelta(minutes=5))["rate"] == 0.0


def test_a_retry_by_staff_makes_no_negative_rate(now: datetime) -> None:
    row = a_delivery(state=State.FAILED)
    broadcast = row.broadcast
    tally(broadcast, now)
    retry(broadcast.pk, now)

    assert tally(broadcast, now + SECOND)["rate"] == 0.0


def test_two_tallies_of_the_same_moment_divide_by_no_time(now: datetime) -> None:
    broadcast = a_broadcast()
    tally(broadcast, now)
    a_delivery(broadcast=broadcast, state=State.SENT)

    assert tally(broadcast, now)["rate"] == 0.0


@concurrent
@pytest.mark.usefixtures("only_postgresql")
def test_a_result_that_comes_while_an_ended_broadcast_is_counted_anew_is_not_forgotten(now: datetime) -> None:
    broadcast = a_broadcast(state=Broadcast.State.FINISHED, finished_at=now, tallied_at=None)
    rows = [a_delivery(broadcast=broadcast, state=State.UNKNOWN) for _ in range(2)]

    with OtherConnection() as consumer:
        consumer.begin()
        consumer.call(lambda: Delivery.objects.filter(pk=rows[0].pk).update(state=State.SENT))
        consumer.call(lambda: Broadcast.objects.filter(pk=broadcast.pk).update(tallied_at=None))
        with impatient():
            tally(broadcast, now)
        assert broadcast.tallied_at is None
        consumer.commit()

    assert tally(broadcast, now)["counts"] == {"email": {"SENT": 1, "UNKNOWN": 1}}
    assert broadcast.tallied_at == now


# --- The finish -------------------------------------------------------------------------------------------------------
def test_a_broadcast_with_nothing_left_is_finished_with_a_last_tally(now: datetime) -> None:
    row = a_delivery(state=State.SENT, broadcast=a_broadcast(audience=1, started_at=now))

    assert finish(row.broadcast, now)

    ended = row.broadcast
    assert (ended.state, ended.finished_at, ended.tallied_at) == (Broadcast.State.FINISHED, now, now)
    assert ended.tally == {"audience": 1, "counts": {"email": {"SENT": 1}}, "rate": 0.0}


@pytest.mark.parametrize("state", [State.PENDING, State.SENDING, State.RETRYING])
def test_while_a_row_is_due_it_is_not_finished(now: datetime, state: Delivery.State) -> None:
    row = a_delivery(state=state, due_at=now + timedelta(hours=1))

    assert not finish(row.broadcast, now)
    assert row.broadcast.state == Broadcast.State.RUNNING


def test_before_everybody_is_expanded_it_is_not_finished(now: datetime) -> None:
    a_client(listings="neither")
    broadcast = a_broadcast()

    assert not finish(broadcast, now)
    fanout.expand(broadcast_id=broadcast.pk, now=now)
    assert finish(broadcast, now)


def test_a_broadcast_to_nobody_is_finished(now: datetime) -> None:
    assert finish(a_broadcast(audience_upto=0), now)


def test_a_paused_broadcast_is_not_finished_until_it_goes_on(now: datetime) -> None:
    broadcast = a_broadcast(state=Broadcast.State.PAUSED)

    assert not finish(broadcast, now)
    lifecycle.resume(broadcast_id=broadcast.pk)
    assert finish(broadcast, now)


def test_a_cancelled_broadcast_ends_when_its_last_send_has_expanded_or_not(now: datetime) -> None:
    a_client(listings="both")
    broadcast = a_broadcast(state=Broadcast.State.CANCELLED)
    row = a_delivery(broadcast=broadcast, state=State.SENDING)

    assert not finish(broadcast, now)
    Delivery.objects.filter(pk=row.pk).update(state=State.SENT, due_at=None)
    assert finish(broadcast, now)

    assert (broadcast.state, broadcast.finished_at) == (Broadcast.State.CANCELLED, now)


@pytest.mark.parametrize("state", [Broadcast.State.FINISHED, Broadcast.State.CANCELLED])
def test_what_has_ended_does_not_end_again(now: datetime, state: Broadcast.State) -> None:
    broadcast = a_broadcast(state=state, finished_at=now)

    assert not finish(broadcast, now + SECOND)
    assert broadcast.finished_at == now


# --- Two at once ------------------------------------------------------------------------------------------------------
def has_finished_over_a_due_row(broadcast: Broadcast) -> bool:
    broadcast.refresh_from_db()
    is_due = Delivery.objects.active().filter(broadcast=broadcast).exists()
    return is_due and (broadcast.state == Broadcast.State.FINISHED or broadcast.finished_at is not None)


@concurrent
def test_finishing_beside_a_retry_never_ends_over_a_due_row(now: datetime) -> None:
    for _ in range(10):
        broadcast = a_delivery(state=State.FAILED, broadcast=a_broadcast(audience_upto=0)).broadcast

        def end(number: int = broadcast.pk) -> bool:
            return tallies.finish(broadcast_id=number, now=now)

        retried, *_ = at_once(partial(retry, broadcast.pk, now), end, end)

        assert retried == 1
        assert not has_finished_over_a_due_row(broadcast)


@concurrent
@pytest.mark.usefixtures("only_postgresql")
def test_the_finish_passes_over_a_broadcast_that_staff_are_retrying(now: datetime) -> None:
    broadcast = a_delivery(state=State.FAILED, broadcast=a_broadcast(audience_upto=0)).broadcast

    with OtherConnection() as staff:
        staff.begin()
        staff.call(lambda: retry(broadcast.pk, now))
        with impatient():
            assert not tallies.finish(broadcast_id=broadcast.pk, now=now)
        staff.commit()

    assert not tallies.finish(broadcast_id=broadcast.pk, now=now)
    assert not has_finished_over_a_due_row(broadcast)


@concurrent
@pytest.mark.usefixtures("only_postgresql")
def test_a_retry_during_the_finish_waits_and_then_reopens(now: datetime) -> None:
    broadcast = a_delivery(state=State.FAILED, broadcast=a_broadcast(audience_upto=0)).broadcast

    with OtherConnection() as dispatcher, OtherConnection() as staff:
        dispatcher.begin()
        assert dispatcher.call(lambda: tallies.finish(broadcast_id=broadcast.pk, now=now))
        retried = staff.start_and_wait_until_blocked(lambda: retry(broadcast.pk, now))
        dispatcher.commit()
        assert retried.result(30) == 1

    broadcast.refresh_from_db()
    assert (broadcast.state, broadcast.finished_at) == (Broadcast.State.RUNNING, None)
    assert not has_finished_over_a_due_row(broadcast)


@concurrent
@pytest.mark.usefixtures("only_postgresql")
def test_a_row_retried_after_the_first_look_is_seen_by_the_second(now: datetime) -> None:
    """The retry commits between the look that spares the lock and the lock itself."""
    broadcast = a_delivery(state=State.FAILED, broadcast=a_broadcast(audience_upto=0)).broadcast

    def retry_before_the_lock(execute: object, sql: str, *rest: object) -> object:
        if "FOR UPDATE" in sql:
            staff.call(lambda: retry(broadcast.pk, now))
        return execute(sql, *rest)  # type: ignore[operator]

    with OtherConnection() as staff, connection.execute_wrapper(retry_before_the_lock):
        assert not tallies.finish(broadcast_id=broadcast.pk, now=now)

    assert not has_finished_over_a_due_row(broadcast)


@concurrent
def test_the_tally_of_a_broadcast_under_way_always_balances(now: datetime) -> None:
    for _ in range(30):
        a_client(listings="both")
    broadcast = a_broadcast()
    balances = []

    def expand() -> None:
        while Broadcast.objects.to_expand().exists():
            fanout.expand(broadcast_id=broadcast.pk, now=now)

    def count() -> None:
        for second in range(20):
            tallies.tally(broadcast_id=broadcast.pk, now=now + second * SECOND)
            seen = Broadcast.objects.get(pk=broadcast.pk).tally
            # It was passed by for as long as its row was being expanded.
            if "counts" in seen:
                counted = sum(number for states in seen["counts"].values() for number in states.values())
                balances.append((seen["audience"], counted))

    assert at_once(expand, count) == [None, None]

    assert all(audience == counted for audience, counted in balances), balances
    assert Channel.EMAIL.value in tally(broadcast, now)["counts"]  # type: ignore[operator]
