import random
from datetime import datetime
from typing import Any

import pytest
from django.db import connection

from notifier.addresses import phones
from notifier.audience import reachable, standings, topic_counts
from notifier.audience.standings import Standing
from notifier.delivery import fanout
from notifier.models import Channel, Client, Delivery, Preference, Reason, Suppression
from tests.support.factories import a_broadcast, a_client, a_phone, a_topic

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

EMAIL, SMS = Channel.EMAIL, Channel.SMS


def counts(channel: Channel) -> dict[str, int]:
    """What is not nought, without the channel itself."""
    found = topic_counts.reach(topic=a_topic())[channel]
    names = ("recipients", "no_consent", "no_address", "suppressed", "not_allowed", "landline", "archived")
    return {name: number for name in names if (number := getattr(found, name))}


def test_without_clients_nobody_is_reached() -> None:
    assert counts(EMAIL) == counts(SMS) == {}


def test_consent_counts_for_its_own_channel_and_topic() -> None:
    a_client(listings="email")
    a_client(listings="both")
    a_client(offerings="both")
    a_client()

    assert counts(EMAIL) == {"recipients": 2, "no_consent": 2}
    assert counts(SMS) == {"recipients": 1, "no_consent": 3}


def test_consent_without_an_address_is_told_apart() -> None:
    a_client(listings="both", email=None)
    a_client(listings="both", phone=None)

    assert counts(EMAIL) == {"recipients": 1, "no_address": 1}
    assert counts(SMS) == {"recipients": 1, "no_address": 1}


def test_a_suppressed_address_is_told_apart() -> None:
    client = a_client(listings="both")
    Suppression.objects.create(channel=SMS, address=str(client.phone), reason="STOP")
    Suppression.objects.create(channel=EMAIL, address="nobody@example.com", reason="bounced")

    assert counts(EMAIL) == {"recipients": 1}
    assert counts(SMS) == {"suppressed": 1}


def test_an_archived_client_is_told_apart_whatever_else_holds() -> None:
    client = a_client(listings="both", is_active=False)
    a_client(is_active=False)
    Suppression.objects.create(channel=EMAIL, address=str(client.email), reason="bounced")

    assert counts(EMAIL) == {"archived": 2}
    assert counts(SMS) == {"archived": 2}


def test_a_suppressed_client_without_consent_counts_as_without_consent() -> None:
    client = a_client(listings="sms")
    Suppression.objects.create(channel=EMAIL, address=str(client.email), reason="bounced")

    assert counts(EMAIL) == {"no_consent": 1}


def test_a_number_that_the_sender_would_refuse_for_its_country_is_told_apart(settings: Any) -> None:
    settings.SMS_COUNTRIES = ("GB", "CA")
    numbers = ["+447400123456", "+12042345678", "+12025550123", "+447781123456", "+4930123456", "+881612345678"]
    clients = [a_client(listings="both", phone=number) for number in numbers]
    Suppression.objects.create(channel=SMS, address=numbers[2], reason="STOP")
    a_client(listings="both", phone=None)

    allowed, refused = clients[:2], clients[3:]

    assert counts(SMS) == {"recipients": 2, "no_address": 1, "suppressed": 1, "not_allowed": 3}
    assert counts(EMAIL) == {"recipients": 7}
    for standing, those in ((Standing.RECIPIENTS, allowed), (Standing.NOT_ALLOWED, refused)):
        found = standings.who(topic=a_topic(), channel=SMS, standing=standing)
        assert sorted(found.values_list("pk", flat=True)) == [client.pk for client in those]
    assert not standings.who(topic=a_topic(), channel=EMAIL, standing=Standing.NOT_ALLOWED)
    assert [bool(phones.why_not_within(str(one.phone), settings.SMS_COUNTRIES)) for one in clients] == [
        False,
        False,
        True,
        True,
        True,
        True,
    ]
    assert reachable.sample(topic=a_topic(), channel=SMS) == clients[0]
    Client.objects.filter(pk=clients[0].pk).update(is_active=False)
    assert reachable.sample(topic=a_topic(), channel=SMS) == clients[1]


