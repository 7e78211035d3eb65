from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta

import pytest
from pytest_django.fixtures import Settings

from notifier.audience import held_back
from notifier.audience.held_back import Recipients
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


@pytest.fixture
def of(topic: Topic) -> Callable[..., Recipients]:
    """`of(channel, now)`: those who could be sent the topic then."""

    def make(channel: Channel = EMAIL, now: datetime = TEN, *, is_critical: bool = False) -> Recipients:
        return Recipients(topic_id=topic.pk, channel=channel, now=now, is_critical=is_critical)

    return make


def had(client: Client, *ago: timedelta, state: str = State.SENT, channel: Channel = EMAIL) -> None:
    for each in ago:
        broadcast = a_broadcast(state="FINISHED", finished_at=TEN - each)
        a_delivery(broadcast=broadcast, client=client, state=state, channel=channel, settled_at=TEN - each)


def test_those_in_quiet_hours_are_counted_by_when_these_end(of: Callable[..., Recipients]) -> None:
    for phone in (None, "+447911123456", "+33612345678", "+819012345678", "+12125550123"):
        a_client(phone=phone, listings="both")
    a_client(phone=None, offerings="both")
    Preference.objects.filter(client=a_client(phone=None, listings="both")).update(email=False)

    # London twice, Paris, and Tokyo, where it is seven; not New York.
    assert of().waits == {TEN + timedelta(hours=1): 1, EIGHT - timedelta(hours=1): 1, EIGHT: 2}
    assert of(SMS).waits == {}
    assert of(now=datetime(2026, 11, 25, 9, tzinfo=UTC)).waits == {datetime(2026, 11, 25, 13, tzinfo=UTC): 1}


def test_those_who_have_had_enough_are_counted(of: Callable[..., Recipients]) -> None:
    # In New York it is noon.
    phones = (f"+1212555012{number}" for number in range(4))
    at_the_cap, below_it, elsewhere, uninterested = (a_client(phone=phone, listings="both") for phone in phones)
    had(at_the_cap, DAY, 2 * DAY, 3 * DAY)
    had(below_it, DAY, 8 * DAY)
    had(below_it, DAY, state=State.FAILED)
    had(elsewhere, DAY, 2 * DAY, channel=SMS)
    had(uninterested, DAY, 2 * DAY)
    Preference.objects.filter(client=uninterested).update(email=False)

    assert of().over_cap == 1
    assert of(SMS).over_cap == 0


def test_whoever_has_had_enough_and_is_in_quiet_hours_counts_once(of: Callable[..., Recipients]) -> None:
    quiet, quiet_and_full = (a_client(phone=None, listings="email") for _ in range(2))
    had(quiet, DAY)
    had(quiet_and_full, DAY, 2 * DAY)

    found = of()

    assert (found.over_cap, found.waits) == (1, {EIGHT: 1})
    # Neither of those who get it, be it in the morning, is left out.
    assert list(Client.objects.filter(*found.among("pk"))) == [quiet]


def test_the_cap_counts_at_the_end_of_quiet_hours(of: Callable[..., Recipients]) -> None:
    """The claim asks then. A newsletter of each Tuesday at ten, with a cap of a week, would be promised to nobody."""
    until_then = a_client(phone=None, listings="email")
    had(until_then, DAY, 7 * DAY - timedelta(minutes=1))
    elsewhere = a_client(phone="+12125550123", listings="email")
    had(elsewhere, DAY, 7 * DAY - timedelta(minutes=1))

    found = of()

    assert (found.over_cap, found.waits) == (1, {EIGHT: 1})
    assert list(Client.objects.filter(*found.among("pk"))) == [until_then]


def test_a_critical_one_holds_nobody_back(of: Callable[..., Recipients]) -> None:
    had(a_client(phone=None, listings="email"), DAY, 2 * DAY)

    found = of(is_critical=True)

    assert (found.over_cap, found.waits, found.among("pk")) == (0, {}, [])


def test_of_a_follow_up_only_those_count_whom_the_other_missed(topic: Topic) -> None:
    followed = a_broadcast(state="FINISHED", finished_at=TEN)
    for state in (State.SENT, State.FAILED):
        a_delivery(broadcast=followed, client=a_client(phone=None, listings="email"), state=state, settled_at=TEN)

    found = Recipients(topic_id=topic.pk, channel=EMAIL, now=TEN, follows=followed)

    assert found.waits == {EIGHT: 1}
    assert Client.objects.filter(*found.among("pk")).count() == 1


def test_it_is_known_whether_anything_is_set(settings: Settings) -> None:
    assert held_back.quiet_hours_are_set()
    assert held_back.caps_are_set()
    settings.QUIET_HOURS, settings.CAPS = dict.fromkeys(("email", "sms")), dict.fromkeys(("email", "sms"))
    assert not held_back.quiet_hours_are_set()
    assert not held_back.caps_are_set()
