from datetime import datetime, timedelta

import pytest
from pytest_django.fixtures import Settings

from notifier.models import Breaker, Channel
from notifier.policies import breakers
from notifier.policies.breakers import Count
from tests.support.database.connections import OtherConnection, at_once
from tests.support.factories import an_open_breaker

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

EMAIL, SMS = Channel.EMAIL, Channel.SMS
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
concurrent = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _settings(settings: Settings) -> None:
    settings.BREAKER_PERCENT = 50
    settings.BREAKER_MINIMUM = 20
    settings.BREAKER_WINDOW_SECONDS = 60
    settings.BREAKER_PROBE_SECONDS = 30


def record(
    now: datetime, given: int, failed: int, *, since: datetime | None = None, channel: Channel = EMAIL, detail: str = ""
) -> bool:
    return breakers.record(channel=channel, count=Count(since or now, given, failed, detail), now=now)


def settle_probe(breaker: Breaker, now: datetime, *, succeeded: bool, detail: str = "") -> bool:
    assert breaker.opened_at
    return breakers.settle_probe(
        channel=EMAIL, opened_at=breaker.opened_at, succeeded=succeeded, detail=detail, now=now
    )


def is_open(channel: Channel = EMAIL) -> bool:
    return breakers.find_open(channel=channel) is not None


def fresh() -> Breaker:
    return Breaker.objects.get(channel=EMAIL)


# --- Opening ----------------------------------------------------------------------------------------------------------
def test_a_channel_of_which_nothing_was_heard_is_not_paused() -> None:
    assert not is_open()


@pytest.mark.parametrize(
    ("given", "failed", "opens"),
    [(20, 10, True), (20, 20, True), (40, 20, True), (20, 9, False), (19, 19, False), (0, 0, False)],
)
def test_it_opens_once_enough_were_given_and_most_of_them_failed(
    now: datetime, given: int, failed: int, opens: bool
) -> None:
    assert record(now, given, failed) is opens
    assert is_open() is opens


def test_the_rate_and_the_least_number_are_settings(now: datetime, settings: Settings) -> None:
    settings.BREAKER_PERCENT, settings.BREAKER_MINIMUM = 90, 5

    assert not record(now, 10, 8)
    assert record(now, 10, 10)


def test_what_several_consumers_saw_adds_up(now: datetime) -> None:
    assert not record(now, 10, 6)
    assert record(now + SECOND, 10, 6)


def test_an_open_one_knows_since_when_and_why_and_when_to_try_again(now: datetime) -> None:
    record(now - SECOND, 12, 10, detail="450 busy")

    record(now, 8, 8, detail="451 try later")

    breaker = fresh()
    assert (breaker.opened_at, breaker.detail, breaker.probes) == (now, "451 try later", 0)
    assert (breaker.given, breaker.failed) == (20, 18)
    assert breaker.probe_at == now + 30 * SECOND


def test_a_providers_long_words_are_cut_to_what_fits(now: datetime) -> None:
    record(now, 20, 20, detail="x" * 1000)

    assert fresh().detail == "x" * 300


def test_one_channels_trouble_is_not_the_others(now: datetime) -> None:
    record(now, 20, 20)

    assert (is_open(EMAIL), is_open(SMS)) == (True, False)
    assert not record(now, 10, 10, channel=SMS)


# --- The window -------------------------------------------------------------------------------------------------------
def test_what_was_counted_before_the_window_began_is_forgotten(now: datetime) -> None:
    record(now, 19, 19)

    assert not record(now + 61 * SECOND, 1, 1)
    assert (fresh().given, fresh().failed, fresh().counted_from) == (1, 1, now + 61 * SECOND)


def test_within_the_window_everything_counts(now: datetime) -> None:
    record(now, 19, 19)

    assert record(now + 60 * SECOND, 1, 1)


def test_a_clock_that_was_set_back_begins_a_new_window(now: datetime) -> None:
    record(now + 60 * MINUTE, 19, 0)

    record(now, 1, 1)

    assert (fresh().given, fresh().counted_from) == (1, now)


def test_a_consumer_whose_clock_is_a_little_behind_counts_all_the_same(now: datetime) -> None:
    record(now, 10, 10)

    assert record(now - SECOND, 10, 10)


def test_a_long_good_time_does_not_hide_a_provider_that_fails_now(now: datetime) -> None:
    for _ in range(100):
        record(now, 1000, 0)

    failing = 0
    while not record(now, 10, 10):
        failing += 10
        assert failing < 300, "100,000 good ones count for ever"

    assert fresh().given <= 10 * 20
    assert failing >= 20, "a few bad ones are no proof after so many good ones"


