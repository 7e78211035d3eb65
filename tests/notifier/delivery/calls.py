"""The engine's services as most tests call them, and a broker that goes away."""

import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from notifier.delivery import claims, settlements, tickets
from notifier.delivery.claims import Claim
from notifier.delivery.settlements import Outcome, Verdict
from notifier.models import Broadcast, Channel, Delivery, QueuedTicket
from notifier.transport.base import DeadLetter, Received, Ticket, TransportError, decode
from notifier.transport.database import DatabaseTransport
from tests.support.factories import a_delivery

EMAIL, SMS = Channel.EMAIL, Channel.SMS


class BrokenTransport:
    """A broker that takes some tickets and then goes away."""

    def __init__(self, *, takes: int = 0) -> None:
        self.taken: list[Ticket] = []
        self._takes = takes

    def publish(self, tickets: Sequence[Ticket]) -> None:
        self.taken.extend(tickets[: self._takes])
        raise TransportError("the broker went away")

    def check(self) -> None:
        raise TransportError("the broker went away")

    def receive(self, channel: Channel, idle: float) -> Iterator[Received | None]:
        raise TransportError("the broker went away")

    def depth(self, channel: Channel) -> int:
        return 0

    def dead(self) -> int:
        return 0

    def dead_letters(self, limit: int) -> list[DeadLetter]:
        return []

    def purge_dead(self) -> int:
        return 0

    def close(self) -> None: ...


def issue(now: datetime, channel: Channel = EMAIL) -> int:
    return tickets.issue_tickets(channel=channel, transport=DatabaseTransport("database://"), now=now)


def issued_tickets(channel: Channel = EMAIL) -> list[Ticket]:
    rows = QueuedTicket.objects.filter(channel=channel).order_by("pk")
    return [decode(bytes(row.body), channel=channel) for row in rows]


def fresh(row: Delivery) -> Delivery:
    return Delivery.objects.get(pk=row.pk)


def some_due(number: int, broadcast: Broadcast, now: datetime, **fields: Any) -> list[Delivery]:
    return [a_delivery(broadcast=broadcast, due_at=now, **fields) for _ in range(number)]


def looks_lost(now: datetime, *, depth: int = 0) -> bool:
    return tickets.looks_lost(channel=EMAIL, depth=depth, now=now)


def claim(*rows: Delivery, now: datetime, token: uuid.UUID | None = None, **changes: Any) -> Claim:
    values: dict[str, Any] = {
        "broadcast_id": rows[0].broadcast_id,
        "channel": Channel(rows[0].channel),
        "delivery_ids": [row.pk for row in rows],
        "token": token or uuid.uuid4(),
        "now": now,
    }
    return claims.claim(**values | changes)


def settle(taken: Claim, verdict: Verdict, *, now: datetime, **details: Any) -> int:
    outcomes = [Outcome(message, verdict, **details) for message in taken.messages]
    return settlements.settle(claim=taken, outcomes=outcomes, now=now)


def columns(row: Delivery) -> dict[str, Any]:
    return dict(Delivery.objects.filter(pk=row.pk).values().get())


def addressed(taken: Claim) -> list[int]:
    return [message.delivery_id for message in taken.messages]
