"""Parses one row: checks its cells by the rules of the client's page, and names every fault with its cell."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from zoneinfo import available_timezones

import phonenumbers

from notifier.addresses import emails
from notifier.addresses.emails import shortened
from notifier.clients.imports.columns import BOTH, EMAIL, SMS, ConsentColumn, Layout
from notifier.models.phones import E164

MAX_NAME_LETTERS = 200
#: Control characters such as line ends, and those that change the direction of the text.
CONTROL = re.compile(r"[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
#: The column of a fault that belongs to the whole row.
ROW = -1

_YES = "1 y yes t true x on ok j ja oui si sí da agreed subscribed opted-in ✓ ✔ ☑".split()
_NO = "0 n no f false off nein non unsubscribed refused opted-out ✗ ✘ ☐".split()
WISHES = {**dict.fromkeys(_YES, True), **dict.fromkeys(_NO, False)}
_CHANNELS: dict[str, frozenset[str]] = {
    **dict.fromkeys("both all".split(), frozenset({EMAIL, SMS})),
    **dict.fromkeys("neither none no nothing nein non keine 0 false".split(), frozenset()),
    **dict.fromkeys("e-mail email mail".split(), frozenset({EMAIL})),
    **dict.fromkeys("sms text phone".split(), frozenset({SMS})),
}

#: The column's position (or ROW), and what is wrong with it.
Fault = tuple[int, str]


@dataclass(slots=True)
class Parsed:
    """The content of a row. None means that the row says nothing, so the stored value stays."""

    name: str | None = None
    email: str | None = None
    phone: str | None = None
    time_zone: str | None = None
    wants: dict[ConsentColumn, bool] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


class Reader:
    """Parses rows by a layout. `region`: the country of numbers without a country code; without it they are refused."""

    def __init__(self, *, layout: Layout, columns: int, region: str | None) -> None:
        self._layout = layout
        self._columns = columns
        self._region = region

    def parse(self, cells: Sequence[str]) -> Parsed:
        parsed = Parsed()
        if len(cells) > self._columns:
            parsed.faults.append((ROW, "It has more cells than the header: is a separator inside a name? Quote it."))
            return parsed
        parsed.name = self._name(cells, parsed.faults)
        parsed.email = self._checked("email", cells, emails.read, parsed.faults)
        parsed.phone = self._checked("phone", cells, self._read_phone, parsed.faults)
        parsed.time_zone = self._checked("time_zone", cells, read_time_zone, parsed.faults)
        self._read_wants(cells, parsed)
        if not parsed.email and not parsed.phone and not parsed.faults:
            parsed.faults.append((ROW, "It has neither an e-mail address nor a phone number."))
        return parsed

    def _name(self, cells: Sequence[str], faults: list[Fault]) -> str | None:
        parts = [self._checked(name, cells, read_name, faults) for name in ("name", "first_name", "last_name")]
        name = " ".join(part for part in parts if part)
        if len(name) > MAX_NAME_LETTERS and not faults:
            faults.append((ROW, f"The name is longer than {MAX_NAME_LETTERS} letters."))
        return name or None

    def _checked(self, name: str, cells: Sequence[str], read: Callable[[str], str], faults: list[Fault]) -> str | None:
        column = self._layout.fields.get(name)
        text = "" if column is None or column >= len(cells) else cells[column].strip()
        if column is None or not text:
            return None
        try:
            return read(text)
        except ValueError as error:
            faults.append((column, str(error)))
            return None

    def _read_phone(self, text: str) -> str:
        return read_phone(text, region=self._region)

    def _read_wants(self, cells: Sequence[str], parsed: Parsed) -> None:
        for column, channel, want in self._layout.wants:
            text = cells[column].strip().casefold() if column < len(cells) else ""
            if not text:
                continue
            try:
                if channel == BOTH:
                    chosen = read_channels(text)
                    parsed.wants.update({ConsentColumn(want.topic, one): one in chosen for one in (EMAIL, SMS)})
                else:
                    parsed.wants[want] = read_wish(text)
            except ValueError as error:
                parsed.faults.append((column, str(error)))


# --- Cells: each raises ValueError with what is wrong -----------------------------------------------------------------
def read_name(text: str) -> str:
    if CONTROL.search(text):
        raise ValueError("A name is one line, without control characters.")
    if len(text) > MAX_NAME_LETTERS:
        raise ValueError(f"The name is longer than {MAX_NAME_LETTERS} letters.")
    return text


def read_phone(text: str, *, region: str | None) -> str:
    """As +12025550123, by the same rules as the field of the client's page."""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException as error:
        raise ValueError(_why_no_phone(text, region)) from error
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if not phonenumbers.is_valid_number(number) or not re.fullmatch(E164, written):
        raise ValueError(_why_no_phone(text, region))
    return str(written)


def _why_no_phone(text: str, region: str | None) -> str:
    reason = f"“{shortened(text)}” is not a phone number that exists."
    if region is None and not text.startswith("+"):
        return f"{reason} Write it with its country code, like +1 202 555 0123."
    return reason


def read_time_zone(text: str) -> str:
    """As the time zone database writes it, however it is capitalised."""
    zone = _zones().get(text.casefold().replace(" ", "_"))
    if zone is None:
        raise ValueError(f"“{shortened(text)}” is not a time zone: write it like Europe/London.")
    return zone


@cache
def _zones() -> dict[str, str]:
    return {zone.casefold(): zone for zone in available_timezones()}


def read_wish(text: str) -> bool:
    wish = WISHES.get(text)
    if wish is None:
        raise ValueError(f"“{shortened(text)}” is neither yes nor no.")
    return wish


def read_channels(text: str) -> set[str]:
    words = [word for word in re.split(r"[\s,;/+&|]+|\band\b", text) if word]
    chosen = [_CHANNELS.get(word) for word in words]
    if not chosen or None in chosen:
        raise ValueError(f"“{shortened(text)}” is none of: both, e-mail, SMS, neither.")
    return {one for channels in chosen if channels for one in channels}
