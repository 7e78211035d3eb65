from datetime import datetime, timedelta

import pytest

from notifier.audience import topic_counts, turnover
from notifier.audience.standings import Standing, who
from notifier.models import Channel, Client, ClientTag, Suppression
from notifier.saved_audiences import compiling, freezing
from notifier.saved_audiences.document import Line
from tests.support.factories import a_broadcast, a_client, a_delivery, a_saved_audience, a_tag, a_topic

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]


def test_who_joined_and_who_left_since_the_last_broadcast_to_it(now: datetime) -> None:
    vip = a_tag()
    audience = a_saved_audience(Line("tag", "has", vip.pk))
    stays, leaves, archived, joins, joins_too = (a_client(listings="both") for _ in range(5))
    a_broadcast(**freezing.columns(audience), started_at=now - timedelta(days=2))
    last = a_broadcast(**freezing.columns(audience), started_at=now - timedelta(days=1))
    for client in (stays, leaves, archived):
        for channel in Channel:
            a_delivery(broadcast=last, client=client, channel=channel)
    ClientTag.objects.bulk_create(ClientTag(client=one, tag=vip) for one in (stays, archived, joins, joins_too))
    Client.objects.filter(pk=archived.pk).update(is_active=False)

    found = turnover.since_last(audience_id=audience.pk, within=compiling.of_saved(audience, now=now))

    assert found is not None
    assert (found.last, found.joined, found.left) == (last, 2, 2)


def test_there_is_none_before_the_first(now: datetime) -> None:
    audience = a_saved_audience(Line("time_zone", "known"))
    a_broadcast()

    assert turnover.since_last(audience_id=audience.pk, within=compiling.of_saved(audience, now=now)) is None


def test_every_client_counts_once_and_each_count_is_of_its_list(now: datetime) -> None:
    topic, vip = a_topic(slug="listings"), a_tag()
    inside = [a_client(listings=choice) for choice in ("both", "both", "email", "neither")]
    inside += [a_client(listings="both", email=None), a_client(listings="both", is_active=False)]
    suppressed = a_client(listings="both")
    Suppression.objects.create(channel=Channel.EMAIL, address=str(suppressed.email))
    ClientTag.objects.bulk_create(ClientTag(client=one, tag=vip) for one in [*inside, suppressed])
    for choice in ("both", "neither", "both"):
        a_client(listings=choice)
    within = compiling.of_saved(a_saved_audience(Line("tag", "has", vip.pk)), now=now)

    for channel, reach in topic_counts.reach(topic=topic, within=within).items():
        for standing in Standing:
            listed = who(topic=topic, channel=channel, standing=standing, within=within)
            assert listed.count() == getattr(reach, standing.value), (channel, standing)
        assert reach.clients == Client.objects.count()
        assert reach.not_in_audience == 3
    reach = topic_counts.reach(topic=topic, within=within)[Channel.EMAIL]
    assert (reach.recipients, reach.no_consent, reach.no_address, reach.suppressed, reach.archived) == (3, 1, 1, 1, 1)
