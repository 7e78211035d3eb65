"""An uploaded file, from the upload to its import. Afterwards only the record of it is left."""

import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import BinaryIO

from django.conf import settings
from django.contrib.auth.models import User

from notifier.addresses import regions
from notifier.clients.imports import columns, importer, proposals
from notifier.clients.imports.columns import Layout, MappingError, TopicRef
from notifier.clients.imports.importer import Plan
from notifier.clients.imports.writing import EvidenceMissing, ImportOrigin
from notifier.files import encodings, packed
from notifier.files.base import FileError, Table
from notifier.files.encodings import AS_BYTES, UNKNOWN, EncodingUnknown
from notifier.files.reader import open_table
from notifier.models import ClientImport, ConsentChange
from notifier.runtime.versions import NotAsShown
from notifier.staff import groups

#: Asked of whoever imports it, where the file does not tell.
CHOOSE_ENCODING = "Choose the text encoding of the file."
State = ClientImport.State

#: More rows take longer than a page may take; `manage.py import_clients` has no such limit.
MAX_ROWS = 5_000
MAX_BYTES = 10_000_000

MAX_SAMPLES = 3
MAX_NAME_LETTERS = 200
MAX_REASON_LETTERS = 300


class TooManyRows(FileError):
    """More than `MAX_ROWS`, which only the command imports."""


class AlreadyDone(Exception):
    """It was imported or discarded before, perhaps by a second press of the same button."""


class ResubscribeNotAllowed(Exception):
    """The user may not subscribe clients again who had opted out: it takes a permission of its own."""


def upload(*, file: BinaryIO, name: str, by: User, now: datetime) -> ClientImport:
    """Store a file for the next pages. Raises `FileError` if it can't be read to its end, or is too long for a page."""
    table, encoding = _opened(file)
    rows = list(islice(table.rows(), MAX_ROWS + 1))
    if len(rows) > MAX_ROWS:
        raise TooManyRows(f"The file has more than {MAX_ROWS:,} rows, which is too many for this page.")
    if not rows:
        raise FileError("The file has a header row but no clients below it.")
    content = packed.pack(table, rows, encoding=encoding)
    if encoding and not packed.possible(content):
        raise FileError("The file uses a text encoding that can’t be read here. Save it again as CSV (UTF-8).")
    found = packed.unpack(content)
    proposal = proposals.propose(found, by_id=by.pk)
    return ClientImport.objects.create(
        file_name=name[-MAX_NAME_LETTERS:],
        content=content,
        mapping=proposal.mapping,
        header_digest=proposals.header_digest(found.header),
        phone_region=proposal.region,
        created_by=by,
    )


def _opened(file: BinaryIO) -> tuple[Table, str]:
    """The table, and the encoding in which its cells are to be read, where its bytes don't tell it."""
    try:
        table = open_table(file)
        encoding = table.encoding
    except EncodingUnknown:
        encoding = UNKNOWN
    return (open_table(file, encoding=AS_BYTES), encoding) if encoding else (table, "")


def table_of(pending: ClientImport) -> Table:
    content = bytes(pending.content)
    if packed.is_packed(content):
        return packed.unpack(content)
    # A file that was uploaded under the release before stands there as it came.
    try:
        return open_table(io.BytesIO(content))
    except EncodingUnknown:
        return open_table(io.BytesIO(content), encoding=AS_BYTES)


def encodings_of(pending: ClientImport) -> dict[str, str]:
    """The encodings to choose from, each with the first texts as it has them; empty where the bytes tell it."""
    content = bytes(pending.content)
    if not packed.is_packed(content) or not packed.unpack(content).encoding:
        return {}
    return {
        one: f"{encodings.CHOICES[one]}: {', '.join(packed.samples(content, one, most=MAX_SAMPLES))}"
        for one in packed.possible(content)
    }


def set_encoding(*, pending: ClientImport, encoding: str) -> None:
    """Read the letters so from now on. The columns may have other names then, and are guessed anew.

    Raises `FileError` where the file has letters that the encoding doesn't have.
    """
    content = packed.with_encoding(bytes(pending.content), encoding)
    table = packed.unpack(content)
    proposal = proposals.propose(table, by_id=pending.created_by_id)
    waiting = ClientImport.objects.filter(pk=pending.pk, state=State.UPLOADED)
    digest = proposals.header_digest(table.header)
    if not waiting.update(content=content, mapping=proposal.mapping, header_digest=digest):
        raise AlreadyDone


def layout_of(pending: ClientImport, table: Table, topics: Sequence[TopicRef]) -> Layout:
    """Raises `MappingError` where the chosen columns can't be read, or nobody has said how its letters are."""
    if table.encoding == UNKNOWN:
        raise MappingError(CHOOSE_ENCODING)
    meanings = [pending.mapping.get(name, columns.NOTHING) for name in table.header]
    return columns.arrange(meanings, topics, importer.fields(), region=region_of(pending) or None)


