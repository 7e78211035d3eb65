"""CSV of any common kind: finds the encoding and the separator, and reads the rows one by one."""

import csv
import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import BinaryIO

from notifier.files import encodings
from notifier.files.base import FileError, Limits, Row, Table, nonempty_rows, table

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
CTRL_Z = "\x1a"
#: So much is read to find the separator.
HEAD_LETTERS = 64 * 1024
HEAD_ROWS = 20

#: Excel may write the separator into a line of its own, above the header; other programs quote it, or fill it up.
SEPARATOR_LINE = re.compile(r'"?sep=([^"\r\n])"?[;,|\t ]*[\r\n]*', re.IGNORECASE)


def read_table(file: BinaryIO, limits: Limits, encoding: str = "") -> Table:
    """`encoding`: the one that somebody chose, where the bytes don't tell it. Raises `EncodingUnknown`."""
    found = encodings.find(file, encoding)
    form = _find_form(file, found.encoding)
    size = max(1, file.seek(0, os.SEEK_END))
    return table(
        kind=f"CSV, {encodings.name(found.encoding)}, separated by "
        f"{DELIMITERS.get(form.delimiter, repr(form.delimiter))}",
        records=partial(_records, file, form, limits),
        share=lambda: min(1.0, file.tell() / size),
        encoding="" if found.is_certain else found.encoding,
    )


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
    if lines and (named := SEPARATOR_LINE.fullmatch(lines[0])):
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
            if cells and cells[-1].endswith(CTRL_Z):
                # The end of the file, as DOS had it: there is nothing behind it.
                cells[-1] = cells[-1].rstrip(CTRL_Z)
            yield line + 1 + form.skip, cells
            line = reader.line_num
    except csv.Error as error:
        raise FileError(_in_words(error, line + 1 + form.skip)) from error


def _in_words(error: csv.Error, line: int) -> str:
    if "unexpected end" in str(error) or "field limit" in str(error):
        return (
            f"The row on line {line} has an opening quotation mark that is never closed: the file is incomplete or "
            "damaged. Close the quotation mark or save the file again, and choose it again."
        )
    return (
        f"The row on line {line} can’t be read: a closing quotation mark is not followed by the separator. Write "
        "quotation marks inside a cell twice, and choose the file again."
    )


def _wrapped(file: BinaryIO, encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(file, encoding=encoding, newline="")
