import io
from collections.abc import Callable
from datetime import datetime

import pytest
from django.contrib.auth.models import User

from notifier.clients.imports import columns, importer
from notifier.clients.imports.importer import Plan
from notifier.clients.imports.writing import ImportOrigin
from notifier.files.base import Table
from notifier.files.reader import open_table
from notifier.models import ConsentChange
from tests.support.factories import a_topic


@pytest.fixture(autouse=True)
def _first_topics(db: None) -> None:
    """A test that empties the tables, run before, takes those of the migration with it."""
    a_topic(slug="listings")
    a_topic(slug="offerings")


def a_table(text: str) -> Table:
    return open_table(io.BytesIO(text.encode()))


@pytest.fixture
def do(now: datetime) -> Callable[..., dict[str, int]]:
    """`do("name,email\\nAnn,ann@example.com")`: imports it, and returns the counts that are not nought."""

    def run(text: str, *, by: User | None = None, reason: str = "", name: str = "spring.csv") -> dict[str, int]:
        table, topics = a_table(text), importer.topics()
        layout = columns.arrange(columns.guess(table.header, topics), topics)
        origin = ImportOrigin(name, ConsentChange.Source.IMPORT, by.pk if by else None, reason)
        with importer.run(table=table, layout=layout, origin=origin, now=now) as done:
            return told(done.counts)

    return run


def plan(text: str, *, shown: int = 100) -> Plan:
    table, topics = a_table(text), importer.topics()
    layout = columns.arrange(columns.guess(table.header, topics), topics)
    return importer.plan(table=table, layout=layout, shown=shown)


def told(counts: dict[str, int]) -> dict[str, int]:
    return {name: number for name, number in counts.items() if number and name != "rows"}