# --- Servers that put everybody off at first --------------------------------------------------------------------------
def put_off(now: datetime, number: int, *, tries: int, passed_after: int = 0, given: int = 0) -> bool:
    count = Count(now, given or number, number, put_off={tries: number}, passed_after=passed_after)
    return breakers.record(channel=EMAIL, count=count, now=now)


def test_what_was_put_off_counts_until_something_was_seen_to_pass_after_it(now: datetime) -> None:
    assert put_off(now, 20, tries=0)


def test_once_some_passed_on_a_later_try_being_put_off_before_it_is_no_sign_of_trouble(now: datetime) -> None:
    put_off(now, 1, tries=0, passed_after=2, given=2)

    assert not put_off(now + SECOND, 1000, tries=0)
    assert not put_off(now + SECOND, 1000, tries=1)
    assert put_off(now + SECOND, 30, tries=2)


def test_other_failures_count_all_the_same(now: datetime) -> None:
    put_off(now, 1, tries=0, passed_after=2, given=2)

    assert record(now + SECOND, 30, 30)


def test_that_some_passed_is_forgotten_after_an_hour_in_which_none_did(now: datetime) -> None:
    put_off(now, 1, tries=0, passed_after=1, given=2)
    put_off(now + 40 * MINUTE, 1, tries=0, passed_after=1, given=2)

    assert not put_off(now + 99 * MINUTE, 30, tries=0)
    assert put_off(now + 101 * MINUTE, 30, tries=0)


def test_the_most_tries_count_that_any_needed(now: datetime) -> None:
    put_off(now, 1, tries=0, passed_after=2, given=2)
    put_off(now + SECOND, 1, tries=0, passed_after=1, given=2)

    assert fresh().passed_after_tries == 2


def test_one_that_passed_on_its_eighth_try_does_not_excuse_every_try_before_it(now: datetime) -> None:
    """It was one mailbox, full for a while."""
    put_off(now, 1, tries=0, passed_after=7, given=2)

    assert not put_off(now + SECOND, 100, tries=1)
    assert put_off(now + SECOND, 30, tries=2)


def test_what_passes_after_fewer_tries_does_not_renew_what_passed_after_more(now: datetime) -> None:
    put_off(now, 1, tries=0, passed_after=2, given=100)
    for minutes in (30, 59, 88):
        put_off(now + minutes * MINUTE, 1, tries=0, passed_after=1, given=100)

    assert not put_off(now + 90 * MINUTE, 100, tries=0)
    assert put_off(now + 90 * MINUTE, 100, tries=1)


def test_what_passed_after_two_tries_is_forgotten_try_by_try(now: datetime) -> None:
    put_off(now, 1, tries=0, passed_after=2, given=100)

    assert not put_off(now + 59 * MINUTE, 100, tries=1)
    assert not put_off(now + 119 * MINUTE, 100, tries=0)
    assert put_off(now + 121 * MINUTE, 100, tries=0)


def test_a_probe_that_passes_on_a_later_try_shows_it_too(now: datetime) -> None:
    breaker = an_open_breaker(now=now)
    assert breaker.opened_at

    breakers.settle_probe(channel=EMAIL, opened_at=breaker.opened_at, succeeded=True, detail="", tries=2, now=now)

    assert not put_off(now + SECOND, 100, tries=1)


def probe_passes(breaker: Breaker, now: datetime, *, tries: int) -> None:
    assert breaker.opened_at
    breakers.settle_probe(channel=EMAIL, opened_at=breaker.opened_at, succeeded=True, detail="", tries=tries, now=now)


def test_after_a_probe_that_was_greylisted_for_five_minutes_no_try_in_such_a_time_counts(now: datetime) -> None:
    """By then a delivery has failed five times, but the probe was tried only once before."""
    probe_passes(an_open_breaker(now=now - 5 * MINUTE), now, tries=1)

    for tries in range(5):
        assert not put_off(now + SECOND, 1000, tries=tries)
    assert put_off(now + SECOND, 30, tries=5)


def test_what_passes_after_as_many_tries_keeps_greylisting_in_mind(now: datetime) -> None:
    probe_passes(an_open_breaker(now=now - 5 * MINUTE), now, tries=1)
    for minutes in (50, 100, 150):
        put_off(now + minutes * MINUTE, 1, tries=0, passed_after=5, given=2)

    assert not put_off(now + 200 * MINUTE, 100, tries=4)
    assert put_off(now + 211 * MINUTE, 100, tries=4)


