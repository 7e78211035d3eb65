from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from notifier.models import Channel, Throttle
from notifier.policies import throttles
from notifier.policies.throttles import Grant
from tests.support.database.connections import at_once

pytestmark = [pytest.mark.both_engines]

EMAIL, SMS = Channel.EMAIL, Channel.SMS
SECOND = timedelta(seconds=1)
START = datetime(2026, 11, 24, 12, tzinfo=UTC)
concurrent = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def slow(settings: Settings) -> None:
    settings.RATES = {"email": 50.0, "sms": None}
    settings.SMS_URL = "twilio://SID:TOKEN@api.twilio.com/?from=+15005550006"


def take(wanted: int, now: datetime, channel: Channel = EMAIL) -> Grant:
    return throttles.take(channel=channel, wanted=wanted, now=now)


STEPS = st.lists(st.tuples(st.floats(0, 5), st.integers(1, 100)), max_size=60)
RATES = st.floats(0.01, 2000)


@given(rate=RATES, steps=STEPS, late=st.floats(0, 1))
def test_never_more_than_one_seconds_worth_and_the_rate(
    rate: float, steps: list[tuple[float, int]], late: float
) -> None:
    tokens, at, now, given_away = 0.0, START, START, 0
    for seconds, wanted in steps:
        now += timedelta(seconds=seconds)
        # As another process's clock has it, which is a little behind.
        tokens, at = throttles.filled(tokens=tokens, filled_at=at, rate=rate, now=now - timedelta(seconds=late))
        number = min(wanted, int(tokens))
        tokens -= number
        given_away += number

        room = max(1.0, rate)
        assert 0 <= tokens <= room
        assert given_away <= room + rate * (now - START).total_seconds() + 1e-6


@pytest.mark.django_db
def test_a_bucket_begins_empty_and_fills_at_the_rate() -> None:
    assert take(10, START) == Grant(0, SECOND / 5, 50)

    assert take(10, START + SECOND / 5) == Grant(10, rate=50)
    assert take(10, START + SECOND / 5).number == 0
    # A rest of an hour earns one second's worth.
    assert [take(10, START + 3600 * SECOND).number for _ in range(6)] == [10, 10, 10, 10, 10, 0]


@pytest.mark.django_db
def test_what_was_taken_is_gone_for_every_process_and_after_every_restart() -> None:
    take(10, START)
    for _ in range(5):
        assert take(10, START + SECOND).number == 10

    throttles.register(channel=EMAIL, now=START + SECOND)

    assert take(1, START + SECOND).number == 0


@pytest.mark.django_db
def test_a_slow_provider_is_given_one_at_a_time(settings: Settings) -> None:
    settings.RATES["email"] = 1 / 60
    take(10, START)

    assert take(10, START + 30 * SECOND) == Grant(0, 30 * SECOND, 1 / 60)
    assert take(10, START + 60 * SECOND).number == 1


@pytest.mark.django_db
def test_staff_have_the_last_word_at_once() -> None:
    take(10, START)
    Throttle.objects.update(rate=5)

    assert take(10, START + SECOND).number == 5
    assert throttles.rates()[EMAIL] == 5
    Throttle.objects.update(rate=None)
    assert throttles.rates()[EMAIL] == 50


@pytest.mark.django_db
def test_without_a_rate_nothing_is_kept_back_until_staff_set_one() -> None:
    throttles.register(channel=SMS, now=START)
    assert take(10, START, SMS) == Grant(10)

    Throttle.objects.filter(channel=SMS).update(rate=1)

    assert take(10, START, SMS).number == 0
    assert Throttle.objects.get(channel=SMS).provider == "api.twilio.com"


@pytest.mark.django_db
def test_another_provider_has_another_bucket(settings: Settings) -> None:
    take(10, START)
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = "django.core.mail.backends.smtp.EmailBackend", "mail.example.com"
    take(10, START)

    assert Throttle.objects.filter(channel=EMAIL).count() == 2
    assert Throttle.objects.filter(provider="mail.example.com").exists()


@pytest.mark.django_db
def test_what_was_not_sent_is_given_back_and_earns_no_burst() -> None:
    take(10, START)
    take(10, START + SECOND)
    throttles.release(channel=EMAIL, number=10)
    throttles.release(channel=EMAIL, number=1000)

    assert [take(50, START + SECOND).number for _ in range(2)] == [50, 0]


@pytest.mark.django_db
def test_a_clock_that_was_set_back_neither_stops_it_nor_lets_all_go() -> None:
    take(10, START + 3600 * SECOND)
    take(50, START + 3601 * SECOND)

    assert take(50, START).number == 0
    assert take(50, START + SECOND).number == 50


@pytest.mark.django_db
def test_a_process_whose_clock_is_a_little_behind_gets_nothing_twice() -> None:
    take(10, START)
    take(50, START + SECOND)

    assert take(1, START + SECOND / 2).number == 0
    assert take(50, START + 1.5 * SECOND).number == 0


@concurrent
def test_several_at_once_share_one_bucket() -> None:
    take(1, START)

    grants = at_once(*[partial(take, 10, START + SECOND)] * 8)

    assert all(isinstance(grant, Grant) for grant in grants), grants
    assert sum(grant.number for grant in grants) <= 50
    assert any(grant.number for grant in grants)
