"""Writes CSV as a stream and XLSX as a file, with no cell that a spreadsheet would run as a formula.

A `Decimal` is a number and a `date` a date, so that a spreadsheet sorts and adds them up; all else is text.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import IO, Any

from django.utils.timezone import localtime
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font

#: Excel's limit, with the header.
XLSX_ROWS = 1_048_576
#: Excel recognises UTF-8 only by this mark.
_BOM = b"\xef\xbb\xbf"
#: Excel keeps so many digits of a number, and has reckoned right with dates since then. What is beyond is text there.
_DIGITS, _FIRST_DATE = 15, date(1900, 3, 1)
_DATE_FORMAT = "yyyy-mm-dd"
#: How many rows are joined into one piece of the stream.
_PIECE = 500

# https://owasp.org/www-community/attacks/CSV_Injection: what a cell must not begin with, also after blanks.
_FORMULA = re.compile(r"[ \u00a0\u3000]*[=+\-@\t\r\n＝＋－＠]")
# Where lists are separated by semicolons, as in most of Europe, Excel splits a file of commas at these, and quotation
# marks don't hinder it: "550 no;=HYPERLINK(…" is two cells, and the second one a formula.
_FORMULA_INSIDE = re.compile(r"(?<=[;|\t\r\n])(?=['\" \u00a0\u3000]*[=+\-@＝＋－＠])")
# A phone number in our form is a plain number to a spreadsheet, and runs nothing. With a quote in front nobody could
# copy it, and reading the file back would not find it.
_PHONE = re.compile(r"\+[0-9]{6,15}")


class SheetFull(Exception):
    """More rows than a sheet can hold; the file is incomplete."""


def neutralised(text: str) -> str:
    """`text`, with a ' before what a spreadsheet would take for a formula, whatever it separates cells by.

    A phone number like +447700900123 stays as it is. `files.base.unquoted` takes each ' out again.
    """
    inside = _FORMULA_INSIDE.sub("'", text)
    return f"'{inside}" if _FORMULA.match(text) and not _PHONE.fullmatch(text) else inside


def stream_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[bytes]:
    """The table as CSV in UTF-8 with a byte-order mark, commas and CRLF (RFC 4180), a few hundred rows at a time."""
    yield _BOM
    lines = _LineBuffer()
    writer = csv.writer(lines)
    writer.writerow(_cells(header))
    for row in rows:
        writer.writerow(_cells(row))
        if len(lines.waiting) >= _PIECE:
            yield lines.take()
    yield lines.take()


def write_xlsx(header: Sequence[str], rows: Iterable[Sequence[object]], file: IO[bytes]) -> None:
    """One sheet, written row by row; raises `SheetFull` rather than leave some out."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet("Sheet1")
    sheet.freeze_panes = "A2"
    sheet.append([_text_cell(sheet, text, bold=True) for text in _cells(header)])
    for number, row in enumerate(rows, start=2):
        if number > XLSX_ROWS:
            sheet.close()
            raise SheetFull(f"A sheet holds {XLSX_ROWS:,} rows, its header among them.")
        sheet.append([_typed_cell(sheet, value) for value in row])
    book.save(file)


class _LineBuffer:
    """The file that `csv` writes to."""

    def __init__(self) -> None:
        self.waiting: list[str] = []

    def write(self, line: str) -> None:
        self.waiting.append(line)

    def take(self) -> bytes:
        piece = "".join(self.waiting).encode()
        self.waiting.clear()
        return piece


def _cells(row: Sequence[object]) -> list[str]:
    return [_as_text(value) if _is_harmless(value) else neutralised(_as_text(value)) for value in row]


def _is_harmless(value: object) -> bool:
    """Whether it is no text that anybody wrote: -5 is a number, and no formula."""
    return isinstance(value, Decimal) or (isinstance(value, date) and not isinstance(value, datetime))


def _as_text(value: object) -> str:
    """A time in ISO 8601, to the second, in the reader's zone and with its offset."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value:f}"
    return localtime(value).isoformat(sep=" ", timespec="seconds") if isinstance(value, datetime) else str(value)


def _typed_cell(sheet: Any, value: Any) -> Any:
    if isinstance(value, Decimal) and len(value.as_tuple().digits) <= _DIGITS:
        places = -int(value.as_tuple().exponent)
        return _cell(sheet, value, f"0.{'0' * places}" if places > 0 else "0")
    if isinstance(value, date) and not isinstance(value, datetime) and value >= _FIRST_DATE:
        return _cell(sheet, value, _DATE_FORMAT)
    return _text_cell(sheet, _cells([value])[0])


def _cell(sheet: Any, value: Any, number_format: str) -> Any:
    cell = WriteOnlyCell(sheet, value=value)
    cell.number_format = number_format
    return cell


def _text_cell(sheet: Any, text: str, *, bold: bool = False) -> Any:
    """A text cell. By itself openpyxl makes a formula of a leading =, and a number of digits."""
    cell = WriteOnlyCell(sheet, value=ILLEGAL_CHARACTERS_RE.sub("\ufffd", text))
    cell.data_type = "s"
    if bold:
        cell.font = Font(bold=True)
    return cell
