"""Parses one row: checks its cells by the rules of the client's page, and names every mistake with its cell."""

import re
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache, lru_cache
from typing import TypeVar
from zoneinfo import available_timezones

from notifier.addresses import emails, intended, phones
from notifier.addresses.emails import shortened
from notifier.clients import names
from notifier.clients.imports import value_cells
from notifier.clients.imports.columns import BOTH, EMAIL, SMS, ConsentColumn, Layout, spread
from notifier.clients.imports.value_cells import TagCells
from notifier.files.base import NO_RESULT
from notifier.languages import offered
from notifier.messages import lines
from notifier.values.base import Stored

MAX_NAME_LETTERS = 200
#: Control characters such as line ends, in whichever form, and those that change the direction of the text.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
#: What programs write where there is nothing, or where a formula failed. Nan and Null are names.
_NO_NAMES = frozenset("nan NaN NAN NaT <NA> null NULL None undefined N/A n/a #N/A".split())
_FAILED = re.compile(
    r"#(?:N/A(?: N/A)?|REF!|NAME\?|VALUE!|DIV/0!|NUM!|NULL!|SPILL!|CALC!|FIELD!|BLOCKED!|GETTING_DATA)"
)
#: Longer cells are not kept to be recognised.
MAX_KEPT_LETTERS = 40
#: The column of a mistake that belongs to the whole row.
ROW = -1

_YES = "1 1.0 y yes t true x on ok j ja oui si sí da agreed subscribed opted-in ✓ ✔ ☑".split()
_NO = "0 0.0 n no f false off nein non unsubscribed refused opted-out ✗ ✘ ☐".split()
WISHES = {**dict.fromkeys(_YES, True), **dict.fromkeys(_NO, False)}
_CHANNELS: dict[str, frozenset[str]] = {
    **dict.fromkeys("both all".split(), frozenset({EMAIL, SMS})),
    **dict.fromkeys("neither none no nothing nein non keine".split(), frozenset()),
    **dict.fromkeys("e-mail email mail".split(), frozenset({EMAIL})),
    **dict.fromkeys("sms text phone".split(), frozenset({SMS})),
}

_NAMES = ("name", "first_name", "last_name")

T = TypeVar("T")

#: The column's position (or ROW), and what is wrong with it.
Mistake = tuple[int, str]


class Doubt(IntEnum):
    """What makes it doubtful whose row it is, and so whose *no* stands in it."""

    NONE = 0
    #: An address is refused, or there is none. `Parsed` has what a refused one was meant to be, where that is clear.
    ADDRESS = 1
    #: Its cells may stand in the wrong columns.
    CELLS = 2


@dataclass(slots=True)
class Parsed:
    """The content of a row. None means that the row says nothing, so the stored value stays."""

    name: str | None = None
    #: A first or a last name alone: it names a new client, and takes nothing from the name of one who is there.
    part_of_name: str | None = None
    #: What `name` or `part_of_name` is made of, with "" for what is not known; None where it is a full name alone.
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone: str | None = None
    is_landline: bool = False
    language: str | None = None
    time_zone: str | None = None
    consents: dict[ConsentColumn, bool] = field(default_factory=dict)
    #: What it says something about that can't be read: it may be a no.
    unreadable: set[ConsentColumn] = field(default_factory=set)
    #: Of fields that staff defined, in the order of the layout, as they are stored. None: nothing is said.
    values: Sequence[Stored | None] = ()
    #: By their numbers: see `TagCells`.
    tags: Sequence[int] = ()
    mistakes: list[Mistake] = field(default_factory=list)
    #: Whether its addresses and wishes are where they should be, as far as this row tells.
    doubt: Doubt = Doubt.NONE


