"""What the columns of an uploaded file most likely are: as in the last import of a file with the same header, as their
names say, or as their contents do. Staff see it, change it, and go on from there; nothing is imported by it alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db.models import TextField
from django.db.models.functions import Cast

from notifier.clients.imports import columns, contents, importer
from notifier.clients.imports.columns import NOTHING, MappingError, TopicRef
from notifier.fields import usage
from notifier.fields.definitions import Definitions
from notifier.files.base import Table
from notifier.models import ClientField, ClientImport, Tag
from notifier.runtime import versions

_DONE = ClientImport.objects.filter(state=ClientImport.State.DONE).defer("content", "failed_rows").order_by("-pk")


@dataclass(frozen=True, slots=True)
class Proposal:
    #: The meaning of each column, by its name.
    mapping: dict[str, str]
    #: The country of phone numbers without a country code; empty: such numbers are refused.
    region: str
    #: The import in which the columns of the same names were this.
    as_in: ClientImport | None
    #: The names of the columns that were recognised by what is in them.
    by_contents: frozenset[str] = frozenset()


def propose(table: Table, *, by_id: int | None) -> Proposal:
    """`by_id`: who uploaded the file. Raises `FileError`."""
    topics, fields, header = importer.topics(), importer.fields(), table.header
    earlier = _with_header(header)
    region = _region(earlier, by_id)
    named = columns.guess(header, topics, fields)
    guessed = contents.complete(named, header, contents.sample(table), region=region or None, fields=fields)
    if earlier:
        return Proposal(_named(header, _remembered(header, earlier, guessed, topics, fields)), region, earlier)
    by_contents = {name for name, one, other in zip(header, guessed, named, strict=True) if one and one != other}
    return Proposal(_named(header, guessed), region, None, frozenset(by_contents))


def header_digest(header: Sequence[str]) -> str:
    """The same for the same names in any order, however they are capitalised; empty where two can't be told apart."""
    names = _keys(header)
    return versions.digest(sorted(names)) if len(set(names)) == len(names) else ""


def _keys(header: Sequence[str]) -> list[str]:
    return [columns.plain(name) or name for name in header]


def _named(header: Sequence[str], meanings: Sequence[str]) -> dict[str, str]:
    return dict(zip(header, meanings, strict=True))


def _with_header(header: Sequence[str]) -> ClientImport | None:
    """The last import of a file with this header. Its columns may have been erased with a client who stood there."""
    digest = header_digest(header)
    found = _DONE.filter(header_digest=digest).select_related("created_by").first() if digest else None
    return found if found and found.mapping else None


def _region(earlier: ClientImport | None, by_id: int | None) -> str:
    """As it was for such a file; or else as this user chose it last."""
    own = _DONE.filter(created_by=by_id).exclude(phone_region=None)
    last = earlier if earlier and earlier.phone_region is not None else own.first() if by_id else None
    return settings.PHONE_DEFAULT_REGION or "" if last is None else last.phone_region or ""


def _remembered(
    header: Sequence[str],
    earlier: ClientImport,
    guessed: Sequence[str],
    topics: Sequence[TopicRef],
    fields: Definitions,
) -> list[str]:
    """As in that import. A column about a topic or field that is gone, or called otherwise, is guessed anew if that can
    be."""
    labels = columns.choices(topics, fields)
    old = dict(zip(_keys(list(earlier.mapping)), earlier.mapping.values(), strict=True))
    kept = [meaning if (meaning := old.get(key)) in labels else None for key in _keys(header)]
    completed = [guess if meaning is None else meaning for meaning, guess in zip(kept, guessed, strict=True)]
    try:
        columns.arrange(completed, topics, fields)
    except MappingError:
        return [meaning or NOTHING for meaning in kept]
    return completed


def uses(thing: ClientField | Tag) -> Iterator[str]:
    """The imports that are still to come, or are what the next file with their header is read as, with such a column.

    A tag stands in cells, and no column is remembered as one. A field's key stays the same for as long as it is used.
    """
    if not isinstance(thing, ClientField):
        return
    meaning, named = f"{columns.FIELD_PREFIX}{thing.key}", 0
    rows = ClientImport.objects.exclude(state=ClientImport.State.DISCARDED).defer("content", "failed_rows")
    for one in rows.alias(text=Cast("mapping", TextField())).filter(text__contains=f'"{meaning}"').order_by("-pk"):
        if meaning in one.mapping.values() and _is_read(one):
            yield f"the columns of the import “{one}”"
            named += 1
        if named > usage.MAX_NAMED:
            return


def _is_read(one: ClientImport) -> bool:
    """Whether it is not carried out yet, or the last one with its header."""
    if one.state != ClientImport.State.DONE:
        return True
    return bool(one.header_digest) and not _DONE.filter(header_digest=one.header_digest, pk__gt=one.pk).exists()
