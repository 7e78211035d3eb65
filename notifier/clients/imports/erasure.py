"""Erases a person's rows from uploaded files that wait for their import, and from stored failed rows."""

import hashlib
import io
import re
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

from django.conf import settings
from django.db.models import QuerySet

from notifier.addresses import emails, phones
from notifier.files import packed, spreadsheets
from notifier.files.base import FileError, Table, quoted
from notifier.files.reader import open_table
from notifier.models import Channel, ClientImport

#: Only a cell with these last digits of a number is parsed as a phone number.
_ENDING_DIGITS = 7
#: What stands between addresses in a cell.
_BETWEEN = re.compile(r"[\s,;<>()|]+")


class Traces:
    """Finds cells that name one of these addresses, alone or within other text."""

    def __init__(self, addresses: Collection[tuple[Channel, str]]) -> None:
        emails = [re.escape(address) for channel, address in addresses if channel == Channel.EMAIL]
        self._numbers = {address for channel, address in addresses if channel == Channel.SMS}
        self._endings = {number[-_ENDING_DIGITS:] for number in self._numbers}
        # joann@example.com does not name ann@example.com: the row of another person stays.
        inside = rf"(?<![\w.+-])(?:{'|'.join(emails)})(?![\w-]|\.\w)"
        self._email = re.compile(inside, re.IGNORECASE) if emails else None

    def in_any(self, cells: Sequence[str]) -> bool:
        return any(self._in(cell) for cell in cells)

    def _in(self, cell: str) -> bool:
        return self._has_email(cell) or self._has_number(cell)

    def _has_email(self, cell: str) -> bool:
        if self._email is None or "@" not in cell:
            return False
        # As it was written, and each word in the one form of addresses, which may be written otherwise here.
        words = " ".join(emails.searched(word) for word in _BETWEEN.split(cell) if "@" in word)
        return bool(self._email.search(cell) or self._email.search(words))

    def _has_number(self, cell: str) -> bool:
        digits = re.sub(r"\D", "", cell)
        if not any(ending in digits for ending in self._endings):
            return False
        national = digits.lstrip("0")
        if "+" not in cell and any(number.endswith(national) for number in self._numbers):
            # Whichever country was chosen for the numbers of the file.
            return True
        try:
            return phones.read(cell, region=settings.PHONE_DEFAULT_REGION).number in self._numbers
        except ValueError:
            # With other text, or not readable: rather erase a row too many than leave one.
            return True


class Findings:
    """What is left of each stored file without the rows of these addresses.

    Files are read before the transaction that erases: reading takes long, and it holds the client's row, on SQLite the
    whole database. What has changed meanwhile is read once more within it.
    """

    def __init__(self, addresses: Collection[tuple[Channel, str]]) -> None:
        self.addresses = frozenset(addresses)
        self.traces = Traces(addresses)
        self._left: dict[bytes, bytes | None] = {}

    def left_of(self, content: bytes) -> bytes | None:
        """The file without those rows, empty where no row is left; None where it names nobody."""
        key = hashlib.sha256(content).digest()
        if key not in self._left:
            read = _packed_without if packed.is_packed(content) else _without
            self._left[key] = read(content, self.traces)
        return self._left[key]


def find_rows(*, addresses: Collection[tuple[Channel, str]]) -> Findings:
    """Reads all stored files, outside of any transaction."""
    found = Findings(addresses)
    for upload in _waiting():
        found.left_of(bytes(upload.content))
    for done in _with_failed_rows():
        found.left_of(done.failed_rows.encode())
    return found


def erase_rows(*, addresses: Collection[tuple[Channel, str]], now: datetime, found: Findings | None = None) -> None:
    """Erase every row that names one of these addresses, in the caller's transaction; `found` before it began."""
    if found is None or found.addresses != frozenset(addresses):
        found = Findings(addresses)
    # Waiting files first: an import that runs now leaves its failed rows among the others, which come next.
    for upload in _waiting().select_for_update():
        left = found.left_of(bytes(upload.content))
        if left is not None:
            # With no row left there is nothing to import.
            ended = {} if left else {"state": ClientImport.State.DISCARDED, "finished_at": now}
            ClientImport.objects.filter(pk=upload.pk).update(content=left, **ended)
    for done in _with_failed_rows():
        left = found.left_of(done.failed_rows.encode())
        if left is not None:
            ClientImport.objects.filter(pk=done.pk).update(failed_rows=left.decode())
    # In a file without a header, the first row of data was taken for one.
    for pk, mapping in ClientImport.objects.values_list("pk", "mapping"):
        if found.traces.in_any(list(mapping)):
            ClientImport.objects.filter(pk=pk).update(mapping={}, header_digest="")


def _waiting() -> QuerySet[ClientImport]:
    return ClientImport.objects.filter(state=ClientImport.State.UPLOADED).order_by("pk")


def _with_failed_rows() -> QuerySet[ClientImport]:
    return ClientImport.objects.exclude(failed_rows="").defer("content").order_by("pk")


def _packed_without(content: bytes, traces: Traces) -> bytes | None:
    """As `_without`, in the form in which it stands there."""
    table = packed.unpack(content)
    if traces.in_any(table.header):
        return b""
    named = [traces.in_any(row.cells) for row in table.rows()]
    if not any(named):
        return None
    return b"" if all(named) else packed.without(content, named)


def _without(content: bytes, traces: Traces) -> bytes | None:
    """The file without those rows, as CSV, empty where no row is left; None where it names nobody."""
    try:
        table = open_table(io.BytesIO(content))
        if traces.in_any(table.header):
            return b""
        named = [traces.in_any(row.cells) for row in table.rows()]
        if not any(named):
            return None
        return b"" if all(named) else b"".join(_written(table, named))
    except FileError:
        # The upload could be read, and now it can't: drop it, for nobody can tell whom it names.
        return b""


def _written(table: Table, named: Sequence[bool]) -> Iterator[bytes]:
    kept = (row.cells for row, is_named in zip(table.rows(), named, strict=True) if not is_named)
    return spreadsheets.stream_csv(
        [quoted(name) for name in table.header], ([quoted(cell) for cell in row] for row in kept)
    )
