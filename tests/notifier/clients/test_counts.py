from datetime import datetime, timedelta

import pytest

from notifier.clients import counts
from notifier.models import Client, ClientCounts
from tests.support.factories import a_client, a_topic

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

SECOND = timedelta(seconds=1)


def test_it_counts_clients_and_the_consent_of_the_active_ones(now: datetime) -> None:
    listings, offerings = a_topic(slug="listings"), a_topic(slug="offerings")
    a_client(listings="both")
    a_client(listings="email", email=None)
    a_client(listings="both", offerings="sms", is_active=False)
    a_client(offerings="neither")

    counts.count(now=now)

    row = ClientCounts.objects.get()
    assert row.counted_at == now
    assert row.counts["clients"] == 4
    assert row.counts["archived"] == 1
    assert row.counts["consents"][str(listings.pk)] == {"email": 2, "sms": 1}
    assert row.counts["consents"][str(offerings.pk)] == {"email": 0, "sms": 0}


def test_new_are_active_clients_who_were_added_lately(now: datetime) -> None:
    old = a_client()
    a_client()
    a_client(is_active=False)
    Client.objects.update(created_at=now)
    Client.objects.filter(pk=old.pk).update(created_at=now - counts.NEW_FOR)

    counts.count(now=now)

    assert ClientCounts.objects.get().counts["new"] == 1


def test_a_landline_is_no_reader_of_sms(now: datetime) -> None:
    a_client(listings="both")
    a_client(listings="both", phone="+493012345678")
    a_client(listings="both", phone="+493012345679", is_active=False)
    a_client(listings="both", phone=None)

    counts.count(now=now)

    assert ClientCounts.objects.get().counts["consents"][str(a_topic().pk)] == {"email": 3, "sms": 2}


def test_there_is_one_row_however_often_it_counts(now: datetime) -> None:
    counts.count(now=now)
    a_client()
    counts.count(now=now + SECOND)

    row = ClientCounts.objects.get()
    assert (row.counts["clients"], row.counted_at) == (1, now + SECOND)


def test_it_is_due_when_never_counted_and_after_a_minute(now: datetime) -> None:
    assert counts.is_due(now=now)

    counts.count(now=now)

    assert not counts.is_due(now=now + 59 * SECOND)
    assert counts.is_due(now=now + 60 * SECOND)


def test_it_is_due_when_the_clock_was_set_back(now: datetime) -> None:
    counts.count(now=now + timedelta(hours=1))

    assert counts.is_due(now=now)
