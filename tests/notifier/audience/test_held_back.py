from datetime import UTC, datetime, time, timedelta

import pytest
from pytest_django.fixtures import Settings

from notifier.audience import held_back
from notifier.audience.held_back import HeldBack
from notifier.models import Channel, Client, Delivery, Preference, Topic
from tests.support.factories import a_broadcast, a_client, a_delivery, a_topic

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

EMAIL, SMS = Channel.EMAIL, Channel.SMS
State = Delivery.State
TEN, EIGHT = datetime(2026, 11, 24, 22, tzinfo=UTC), datetime(2026, 11, 25, 8, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _limits(settings: Settings) -> None:
    settings.QUIET_HOURS = {"email": (time(21), time(8)), "sms": None}
    settings.CLIENT_TIME_ZONE = "Europe/London"
    settings.CAPS = {"email": (2, 7), "sms": None}


@pytest.fixture
def topic(db: None) -> Topic:
    return a_topic()


def test_those_who_sleep_are_counted_with_when_the_first_and_the_last_wake(topic: Topic) -> None:
    for phone in (None, "+447911123456", "+33612345678", "+819012345678", "+12125550123"):
        a_client(phone=phone, listings="both")
    a_client(phone=None, offerings="both")
    Preference.objects.filter(client=a_client(phone=None, listings="both")).update(email=False)

    found = held_back.count(topic=topic, channel=EMAIL, now=TEN)

    # London twice, Paris, and Tokyo, where it is seven; not New York.
    tokyo = datetime(2026, 11, 24, 23, tzinfo=UTC)
    assert found == HeldBack(EMAIL, in_quiet_hours=4, first=tokyo, last=EIGHT)
    assert held_back.count(topic=topic, channel=SMS, now=TEN) == HeldBack(SMS)
    assert held_back.count(topic=topic, channel=EMAIL, now=datetime(2026, 11, 25, 9, tzinfo=UTC)).in_quiet_hours == 1


def had(client: Client, *ago: timedelta, state: str = State.SENT, channel: Channel = EMAIL) -> None:
    for each in ago:
        broadcast = a_broadcast(state="FINISHED", finished_at=TEN - each)
        a_delivery(broadcast=broadcast, client=client, state=state, channel=channel, settled_at=TEN - each)


def test_those_who_have_had_enough_are_counted(topic: Topic) -> None:
    at_the_cap, below_it, elsewhere, uninterested = (a_client(listings="both") for _ in range(4))
    had(at_the_cap, DAY, 2 * DAY, 3 * DAY)
    had(below_it, DAY, 8 * DAY)
    had(below_it, DAY, state=State.FAILED)
    had(elsewhere, DAY, 2 * DAY, channel=SMS)
    had(uninterested, DAY, 2 * DAY)
    Preference.objects.filter(client=uninterested).update(email=False)

    assert held_back.count(topic=topic, channel=EMAIL, now=TEN).over_cap == 1
    assert held_back.count(topic=topic, channel=SMS, now=TEN).over_cap == 0


def test_nothing_is_told_where_nothing_is_set(settings: Settings) -> None:
    assert held_back.are_set([EMAIL, SMS])
    assert not held_back.are_set([SMS])
