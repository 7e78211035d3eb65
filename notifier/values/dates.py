"""Dates. They are kept as numbers, 20261231, so that years and anniversaries can be reckoned on every engine alike."""

import re
from datetime import date

from notifier.values import localised
from notifier.values.base import FieldKind, Reading, Stored, ValueType, quoted

FIRST, LAST = date(1000, 1, 1), date(9999, 12, 31)
MONTHS = tuple("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split())
_FULL = "January February March April May June July August September October November December".split()
_BY_NAME = {name.casefold(): number for names in (MONTHS, _FULL) for number, name in enumerate(names, start=1)} | {
    "sept": 9
}
MAX_DATE_LETTERS = 40

_DAY = "[0-9]{1,2}"
_ISO = re.compile(r"([0-9]{4})([-/.])([0-9]{1,2})\2([0-9]{1,2})", re.ASCII)
_DIGITS = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})", re.ASCII)
#: A time after it says nothing of the day, except where it is told of another place.
_TIME = re.compile(r"[T ][0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?", re.ASCII)
_DOTTED = re.compile(rf"({_DAY})\. ?({_DAY})\. ?([0-9]{{4}})", re.ASCII)
_EITHER = re.compile(rf"({_DAY})([/-])({_DAY})\2([0-9]{{4}})", re.ASCII)
_DAY_NAMED = re.compile(rf"({_DAY})(?:st|nd|rd|th)?[ .-]+([a-z]{{3,9}})\.?,?[ -]+([0-9]{{4}})", re.ASCII)
_MONTH_NAMED = re.compile(rf"([a-z]{{3,9}})\.? ({_DAY})(?:st|nd|rd|th)?,? ([0-9]{{4}})", re.ASCII)


class DateType(ValueType):
    kind = FieldKind.DATE

    def _read(self, text: str, reading: Reading) -> date:
        if len(text) > MAX_DATE_LETTERS:
            raise ValueError(_no_date(text))
        written = text.casefold()
        if time := _TIME.search(text, pos=min(len(text), 8)):
            if time.end() < len(text):
                raise ValueError(f"{quoted(text)} is a time somewhere in the world. Write the date alone: 2026-12-31.")
            written = written[: time.start()]
        year, month, day = _parts(text, written, reading)
        try:
            found = date(year, month, day)
        except ValueError:
            raise ValueError(f"{quoted(text)} is not a date: there is no such day.") from None
        if not FIRST <= found <= LAST:
            raise ValueError(f"{quoted(text)} is not a date: the year must have four digits.")
        return found

    def store(self, value: date) -> Stored:
        return value.year * 10_000 + value.month * 100 + value.day

    def load(self, stored: Stored) -> date:
        number = int(stored)
        return date(number // 10_000, number // 100 % 100, number % 100)

    def show(self, value: date) -> str:
        return f"{value.day} {MONTHS[value.month - 1]} {value.year}"

    def tell(self, value: date, *, language: str, is_sms: bool = False) -> str:
        return localised.day(value, language=language, is_sms=is_sms)

    def write(self, value: date) -> str:
        return value.isoformat()


def _parts(text: str, written: str, reading: Reading) -> tuple[int, int, int]:
    """Year, month and day. Raises ValueError where nobody can tell them."""
    if found := _ISO.fullmatch(written):
        return int(found[1]), int(found[3]), int(found[4])
    if found := _DIGITS.fullmatch(written):
        return int(found[1]), int(found[2]), int(found[3])
    if found := _DOTTED.fullmatch(written):
        return int(found[3]), int(found[2]), int(found[1])
    if (found := _DAY_NAMED.fullmatch(written)) and found[2] in _BY_NAME:
        return int(found[3]), _BY_NAME[found[2]], int(found[1])
    if (found := _MONTH_NAMED.fullmatch(written)) and found[1] in _BY_NAME:
        return int(found[3]), _BY_NAME[found[1]], int(found[2])
    if found := _EITHER.fullmatch(written):
        return _either_way(text, int(found[1]), int(found[3]), int(found[4]), reading)
    raise ValueError(_no_date(text))


def _either_way(text: str, first: int, second: int, year: int, reading: Reading) -> tuple[int, int, int]:
    if reading.day_first is not None:
        return (year, second, first) if reading.day_first else (year, first, second)
    if first == second or (first > 12) != (second > 12):
        return (year, min(first, second), max(first, second))
    if first > 12:
        raise ValueError(_no_date(text))
    one, other = date(year or 1, second, first), date(year or 1, first, second)
    raise ValueError(
        f"{quoted(text)} can be read as {one.day} {_FULL[one.month - 1]} or as {other.day} {_FULL[other.month - 1]}. "
        f"Write {year}-{one.month:02}-{one.day:02} or {year}-{other.month:02}-{other.day:02}."
    )


def _no_date(text: str) -> str:
    if re.fullmatch("[0-9]{4,6}", text, re.ASCII):
        return (
            f"{quoted(text)} is not a date. If it is one in your spreadsheet, format the column as a date there, and "
            "save the file again."
        )
    return f"{quoted(text)} is not a date. Write year, month and day: 2026-12-31."
