"""The limit: the product's SQL, bare, in a loop on one connection, by the drivers' own calls; and a bare SMTP loop."""

import smtplib
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

CHUNK = 10_000
WINDOW = 100

EXPAND = """
    INSERT INTO notifier_delivery (broadcast_id, client_id, channel, address, state, due_at)
    SELECT %s, c.id, %s, c.{address}, 'PENDING', %s
    FROM notifier_preference p JOIN notifier_client c ON c.id = p.client_id
    WHERE p.topic_id = %s AND p.{channel} AND c.is_active AND c.id > %s AND c.id <= %s
      AND NOT EXISTS (SELECT 1 FROM notifier_suppression s WHERE s.channel = %s AND s.address = c.{address})
    ON CONFLICT DO NOTHING
"""
MOVE = """
    UPDATE notifier_delivery SET due_at = %s WHERE id IN (
        SELECT id FROM notifier_delivery
        WHERE broadcast_id = %s AND channel = %s AND state = 'PENDING' AND due_at <= %s AND due_at IS NOT NULL
        LIMIT %s {lock}
    ) RETURNING id
"""
CLAIM_LOOK = """
    SELECT d.id, d.address, c.name, c.is_active,
           EXISTS (SELECT 1 FROM notifier_preference p
                   WHERE p.client_id = d.client_id AND p.topic_id = %s AND p.{channel}),
           EXISTS (SELECT 1 FROM notifier_suppression s WHERE s.channel = %s AND s.address = d.address)
    FROM notifier_delivery d JOIN notifier_client c ON c.id = d.client_id
    WHERE d.id IN ({ids}) AND d.state = 'PENDING' ORDER BY d.id {lock}
"""
CLAIM = "UPDATE notifier_delivery SET state = 'SENDING', lease_token = %s, due_at = %s WHERE id IN ({ids})"
SETTLE = """
    UPDATE notifier_delivery SET state = 'SENT', due_at = NULL, settled_at = %s, attempts = attempts + 1
    WHERE id IN ({ids}) AND lease_token = %s AND state IN ('SENDING', 'UNKNOWN')
"""


class Bare:
    """One broadcast by hand. Each step returns its seconds."""

    def __init__(self, *, broadcast_id: int, topic_id: int, clients: int) -> None:
        self._broadcast, self._topic, self._clients = broadcast_id, topic_id, clients
        self._postgresql = connection.vendor == "postgresql"
        self._ids: dict[str, list[int]] = {"email": [], "sms": []}

    def expand(self) -> float:
        with timed() as seconds:
            for first in range(0, self._clients, CHUNK):
                with transaction() as execute:
                    for channel, address in (("email", "email"), ("sms", "phone")):
                        statement = EXPAND.format(address=address, channel=channel)
                        bounds = (self._topic, first, first + CHUNK, channel)
                        execute(statement, self._broadcast, channel, self._moment(), *bounds)
        return seconds()

    def analyze(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE notifier_delivery")

    def move(self) -> float:
        lock = "FOR UPDATE SKIP LOCKED" if self._postgresql else ""
        now, later = self._moment(), self._moment(900)
        with timed() as seconds:
            for channel, ids in self._ids.items():
                while True:
                    with transaction() as execute:
                        rows = execute(MOVE.format(lock=lock), later, self._broadcast, channel, now, CHUNK)
                    if not rows:
                        break
                    ids.extend(row[0] for row in rows)
        return seconds()

    def claim_and_settle(self) -> float:
        lock = "FOR UPDATE OF d SKIP LOCKED" if self._postgresql else ""
        with timed() as seconds:
            for channel, all_ids in self._ids.items():
                for first in range(0, len(all_ids), WINDOW):
                    ids = sorted(all_ids[first : first + WINDOW])
                    marks = ", ".join(["%s"] * len(ids))
                    look = CLAIM_LOOK.format(channel=channel, ids=marks, lock=lock)
                    token = str(uuid.uuid4()) if self._postgresql else uuid.uuid4().hex
                    with transaction() as execute:
                        execute(look, self._topic, channel, *ids)
                        execute(CLAIM.format(ids=marks), token, self._moment(300), *ids)
                    with transaction() as execute:
                        execute(SETTLE.format(ids=marks), self._moment(), *ids, token)
        return seconds()

    def _moment(self, ahead: int = 0) -> Any:
        return connection.ops.adapt_datetimefield_value(datetime.now(UTC) + timedelta(seconds=ahead))


@contextmanager
def transaction() -> Iterator[Callable[..., list[Any]]]:
    """A transaction by the driver alone; yields `execute(statement, *parameters) -> rows`."""
    driver = connection.connection
    if connection.vendor == "postgresql":
        with driver.transaction():
            yield lambda sql, *args: _rows(driver.execute(sql, args))
        return
    driver.execute("BEGIN IMMEDIATE")
    yield lambda sql, *args: driver.execute(sql.replace("%s", "?"), args).fetchall()
    driver.execute("COMMIT")


def _rows(cursor: Any) -> list[Any]:
    return cursor.fetchall() if cursor.description else []


@contextmanager
def timed() -> Iterator[Callable[[], float]]:
    began, ended = time.perf_counter(), 0.0
    yield lambda: ended - began
    ended = time.perf_counter()


def smtp_seconds(*, port: int, mails: int) -> float:
    """Django's own message, built and sent over one reused connection, one after the other."""
    from consumers.backends.base import Outgoing
    from consumers.backends.mime import build
    from notifier.messages import email, placeholders, signed_links

    text, token = "Hello Ann, have a look.", signed_links.token(signed_links.Link(1, 1, 1))
    rendered = email.render(subject="Three new homes", body=text)
    html = rendered.html_for(placeholders.values(name="Ann", topic="Listings"), token)
    began = time.perf_counter()
    with smtplib.SMTP("127.0.0.1", port, local_hostname="localhost") as smtp:
        for number in range(mails):
            address = f"bare{number}@example.com"
            outgoing = Outgoing(f"0.{number}", address, "Three new homes", text, html, token, "listings")
            smtp.sendmail("bench@example.com", [outgoing.address], build(outgoing).message().as_bytes())
    return time.perf_counter() - began
