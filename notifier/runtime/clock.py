"""The one clock for leases and due times."""

import time
from datetime import UTC, datetime, timedelta

from django.db import connection

#: How long this machine's clock continues the database's time before that is asked for again.
CARRY_SECONDS = 2.0

_asked: tuple[datetime, float] | None = None


def now() -> datetime:
    """The database's own time: two machines' clocks may differ by more than a lease.

    It is asked for every CARRY_SECONDS, and a monotonic clock continues it in between, so that a consumer needs no
    round trip for every step. With SQLite everything runs on one machine, whose clock is the database's.
    """
    global _asked
    if connection.vendor != "postgresql":
        return datetime.now(UTC)
    asked = _asked
    if asked is None or time.monotonic() - asked[1] > CARRY_SECONDS:
        before = time.monotonic()
        asked = _asked = (_ask(), before)
    return asked[0] + timedelta(seconds=time.monotonic() - asked[1])


def _ask() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment
