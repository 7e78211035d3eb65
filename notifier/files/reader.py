"""Opens a spreadsheet of any common kind. It knows neither clients nor the database."""

from typing import BinaryIO

from notifier.files import csv, excel
from notifier.files.base import FileError, Table

#: The limit of an unpacked workbook: in a page, which shares its process with others, and in a command.
MAX_BYTES_IN_PAGE = 64_000_000
MAX_BYTES = 1_000_000_000

ZIP = b"PK\x03\x04"
OLD_EXCEL = b"\xd0\xcf\x11\xe0"


def open_table(file: BinaryIO, *, max_bytes: int = MAX_BYTES_IN_PAGE) -> Table:
    """The file as a table. Its content decides the kind, and not its name. Raises `FileError`; the file stays open."""
    file.seek(0)
    beginning = file.read(4)
    if beginning == OLD_EXCEL:
        raise FileError("This is a workbook of an old kind (.xls), or one with a password. Save it as .xlsx or as CSV.")
    return excel.read_table(file, max_bytes=max_bytes) if beginning == ZIP else csv.read_table(file)