def test_a_landline_is_told_apart_from_those_who_read_sms(settings: Any) -> None:
    settings.SMS_COUNTRIES = ("DE",)
    landline, mobile = (
        a_client(listings="both", phone="+493012345678"),
        a_client(listings="both", phone="+4915112345678"),
    )
    elsewhere = a_client(listings="both", phone="+442079460018")
    suppressed = a_client(listings="both", phone="+493012345679")
    Suppression.objects.create(channel=SMS, address="+493012345679", reason="STOP")
    a_client(listings="email", phone="+493012345670")
    a_client(listings="both", phone="+493012345671", is_active=False)

    assert counts(SMS) == {
        "recipients": 1,
        "no_consent": 1,
        "suppressed": 1,
        "not_allowed": 1,
        "landline": 1,
        "archived": 1,
    }
    assert counts(EMAIL) == {"recipients": 5, "archived": 1}
    found = {one: list(standings.who(topic=a_topic(), channel=SMS, standing=one)) for one in Standing}
    assert found[Standing.RECIPIENTS] == [mobile]
    assert found[Standing.LANDLINE] == [landline]
    assert found[Standing.NOT_ALLOWED] == [elsewhere]
    assert found[Standing.SUPPRESSED] == [suppressed]
    assert reachable.sample(topic=a_topic(), channel=SMS) == mobile


def test_a_number_whose_type_nobody_looked_at_passes() -> None:
    """As after a process of the release before has changed or added it."""
    changed, added = a_client(listings="sms", phone="+493012345678"), a_client(listings="sms", phone="+493012345679")
    Client.objects.filter(pk=changed.pk).update(phone="+4915112345671")
    Client.objects.filter(pk=added.pk).update(landline_ending=None)

    assert counts(SMS) == {"recipients": 2}


def a_population(seed: int, size: int = 60) -> None:
    """Everything that can be said of a client, mixed by chance."""
    dice = random.Random(seed)
    for number in range(size):
        has_email, has_phone = dice.choice([(True, True), (True, False), (False, True)])
        email = f"p{seed}.{number}@example.com" if has_email else None
        phone = a_phone(40_000 + seed * 1000 + number) if has_phone else None
        if phone and number % 3 == 0:
            phone = f"+49301234{seed}{number:03}"
        client = a_client(email=email, phone=phone, is_active=dice.random() > 0.2)
        for slug in ("listings", "offerings"):
            if dice.random() < 0.8:
                Preference.objects.create(
                    client=client, topic=a_topic(slug=slug), email=dice.random() < 0.6, sms=dice.random() < 0.6
                )
        for channel, address in ((EMAIL, email), (SMS, phone)):
            if address and dice.random() < 0.25:
                Suppression.objects.create(channel=channel, address=address, reason="chance")


@pytest.mark.parametrize("seed", range(5))
def test_the_counts_add_up_to_the_clients_and_agree_with_what_is_really_made(now: datetime, seed: int) -> None:
    a_population(seed)
    promised = topic_counts.reach(topic=a_topic())
    broadcast = a_broadcast()

    while fanout.expand(broadcast_id=broadcast.pk, now=now) is not None:
        pass

    for channel in Channel:
        assert promised[channel].clients == Client.objects.count() == 60
        rows = broadcast.deliveries.filter(channel=channel)
        skipped = rows.filter(state=Delivery.State.SKIPPED)
        assert rows.filter(state=Delivery.State.PENDING).count() == promised[channel].recipients > 0
        assert skipped.filter(detail=Reason.no_address(channel)).count() == promised[channel].no_address > 0
        assert skipped.filter(detail=Reason.SUPPRESSED).count() == promised[channel].suppressed > 0
        landlines = skipped.filter(detail=Reason.LANDLINE).count()
        assert landlines == promised[channel].landline
        assert bool(landlines) is (channel == SMS)
        assert promised[channel].no_consent > 0
        assert promised[channel].archived > 0
        assert rows.count() == promised[channel].recipients + promised[channel].unreachable


@pytest.mark.usefixtures("only_postgresql")
def test_what_the_planner_was_told_holds_for_the_count_alone() -> None:
    topic_counts.reach(topic=a_topic())

    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('enable_hashjoin'), current_setting('enable_seqscan')")
        assert cursor.fetchone() == ("on", "on")
