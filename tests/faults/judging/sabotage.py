"""Breaks rules of the product on purpose, so that the judge can prove that it notices. See controls.py."""

import os
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.apps import AppConfig


class Sabotage(AppConfig):
    name = "tests.faults.judging"
    label = "sabotage"

    def ready(self) -> None:
        for name in os.environ["SABOTAGE"].split(","):
            SABOTAGES[name]()


def no_reissue() -> None:
    """What is reserved and never published, or whose ticket is lost, is not looked for."""
    from notifier.delivery import tickets
    from notifier.transport import database

    tickets.looks_lost = lambda **_: False
    tickets.travelling = lambda **_: {}
    # A consumer that died gives its ticket back as promptly as RabbitMQ has it.
    database.VISIBILITY = timedelta(seconds=2)


def wait_for_whoever_has_it() -> None:
    """A ticket is where it is, for as long as somebody has it."""
    from notifier.delivery import tickets
    from notifier.transport import database

    tickets.looks_lost = lambda **_: False
    tickets.travelling = lambda **_: {}
    # Nor does the queue in the database take it back, as RabbitMQ doesn't where heartbeats go on.
    database.VISIBILITY = timedelta(hours=1)


def no_sweep() -> None:
    from notifier.delivery import sweeps

    sweeps.sweep = lambda **_: 0


def send_before_claiming() -> None:
    from django.db import transaction

    from consumers.worker import Consumer
    from notifier.delivery import claims
    from notifier.runtime import clock, failpoints

    def work_window(self: Any, broadcast_id: int, delivery_ids: Sequence[int]) -> Sequence[Any]:
        with transaction.atomic():
            seen = claims.claim(
                broadcast_id=broadcast_id,
                channel=self._channel,
                delivery_ids=delivery_ids,
                token=uuid.uuid4(),
                now=clock.now(),
            )
            transaction.set_rollback(True)
        if not seen.messages:
            return ()
        outcomes: Sequence[Any] = self._sender.send(
            seen.messages, starts_until=time.monotonic() + 60, waiting=lambda: None
        )
        failpoints.reached("window.sent")
        self._settle(self._claim(broadcast_id, delivery_ids), outcomes)
        return outcomes

    Consumer._work_window = work_window  # type: ignore[method-assign]


def ack_before_settling() -> None:
    from consumers.worker import Consumer

    work = Consumer._work

    def ack_first(self: Any, received: Any) -> None:
        received.ack()
        work(self, _AlreadyAcked(received.ticket))

    Consumer._work = ack_first  # type: ignore[method-assign]


class _AlreadyAcked:
    def __init__(self, ticket: Any) -> None:
        self.ticket = ticket

    def ack(self) -> None:
        pass

    def reject(self) -> None:
        pass


def claim_without_consent() -> None:
    from notifier.delivery.claim_sql import PendingRow

    PendingRow.skip_reason = lambda self: ""  # type: ignore[method-assign]


def lost_is_given_up() -> None:
    """What a lost ticket was for is not issued again but written off, with a reason that sounds like one."""
    from notifier.delivery import bulk_updates, tickets
    from notifier.models import Delivery

    def write_off(*, channel: Any, now: datetime, **_: Any) -> int:
        running = Delivery.objects.active().filter(broadcast__state="RUNNING", channel=channel)
        changes = {"state": Delivery.State.FAILED, "detail": "ticket lost", "due_at": None, "settled_at": now}
        return len(bulk_updates.update_returning(tickets._ticketed(running, now), bulk_updates.CHUNK, changes))

    tickets.reissue_lost = write_off


def skip_every_third() -> None:
    """A client who is archived in the consumer's eyes only."""
    from notifier.delivery.claim_sql import PendingRow
    from notifier.models import Reason

    reason = PendingRow.skip_reason
    PendingRow.skip_reason = lambda self: reason(self) if self.id % 3 else Reason.ARCHIVED  # type: ignore[method-assign]


def tickets_come_twice() -> None:
    """No rule is broken: a broker may repeat what it likes."""
    from notifier.transport.amqp.transport import AmqpTransport

    publish = AmqpTransport.publish
    AmqpTransport.publish = lambda self, tickets: publish(  # type: ignore[method-assign]
        self, [ticket for ticket in tickets for _ in range(2)]
    )


