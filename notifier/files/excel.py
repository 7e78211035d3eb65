"""Excel workbooks: the cells of the first sheet as the text that a person sees."""

import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from functools import partial
from typing import Any, BinaryIO

import openpyxl

from notifier.files.base import MAX_COLUMNS, FileError, Row, Table, nonempty_rows, table

#: Excel's own limit. Without it, a row that claims a huge number would take almost for ever.
MAX_ROWS = 1_048_576
#: Beyond this, a spreadsheet no longer holds every whole number.
MAX_WHOLE = 10**15

BROKEN = "This is not a whole Excel workbook: it was cut short or damaged. Save it anew as .xlsx, and choose it again."


def read_table(file: BinaryIO, *, max_bytes: int) -> Table:
    """`max_bytes`: the limit of the unpacked size. A small file can unpack to more than any memory."""
    _check_size(file, max_bytes)
    return table(kind="Excel workbook, first sheet", records=partial(_records, file))


def _check_size(file: BinaryIO, max_bytes: int) -> None:
    file.seek(0)
    try:
        with zipfile.ZipFile(file) as archive:
            # No reader unpacks more than these sizes say.
            size = sum(part.file_size for part in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise FileError(BROKEN) from error
    if size > max_bytes:
        raise FileError(
            f"The workbook unpacks to {size / 1_000_000:,.0f} MB, and {max_bytes / 1_000_000:,.0f} MB is the most "
            "that is read. Save the sheet as CSV (UTF-8), and choose that."
        )


def _records(file: BinaryIO) -> Iterator[Row]:
    """openpyxl may raise any exception for a damaged workbook. The caller's own errors are not caught here."""
    try:
        rows = nonempty_rows(_values(file))
        row = next(rows, None)
    except FileError:
        raise
    except Exception as error:
        raise FileError(BROKEN) from error
    while row is not None:
        yield row
        try:
            row = next(rows, None)
        except FileError:
            raise
        except Exception as error:
            raise FileError(BROKEN) from error


def _values(file: BinaryIO) -> Iterator[tuple[int, list[str]]]:
    file.seek(0)
    # `data_only`: the last result of a formula, and never the formula.
    book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
    try:
        if not book.worksheets:
            raise FileError("The workbook has no sheet with cells. Put the clients on its first sheet.")
        sheet: Any = book.worksheets[0]
        # The size that the sheet declares may be wrong.
        sheet.reset_dimensions()
        for number, values in enumerate(sheet.iter_rows(max_col=MAX_COLUMNS + 1, values_only=True), start=1):
            if number > MAX_ROWS:
                raise FileError(BROKEN)
            yield number, [as_text(value) for value in values]
    finally:
        book.close()


def as_text(value: Any) -> str:
    """The value as a person would type it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer() and abs(value) < MAX_WHOLE:
        return str(int(value))
    if isinstance(value, datetime | date):
        return value.isoformat()
    # PostgreSQL stores no text with a NUL.
    return str(value).replace("\0", "\ufffd")
