"""CSV of any common kind: finds the encoding and the separator, and reads the rows one by one."""

import codecs
import csv
import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import BinaryIO

from notifier.files.base import FileError, Limits, Row, Table, nonempty_rows, table

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
#: So much is read to find the separator.
HEAD_LETTERS = 64 * 1024
HEAD_ROWS = 20
CHUNK_BYTES = 1024 * 1024

#: Bytes that windows-1252 has no letter for; Latin-1 has a control character there.
NOT_1252 = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
#: The character that `surrogateescape` makes of a byte that is not UTF-8.
ESCAPED = re.compile("[\udc80-\udcff]")
NOT_ASCII = re.compile("[^\x00-\x7f]")
#: Excel may write the separator into a line of its own, above the header.
SEPARATOR_LINE = re.compile(r"sep=(.)\s*", re.IGNORECASE)
NAMES = {"utf-8-sig": "UTF-8", "utf-16": "UTF-16", "cp1252": "Latin-1 (Windows)", "latin-1": "Latin-1"}

NO_TEXT = "This is neither a text file nor an Excel workbook. Save it as CSV (UTF-8) or as .xlsx, and choose it again."


def read_table(file: BinaryIO, limits: Limits) -> Table:
    encoding = find_encoding(file)
    form = _find_form(file, encoding)
    size = max(1, file.seek(0, os.SEEK_END))
    return table(
        kind=f"CSV, {NAMES[encoding]}, separated by {DELIMITERS.get(form.delimiter, repr(form.delimiter))}",
        records=partial(_records, file, form, limits),
        share=lambda: min(1.0, file.tell() / size),
    )


# --- The encoding -----------------------------------------------------------------------------------------------------
def find_encoding(file: BinaryIO) -> str:
    """UTF-8 with or without a byte-order mark; UTF-16 with one; or else Latin-1, as Windows writes it.

    It reads the whole file, so that one that is damaged in the middle is refused before anything is done with it.
    """
    file.seek(0)
    mark = file.read(3)
    if mark[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        _check_utf16(file)
        return "utf-16"
    survey = _survey(file)
    if not survey.strange:
        return "utf-8-sig"
    # Latin-1 is rarely valid UTF-8 by chance: with as many valid letters as others, the file is damaged UTF-8.
    if mark == codecs.BOM_UTF8 or survey.proper >= survey.strange:
        raise FileError(
            f"Line {survey.strange_line} has letters that can’t be read, while the rest of the file is UTF-8: it was "
            "damaged, or put together from files of different kinds. Save it anew as CSV (UTF-8), and choose it again."
        )
    return "cp1252" if survey.is_1252 else "latin-1"


@dataclass
class _Survey:
    proper: int = 0
    strange: int = 0
    strange_line: int = 0
    lines: int = 0
    is_1252: bool = True

    def add(self, text: str) -> None:
        if found := ESCAPED.search(text):
            if not self.strange:
                self.strange_line = self.lines + text.count("\n", 0, found.start()) + 1
            strange = len(ESCAPED.findall(text))
            self.strange += strange
            self.proper -= strange
        if not text.isascii():
            self.proper += len(NOT_ASCII.findall(text))
        self.lines += text.count("\n")


def _survey(file: BinaryIO) -> _Survey:
    survey = _Survey()
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    for chunk in _chunks(file):
        if b"\0" in chunk:
            raise FileError(NO_TEXT)
        survey.is_1252 = survey.is_1252 and not NOT_1252.search(chunk)
        survey.add(decoder.decode(chunk))
    survey.add(decoder.decode(b"", final=True))
    return survey


def _check_utf16(file: BinaryIO) -> None:
    decoder = codecs.getincrementaldecoder("utf-16")()
    try:
        has_null = any("\0" in decoder.decode(chunk) for chunk in _chunks(file))
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise FileError(
            "The file says that it is UTF-16, and can’t be read as that: it was cut short or damaged. Save it anew as "
            "CSV (UTF-8), and choose it again."
        ) from error
    if has_null:
        raise FileError(NO_TEXT)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


# --- Which separator, and the rows ------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Form:
    encoding: str
    delimiter: str
    #: Lines above the header.
    skip: int = 0


def _find_form(file: BinaryIO, encoding: str) -> _Form:
    """The separator that Excel names in a line of its own, or the one that fits the first rows best."""
    file.seek(0)
    text = _wrapped(file, encoding)
    try:
        head = text.read(HEAD_LETTERS)
    finally:
        text.detach()
    lines = head.splitlines(keepends=True)
    if lines and (named := SEPARATOR_LINE.fullmatch(lines[0])) and named[1] not in '"\r\n':
        return _Form(encoding, named[1], skip=1)
    return _Form(encoding, max(DELIMITERS, key=partial(_fitness, lines)))


def _fitness(lines: list[str], delimiter: str) -> tuple[bool, float, int]:
    """Whether it splits the header, the share of rows with as many cells, and how many cells these are."""
    reader = csv.reader(lines, delimiter=delimiter)
    try:
        lengths = [len(cells) for cells in islice((cells for cells in reader if any(cells)), HEAD_ROWS)]
    except csv.Error:
        lengths = []
    if not lengths:
        return False, 0, 0
    return lengths[0] > 1, lengths.count(lengths[0]) / len(lengths), lengths[0]


def _records(file: BinaryIO, form: _Form, limits: Limits) -> Iterator[Row]:
    file.seek(0)
    text = _wrapped(file, form.encoding)
    try:
        for _ in range(form.skip):
            next(text, "")
        yield from nonempty_rows(_cut(text, form), limits)
    finally:
        # Otherwise it would close the file, which may be read again.
        text.detach()


def _cut(text: io.TextIOWrapper, form: _Form) -> Iterator[tuple[int, list[str]]]:
    # Strict: otherwise a quotation mark that is never closed would turn the rest of the file into one cell.
    reader = csv.reader(text, delimiter=form.delimiter, strict=True)
    line = 0
    try:
        for cells in reader:
            yield line + 1 + form.skip, cells
            line = reader.line_num
    except csv.Error as error:
        raise FileError(_in_words(error, line + 1 + form.skip)) from error


def _in_words(error: csv.Error, line: int) -> str:
    if "unexpected end" in str(error) or "field limit" in str(error):
        return (
            f"The row on line {line} opens a quotation mark that is never closed: the file was cut short or damaged. "
            "Close it or save the file anew, and choose it again."
        )
    return (
        f"The row on line {line} can’t be told apart: after a quotation mark that closes a cell something other than "
        "the separator follows. Write a quotation mark inside a cell twice, and choose the file again."
    )


def _wrapped(file: BinaryIO, encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(file, encoding=encoding, newline="")
