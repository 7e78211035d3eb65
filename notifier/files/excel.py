"""Excel workbooks: the cells of the first sheet that is not hidden, as the text that a person sees.

Read by a parser of our own, for a workbook of some kilobytes can name a thousand million rows: only what stands in the
file is read, and no more of it than `Limits` allows. Strict Open XML differs by the names of its namespaces alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from string import ascii_letters
from typing import Any, BinaryIO

from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format
from openpyxl.utils.datetime import CALENDAR_MAC_1904, CALENDAR_WINDOWS_1900, from_excel

from notifier.files import workbook, xml
from notifier.files.base import MAX_COLUMNS, NO_RESULT, FileError, Limits, Row, Table, nonempty_rows, table
from notifier.files.workbook import BROKEN, Book, Worksheet

#: Excel's own limits.
MAX_ROWS, MAX_SHEET_COLUMNS, MAX_FORMAT_LETTERS = 1_048_576, 16_384, 255
#: Of a workbook that had every style of many others pasted into it.
MAX_STYLES_BYTES = 16 * 1024 * 1024
#: Beyond this, a spreadsheet no longer holds every whole number.
MAX_WHOLE = 10**15


def read_table(file: BinaryIO, limits: Limits) -> Table:
    with _translated(), workbook.opened(file, limits) as book:
        sheet, kind = _chosen(book)
    hidden = _Hidden()
    records = partial(_records, file, sheet, limits, hidden)
    return table(kind=kind, records=records, hidden_rows=lambda: hidden.rows)


def _chosen(book: Book) -> tuple[Worksheet, str]:
    """The first sheet that people see, and what is said of it and of the others."""
    visible = [sheet for sheet in book.sheets if not sheet.is_hidden]
    if not visible:
        raise FileError("The workbook has no visible sheet with cells. Put the clients on the first sheet.")
    others, hidden = len(visible) - 1, len(book.sheets) - len(visible)
    said = [f"{others} other sheet{'s' * (others > 1)}"] if others else []
    said += [f"{hidden} hidden sheet{'s' * (hidden > 1)}"] if hidden else []
    rest = f"; {' and '.join(said)} {'is' if others + hidden == 1 else 'are'} not read" if said else ""
    return visible[0], f"Excel workbook, sheet “{visible[0].name}”{rest}"


@contextmanager
def _translated() -> Iterator[None]:
    """A damaged workbook may raise any exception; the caller's own errors are not raised within."""
    try:
        yield
    except FileError:
        raise
    except Exception as error:
        raise FileError(BROKEN) from error


@dataclass
class _Hidden:
    rows: int = 0
    is_hidden: bool = False


def _records(file: BinaryIO, sheet: Worksheet, limits: Limits, hidden: _Hidden) -> Iterator[Row]:
    hidden.rows = 0
    rows = nonempty_rows(_values(file, sheet, limits, hidden), limits)
    while True:
        with _translated():
            row = next(rows, None)
        if row is None:
            return
        hidden.rows += hidden.is_hidden
        yield row


def _values(file: BinaryIO, sheet: Worksheet, limits: Limits, hidden: _Hidden) -> Iterator[tuple[int, list[str]]]:
    with workbook.opened(file, limits) as book:
        texts = _Texts(_strings(book, limits), _date_styles(book), book.counts_from_1904)
        for number, is_hidden, cells in book.walk(sheet.part, _SheetHandler(texts)):
            hidden.is_hidden = is_hidden
            yield number, cells


# --- The rows of a sheet ----------------------------------------------------------------------------------------------
class _SheetHandler:
    """Hands out (number, whether it is hidden, texts of its cells) of each row that the file names."""

    def __init__(self, texts: "_Texts") -> None:
        self._texts = texts
        self._rows: list[tuple[int, bool, list[str]]] = []
        self._number, self._is_hidden, self._column = 0, False, 0
        #: The number of the first row with anything in it.
        self._header = 0
        self._cells: dict[int, str] = {}
        self._cell: dict[str, str] = {}
        self._value: str | None = None
        self._pieces: list[str] = []
        self._has_formula = self._is_phonetic = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "c":
            self._cell, self._value, self._pieces, self._has_formula = attributes, None, [], False
            self._column = _column(attributes.get("r", ""), self._column)
        elif name == "f":
            self._has_formula = True
        elif name == "rPh":
            self._is_phonetic = True
        elif name == "row":
            before, self._number = self._number, int(attributes.get("r") or self._number + 1)
            self._is_hidden = attributes.get("hidden") in ("1", "true")
            self._cells, self._column = {}, 0
            # Two rows with one number would be one line of the file to staff.
            if not before < self._number <= MAX_ROWS:
                raise FileError(BROKEN)
        elif name == "mergeCell":
            self._refuse_merged(attributes.get("ref", ""))

    def _refuse_merged(self, reference: str) -> None:
        """What stands in the first of the cells stands for all of them, and below the header that may be a no."""
        first, _, last = reference.partition(":")
        if self._header and _row_number(last or first) > self._header:
            raise FileError(
                f"The cells {reference[:20]} are merged, so it is not clear which rows their value belongs to. "
                "Unmerge them, write the value into each row, save the file and choose it again."
            )

    def end(self, name: str, text: str) -> None:
        if name == "v":
            self._value = text
        elif name == "t" and not self._is_phonetic:
            self._pieces.append(text)
        elif name == "c":
            if self._column <= MAX_COLUMNS + 1:
                self._cells[self._column] = self._text()
        elif name == "rPh":
            self._is_phonetic = False
        elif name == "row":
            last = max(self._cells, default=0)
            cells = [self._cells.get(column, "") for column in range(1, last + 1)]
            if not self._header and any(map(str.strip, cells)):
                self._header = self._number
            self._rows.append((self._number, self._is_hidden, cells))

    def take(self) -> list[tuple[int, bool, list[str]]]:
        rows, self._rows = self._rows, []
        return rows

    def _text(self) -> str:
        # A formula that gives an empty text says so by its type.
        if self._has_formula and not self._value and not self._pieces and self._cell.get("t") != "str":
            return NO_RESULT
        return self._texts.of(self._cell, self._value, "".join(self._pieces))


