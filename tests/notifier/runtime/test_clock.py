from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from notifier.runtime import clock

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def never_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "_asked", None)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """This machine's stopwatch, moved by the test: `watch.seconds += 1`."""
    watch = SimpleNamespace(seconds=50.0)
    monkeypatch.setattr(clock, "time", SimpleNamespace(monotonic=lambda: watch.seconds))
    return watch


def test_it_tells_the_time_with_its_zone() -> None:
    before = datetime.now(UTC)
    now = clock.now()

    assert now.utcoffset() == timedelta()
    assert abs(now - before) < timedelta(minutes=1)


def test_it_goes_on_inside_a_transaction() -> None:
    with transaction.atomic():
        first, second = clock.now(), clock.now()

    assert first < second


@pytest.mark.usefixtures("only_postgresql")
def test_with_postgresql_it_is_the_databases_own_whatever_this_machine_says(
    watch: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
    monkeypatch.setattr(clock, "_ask", lambda: moment)

    assert clock.now() == moment
    watch.seconds += 1.5
    assert clock.now() == moment + timedelta(seconds=1.5)


@pytest.mark.usefixtures("only_postgresql")
def test_the_database_is_asked_again_after_a_short_while_only(watch: SimpleNamespace) -> None:
    asked = []

    for seconds in (0, 1, 1, 0.5, 1):
        watch.seconds += seconds
        with CaptureQueriesContext(connection) as queries:
            clock.now()
        asked.append([query["sql"] for query in queries])

    assert asked == [["SELECT clock_timestamp()"], [], [], ["SELECT clock_timestamp()"], []]


def test_with_sqlite_nothing_is_asked() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL has a clock of its own")
    with CaptureQueriesContext(connection) as queries:
        clock.now()

    assert len(queries) == 0
