"""When the dispatcher issues anew what was lost on its way."""

import logging
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest
from django.db.models import F

from notifier.delivery import dispatcher
from notifier.delivery.dispatcher import Dispatcher
from notifier.models import Channel, Delivery, QueuedTicket
from notifier.runtime import clock
from notifier.transport.base import Ticket, decode
from tests.support.factories import a_delivery

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State = Delivery.State
EMAIL, SMS = Channel.EMAIL, Channel.SMS


def test_tickets_that_were_lost_are_issued_again_after_two_looks(
    loop: Dispatcher, watch: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    row = a_delivery()
    loop.cycle()
    QueuedTicket.objects.all().delete()

    with caplog.at_level(logging.WARNING):
        for _ in range(3):  # looks at 2, 4 and 6 seconds: the first time it looked lost is not yet 5 s ago
            watch.seconds += dispatcher.DEPTH_SECONDS
            loop.cycle()
            assert not QueuedTicket.objects.exists()
        watch.seconds += dispatcher.DEPTH_SECONDS
        loop.cycle()
        loop.cycle()

    assert [decode(bytes(t.body), channel=EMAIL).deliveries for t in QueuedTicket.objects.all()] == [(row.pk,)]
    assert [record.getMessage() for record in caplog.records] == [
        "The email queue lost its tickets: 1 deliveries are issued again."
    ]


def test_one_look_between_two_windows_of_a_consumer_proves_nothing(loop: Dispatcher, watch: SimpleNamespace) -> None:
    row = a_delivery()
    loop.cycle()
    QueuedTicket.objects.all().delete()  # a consumer holds it
    reserved = Delivery.objects.get(pk=row.pk).due_at
    other = a_delivery(broadcast=row.broadcast, state=State.SENDING)

    for look in range(10):
        # Each second look finds it at work, with what it has just claimed.
        state = State.SENDING if look % 2 else State.SENT
        Delivery.objects.filter(pk=other.pk).update(state=state, due_at=clock.now() + timedelta(minutes=5))
        watch.seconds += dispatcher.DEPTH_SECONDS
        loop.cycle()

    assert Delivery.objects.get(pk=row.pk).due_at == reserved


def test_a_ticket_that_was_overtaken_is_issued_again_while_others_are_sent(
    loop: Dispatcher, watch: SimpleNamespace, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    """Although the queue says that it holds tickets, and somebody is sending."""
    hangs = a_delivery()
    a_delivery(broadcast=hangs.broadcast, state=State.SENDING, due_at=now + timedelta(minutes=5))
    loop.cycle()
    QueuedTicket.objects.all().delete()
    Delivery.objects.filter(pk=hangs.pk).update(due_at=F("due_at") - timedelta(seconds=10))
    later = [a_delivery(broadcast=hangs.broadcast) for _ in range(2)]
    loop.cycle()
    watch.seconds += dispatcher.DEPTH_SECONDS
    loop.cycle()
    Delivery.objects.filter(pk=later[0].pk).update(state=State.SENT, due_at=None)

    with caplog.at_level(logging.WARNING):
        watch.seconds += dispatcher.DEPTH_SECONDS
        loop.cycle()
        loop.cycle()

    assert [ticket.deliveries for ticket in queued_tickets()][1:] == [(hangs.pk,)]
    assert "Later tickets overtook 1 email deliveries, which are issued again." in caplog.messages


def queued_tickets() -> list[Ticket]:
    return [decode(bytes(row.body), channel=EMAIL) for row in QueuedTicket.objects.order_by("pk")]