def test_a_provider_that_worked_again_after_hours_was_not_greylisting(now: datetime) -> None:
    probe_passes(an_open_breaker(now=now - 120 * MINUTE), now, tries=1)

    assert not put_off(now + SECOND, 100, tries=0)
    assert put_off(now + SECOND, 30, tries=1)


def test_a_probe_that_was_never_put_off_shows_nothing_of_greylisting(now: datetime) -> None:
    probe_passes(an_open_breaker(now=now - 5 * MINUTE), now, tries=0)

    assert put_off(now + SECOND, 30, tries=0)


def test_some_tries_count_however_few_there_are(now: datetime, settings: Settings) -> None:
    settings.MAX_ATTEMPTS = 5
    probe_passes(an_open_breaker(now=now - 5 * MINUTE), now, tries=1)

    assert not put_off(now + SECOND, 100, tries=2)
    assert put_off(now + SECOND, 30, tries=3)


def test_probes_that_are_put_off_follow_each_other_sooner_while_it_may_be_greylisting(now: datetime) -> None:
    breaker = an_open_breaker(now=now)
    assert breaker.opened_at
    waits = []

    for minutes in (1, 2, 3, 4, 13, 15, 16):
        moment = now + minutes * MINUTE
        breakers.settle_probe(
            channel=EMAIL, opened_at=breaker.opened_at, succeeded=False, is_put_off=True, detail="450", now=moment
        )
        probe_at = fresh().probe_at
        assert probe_at
        waits.append((probe_at - moment).total_seconds())

    assert waits == [60, 60, 60, 60, 60, 900, 900]


# --- What comes late --------------------------------------------------------------------------------------------------
def test_while_it_is_open_counts_change_nothing(now: datetime) -> None:
    an_open_breaker(now=now)
    before = Breaker.objects.values().get()

    assert not record(now, 100, 0, since=now - 2 * MINUTE)
    assert not record(now, 100, 100)

    assert Breaker.objects.values().get() == before


def test_what_was_claimed_before_it_closed_does_not_open_it_again(now: datetime) -> None:
    settle_probe(an_open_breaker(now=now), now, succeeded=True)

    assert not record(now + SECOND, 100, 100, since=now - SECOND)
    assert record(now + SECOND, 20, 20, since=now)


def test_a_close_that_lies_ahead_because_the_clock_was_set_back_makes_nothing_late(now: datetime) -> None:
    settle_probe(an_open_breaker(now=now), now + 60 * MINUTE, succeeded=True)

    assert record(now, 20, 20)


# --- Probes -----------------------------------------------------------------------------------------------------------
def test_before_its_time_no_probe_is_issued(now: datetime) -> None:
    breaker = an_open_breaker(now=now, probe_at=now + SECOND)

    assert breakers.reserve_probe(breaker=breaker, now=now) is None
    assert fresh().probe_at == now + SECOND


def test_when_it_is_time_one_dispatcher_may_issue_a_probe(now: datetime) -> None:
    one, other = an_open_breaker(now=now), fresh()

    until = breakers.reserve_probe(breaker=one, now=now)

    assert until == fresh().probe_at == now + 30 * SECOND
    assert breakers.reserve_probe(breaker=other, now=now) is None
    assert breakers.reserve_probe(breaker=fresh(), now=now) is None


def test_a_probe_of_which_nothing_is_heard_is_followed_by_another(now: datetime) -> None:
    breakers.reserve_probe(breaker=an_open_breaker(now=now), now=now)
    later = now + 30 * SECOND

    assert breakers.reserve_probe(breaker=fresh(), now=later) == later + 30 * SECOND


def test_a_probe_has_time_to_travel_however_often_they_are(now: datetime, settings: Settings) -> None:
    settings.BREAKER_PROBE_SECONDS = 1

    assert breakers.reserve_probe(breaker=an_open_breaker(now=now), now=now) == now + 15 * SECOND


def test_a_clock_that_was_set_back_does_not_put_the_probe_off(now: datetime) -> None:
    breaker = an_open_breaker(now=now, probe_at=now + 60 * MINUTE)

    assert breakers.reserve_probe(breaker=breaker, now=now) == now + 30 * SECOND


def test_of_one_that_closed_meanwhile_no_probe_is_issued(now: datetime) -> None:
    breaker = an_open_breaker(now=now)
    settle_probe(breaker, now, succeeded=True)

    assert breakers.reserve_probe(breaker=breaker, now=now) is None