class RowReader:
    """Parses rows by a layout."""

    def __init__(self, *, layout: Layout, columns: int, tag_cells: TagCells | None = None) -> None:
        self._layout = layout
        self._columns = columns
        self._values = value_cells.readers(layout.values)
        self._tags = tag_cells

    def parse(self, cells: Sequence[str]) -> Parsed:
        parsed = Parsed()
        self._read_name(cells, parsed)
        self._read_addresses(cells, parsed)
        parsed.language = self._checked("language", cells, offered.read, parsed.mistakes)
        parsed.time_zone = self._checked("time_zone", cells, read_time_zone, parsed.mistakes)
        self._read_consents(cells, parsed)
        if self._values:
            self._read_values(cells, parsed)
        if self._tags is not None and (named := self._checked("tags", cells, self._tags.read, parsed.mistakes)):
            parsed.tags = named
        if not parsed.email and not parsed.phone and not parsed.mistakes:
            parsed.mistakes.append((ROW, "There is no e-mail address or phone number."))
            parsed.doubt = Doubt.ADDRESS
        if len(cells) > self._columns:
            # Its address and its no count all the same, so that no other row's yes wins over them.
            parsed.doubt = Doubt.CELLS
            parsed.mistakes = [
                (
                    ROW,
                    "This row has more cells than the header. If a name contains a separator, put it in quotation "
                    "marks.",
                )
            ]
        return parsed

    def _read_name(self, cells: Sequence[str], parsed: Parsed) -> None:
        whole, first, last = (self._checked(name, cells, read_name, parsed.mistakes) for name in _NAMES)
        made = names.full_name(first_name=first or "", last_name=last or "")
        if len(made) > MAX_NAME_LETTERS and not parsed.mistakes:
            parsed.mistakes.append((ROW, f"The name is longer than {MAX_NAME_LETTERS} characters."))
        # Both parts win over a full name beside them; one part counts where it is all of the full name.
        if made and ((first and last) or whole in (None, made)):
            parsed.first_name, parsed.last_name = first or "", last or ""
            whole = made if whole or (first and last) else None
        parsed.name, parsed.part_of_name = whole, None if whole else made or None

    def _read_addresses(self, cells: Sequence[str], parsed: Parsed) -> None:
        """A refused address is kept as what it was meant to be: the row's *no* is that client's all the same."""
        before = len(parsed.mistakes)
        parsed.email = self._checked("email", cells, emails.read, parsed.mistakes)
        if len(parsed.mistakes) > before:
            parsed.email = intended.email(self._text("email", cells))
        at_email = len(parsed.mistakes)
        if phone := self._checked("phone", cells, self._read_phone, parsed.mistakes):
            parsed.phone, parsed.is_landline = phone
        elif len(parsed.mistakes) > at_email:
            parsed.phone = intended.phone(self._text("phone", cells), region=self._layout.region)
        if len(parsed.mistakes) > before:
            parsed.doubt = Doubt.ADDRESS

    def _text(self, name: str, cells: Sequence[str]) -> str:
        column = self._layout.fields.get(name)
        text = "" if column is None or column >= len(cells) else cells[column].strip()
        # A dash stands where there is no last name, say.
        is_nothing = lines.is_no_name if name in _NAMES else lines.is_blank
        return "" if is_nothing(text) else text

    def _checked(self, name: str, cells: Sequence[str], read: Callable[[str], T], mistakes: list[Mistake]) -> T | None:
        column, text = self._layout.fields.get(name), self._text(name, cells)
        if column is None or not text:
            return None
        try:
            return read(text)
        except ValueError as error:
            mistakes.append((column, str(error)))
            return None

    def _read_phone(self, text: str) -> phones.Phone:
        return phones.read(text, region=self._layout.region)

    def _read_values(self, cells: Sequence[str], parsed: Parsed) -> None:
        found: list[Stored | None] = []
        for column, reader in self._values:
            try:
                found.append(reader.read(cells[column]) if column < len(cells) else None)
            except ValueError as error:
                found.append(None)
                parsed.mistakes.append((column, str(error)))
        parsed.values = found

    def _read_consents(self, cells: Sequence[str], parsed: Parsed) -> None:
        for column, channel, consent in self._layout.consents:
            text = cells[column].strip() if column < len(cells) else ""
            # As copying brings them along: "no" with such a character is a no all the same.
            text = (text if text.isascii() else emails.visible(text)).strip().casefold()
            if not text:
                continue
            try:
                if channel == BOTH:
                    chosen = read_channels(text)
                    parsed.consents.update({ConsentColumn(consent.topic, one): one in chosen for one in (EMAIL, SMS)})
                else:
                    parsed.consents[consent] = read_wish(text)
            except ValueError as error:
                parsed.mistakes.append((column, str(error)))
                parsed.unreadable.update(spread(channel, consent))


# --- Cells: each raises ValueError with what is wrong -----------------------------------------------------------------
def read_name(text: str) -> str:
    if lines.is_no_name(text):
        raise ValueError(f"“{text}” is not a name.")
    if CONTROL.search(text):
        raise ValueError("A name must be one line, without control characters.")
    if text == NO_RESULT:
        raise ValueError("The formula was saved without its result. Open the workbook in Excel and save it again.")
    if text in _NO_NAMES or _FAILED.fullmatch(text):
        raise ValueError(
            f"“{text}” is not a name: a program wrote it where there was none. Leave the cell blank, or correct it."
        )
    if len(text) > MAX_NAME_LETTERS:
        raise ValueError(f"The name is longer than {MAX_NAME_LETTERS} characters.")
    return text


def read_time_zone(text: str) -> str:
    """As the time zone database writes it, however it is capitalised."""
    zone = _zones().get(text.casefold().replace(" ", "_"))
    if zone is None:
        raise ValueError(f"“{shortened(text)}” is not a time zone. Use a name like Europe/London.")
    return zone


@cache
def _zones() -> dict[str, str]:
    # The machine's own zone, and the one that says that none was set.
    return {zone.casefold(): zone for zone in available_timezones() - {"localtime", "Factory", "posixrules"}}


def read_wish(text: str) -> bool:
    wish = WISHES.get(text)
    if wish is None:
        raise ValueError(f"“{shortened(text)}” is neither yes nor no.")
    return wish


def read_channels(text: str) -> Set[str]:
    return _few_channels(text) if len(text) <= MAX_KEPT_LETTERS else _channels(text)


def _channels(text: str) -> Set[str]:
    if text in WISHES:
        return _CHANNELS["both" if WISHES[text] else "neither"]
    words = [word for word in re.split(r"[\s,;/+&|]+|\band\b", text) if word]
    chosen = [_CHANNELS.get(word) for word in words]
    # “No SMS” names a channel that is refused, and is no yes to it.
    says_no = any(channels == frozenset() for channels in chosen)
    if not chosen or None in chosen or (says_no and any(chosen)):
        raise ValueError(f"“{shortened(text)}” must be one of: both, e-mail, SMS, neither, yes, no.")
    return frozenset(one for channels in chosen if channels for one in channels)


#: A file says the same few words in a million rows.
_few_channels = lru_cache(maxsize=1_000)(_channels)
