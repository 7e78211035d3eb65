"""The form in which every file is read: a header, and rows of text with their line numbers."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

#: With more columns the file was most likely split at the wrong separator.
MAX_COLUMNS = 200
MAX_HEADER_LETTERS = 100

#: An apostrophe before what a spreadsheet would take for a formula, as `spreadsheets.neutralised` writes it.
_QUOTED = re.compile(r"'+[ \u00a0\u3000]*[=+\-@\t\r\n＝＋－＠]")
#: The same within a cell, after what may separate cells where the file is opened, as `spreadsheets.neutralised` does.
_QUOTED_INSIDE = re.compile(r"(?<=[;|\t\r\n])'(?=['\" \u00a0\u3000]*[=+\-@＝＋－＠])")


class FileError(Exception):
    """The file can't be read as it stands; the message says where it is broken, and what to do."""


@dataclass(frozen=True, slots=True)
class Row:
    #: The number of its first line in the file, as an editor or a spreadsheet counts.
    line: int
    cells: list[str]


@dataclass(frozen=True, slots=True)
class Table:
    #: The names of the columns; no two are the same.
    header: list[str]
    #: The kind of file for staff to read: "CSV, UTF-8, separated by semicolons".
    kind: str
    #: Reads the rows under the header; each call begins with the first row. Raises `FileError`.
    rows: Callable[[], Iterator[Row]]
    #: How much of the file has been read, from 0 to 1; None where that is unknown.
    share: Callable[[], float | None]


def table(
    *, kind: str, records: Callable[[], Iterator[Row]], share: Callable[[], float | None] = lambda: None
) -> Table:
    """The table whose header is the first record; raises `FileError` if there is none."""
    first = next(records(), None)
    if first is None:
        raise FileError("The file is empty: there is nothing in it to import.")
    if len(first.cells) > MAX_COLUMNS:
        raise FileError(f"The header on line {first.line} has more than {MAX_COLUMNS} columns: is this the right file?")

    def rows() -> Iterator[Row]:
        found = records()
        next(found)
        yield from found

    return Table(header=_header(first.cells), kind=kind, rows=rows, share=share)


def nonempty_rows(records: Iterator[tuple[int, list[str]]]) -> Iterator[Row]:
    """The rows that are not empty, without the quotes of an export and without blank cells at the end."""
    for line, record in records:
        cells = [unquoted(cell) for cell in record]
        while cells and not cells[-1].strip():
            cells.pop()
        if cells:
            yield Row(line, cells)


def quoted(text: str) -> str:
    """For an export: `unquoted` returns every text as it was, even one that began with an apostrophe."""
    return f"'{text}" if _QUOTED.match(text) else text


def unquoted(cell: str) -> str:
    text = cell[1:] if cell[:1] == "'" and _QUOTED.match(cell) else cell
    return _QUOTED_INSIDE.sub("", text) if "'" in text else text


def _header(cells: Sequence[str]) -> list[str]:
    names: list[str] = []
    for number, cell in enumerate(cells, start=1):
        name = " ".join(cell.split())[:MAX_HEADER_LETTERS] or f"Column {number}"
        names.append(_unique_name(name, names))
    return names


def _unique_name(name: str, names: Sequence[str]) -> str:
    number, unlike = 1, name
    while unlike in names:
        number += 1
        unlike = f"{name} ({number})"
    return unlike
