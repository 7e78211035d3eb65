"""Whom the dispatcher works with: a broker to be unplugged, and what a consumer does."""

import uuid
from collections.abc import Sequence

from notifier.delivery import claims, settlements
from notifier.delivery.settlements import Outcome, Verdict
from notifier.models import Channel, Process, QueuedTicket
from notifier.runtime import clock
from notifier.transport.base import Ticket, TransportError, decode
from notifier.transport.database import DatabaseTransport


class Switchable(DatabaseTransport):
    """The queue in the database, with a plug to pull."""

    def __init__(self) -> None:
        super().__init__("database://")
        self.is_away = False
        self.is_alarmed = False
        self.calls = 0
        self.is_closed = False

    def check(self) -> None:
        self._reach()
        if self.is_alarmed:
            raise TransportError("RabbitMQ accepts no messages.")

    def publish(self, tickets: Sequence[Ticket]) -> None:
        self.check()
        super().publish(tickets)

    def depth(self, channel: Channel) -> int:
        self._reach()
        return super().depth(channel)

    def close(self) -> None:
        self.is_closed = True

    def _reach(self) -> None:
        self.calls += 1
        if self.is_away:
            raise TransportError("RabbitMQ at broker can’t be used: refused.")


def send_everything(channel: Channel, verdict: Verdict = Verdict.SENT) -> int:
    """As a consumer does, without a provider; returns how many."""
    sent = 0
    for row in QueuedTicket.objects.filter(channel=channel, dead=False):
        ticket = decode(bytes(row.body), channel=channel)
        claim = claims.claim(
            broadcast_id=ticket.broadcast,
            channel=channel,
            delivery_ids=ticket.deliveries,
            token=uuid.uuid4(),
            now=clock.now(),
        )
        settlements.settle(claim=claim, outcomes=[Outcome(m, verdict) for m in claim.messages], now=clock.now())
        sent += len(claim.messages)
        row.delete()
    return sent


def issued() -> list[Ticket]:
    rows = QueuedTicket.objects.filter(dead=False).order_by("pk")
    return [decode(bytes(row.body), channel=Channel(row.channel)) for row in rows]


def worker() -> Process:
    return Process.objects.get(kind=Process.Kind.DISPATCHER)
