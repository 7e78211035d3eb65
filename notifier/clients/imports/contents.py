"""What a column is by what stands in it, where its name does not tell: an address, a number, a time zone, a language.

Only the first rows are looked at. Consent is never told by contents: a yes says nothing of what it is to.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice

from notifier.addresses import emails, phones
from notifier.clients.imports import columns
from notifier.clients.imports.columns import NOTHING
from notifier.clients.imports.rows import WISHES, read_time_zone
from notifier.fields.definitions import Definition
from notifier.files.base import Table
from notifier.languages import offered
from notifier.values.base import CELL

#: So many rows are looked at, and no longer cell.
MAX_ROWS = 50
MAX_LETTERS = 100
#: So many of the cells that are not blank have to fit: the wrong ones among a few rows are refused, each by itself.
SHARE = 0.6
#: A name that is misspelt has at least so many letters, and is so like the right one: two letters of eight are swapped.
MIN_LETTERS, LIKENESS = 5, 0.85
#: A number in one of these takes no SMS.
_NO_PHONES = frozenset({"fax", "telefax", "homefax", "workfax", "businessfax"})
#: Their contents may be called as a language is, and say something else.
_NO_LANGUAGES = frozenset("country countrycode land pays pais nationality nation region market state".split())
_DIGITS = frozenset("0123456789")


def sample(table: Table) -> list[list[str]]:
    """The cells that are not blank of each column, in the first rows. Raises `FileError`."""
    found: list[list[str]] = [[] for _ in table.header]
    for row in islice(table.rows(), MAX_ROWS):
        for cells, cell in zip(found, row.cells, strict=False):
            if text := cell.strip():
                cells.append(text)
    return found


def complete(
    meanings: Sequence[str],
    header: Sequence[str],
    sampled: Sequence[Sequence[str]],
    *,
    region: str | None,
    fields: Iterable[Definition] = (),
) -> list[str]:
    """`meanings`, as the names tell them, corrected and completed by what is in the columns.

    `region`: the country of numbers without a country code. `fields`: those that staff defined.
    """
    fits = _tests(region)
    found = [
        NOTHING if _is_contradicted(one, cells, fits) else one for one, cells in zip(meanings, sampled, strict=True)
    ]
    for field, test in fits.items():
        free = (number for number, meaning in enumerate(found) if not meaning)
        likely = [number for number in free if _most_fit(sampled[number], test) and _may_be(field, header[number])]
        if field not in found and likely:
            found[likely[0]] = field
    found = columns.with_one_name(_with_names(found, header, sampled, fits))
    return _with_fields(found, header, sampled, list(fields))


def _is_contradicted(meaning: str, cells: Sequence[str], fits: Mapping[str, Callable[[str], bool]]) -> bool:
    """Whether a column that is called e-mail or phone says yes or no all the time: to what, nobody can tell."""
    return meaning in fits and bool(cells) and all(text.casefold() in WISHES for text in cells)


def _may_be(field: str, name: str) -> bool:
    others = {"phone": _NO_PHONES, "language": _NO_LANGUAGES}
    return columns.plain(name) not in others.get(field, frozenset())


def _with_names(
    meanings: Sequence[str],
    header: Sequence[str],
    sampled: Sequence[Sequence[str]],
    fits: Mapping[str, Callable[[str], bool]],
) -> list[str]:
    """With the columns of names whose own names are misspelt."""
    found = list(meanings)
    for number, name in enumerate(header):
        field = _like(columns.plain(name))
        is_free = not found[number] and field in ("name", "first_name", "last_name") and field not in found
        if is_free and "name" not in found and _are_names(sampled[number], fits):
            found[number] = field
    return found


def _with_fields(
    meanings: Sequence[str], header: Sequence[str], sampled: Sequence[Sequence[str]], fields: Sequence[Definition]
) -> list[str]:
    """With the columns of fields that staff defined whose names are misspelt, or which hold their options and no other.

    Both only where the values are right.
    """
    found = list(meanings)
    by_name = {name: one for one in reversed(fields) for name in columns.names_of(one)}
    for number, name in enumerate(header):
        if found[number] or not sampled[number]:
            continue
        right = [
            one for one in fields if columns.field_meaning(one) not in found and _most_fit(sampled[number], _reads(one))
        ]
        likely = [one for one in right if one is by_name.get(_closest(columns.plain(name), by_name))]
        if not likely and not all(text.casefold() in WISHES for text in sampled[number]):
            likely = [one for one in right if one.field.is_chosen]
        if len(likely) == 1:
            found[number] = columns.field_meaning(likely[0])
    return found


def _reads(definition: Definition) -> Callable[[str], bool]:
    return lambda text: _can_be_read(lambda cell: definition.type.read(cell, CELL), text)


def _like(name: str) -> str:
    """The field that a misspelt name most likely means; empty where there is none."""
    return columns.FIELD_NAMES.get(_closest(name, columns.FIELD_NAMES), NOTHING)


def _closest(name: str, names: Iterable[str]) -> str:
    """The one of these that is written nearly so; empty where there is none."""
    if len(name) < MIN_LETTERS:
        return ""
    close = difflib.get_close_matches(name[:MAX_LETTERS], list(names), n=1, cutoff=LIKENESS)
    return close[0] if close else ""


def _are_names(cells: Sequence[str], fits: Mapping[str, Callable[[str], bool]]) -> bool:
    def is_name(text: str) -> bool:
        others = any(test(text) for test in fits.values()) or text.casefold() in WISHES
        return not others and any(map(str.isalpha, text)) and not _DIGITS & set(text)

    return _most_fit(cells, is_name)


def _most_fit(cells: Sequence[str], test: Callable[[str], bool]) -> bool:
    fitting = sum(len(text) <= MAX_LETTERS and test(text) for text in cells)
    return bool(cells) and fitting >= SHARE * len(cells)


def _tests(region: str | None) -> dict[str, Callable[[str], bool]]:
    """By field, whether a cell is one. What is quickly seen not to be one is read no further."""
    return {
        "email": lambda text: "@" in text and _can_be_read(emails.read, text),
        "phone": lambda text: (
            sum(letter in _DIGITS for letter in text) > 5
            and _can_be_read(lambda number: phones.read(number, region=region), text)
        ),
        "language": lambda text: _is_language(text),
        "time_zone": lambda text: "/" in text and _can_be_read(read_time_zone, text),
    }


def _is_language(text: str) -> bool:
    """Two capitals are rather a country: DE, FR and ES are both."""
    is_country = len(text) == 2 and text.isupper()
    return not is_country and text.casefold() not in WISHES and _can_be_read(offered.read, text)


def _can_be_read(read: Callable[[str], object], text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True