def _row_number(reference: str) -> int:
    """The number of the row that a cell like `AB12` is in."""
    return int(reference.replace("$", "").lstrip(ascii_letters) or 0)


def _column(reference: str, before: int) -> int:
    """The number of the column that a cell like `AB12` is in; without a name it follows the one before."""
    letters = reference.rstrip("0123456789").replace("$", "").upper()
    if not letters:
        return before + 1
    number = 0
    for letter in letters[:4]:
        number = number * 26 + ord(letter) - ord("A") + 1
    if not before < number <= MAX_SHEET_COLUMNS:
        raise FileError(BROKEN)
    return number


class _Texts:
    """What a person sees in a cell."""

    def __init__(self, strings: list[str], dates: set[int], counts_from_1904: bool) -> None:
        self._strings = strings
        self._dates = dates
        self._epoch = CALENDAR_MAC_1904 if counts_from_1904 else CALENDAR_WINDOWS_1900

    def of(self, cell: dict[str, str], value: str | None, inline: str) -> str:
        kind = cell.get("t", "n")
        if kind == "inlineStr":
            return _plain(inline)
        if not value:
            return ""
        if kind == "s":
            return self._strings[int(value)]
        if kind == "b":
            return as_text(value.strip() in ("1", "true"))
        return self._number(value.strip(), int(cell.get("s") or 0)) if kind == "n" else _plain(value)

    def _number(self, text: str, style: int) -> str:
        number = int(text) if text.lstrip("-").isdecimal() else float(text)
        if style in self._dates:
            try:
                return as_text(from_excel(number, self._epoch))
            except (ValueError, OverflowError):
                return text
        return as_text(number)


def _plain(text: str) -> str:
    # PostgreSQL stores no text with a NUL.
    return xml.unescaped(text).replace("\0", "\ufffd")


def as_text(value: Any) -> str:
    """The value as a person would type it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer() and abs(value) < MAX_WHOLE:
        return str(int(value))
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)


# --- The parts that all cells share -----------------------------------------------------------------------------------
def _strings(book: Book, limits: Limits) -> list[str]:
    if not book.strings:
        return []
    found = []
    for text in book.walk(book.strings, _StringsHandler()):
        found.append(text)
        if len(found) > limits.strings:
            raise FileError(
                f"The workbook contains more than {limits.strings:,} different texts, which is too many. "
                "Save the sheet as CSV (UTF-8), and choose that."
            )
    return found


class _StringsHandler:
    def __init__(self) -> None:
        self._found: list[str] = []
        self._pieces: list[str] = []
        self._is_phonetic = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "si":
            self._pieces = []
        elif name == "rPh":
            self._is_phonetic = True

    def end(self, name: str, text: str) -> None:
        if name == "t" and not self._is_phonetic:
            self._pieces.append(text)
        elif name == "rPh":
            self._is_phonetic = False
        elif name == "si":
            self._found.append(_plain("".join(self._pieces)))

    def take(self) -> list[str]:
        found, self._found = self._found, []
        return found


def _date_styles(book: Book) -> set[int]:
    """The numbers of the styles that show a number as a date."""
    if not book.styles:
        return set()
    handler = _StylesHandler()
    list(book.walk(book.styles, handler, most=MAX_STYLES_BYTES))
    formats = dict(BUILTIN_FORMATS) | handler.formats
    # Each format once, however many styles have it, and no more of it than Excel allows: openpyxl looks for brackets
    # in a time that grows with the square of their number.
    dates = {number for number, one in formats.items() if is_date_format(one[:MAX_FORMAT_LETTERS])}
    return {number for number, one in enumerate(handler.cells) if one in dates}


class _StylesHandler:
    def __init__(self) -> None:
        self.formats: dict[int, str] = {}
        #: The format of each style of a cell.
        self.cells: list[int] = []
        self._is_of_cells = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "numFmt":
            self.formats[int(attributes.get("numFmtId") or 0)] = attributes.get("formatCode", "")
        elif name == "cellXfs":
            self._is_of_cells = True
        elif name == "xf" and self._is_of_cells:
            self.cells.append(int(attributes.get("numFmtId") or 0))

    def end(self, name: str, text: str) -> None:
        if name == "cellXfs":
            self._is_of_cells = False

    def take(self) -> list[Any]:
        return []
