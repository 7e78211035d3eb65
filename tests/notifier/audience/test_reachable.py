import pytest

from notifier.audience import reachable
from notifier.models import Channel, Suppression
from tests.support.factories import a_client, a_topic

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]


def test_the_sample_is_an_active_client_who_consented() -> None:
    a_client(listings="both", is_active=False)
    a_client(listings="neither")
    a_client(offerings="both")
    a_client(listings="email")
    a_client(listings="sms", phone=None)
    suppressed = a_client(listings="sms")
    Suppression.objects.create(channel="sms", address=str(suppressed.phone), reason="asked us to stop")
    chosen = a_client(listings="sms")

    assert reachable.sample(topic=a_topic(), channel=Channel.SMS) == chosen


def test_without_consent_there_is_no_sample() -> None:
    a_client(listings="neither")

    assert reachable.sample(topic=a_topic(), channel=Channel.EMAIL) is None
