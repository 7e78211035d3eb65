"""Quiet hours go by the clock on the client's wall, also in the nights when it is changed."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from notifier.policies import phone_zones, quiet_hours
from notifier.policies.quiet_hours import Hours

NIGHT = (time(21), time(8))
MINUTE = timedelta(minutes=1)
#: Put forward and back at odd times and by odd spans, in both halves of the earth; and one that is left alone.
ODD = ["Europe/London", "America/New_York", "Australia/Lord_Howe", "America/St_Johns", "Africa/Casablanca"]
ODD += ["Pacific/Apia", "Asia/Kathmandu", "Asia/Tehran", "America/Santiago", "Pacific/Chatham", "Europe/Dublin"]

MOMENTS = st.integers(0, 9 * 366 * 24 * 60).map(lambda number: datetime(2022, 1, 1, tzinfo=UTC) + number * MINUTE)
WALLS = st.builds(time, st.integers(0, 23), st.integers(0, 59))
HOURS = st.tuples(WALLS, WALLS).filter(lambda pair: pair[0] != pair[1])


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def opens(zone: str, now: datetime, quiet: Hours = NIGHT) -> datetime:
    return quiet_hours.opens_at(zones=(zone,), hours=quiet, now=now)


@st.composite
def moments_near_a_jump(draw: st.DrawFn, zone: str) -> datetime:
    """Within a day of one of the zone's changes, for what is random is almost never there."""
    year = draw(st.integers(2022, 2030))
    days = [datetime(year, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(366)]
    clock = ZoneInfo(zone)
    jumps = [a for a, b in pairwise(days) if _offset(clock, a) != _offset(clock, b)] or days
    return draw(st.sampled_from(jumps)) + draw(st.integers(-24 * 60, 48 * 60)) * MINUTE


def _offset(clock: ZoneInfo, moment: datetime) -> timedelta | None:
    return moment.astimezone(clock).utcoffset()


def minutes(start: datetime, end: datetime) -> Iterator[datetime]:
    while start < end:
        yield start
        start += MINUTE


@given(zone=st.sampled_from(sorted(available_timezones())), quiet=HOURS, now=MOMENTS)
def test_it_opens_at_the_first_minute_that_is_not_quiet(zone: str, quiet: Hours, now: datetime) -> None:
    _check_first_minute(zone, quiet, now)


@given(zone=st.sampled_from(ODD), quiet=HOURS, data=st.data())
def test_that_holds_when_the_clocks_are_put_forward_or_back(zone: str, quiet: Hours, data: st.DataObject) -> None:
    _check_first_minute(zone, quiet, data.draw(moments_near_a_jump(zone)))


def _check_first_minute(zone: str, quiet: Hours, now: datetime) -> None:
    clock = ZoneInfo(zone)
    opens_at = opens(zone, now, quiet)

    assert opens_at >= now
    assert not quiet_hours.is_quiet(clock, quiet, opens_at)
    assert all(quiet_hours.is_quiet(clock, quiet, minute) for minute in minutes(now, opens_at))


@given(zones=st.lists(st.sampled_from(ODD), min_size=2, max_size=4, unique=True).map(tuple), quiet=HOURS, now=MOMENTS)
def test_several_zones_are_open_once_all_of_them_are(zones: tuple[str, ...], quiet: Hours, now: datetime) -> None:
    clocks = [ZoneInfo(zone) for zone in zones]

    def is_quiet(moment: datetime) -> bool:
        return any(quiet_hours.is_quiet(clock, quiet, moment) for clock in clocks)

    ahead = minutes(now, now + timedelta(days=2))
    first = next((minute for minute in ahead if not is_quiet(minute)), None)
    assume(first is not None)

    assert quiet_hours.opens_at(zones=zones, hours=quiet, now=now) == first


@given(zone=st.sampled_from(ODD), quiet=HOURS, now=MOMENTS, later=st.integers(0, 48 * 60))
def test_what_was_found_before_is_not_used_for_longer_than_it_holds(
    zone: str, quiet: Hours, now: datetime, later: int
) -> None:
    opens(zone, now, quiet)
    after = opens(zone, now + later * MINUTE, quiet)

    quiet_hours._found.clear()
    assert opens(zone, now + later * MINUTE, quiet) == after


@pytest.mark.parametrize(
    ("now", "opens_at"),
    [
        ("2026-11-24T20:59", "2026-11-24T20:59"),
        ("2026-11-24T21:00", "2026-11-25T08:00"),
        ("2026-11-25T07:59", "2026-11-25T08:00"),
        ("2026-11-25T08:00", "2026-11-25T08:00"),
        # An hour less of this night, and one more of that.
        ("2026-03-28T22:00", "2026-03-29T07:00"),
        ("2026-10-24T21:00", "2026-10-25T08:00"),
    ],
)
def test_a_night_in_london(now: str, opens_at: str) -> None:
    assert opens("Europe/London", utc(now)) == utc(opens_at)


def test_hours_that_end_where_the_clock_is_put_forward_end_as_it_is() -> None:
    # 01:30 is not shown that night.
    assert opens("Europe/London", utc("2026-03-29T00:10"), (time(23), time(1, 30))) == utc("2026-03-29T01:00")


def test_hours_that_end_twice_because_the_clock_is_put_back_end_with_the_second() -> None:
    # At one in UTC it shows one again, and it is quiet once more until half past.
    assert opens("Europe/London", utc("2026-10-25T00:20"), (time(23), time(1, 30))) == utc("2026-10-25T00:30")
    assert opens("Europe/London", utc("2026-10-25T01:10"), (time(23), time(1, 30))) == utc("2026-10-25T01:30")


def test_a_country_with_several_zones_is_told_only_when_nobody_there_sleeps() -> None:
    zones = quiet_hours.zones_of(time_zone="", phone="+61412345678")

    assert {"Australia/Sydney", "Australia/Brisbane", "Australia/Perth"} <= set(zones)
    # Eight in Perth is eleven in Sydney, in summer.
    assert quiet_hours.opens_at(zones=zones, hours=NIGHT, now=utc("2026-11-23T21:00")) == utc("2026-11-24T00:00")


def test_new_york_does_not_wait_for_hawaii() -> None:
    zones = quiet_hours.zones_of(time_zone="", phone="+12125550123")

    assert quiet_hours.opens_at(zones=zones, hours=NIGHT, now=utc("2026-11-24T06:00")) == utc("2026-11-24T13:00")
    assert quiet_hours.opens_at(zones=zones, hours=NIGHT, now=utc("2026-11-25T01:59")) == utc("2026-11-25T01:59")
    assert quiet_hours.opens_at(zones=zones, hours=NIGHT, now=utc("2026-11-25T02:00")) == utc("2026-11-25T13:00")


def test_where_no_hour_is_left_of_a_country_the_products_own_zone_counts(settings: Settings) -> None:
    settings.CLIENT_TIME_ZONE = "Europe/London"
    zones = phone_zones.of_number("+79161234567")

    opens_at = quiet_hours.opens_at(zones=zones, hours=(time(17), time(10)), now=utc("2026-11-24T22:00"))

    assert opens_at == utc("2026-11-25T10:00")


@pytest.mark.parametrize(
    ("time_zone", "phone", "zones"),
    [
        ("Asia/Tokyo", "+33612345678", ("Asia/Tokyo",)),
        ("", "+33612345678", ("Europe/Paris",)),
        ("Mars/Olympus", "+33612345678", ("Europe/Paris",)),
        ("../../etc/passwd", None, ("America/Lima",)),
        ("", None, ("America/Lima",)),
        # A part of +1, and a number that is in no country.
        ("", "+18765550123", ("America/Jamaica",)),
        ("", "+80012345678", ("America/Lima",)),
    ],
)
def test_whose_clock_counts(time_zone: str, phone: str | None, zones: tuple[str, ...], settings: Settings) -> None:
    settings.CLIENT_TIME_ZONE = "America/Lima"

    assert quiet_hours.zones_of(time_zone=time_zone, phone=phone) == zones