def claim_through_a_join() -> None:
    """Django makes `broadcast__state=` an `id IN (SELECT …)`, which PostgreSQL does not look at again after a wait."""
    from django.db import transaction

    from notifier.delivery import claims
    from notifier.delivery.claims import Claim
    from notifier.models import Delivery

    real = claims.claim

    def claim(*, delivery_ids: Sequence[int], token: uuid.UUID, **rest: Any) -> Claim:
        with transaction.atomic():
            pending = Delivery.objects.filter(
                pk__in=delivery_ids, state=Delivery.State.PENDING, broadcast__state="RUNNING"
            )
            pending.update(state=Delivery.State.SENDING, lease_token=token)
            taken = Delivery.objects.filter(pk__in=delivery_ids, lease_token=token)
            # What it took it gets, rendered: for nobody else they are PENDING again.
            ids = list(taken.values_list("pk", flat=True))
            taken.update(state=Delivery.State.PENDING, lease_token=None)
            found = real(delivery_ids=ids, token=token, **rest)
            if ids:
                _wait_for_a_rival()
        return found

    claims.claim = claim


#: The same ticket may be at hand of the same consumer, and then nobody comes.
RIVAL_SECONDS = 3.0
_has_met_one: list[bool] = []


def _wait_for_a_rival() -> None:
    """Until another consumer with the same ticket waits for the rows that this transaction has taken.

    Once in a process: to break the rule one time is enough.
    """
    from django.db import connection

    waits = "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted AND transactionid = pg_current_xact_id()::xid)"
    ends_at = time.monotonic() + RIVAL_SECONDS
    with connection.cursor() as cursor:
        while time.monotonic() < ends_at and not _has_met_one:
            cursor.execute(waits)
            if cursor.fetchone()[0]:
                _has_met_one.append(True)
            time.sleep(0.02)


def everybody_is_in_later_chunks() -> None:
    """The first chunk goes to the audience alone. The cursor says of each that it was asked: else it is refused."""
    from notifier.delivery import fanout

    insert = fanout._insert

    def insert_all(broadcast: Any, channel: Any, upper: int, now: Any, within: Any) -> int:
        return insert(broadcast, channel, upper, now, None if broadcast.cursor else within)

    fanout._insert = insert_all


def values_of_the_first_claim() -> None:
    """A consumer keeps what it has once read of clients. Only where that would be no text at all it reads it again."""
    from notifier.delivery import claim_sql

    lock_pending = claim_sql.lock_pending
    kept: dict[int, dict[str, Any]] = {}

    def lock(cursor: Any, *, sources: Any, **rest: Any) -> list[Any]:
        if not kept:
            columns, join = sources.columns(client="c", values="v"), sources.join(client="c", values="v")
            cursor.execute(f"SELECT c.id, c.language{columns} FROM {claim_sql.CLIENT} c {join}")
            kept.update({pk: {"language": language, "values": values} for pk, language, *values in cursor.fetchall()})
        rows = lock_pending(cursor, sources=sources, **rest)
        return [row._replace(**kept[row.client_id]) if all(kept[row.client_id]["values"]) else row for row in rows]

    claim_sql.lock_pending = lock


def default_text_for_all() -> None:
    """Nobody's language is looked at."""
    from notifier.languages import offered
    from notifier.messages import variants
    from notifier.messages.variants import Chosen, Texts

    def choose(*, own: Texts, **_: Any) -> Chosen:
        return Chosen(offered.default(), own)

    variants.choose = choose


SABOTAGES: dict[str, Callable[[], None]] = {
    function.__name__: function
    for function in (
        no_reissue,
        wait_for_whoever_has_it,
        no_sweep,
        send_before_claiming,
        ack_before_settling,
        claim_without_consent,
        lost_is_given_up,
        skip_every_third,
        everybody_is_in_later_chunks,
        values_of_the_first_claim,
        tickets_come_twice,
        claim_through_a_join,
        default_text_for_all,
    )
}