def test_a_probe_that_went_through_closes_it_and_clears_the_counts(now: datetime) -> None:
    breaker = an_open_breaker(now=now, probes=3)

    assert settle_probe(breaker, now, succeeded=True)

    after = fresh()
    assert (after.opened_at, after.detail, after.probes) == (None, "", 0)
    assert (after.given, after.failed, after.counted_from) == (0, 0, None)
    assert not is_open()
    assert not record(now, 19, 19)


def test_a_probe_that_failed_keeps_it_open_and_says_what_it_found(now: datetime) -> None:
    breaker = an_open_breaker(now=now)

    assert not settle_probe(breaker, now, succeeded=False, detail="452 still full")

    after = fresh()
    assert (after.opened_at, after.detail, after.probes) == (breaker.opened_at, "452 still full", 1)
    assert (after.given, after.failed) == (20, 18)
    assert after.probe_at == now + 60 * SECOND


def test_probes_become_rarer_up_to_a_quarter_of_an_hour(now: datetime) -> None:
    breaker = an_open_breaker(now=now)
    waits = []

    for _ in range(40):
        settle_probe(breaker, now, succeeded=False)
        probe_at = fresh().probe_at
        assert probe_at
        waits.append((probe_at - now).total_seconds())

    assert waits[:6] == [60, 120, 240, 480, 900, 900]
    assert waits[-1] == 900


@pytest.mark.parametrize("succeeded", [True, False])
def test_a_probe_of_an_earlier_time_says_nothing(now: datetime, succeeded: bool) -> None:
    earlier = an_open_breaker(now=now - 60 * MINUTE)
    settle_probe(earlier, now - 50 * MINUTE, succeeded=True)
    record(now, 20, 20)
    before = Breaker.objects.values().get()

    assert not settle_probe(earlier, now, succeeded=succeeded)

    assert Breaker.objects.values().get() == before


@pytest.mark.parametrize("succeeded", [True, False])
def test_a_probe_that_comes_after_another_closed_it_changes_nothing(now: datetime, succeeded: bool) -> None:
    breaker = an_open_breaker(now=now)
    settle_probe(breaker, now, succeeded=True)
    before = Breaker.objects.values().get()

    assert not settle_probe(breaker, now + SECOND, succeeded=succeeded)

    assert Breaker.objects.values().get() == before


def test_staff_may_have_it_tried_at_once(now: datetime) -> None:
    an_open_breaker(now=now, probe_at=now + 10 * MINUTE)

    assert breakers.probe_now(channel=EMAIL, now=now)

    assert breakers.reserve_probe(breaker=fresh(), now=now) is not None


def test_of_one_that_is_closed_nothing_is_tried(now: datetime) -> None:
    record(now, 1, 0)

    assert not breakers.probe_now(channel=EMAIL, now=now)
    assert fresh().probe_at is None


# --- Two at once ------------------------------------------------------------------------------------------------------
@concurrent
def test_of_consumers_that_tell_at_once_none_is_forgotten(now: datetime, settings: Settings) -> None:
    """The row is not even there before."""
    settings.BREAKER_MINIMUM = 1000

    assert at_once(*[lambda: record(now, 10, 4) for _ in range(8)]) == [False] * 8

    assert (fresh().given, fresh().failed) == (80, 32)


@concurrent
def test_of_consumers_that_tell_at_once_one_opens_it(now: datetime) -> None:
    assert sorted(at_once(*[lambda: record(now, 10, 10) for _ in range(8)])) == [False] * 7 + [True]
    assert (fresh().given, fresh().failed) == (20, 20)


@concurrent
def test_of_dispatchers_that_look_at_once_one_issues_the_probe(now: datetime) -> None:
    breaker = an_open_breaker(now=now)

    found = at_once(*[lambda: breakers.reserve_probe(breaker=breaker, now=now) for _ in range(6)])

    assert [until for until in found if until] == [fresh().probe_at]
    assert found.count(None) == 5


@concurrent
def test_a_count_that_waited_for_the_probes_success_is_late(now: datetime, only_postgresql: None) -> None:
    breaker = an_open_breaker(now=now)
    with OtherConnection() as other, OtherConnection() as late:
        other.begin()
        other.call(lambda: settle_probe(breaker, now, succeeded=True))
        counting = late.start_and_wait_until_blocked(lambda: record(now, 100, 100, since=now - MINUTE))

        other.commit()

        assert counting.result(30) is False
    assert not is_open()
