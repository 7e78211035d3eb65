"""The form in which every file is read: a header, and rows of text with their line numbers."""

import math
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

#: Stands in a cell whose formula was saved without what it gives. It is neither a name nor an address, a yes or a no.
NO_RESULT = "[a formula without its result]"
#: With more columns the file was most likely split at the wrong separator.
MAX_COLUMNS = 200
MAX_HEADER_LETTERS = 100

#: An apostrophe before what a spreadsheet would take for a formula, as `spreadsheets.neutralised` writes it.
_BLANKS = re.compile(r"[ \t\r\n\f\v\u2028\u2029]+")
_QUOTED = re.compile(r"'+[ \u00a0\u3000]*[=+\-@\t\r\n＝＋－＠]")
#: The same within a cell, after what may separate cells where the file is opened, as `spreadsheets.neutralised` does.
_QUOTED_INSIDE = re.compile(r"(?<=[;|\t\r\n])'(?=['\" \u00a0\u3000]*[=+\-@＝＋－＠])")


class FileError(Exception):
    """The file can't be read as it stands; the message says where it is broken, and what to do."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a file is read: a few kilobytes can hold millions of rows, and unpack to more than any memory."""

    #: Of a workbook.
    unpacked_bytes: int
    blank_rows: int
    #: Blank ones too.
    cells: int
    #: In all cells together. A workbook can repeat one long text in each.
    letters: int
    #: Different texts, which a workbook keeps apart from its cells, and a reader in its memory.
    strings: int
    #: From the first row to the last.
    seconds: float

    def deadline(self) -> float:
        """When reading that begins now has to be over, by `time.monotonic`."""
        return time.monotonic() + self.seconds

    def refuse_after(self, deadline: float) -> None:
        """Raises `FileError` when that has passed."""
        if time.monotonic() > deadline:
            raise FileError(
                f"Reading this file takes longer than {self.seconds:.0f} seconds. Save only the columns and rows that "
                "you need as CSV (UTF-8), and choose that file."
            )


#: A page shares its process with others.
IN_PAGE = Limits(
    unpacked_bytes=64_000_000, blank_rows=100_000, cells=500_000, letters=20_000_000, strings=500_000, seconds=20.0
)
IN_COMMAND = Limits(
    unpacked_bytes=1_000_000_000,
    blank_rows=2_000_000,
    cells=200_000_000,
    letters=20_000_000_000,
    strings=10_000_000,
    seconds=math.inf,
)


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
    #: How many rows that were read so far are hidden, as by a filter: nobody may have meant them.
    hidden_rows: Callable[[], int]
    #: Where the bytes of a text don't tell it: the encoding that was chosen, or is the likeliest.
    encoding: str = ""


def table(
    *,
    kind: str,
    records: Callable[[], Iterator[Row]],
    share: Callable[[], float | None] = lambda: None,
    hidden_rows: Callable[[], int] = lambda: 0,
    encoding: str = "",
) -> Table:
    """The table whose header is the first record; raises `FileError` if there is none."""
    first = next(records(), None)
    if first is None:
        raise FileError("The file is empty.")
    if len(first.cells) > MAX_COLUMNS:
        raise FileError(f"The header on line {first.line} has more than {MAX_COLUMNS} columns. Is this the right file?")

    def rows() -> Iterator[Row]:
        found = records()
        next(found)
        yield from found

    return Table(
        header=_header(first.cells), kind=kind, rows=rows, share=share, hidden_rows=hidden_rows, encoding=encoding
    )


def nonempty_rows(records: Iterator[tuple[int, list[str]]], limits: Limits) -> Iterator[Row]:
    """The rows that are not empty, without the quotes of an export and without blank cells at the end.

    Raises `FileError` where the file holds more than `limits` allow.
    """
    deadline = limits.deadline()
    blank = number = letters = 0
    for line, record in records:
        limits.refuse_after(deadline)
        # More are refused as they are, for the header has no more.
        del record[MAX_COLUMNS + 1 :]
        number += len(record)
        letters += sum(map(len, record))
        cells = [unquoted(cell) if "'" in cell else cell for cell in record]
        while cells and not cells[-1].strip():
            cells.pop()
        blank += not cells
        if blank > limits.blank_rows:
            raise FileError(
                f"There are more than {limits.blank_rows:,} empty rows up to line {line:,}. Delete them, including "
                "those below the last client, save the file and choose it again."
            )
        if number > limits.cells or letters > limits.letters:
            raise FileError(
                f"There are more than {limits.cells:,} cells (including blank ones) or {limits.letters:,} characters "
                f"up to line {line:,}, which is too many. Save only the columns and rows that you need, and choose "
                "that file."
            )
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
        # Not `split`: where the encoding is not known yet, a letter of it may look like a blank of another.
        name = " ".join(part for part in _BLANKS.split(cell) if part)[:MAX_HEADER_LETTERS] or f"Column {number}"
        names.append(_unique_name(name, names))
    return names


def _unique_name(name: str, names: Sequence[str]) -> str:
    number, unlike = 1, name
    while unlike in names:
        number += 1
        unlike = f"{name} ({number})"
    return unlike
