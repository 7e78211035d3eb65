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

    def run(
        text: str, *, by: User | None = None, reason: str = "", name: str = "spring.csv", adds_tags: bool = False
    ) -> dict[str, int]:
        table, topics, fields = a_table(text), importer.topics(), importer.fields()
        layout = columns.arrange(columns.guess(table.header, topics, fields), topics, fields)
        origin = ImportOrigin(name, ConsentChange.Source.IMPORT, by.pk if by else None, reason)
        with importer.run(table=table, layout=layout, origin=origin, now=now, adds_tags=adds_tags) as done:
            return told(done.counts)

    return run


def plan(text: str, *, shown: int = 100, adds_tags: bool = False) -> Plan:
    table, topics, fields = a_table(text), importer.topics(), importer.fields()
    layout = columns.arrange(columns.guess(table.header, topics, fields), topics, fields)
    return importer.plan(table=table, layout=layout, shown=shown, adds_tags=adds_tags)


def told(counts: dict[str, int]) -> dict[str, int]:
    return {name: number for name, number in counts.items() if number and name != "rows"}
