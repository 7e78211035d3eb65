import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from notifier.models import Channel, QueuedTicket
from notifier.runtime import clock
from notifier.transport.base import MAX_BODY_BYTES, DeadLetter
from notifier.transport.database import DatabaseTransport

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]


def test_of_an_oversize_ticket_only_the_beginning_is_read_and_kept() -> None:
    """Changing a row writes all of it anew, under SQLite's one write lock."""
    body = b"[" * 1_000_000
    queued = QueuedTicket.objects.create(channel=Channel.EMAIL, body=body, available_at=clock.now())
    transport = DatabaseTransport("database://")

    with CaptureQueriesContext(connection) as captured:
        assert next(transport.receive(Channel.EMAIL, 0.05)) is None

    queued.refresh_from_db()
    assert (queued.dead, bytes(queued.body)) == (True, body[: MAX_BODY_BYTES + 1])
    assert all("body" not in query["sql"] or "SUBSTR" in query["sql"].upper() for query in captured)
    assert transport.dead_letters(1) == [DeadLetter(body[: MAX_BODY_BYTES + 1], Channel.EMAIL)]
    assert transport.dead_letters(1)[0].reason == "it is longer than 16384 bytes"
