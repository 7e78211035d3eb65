"""Whom a follow-up would go to is counted exactly, and in as many queries however many they are."""

from datetime import datetime

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from notifier.audience import chains, unreached
from notifier.models import Broadcast, Channel, Delivery, Receipt
from tests.support.factories import a_chain, a_client, a_delivery, an_ended_broadcast

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State = Delivery.State
EMAIL, SMS = Channel.EMAIL, Channel.SMS


def test_everybody_who_wants_it_now_is_counted_once_by_how_they_stand(now: datetime) -> None:
    first, second = a_chain(now, 2)
    for state in [*State, State.FAILED]:
        a_delivery(broadcast=second, client=a_client(listings="email"), state=state)
    twice = a_client(listings="email")
    a_delivery(broadcast=first, client=twice, state=State.SENT)
    a_delivery(broadcast=second, client=twice, state=State.SKIPPED)
    a_client(listings="both")
    a_client(listings="neither")

    mail, sms = unreached.missing(broadcast=second, now=now)

    assert mail == unreached.Missing(channel=EMAIL, failed=2, skipped=1, cancelled=1, new=1, unknown=1, under_way=3)
    assert (sms.channel, sms.new, sms.recipients) == (SMS, 1, 1)
    assert mail.recipients == 5


def a_receipt(row: Delivery, state: Receipt.State, now: datetime) -> None:
    Receipt.objects.create(
        delivery=row, broadcast=row.broadcast, channel=row.channel, state=state, at=now, provider="twilio"
    )


def test_what_was_sent_and_not_delivered_is_missed(now: datetime) -> None:
    first, second = a_chain(now, 2)
    clients = {state: a_client(listings="email") for state in Receipt.State}
    for state, client in clients.items():
        a_receipt(a_delivery(broadcast=second, client=client, state=State.SENT), state, now)
    # It got there by the broadcast before.
    twice = clients[Receipt.State.BOUNCED]
    a_delivery(broadcast=first, client=twice, state=State.SENT)

    mail, _ = unreached.missing(broadcast=second, now=now)
    reached = {
        state
        for state, client in clients.items()
        if chains.reached(broadcast_ids=[first.pk, second.pk], channel=EMAIL, client=client.pk).exists()  # type: ignore[arg-type]
    }

    assert mail == unreached.Missing(
        channel=EMAIL, failed=0, skipped=0, cancelled=0, new=0, unknown=0, under_way=0, undelivered=1
    )
    assert mail.recipients == 1
    assert reached == {*Receipt.State} - {Receipt.State.UNDELIVERED}


def test_counting_takes_as_many_queries_for_many_as_for_few(
    now: datetime, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    original = an_ended_broadcast(now)
    for number in (1, 20):
        for _ in range(number):
            a_delivery(broadcast=original, state=State.FAILED)
        fresh = Broadcast.objects.select_related("topic").get(pk=original.pk)
        # The chain, and seven for each channel; PostgreSQL is told how to count the new ones, told to forget it,
        # and asked for landlines by themselves.
        with django_assert_num_queries(26 if connection.vendor == "postgresql" else 15):
            unreached.missing(broadcast=fresh, now=now)
