"""Opens a spreadsheet of any common kind. It knows neither clients nor the database."""

import re
from typing import BinaryIO

from notifier.files import csv, excel
from notifier.files.base import IN_PAGE, FileError, Limits, Table

ZIP = b"PK\x03\x04"
OLD_EXCEL = b"\xd0\xcf\x11\xe0"


#: How other files begin, and what they are.
_OTHERS = {
    b"%PDF": "a PDF document",
    b"{\\rtf": "a text document (RTF)",
    b"\x1f\x8b": "a compressed file (.gz), which has to be unpacked first",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"BEGIN:VCARD": "a list of contacts (vCard), which has to be imported into an address book and exported from there",
}
_WEB_PAGE = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html|head|meta|style|body|table)\b", re.IGNORECASE)
_XML = re.compile(rb"(?:\xef\xbb\xbf)?\s*<\?xml\b", re.IGNORECASE)
_SAVE = "Open it in a spreadsheet program, save it as an Excel workbook (.xlsx) or CSV (UTF-8), and choose that file."


def open_table(file: BinaryIO, *, limits: Limits = IN_PAGE, encoding: str = "") -> Table:
    """The file as a table. Its content decides the kind, and not its name. Raises `FileError`; the file stays open.

    `encoding`: of a text whose bytes don't tell it.
    """
    file.seek(0)
    head = file.read(2_000)
    for start, kind in _OTHERS.items():
        if head.startswith(start):
            raise FileError(f"This is {kind}, not a text file or an Excel workbook. Export the clients as CSV.")
    if _WEB_PAGE.match(head):
        raise FileError(f"This is a web page (HTML), which some programs save as .xls. {_SAVE}")
    if _XML.match(head):
        raise FileError(f"This is XML, which some programs save as .xls. {_SAVE}")
    beginning = head[:4]
    if beginning == OLD_EXCEL:
        raise FileError("This is an old workbook (.xls), or one with a password. Save it as .xlsx or as CSV.")
    return excel.read_table(file, limits) if beginning == ZIP else csv.read_table(file, limits, encoding)
