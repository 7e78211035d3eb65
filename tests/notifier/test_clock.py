from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from notifier import clock

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]


def test_it_tells_the_time_with_its_zone() -> None:
    before = datetime.now(UTC)
    now = clock.now()

    assert now.utcoffset() == timedelta()
    assert abs(now - before) < timedelta(minutes=1)


def test_it_goes_on_inside_a_transaction() -> None:
    with transaction.atomic():
        first, second = clock.now(), clock.now()

    assert first < second


def test_with_postgresql_it_is_the_databases_own() -> None:
    with CaptureQueriesContext(connection) as queries:
        clock.now()

    assert [query["sql"] for query in queries] == (
        ["SELECT clock_timestamp()"] if connection.vendor == "postgresql" else []
    )
