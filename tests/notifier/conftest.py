from datetime import datetime

import pytest
from django.db import connection

from notifier.runtime import clock


@pytest.fixture
def now() -> datetime:
    """The time of the test: it stands still. Asking for it needs the database."""
    return clock.now()


@pytest.fixture
def only_postgresql(db: None) -> None:
    """For what only PostgreSQL can do, such as two transactions open at once: SQLite has one writer at a time."""
    if connection.vendor != "postgresql":
        pytest.skip("only PostgreSQL has a clock of its own, and transactions that overlap")
