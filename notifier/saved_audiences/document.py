"""The conditions of an audience as a document: what is stored, checked, and read by everything else here.

    {"version": 1, "join": "all", "parts": [
        {"about": "field", "id": 7, "is": "one_of", "values": ["Bonn"]},
        {"join": "any", "not": true, "lines": [
            {"about": "tag", "id": 3, "is": "has"},
            {"about": "consent", "id": 1, "is": "email", "not": true}
        ]}
    ]}

Values are as the database keeps them (`notifier.values`), and days are written 20261231. Whether the fields, tags and
broadcasts that it names are still there is for `known` to say: nothing here asks the database.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from zoneinfo import available_timezones

VERSION = 1
#: Conditions in all, groups, values of one condition, and letters of a text.
MAX_LINES, MAX_GROUPS, MAX_VALUES, MAX_LETTERS = 20, 5, 50, 500
#: Of the stored document. Nothing longer is looked at.
MAX_SIZE = 100_000
MAX_DAYS = 3_650
_LARGEST = 2**63 - 1

Value = int | str

ALL, ANY = "all", "any"
JOINS = (ALL, ANY)
# What a condition is about.
FIELD, TAG, CONSENT, LANGUAGE, TIME_ZONE, CREATED, CHANGED, BROADCAST, MESSAGES = ABOUT = (
    "field",
    "tag",
    "consent",
    "language",
    "time_zone",
    "created",
    "changed",
    "broadcast",
    "messages",
)
#: Those that name a row: a field, a tag, a topic, a broadcast.
NAMING = frozenset({FIELD, TAG, CONSENT, BROADCAST})
# What it says of that.
KNOWN, ONE_OF, CONTAINS, BEGINS = "known", "one_of", "contains", "begins"
LESS, MORE, LEAST, MOST = "less", "more", "least", "most"
ANY_OF, ALL_OF, LAST_DAYS, NEXT_DAYS = "any_of", "all_of", "last_days", "next_days"
HAS, EMAIL, SMS, EITHER, SENT, RECEIVED, MISSED = "has", "email", "sms", "either", "sent", "received", "missed"
NONE_FOR = "none_for"
#: By what it is about: what may be said, and how many values that takes.
VERBS: Mapping[str, Mapping[str, range]] = {
    FIELD: {
        KNOWN: range(1),
        ONE_OF: range(1, MAX_VALUES + 1),
        **dict.fromkeys((CONTAINS, BEGINS), range(1, 2)),
        **dict.fromkeys((LESS, MORE, LEAST, MOST, LAST_DAYS, NEXT_DAYS), range(1, 2)),
        **dict.fromkeys((ANY_OF, ALL_OF), range(1, MAX_VALUES + 1)),
    },
    TAG: {HAS: range(1)},
    CONSENT: dict.fromkeys((EMAIL, SMS, EITHER), range(1)),
    LANGUAGE: {KNOWN: range(1), ONE_OF: range(1, MAX_VALUES + 1)},
    TIME_ZONE: {KNOWN: range(1), ONE_OF: range(1, MAX_VALUES + 1)},
    CREATED: dict.fromkeys((LESS, LEAST, LAST_DAYS), range(1, 2)),
    CHANGED: dict.fromkeys((LESS, LEAST, LAST_DAYS), range(1, 2)),
    BROADCAST: dict.fromkeys((SENT, RECEIVED, MISSED), range(1)),
    MESSAGES: {NONE_FOR: range(1, 2)},
}
_DAYS = frozenset({LAST_DAYS, NEXT_DAYS, NONE_FOR})


class BrokenAudience(ValueError):
    """Nobody can say who is in it; the text tells staff why, and what to do."""


class BadDocument(BrokenAudience):
    """It is not a document that this release can read."""


@dataclass(frozen=True, slots=True)
class Line:
    """One condition. Negated, it holds for everybody else: also for those of whom nothing is known."""

    about: str
    verb: str
    #: Of the field, tag, topic or broadcast; 0 where there is none.
    id: int = 0
    values: tuple[Value, ...] = ()
    is_negated: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    lines: tuple[Line, ...]
    join: str = ANY
    is_negated: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    parts: tuple[Line | Group, ...]
    join: str = ALL

    def __iter__(self) -> Iterator[Line]:
        """All conditions, in order."""
        for part in self.parts:
            yield from part.lines if isinstance(part, Group) else (part,)

    def named(self, about: str) -> set[int]:
        """The ids of the fields, tags, topics or broadcasts in it."""
        return {line.id for line in self if line.about == about}


# --- Out --------------------------------------------------------------------------------------------------------------
def as_json(document: Document) -> dict[str, Any]:
    return {"version": VERSION, "join": document.join, "parts": [_part(part) for part in document.parts]}


def as_text(document: Document) -> str:
    """For the address of a page, and for its form: of conditions that are saved under no name."""
    return json.dumps(as_json(document), ensure_ascii=False, separators=(",", ":"))


def _part(part: Line | Group) -> dict[str, Any]:
    if isinstance(part, Group):
        lines = [_part(line) for line in part.lines]
        return {"join": part.join, "lines": lines} | ({"not": True} if part.is_negated else {})
    found: dict[str, Any] = {"about": part.about, "is": part.verb}
    if part.about in NAMING:
        found["id"] = part.id
    if part.values:
        found["values"] = list(part.values)
    return found | ({"not": True} if part.is_negated else {})


# --- In ---------------------------------------------------------------------------------------------------------------
def parse(given: Any) -> Document:
    """Of what `json.loads` gives. Raises `BadDocument`, and never leaves out what it does not understand."""
    _check_letters(given)
    document = _keys(given, "The audience", {"version", "join", "parts"})
    if (version := document.get("version")) != VERSION or isinstance(version, bool):
        raise BadDocument(
            f"The audience was saved in version {_shown(version)}, and this release reads version {VERSION} alone. "
            "Nobody is in it until it is saved anew."
        )
    if len(json.dumps(given)) > MAX_SIZE:
        raise BadDocument("The audience is too long to be read.")
    parts = tuple(_read_part(part) for part in _list(document.get("parts"), "conditions"))
    found = Document(parts, _join(document.get("join")))
    check_size(found)
    return found


def _check_letters(given: Any) -> None:
    """JSON may escape half a character, which neither a database nor a page takes: not even in what is refused."""
    try:
        json.dumps(given, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise BadDocument("The conditions have a character that can’t be read.") from None


def parse_text(text: str) -> Document:
    """Of what `as_text` wrote, or anybody typed. Raises `BadDocument`."""
    if len(text) > MAX_SIZE:
        raise BadDocument("The conditions are too long to be read.")
    try:
        return parse(json.loads(text))
    except (json.JSONDecodeError, RecursionError):
        raise BadDocument("The conditions can’t be read.") from None


def check_size(document: Document) -> None:
    """Raises `BadDocument` where it has no condition, or more than there may be."""
    number = sum(1 for _ in document)
    if not number:
        raise BadDocument("An audience needs at least one condition.")
    if number > MAX_LINES:
        raise BadDocument(f"An audience can have {MAX_LINES} conditions, and this one has {number}.")
    groups = [part for part in document.parts if isinstance(part, Group)]
    if len(groups) > MAX_GROUPS:
        raise BadDocument(f"An audience can have {MAX_GROUPS} groups, and this one has {len(groups)}.")
    if not all(group.lines for group in groups):
        raise BadDocument("A group needs at least one condition.")


def _read_part(given: Any) -> Line | Group:
    if isinstance(given, dict) and "lines" in given:
        group = _keys(given, "A group", {"join", "lines", "not"})
        lines = tuple(_read_line(line) for line in _list(group["lines"], "conditions of a group"))
        return Group(lines, _join(group.get("join")), _flag(group.get("not")))
    return _read_line(given)


def _read_line(given: Any) -> Line:
    line = _keys(given, "A condition", {"about", "id", "is", "values", "not"})
    about, verb, row_id = line.get("about"), line.get("is"), line.get("id", 0)
    if not isinstance(about, str) or about not in VERBS:
        raise BadDocument(f"A condition is about {_shown(about)}, which this release does not know.")
    if not isinstance(verb, str) or verb not in VERBS[about]:
        raise BadDocument(f"A condition says {_shown(verb)} of {_shown(about)}, which this release does not know.")
    if not _is_number(row_id) or not (0 < row_id <= _LARGEST if about in NAMING else row_id == 0):
        raise BadDocument(f"A condition about {_shown(about)} names {_shown(row_id)}, which is not the number of one.")
    values = tuple(_list(line.get("values", []), "values"))
    found = Line(about, verb, row_id, values, _flag(line.get("not")))
    check_values(found)
    return found


def check_values(line: Line) -> None:
    """Raises `BadDocument` for values that can't be this condition's, whatever the field is."""
    if len(line.values) not in VERBS[line.about][line.verb]:
        most = VERBS[line.about][line.verb][-1]
        raise BadDocument(
            f"A condition can have {most} values, and one has {len(line.values)}."
            if len(line.values) > most
            else "A condition has no value to compare with."
        )
    for value in line.values:
        _check_value(value, line)


def _check_value(value: Value, line: Line) -> None:
    if isinstance(value, str):
        if not 0 < len(value) <= MAX_LETTERS or "\0" in value:
            raise BadDocument(f"A condition compares with a text that is empty or longer than {MAX_LETTERS}.")
    elif not _is_number(value) or abs(value) > _LARGEST:
        raise BadDocument(f"A condition compares with {_shown(value)}, which is neither a number nor a text.")
    if line.verb in _DAYS:
        if not _is_number(value) or not 0 < int(value) <= MAX_DAYS:
            raise BadDocument(f"A number of days must be from 1 to {MAX_DAYS:,}.")
    elif line.about in (CREATED, CHANGED):
        read_day(value)
    elif line.about == TIME_ZONE and value not in available_timezones():
        raise BadDocument(f"{_shown(value)} is not a time zone.")


def read_day(value: Value) -> date:
    """20261231 as a date. Raises `BadDocument`."""
    try:
        if not isinstance(value, int) or value < 1000_01_01:
            raise ValueError
        return date(value // 10_000, value // 100 % 100, value % 100)
    except ValueError:
        raise BadDocument(f"A condition compares with {_shown(value)}, which is not a day.") from None


def _keys(given: Any, what: str, allowed: set[str]) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise BadDocument(f"{what} is not in the form that this release reads.")
    if unknown := sorted(str(key) for key in given if key not in allowed):
        raise BadDocument(f"{what} has {_shown(unknown[0])}, which this release does not know.")
    return given


def _list(given: Any, what: str) -> Sequence[Any]:
    if not isinstance(given, list):
        raise BadDocument(f"The {what} are not a list.")
    return given


def _join(given: Any) -> str:
    if given not in JOINS or not isinstance(given, str):
        raise BadDocument(f"Conditions are joined by {_shown(given)}, and not by all or any.")
    return given


def _flag(given: Any) -> bool:
    if given is None or isinstance(given, bool):
        return bool(given)
    raise BadDocument(f"A condition is negated by {_shown(given)}, and not by true or false.")


def _is_number(given: Any) -> bool:
    return isinstance(given, int) and not isinstance(given, bool)


def _shown(given: Any) -> str:
    text = json.dumps(given, ensure_ascii=False, default=str)
    return text if len(text) <= 40 else f"{text[:39]}…"
