"""On PostgreSQL: another session's locks, triggers and time-outs hold up no broadcast but the one they are about."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from notifier.delivery import dispatcher
from notifier.delivery.dispatcher import Dispatcher
from notifier.models import Broadcast, Channel, Process
from notifier.runtime.shutdown import StopFlag
from tests.notifier.delivery.dispatcher.neighbours import send_everything, worker
from tests.support.database.connections import OtherConnection
from tests.support.factories import a_broadcast, a_client, a_notification

pytestmark = [
    pytest.mark.both_engines,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("only_postgresql"),
]

RUNNING, FINISHED = Broadcast.State.RUNNING, Broadcast.State.FINISHED


@pytest.fixture
def two() -> tuple[Broadcast, Broadcast]:
    """To one client, by e-mail. The first is the one that something is wrong with."""
    a_client(listings="email")
    first, second = (a_broadcast(notification=a_notification(sms_body="")) for _ in range(2))
    return first, second


@pytest.fixture
def somebody() -> Iterator[OtherConnection]:
    with OtherConnection() as somebody:
        somebody.begin()
        yield somebody
        somebody.commit()


def lock(somebody: OtherConnection, broadcast: Broadcast) -> None:
    somebody.call(lambda: Broadcast.objects.select_for_update().get(pk=broadcast.pk))


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def go_on(loop: Dispatcher) -> None:
    for _ in range(3):
        loop.cycle()
        send_everything(Channel.EMAIL)


def states(*broadcasts: Broadcast) -> list[str]:
    return [Broadcast.objects.get(pk=broadcast.pk).state for broadcast in broadcasts]


def test_a_locked_broadcast_is_passed_over_without_waiting(
    loop: Dispatcher, two: tuple[Broadcast, Broadcast], somebody: OtherConnection, caplog: pytest.LogCaptureFixture
) -> None:
    lock(somebody, two[0])

    go_on(loop)

    assert states(*two) == [RUNNING, FINISHED]
    assert "lock" not in caplog.text, "it waited, and gave up"
    somebody.commit()
    go_on(loop)
    somebody.begin()
    assert states(*two) == [FINISHED, FINISHED]


@pytest.mark.parametrize("column", ["scheduled_for", "expires_at"])
def test_a_locked_broadcast_whose_time_has_come_keeps_no_other_waiting(
    loop: Dispatcher, somebody: OtherConnection, now: datetime, caplog: pytest.LogCaptureFixture, column: str
) -> None:
    times: dict[str, Any] = {column: now - timedelta(seconds=1)}
    first, second = (a_broadcast(state=Broadcast.State.SCHEDULED, **times) for _ in range(2))
    lock(somebody, first)

    loop.cycle()

    assert states(first)[0] == Broadcast.State.SCHEDULED != states(second)[0]
    assert "lock" not in caplog.text, "it waited, and gave up"


def test_what_stays_locked_is_put_off_and_shown(
    loop: Dispatcher, two: tuple[Broadcast, Broadcast], somebody: OtherConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "LOCK_SECONDS", 0.2)
    somebody.call(lambda: execute("LOCK TABLE notifier_dailystats IN ACCESS EXCLUSIVE MODE"))

    go_on(loop)

    assert states(*two) == [FINISHED, FINISHED]
    assert Broadcast.objects.get(pk=two[0].pk).fault == "its days can't be counted: OperationalError"


@pytest.mark.parametrize("what", ["RAISE EXCEPTION 'no'", "PERFORM pg_sleep(5)"])
def test_a_statement_that_fails_for_one_broadcast_stops_no_other_and_is_shown(
    loop: Dispatcher, two: tuple[Broadcast, Broadcast], what: str
) -> None:
    execute(
        f"""CREATE FUNCTION faulty() RETURNS trigger AS $$ BEGIN
            IF NEW.id = {two[0].pk} AND NEW.tally IS DISTINCT FROM OLD.tally THEN {what}; END IF;
            RETURN NEW; END $$ LANGUAGE plpgsql"""
    )
    execute("CREATE TRIGGER faulty BEFORE UPDATE ON notifier_broadcast FOR EACH ROW EXECUTE FUNCTION faulty()")
    execute("SET statement_timeout = '500ms'")
    try:
        go_on(loop)
    finally:
        execute("RESET statement_timeout")
        execute("DROP FUNCTION faulty CASCADE")

    assert states(*two) == [RUNNING, FINISHED]
    assert "can't be" in Broadcast.objects.get(pk=two[0].pk).fault
    assert worker().state in (Process.State.WORKING, Process.State.IDLE)


def test_told_to_stop_it_begins_no_step_for_another_broadcast(
    loop: Dispatcher, two: tuple[Broadcast, Broadcast], stop: StopFlag
) -> None:
    stop.set()

    loop.cycle()

    assert [broadcast.audience for broadcast in Broadcast.objects.all()] == [0, 0]
