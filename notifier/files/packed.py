"""A table that was read once, kept in one bounded form: a line of what it is, and a line for each row, as JSON.

So a workbook is unpacked when it comes, and never again; and a choice that its bytes don't tell can be made later.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

from notifier.files import encodings
from notifier.files.base import FileError, Row, Table
from notifier.files.encodings import AS_BYTES, UNKNOWN

_MAGIC = b"notifier.table/1\n"


def is_packed(content: bytes) -> bool:
    return content.startswith(_MAGIC)


def pack(table: Table, rows: Iterable[Row], *, encoding: str = "") -> bytes:
    """`encoding`: in which the cells are to be read, if they were read `AS_BYTES`; `UNKNOWN` until somebody chooses."""
    lines = [json.dumps([row.line, row.cells], ensure_ascii=False) for row in rows]
    said = {"header": table.header, "kind": table.kind, "hidden": table.hidden_rows(), "encoding": encoding}
    return _MAGIC + "\n".join([json.dumps(said, ensure_ascii=False), *lines]).encode()


def unpack(content: bytes) -> Table:
    """The table; its cells as the chosen encoding has them. `Table.encoding` says whether one is to be chosen."""
    said = _said(content)
    encoding = said["encoding"]
    readable = next(iter(possible(content)), encodings.LIKELIEST) if encoding == UNKNOWN else encoding
    return Table(
        header=[_read(name, readable) for name in said["header"]],
        kind=said["kind"].replace(encodings.name(AS_BYTES), encodings.name(encoding), 1) if encoding else said["kind"],
        rows=partial(_rows, content, readable),
        share=lambda: None,
        hidden_rows=lambda: said["hidden"],
        encoding=encoding,
    )


def possible(content: bytes) -> list[str]:
    """The encodings in which every cell means something."""
    return encodings.possible([*_said(content)["header"], *(cell for row in _rows(content, "") for cell in row.cells)])


def samples(content: bytes, encoding: str, *, most: int) -> list[str]:
    header = _said(content)["header"]
    return encodings.samples([header, *(row.cells for row in _rows(content, ""))], encoding, most=most)


def with_encoding(content: bytes, encoding: str) -> bytes:
    """Raises `FileError` where some cell means nothing in it."""
    if encoding not in possible(content):
        raise FileError(
            f"The file has characters that {encodings.name(encoding)} does not have. Choose another encoding."
        )
    raw = unpack(content)
    table = replace(raw, header=_said(content)["header"], kind=_said(content)["kind"])
    return pack(table, _rows(content, ""), encoding=encoding)


def without(content: bytes, is_gone: list[bool]) -> bytes:
    """With only those rows for which `is_gone` has False."""
    said = _said(content)
    table = replace(unpack(content), header=said["header"], kind=said["kind"])
    rows = (row for row, gone in zip(_rows(content, ""), is_gone, strict=True) if not gone)
    return pack(table, rows, encoding=said["encoding"])


def _said(content: bytes) -> Any:
    return json.loads(content[len(_MAGIC) :].partition(b"\n")[0])


def _rows(content: bytes, encoding: str) -> Iterator[Row]:
    for line in islice(content[len(_MAGIC) :].split(b"\n"), 1, None):
        number, cells = json.loads(line)
        yield Row(number, [_read(cell, encoding) for cell in cells] if encoding else cells)


def _read(text: str, encoding: str) -> str:
    return encodings.decoded(text, encoding) if encoding else text
