"""The no-broker default: tickets are rows of the product's own database."""

import logging
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from django import db
from django.db import connection, transaction
from django.db.models import Q, QuerySet

from notifier import clock
from notifier.models import Channel, QueuedTicket
from notifier.transport.base import BadTicket, Received, Ticket, TransportError, decode, encode

logger = logging.getLogger(__name__)

T = TypeVar("T")

POLL_SECONDS = 0.1
#: A ticket whose consumer died comes back after so long. One that is merely slow meets its own claims: harmless.
VISIBILITY = timedelta(seconds=60)


class QueuedReceived:
    def __init__(self, ticket: Ticket, row: Q) -> None:
        self.ticket = ticket
        self._row = row

    def ack(self) -> None:
        # Only while it is still ours: after VISIBILITY somebody else may hold it.
        _translated(lambda: QueuedTicket.objects.filter(self._row).delete())

    def reject(self) -> None:
        _translated(lambda: QueuedTicket.objects.filter(self._row).update(dead=True))


class DatabaseTransport:
    def __init__(self, url: str) -> None:
        self.url = url

    def publish(self, tickets: Sequence[Ticket]) -> None:
        def insert() -> None:
            moment = clock.now()
            QueuedTicket.objects.bulk_create(
                [QueuedTicket(channel=t.channel, body=encode(t), available_at=moment) for t in tickets]
            )

        _translated(insert)

    def receive(self, channel: Channel, idle: float) -> Iterator[Received | None]:
        quiet_since = time.monotonic()
        while True:
            received = _translated(lambda: self._next(channel))
            if received:
                yield received
                quiet_since = time.monotonic()
            elif time.monotonic() - quiet_since >= idle:
                yield None
                quiet_since = time.monotonic()
            else:
                time.sleep(min(POLL_SECONDS, idle))

    def depth(self, channel: Channel) -> int:
        return _translated(lambda: _ready(channel, clock.now()).count())

    def close(self) -> None:
        pass

    def _next(self, channel: Channel) -> QueuedReceived | None:
        """The oldest ready ticket that can be read, now ours for VISIBILITY."""
        while row := self._take(channel):
            ticket_id, body, token = row
            mine = Q(pk=ticket_id, lease_token=token)
            try:
                return QueuedReceived(decode(bytes(body), channel=channel), mine)
            except BadTicket as error:
                logger.error("Queued ticket %s can't be read and was put aside: %s", ticket_id, error)
                QueuedTicket.objects.filter(mine).update(dead=True)
        return None

    def _take(self, channel: Channel) -> tuple[int, bytes | memoryview, uuid.UUID] | None:
        # Look before taking the lock: on SQLite an idle consumer would otherwise stop every writer ten times a second.
        now = clock.now()
        oldest = _ready(channel, now).order_by("available_at").values_list("pk")[:1]
        if not oldest.exists():
            return None
        token = uuid.uuid4()
        with transaction.atomic():
            if connection.features.has_select_for_update_skip_locked:
                oldest = oldest.select_for_update(skip_locked=True)
            row = oldest.values_list("pk", "body").first()
            if row is None:
                return None
            QueuedTicket.objects.filter(pk=row[0]).update(lease_token=token, available_at=now + VISIBILITY)
        return row[0], row[1], token


def _ready(channel: Channel, now: datetime) -> QuerySet[QueuedTicket]:
    return QueuedTicket.objects.filter(channel=channel, dead=False, available_at__lte=now)


def _translated(call: Callable[[], T]) -> T:
    try:
        return call()
    except db.Error as error:
        raise TransportError(f"the queue in the database can't be used: {error}") from error
