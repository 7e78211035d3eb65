"""The one clock that leases and due times are told by."""

from datetime import UTC, datetime

from django.db import connection


def now() -> datetime:
    """The database's own time: two machines' clocks may differ by more than a lease.

    With SQLite everything runs on one machine, whose clock is the database's.
    """
    if connection.vendor != "postgresql":
        return datetime.now(UTC)
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (moment,) = cursor.fetchone()
    return moment  # type: ignore[no-any-return]
