"""Dates and times as people read and write them, by the clock of a time zone.

When that clock is put forward it skips an hour, and no moment has those times; when it is put back it repeats an hour,
and each of those times is two moments.
"""

from datetime import UTC, datetime

from django.utils.formats import date_format
from django.utils.timezone import get_current_timezone, is_naive, localtime

_SHAPE = "j M Y, H:i"
#: At the ends of the calendar a moment has no equal in another zone, and a day earlier or later is none.
YEARS = range(1900, 3000)


def examples() -> str:
    """As people write them: 2026-11-24T16:00 (Europe/London) or 2026-11-24T16:00+01:00"""
    return f"2026-11-24T16:00 ({get_current_timezone()}) or 2026-11-24T16:00+01:00"


def read(text: str) -> datetime:
    """A moment, of a date and time with or without an offset; raises ValueError with what is wrong and what to write.

    Without an offset it is in the current zone, and must be one that the clock there shows exactly once.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"“{text}” is not a date and time. Write it like {examples()}.") from error
    if moment.year not in YEARS:
        raise ValueError(f"“{text}” is too far away: write a year from {YEARS[0]} to {YEARS[-1]}.")
    if not is_naive(moment):
        return moment
    zone = get_current_timezone()
    there = moment.replace(tzinfo=zone)
    if not _exists(there):
        raise ValueError(f"“{text}” does not exist in {zone}, because the clocks change. Choose another time.")
    if is_repeated(there):
        first, second = (_offset(there.replace(fold=fold)) for fold in (0, 1))
        raise ValueError(f"“{text}” occurs twice in {zone}: write {text}{first} or {text}{second}.")
    return there


def is_repeated(local: datetime) -> bool:
    """Whether the clock of its zone shows this time twice."""
    return _exists(local) and local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()


def shown(moment: datetime) -> str:
    """24 Nov 2026, 16:00 in the reader's zone; with the zone's name where the clock shows this time twice."""
    return _shown(moment, _SHAPE)


def shown_to_the_second(moment: datetime) -> str:
    """24 Nov 2026, 16:00:07, and as `shown`."""
    return _shown(moment, f"{_SHAPE}:s")


def shown_time(moment: datetime, now: datetime, *, shape: str = "H:i") -> str:
    """16:00 GMT: the time of day with its zone, and with the date if it is another day's than today's."""
    there = localtime(moment)
    shape = shape if there.date() == localtime(now).date() else _SHAPE
    return f"{date_format(there, shape)} {there.tzname()}"


def with_zone(moment: datetime) -> str:
    """24 Nov 2026, 16:00 GMT. The name is Python's: Django's own format has none where the clock repeats the time."""
    local = localtime(moment)
    return f"{date_format(local, _SHAPE)} {local.tzname()}"


def _shown(moment: datetime, shape: str) -> str:
    local = localtime(moment)
    written = date_format(local, shape)
    return f"{written} {local.tzname()}" if is_repeated(local) else written


def _exists(local: datetime) -> bool:
    there_and_back = local.astimezone(UTC).astimezone(local.tzinfo)
    return there_and_back.replace(tzinfo=None, fold=0) == local.replace(tzinfo=None, fold=0)


def _offset(local: datetime) -> str:
    return local.isoformat()[-6:]
