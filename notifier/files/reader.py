"""Opens a spreadsheet of any common kind. It knows neither clients nor the database."""

from typing import BinaryIO

from notifier.files import csv, excel
from notifier.files.base import IN_PAGE, FileError, Limits, Table

ZIP = b"PK\x03\x04"
OLD_EXCEL = b"\xd0\xcf\x11\xe0"


def open_table(file: BinaryIO, *, limits: Limits = IN_PAGE) -> Table:
    """The file as a table. Its content decides the kind, and not its name. Raises `FileError`; the file stays open."""
    file.seek(0)
    beginning = file.read(4)
    if beginning == OLD_EXCEL:
        raise FileError("This is a workbook of an old kind (.xls), or one with a password. Save it as .xlsx or as CSV.")
    return excel.read_table(file, limits) if beginning == ZIP else csv.read_table(file, limits)
