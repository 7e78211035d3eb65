"""The transport without a broker, which is the default: tickets are rows in the product's own database."""

import logging
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from django import db
from django.db import connection, transaction
from django.db.models import BinaryField, Q, QuerySet, Value
from django.db.models.functions import Coalesce, Substr

from notifier.models import Channel, QueuedTicket
from notifier.runtime import clock
from notifier.transport.base import (
    MAX_BODY_BYTES,
    BadTicket,
    DeadLetter,
    Received,
    Ticket,
    TransportError,
    decode,
    encode,
)

logger = logging.getLogger(__name__)

T = TypeVar("T")

POLL_SECONDS = 0.1
#: After this time a ticket whose consumer died comes back. If the consumer is merely slow, the ticket claims nothing.
VISIBILITY = timedelta(seconds=60)
#: The body, cut where it is long enough to be refused. Each change of a row writes all of it: a stranger's 20 MB held
#: SQLite's one write lock for up to 40 s on a busy machine. Coalesce, because SQLite's SUBSTR of an empty body is NULL.
BODY = Coalesce(
    Substr("body", 1, MAX_BODY_BYTES + 1, output_field=BinaryField()), Value(b""), output_field=BinaryField()
)


class QueuedReceived:
    def __init__(self, ticket: Ticket, row: Q) -> None:
        self.ticket = ticket
        self._row = row

    def ack(self) -> None:
        # Only while it is still ours: after VISIBILITY another consumer may have it.
        _translated_errors(lambda: QueuedTicket.objects.filter(self._row).delete())

    def reject(self) -> None:
        _translated_errors(lambda: QueuedTicket.objects.filter(self._row).update(dead=True))


class DatabaseTransport:
    def __init__(self, url: str) -> None:
        self.url = url

    def check(self) -> None:
        """Only the database is needed, and the caller has just used it."""

    def publish(self, tickets: Sequence[Ticket]) -> None:
        def insert() -> None:
            moment = clock.now()
            QueuedTicket.objects.bulk_create(
                [QueuedTicket(channel=t.channel, body=encode(t), available_at=moment) for t in tickets]
            )

        _translated_errors(insert)

    def receive(self, channel: Channel, idle: float) -> Iterator[Received | None]:
        receiver = uuid.uuid4()
        quiet_since = time.monotonic()
        try:
            while True:
                received = _translated_errors(lambda: self._next(channel, receiver))
                if received:
                    yield received
                    quiet_since = time.monotonic()
                elif time.monotonic() - quiet_since >= idle:
                    yield None
                    quiet_since = time.monotonic()
                else:
                    time.sleep(min(POLL_SECONDS, idle))
        finally:
            self._release(channel, receiver)

    def depth(self, channel: Channel) -> int:
        return _translated_errors(lambda: _ready(channel, clock.now()).count())

    def dead(self) -> int:
        return _translated_errors(lambda: _dead().count())

    def dead_letters(self, limit: int) -> list[DeadLetter]:
        oldest = _dead().order_by("pk").values_list("body", "channel")[:limit]
        return _translated_errors(lambda: [DeadLetter(bytes(body), Channel(channel)) for body, channel in oldest])

    def purge_dead(self) -> int:
        return _translated_errors(lambda: _dead().delete()[0])

    def close(self) -> None:
        pass

    def _release(self, channel: Channel, receiver: uuid.UUID) -> None:
        """Make what this receiver took, and neither acked nor rejected, ready again.

        If that fails, it becomes ready after VISIBILITY.
        """
        held = QueuedTicket.objects.filter(channel=channel, dead=False, lease_token=receiver)
        try:
            held.update(available_at=clock.now(), lease_token=None)
        except db.Error as error:
            logger.info("Tickets at hand could not be given back, and come again later: %s", error)

    def _next(self, channel: Channel, receiver: uuid.UUID) -> QueuedReceived | None:
        """Take the oldest ready ticket that can be read, for VISIBILITY."""
        while row := self._take(channel, receiver):
            ticket_id, body = row
            mine = Q(pk=ticket_id, lease_token=receiver)
            try:
                return QueuedReceived(decode(bytes(body), channel=channel), mine)
            except BadTicket as error:
                logger.error("Queued ticket %s can’t be read and was put aside: %s", ticket_id, error)
                QueuedTicket.objects.filter(mine).update(dead=True)
        return None

    def _take(self, channel: Channel, receiver: uuid.UUID) -> tuple[int, bytes | memoryview] | None:
        # Look before taking the lock: on SQLite an idle consumer would otherwise block all writers ten times a second.
        now = clock.now()
        oldest = _ready(channel, now).order_by("available_at").values_list("pk")[:1]
        if not oldest.exists():
            return None
        with transaction.atomic():
            if connection.features.has_select_for_update_skip_locked:
                oldest = oldest.select_for_update(skip_locked=True)
            row = oldest.values_list("pk", BODY).first()
            if row is None:
                return None
            QueuedTicket.objects.filter(pk=row[0]).update(
                lease_token=receiver, available_at=now + VISIBILITY, body=BODY
            )
        return row[0], row[1]


def _ready(channel: Channel, now: datetime) -> QuerySet[QueuedTicket]:
    return QueuedTicket.objects.filter(channel=channel, dead=False, available_at__lte=now)


def _dead() -> QuerySet[QueuedTicket]:
    # With the channel, because the index begins with it.
    return QueuedTicket.objects.filter(channel__in=Channel.values, dead=True)


def _translated_errors(call: Callable[[], T]) -> T:
    """What `call` returns; raises `TransportError` for an error of the database."""
    try:
        return call()
    except db.Error as error:
        # The first line is enough; with PostgreSQL the others quote the statement.
        reason = str(error).partition("\n")[0]
        raise TransportError(f"the queue in the database can’t be used: {reason}") from error
