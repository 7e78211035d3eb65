"""Quiet hours: whether a client is in them, and when they end.

The client's zone is their own, or else told by the phone number, or else CLIENT_TIME_ZONE. Of a number that may be in
several zones nobody can tell which: quiet hours last as long as they do in any of them, so nobody is woken.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from django.conf import settings

from notifier.policies import phone_zones
from notifier.policies.phone_zones import Zones

#: Quiet from the first to the second, by the client's clock; past midnight where the second is the earlier one.
Hours = tuple[time, time]

#: Zones of one number that are never all awake within this time never are.
LOOK_AHEAD = timedelta(days=3)
_DAY = timedelta(days=1)


def opens_at(*, zones: Zones, hours: Hours, now: datetime) -> datetime:
    """`now` where something may be sent, else the first moment at which it may, to the second; in UTC."""
    found = _found.get((zones, hours))
    if found is None or not found.since <= now < found.until:
        found = _found[zones, hours] = _look(zones, hours, now)
    return found.opens_at or now


def zones_of(*, time_zone: str, phone: str | None) -> Zones:
    """By whose clocks a client has quiet hours. A zone that the machine no longer knows counts as none."""
    if time_zone and _is_known(time_zone):
        return (time_zone,)
    return (phone_zones.of_number(str(phone)) if phone else ()) or default()


def default() -> Zones:
    return (settings.CLIENT_TIME_ZONE,)


@dataclass(frozen=True, slots=True)
class _QuietState:
    """What was found of a set of zones, and for how long that holds."""

    since: datetime
    until: datetime
    #: None while it is not quiet.
    opens_at: datetime | None


#: As many as there are zones, and sets of them that a number tells. A window of claims asks for a few of them, hundreds
#: of times a second.
_found: dict[tuple[Zones, Hours], _QuietState] = {}


def _look(zones: Zones, hours: Hours, now: datetime) -> _QuietState:
    now = now.astimezone(UTC)
    clocks = [ZoneInfo(zone) for zone in zones]
    opens = _opens(clocks, hours, now)
    if opens is None:
        # Such as a country from one end of the earth to the other, and a short day: nobody could ever be told.
        clocks = [ZoneInfo(zone) for zone in default()]
        opens = _opens(clocks, hours, now) or now
    if opens > now:
        return _QuietState(now, opens, opens)
    changes = (_change(clock, hours, now) for clock in clocks)
    return _QuietState(now, min((moment for moment in changes if moment), default=now + LOOK_AHEAD), None)


def _opens(clocks: list[ZoneInfo], hours: Hours, now: datetime) -> datetime | None:
    moment = now
    while quiet := [clock for clock in clocks if is_quiet(clock, hours, moment)]:
        ends = [_change(clock, hours, moment) for clock in quiet]
        moment = max(end or moment + LOOK_AHEAD for end in ends)
        if moment > now + LOOK_AHEAD:
            return None
    return moment


def is_quiet(clock: ZoneInfo, hours: Hours, moment: datetime) -> bool:
    begin, end = hours
    wall = moment.astimezone(clock).time()
    return begin <= wall < end if begin < end else wall >= begin or wall < end


def _change(clock: ZoneInfo, hours: Hours, moment: datetime) -> datetime | None:
    """The first moment after this one at which quiet begins or ends, be it that the clock is put forward or back."""
    before = is_quiet(clock, hours, moment)
    candidates = sorted({*_walls(clock, hours, moment), *_jumps(clock, moment)})
    return next((one for one in candidates if one > moment and is_quiet(clock, hours, one) != before), None)


def _walls(clock: ZoneInfo, hours: Hours, moment: datetime) -> Iterator[datetime]:
    """When the clock shows the hours' ends, in the days around; twice, where it is put back over them."""
    today: date = moment.astimezone(clock).date()
    for days in range(-1, LOOK_AHEAD.days + 1):
        for wall in hours:
            for fold in (0, 1):
                there = datetime.combine(today + days * _DAY, wall, tzinfo=clock).replace(fold=fold)
                yield there.astimezone(UTC)


def _jumps(clock: ZoneInfo, moment: datetime) -> Iterator[datetime]:
    """When the clock is put forward or back in the days to come: what it then shows is the end of no hours."""
    for days in range(LOOK_AHEAD.days):
        early, late = moment + days * _DAY, moment + (days + 1) * _DAY
        if _offset(clock, early) == _offset(clock, late):
            continue
        while late - early > timedelta(microseconds=1):
            middle = early + (late - early) / 2
            if _offset(clock, middle) == _offset(clock, early):
                early = middle
            else:
                late = middle
        yield late


def _offset(clock: ZoneInfo, moment: datetime) -> timedelta | None:
    return moment.astimezone(clock).utcoffset()


@cache
def _is_known(time_zone: str) -> bool:
    try:
        ZoneInfo(time_zone)
    except (ValueError, OSError, KeyError):
        return False
    return True