def region_of(pending: ClientImport) -> str:
    """The country of phone numbers without a country code; empty: such numbers are refused."""
    if pending.phone_region is None:
        return settings.PHONE_DEFAULT_REGION or ""
    return pending.phone_region


def set_mapping(*, pending: ClientImport, mapping: Mapping[str, str], region: str) -> None:
    """Store what each column means, and where phone numbers without a country code belong.

    Raises `MappingError`, and changes nothing, where that can't be read.
    """
    columns.arrange(list(mapping.values()), importer.topics(), importer.fields())
    if region and region not in regions.names():
        raise MappingError("Choose a country from the list.")
    waiting = ClientImport.objects.filter(pk=pending.pk, state=State.UPLOADED)
    if not waiting.update(mapping=dict(mapping), phone_region=region):
        raise AlreadyDone


def plan(*, pending: ClientImport, shown: int) -> Plan:
    """What the import would do now, if no client who opted out were subscribed again."""
    table = table_of(pending)
    layout = layout_of(pending, table, importer.topics())
    return importer.plan(table=table, layout=layout, shown=shown, adds_tags=adds_tags(layout, pending.created_by))


def adds_tags(layout: Layout, user: User | None) -> bool:
    """Whether tags that there are not yet are added by an import of theirs; otherwise rows with them are refused."""
    return "tags" in layout.fields and user is not None and user.has_perm(groups.ADD_TAG)


def failed_rows(*, pending: ClientImport) -> bytes:
    """The rows that an import would not take now, as a file."""
    table = table_of(pending)
    layout = layout_of(pending, table, importer.topics())
    with importer.check(table=table, layout=layout, adds_tags=adds_tags(layout, pending.created_by)) as done:
        return b"".join(importer.refused_csv(table, done.refused()))


def carry_out(
    *, pending: ClientImport, by: User, reason: str, evidence: str, now: datetime, seen: str | None = None
) -> ClientImport:
    """Import it: all rows that can be taken, or none. `reason`: why those who had opted out are subscribed again.

    `evidence`: how we know that the others agreed. Raises `EvidenceMissing` where it is empty and somebody would.

    `seen`: the version of the plan that was shown. Raises `NotAsShown`, and imports nothing, where the import would do
    anything else by now: its columns were chosen again in another tab, or its clients were changed.
    """
    if reason and not by.has_perm(groups.RESUBSCRIBE_CLIENT):
        raise ResubscribeNotAllowed
    table = table_of(pending)
    layout = layout_of(pending, table, importer.topics())
    origin = ImportOrigin(
        file_name=pending.file_name,
        source=ConsentChange.Source.IMPORT,
        by=by.pk,
        reason=reason[:MAX_REASON_LETTERS],
        evidence=evidence[:MAX_REASON_LETTERS],
    )

    def close() -> None:
        """The second of two presses waits here, and then finds nothing to do."""
        _close(pending, state=State.DONE, now=now)
        chosen = ClientImport.objects.values_list("mapping", "phone_region").get(pk=pending.pk)
        if chosen != (pending.mapping, pending.phone_region):
            raise NotAsShown

    job = importer.run(
        table=table, layout=layout, origin=origin, now=now, seen=seen, begin=close, adds_tags=adds_tags(layout, by)
    )
    with job as done:
        if not evidence and done.stage.adds_consent():
            raise EvidenceMissing
        failed = b"".join(importer.refused_csv(table, done.refused())) if done.counts["failed"] else b""
        ClientImport.objects.filter(pk=pending.pk).update(
            counts=done.counts, failed_rows=failed.decode(), resubscribes=bool(reason), reason=origin.reason
        )
    pending.refresh_from_db()
    return pending


def discard(*, pending: ClientImport, now: datetime) -> None:
    _close(pending, state=State.DISCARDED, now=now)


def _close(pending: ClientImport, *, state: ClientImport.State, now: datetime) -> None:
    waiting = ClientImport.objects.filter(pk=pending.pk, state=State.UPLOADED)
    if not waiting.update(state=state, content=b"", finished_at=now):
        raise AlreadyDone


def record(
    *, origin: ImportOrigin, mapping: Mapping[str, str], counts: Mapping[str, int], now: datetime
) -> ClientImport:
    """Of a run from the command line: a row like that of an upload, without the file. Pages remember its columns."""
    return ClientImport.objects.create(
        file_name=origin.file_name[-MAX_NAME_LETTERS:],
        content=b"",
        state=State.DONE,
        mapping=dict(mapping),
        header_digest=proposals.header_digest(list(mapping)),
        counts=dict(counts),
        resubscribes=bool(origin.reason),
        reason=origin.reason,
        created_by_id=origin.by,
        finished_at=now,
    )
