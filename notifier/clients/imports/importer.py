"""Reads a file of clients, previews the import, and runs it: all of it, or nothing."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import islice

from django.db import IntegrityError, transaction

from notifier.clients.imports.columns import (
    LINE_HEADER,
    REPORT_HEADERS,
    WHY_HEADER,
    ConsentColumn,
    Layout,
    MappingError,
    TopicRef,
)
from notifier.clients.imports.messages import Owner
from notifier.clients.imports.rows import ROW, Mistake, RowReader
from notifier.clients.imports.staged_values import ValuePlan
from notifier.clients.imports.staging import Staging, staging
from notifier.clients.imports.value_cells import TagCells
from notifier.clients.imports.writing import ClientsChanged, ImportOrigin, write
from notifier.fields import definitions
from notifier.fields.applying import FieldGone
from notifier.fields.definitions import Definitions
from notifier.files import spreadsheets
from notifier.files.base import FileError, Row, Table, quoted
from notifier.models import Topic
from notifier.runtime.versions import NotAsShown

#: Called with the number of rows that have been read so far.
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Planned:
    """A row as it would be taken."""

    line: int
    is_new: bool
    alters: bool
    is_archived: bool
    name: str
    email: str | None
    phone: str | None
    is_suppressed: bool
    is_landline: bool
    #: What would change, and what stays off because the client had opted out.
    changes: dict[ConsentColumn, bool] = field(default_factory=dict)
    kept_out: list[ConsentColumn] = field(default_factory=list)
    #: What is left as it is, since another row of the same client says something of it that can't be read.
    unclear: list[ConsentColumn] = field(default_factory=list)
    #: What would change in fields and tags.
    gets: ValuePlan = field(default_factory=ValuePlan)


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that can't be taken, and why."""

    row: Row
    mistakes: list[Mistake]
    #: The two clients whose addresses it mixes, if that is its mistake.
    owners: list[Owner] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Plan:
    counts: dict[str, int]
    first: list[Planned]
    refused: list[Refused]
    #: Of all rows: see `run`.
    version: str
    #: Whether it would add a consent, for which somebody has to say how we know.
    adds_consent: bool
    #: Tags that the file brings.
    new_tags: list[str] = field(default_factory=list)


def fields() -> Definitions:
    """The fields that staff defined, which columns may be."""
    return definitions.active()


def topics() -> list[TopicRef]:
    """All topics, which columns may be about."""
    return [
        TopicRef(pk, slug, name) for pk, slug, name in Topic.objects.order_by("name").values_list("pk", "slug", "name")
    ]


def plan(*, table: Table, layout: Layout, resubscribes: bool = False, shown: int, adds_tags: bool = False) -> Plan:
    """What a run would do now, with the first `shown` rows that it would take and that it would not."""
    with check(table=table, layout=layout, resubscribes=resubscribes, adds_tags=adds_tags) as done:
        return Plan(
            counts=done.counts,
            first=_planned(done.stage, shown),
            refused=list(islice(done.refused(), shown)),
            version=done.stage.version(),
            adds_consent=done.stage.adds_consent(),
            new_tags=done.stage.values.new_tags(),
        )


@contextmanager
def check(
    *,
    table: Table,
    layout: Layout,
    resubscribes: bool = False,
    progress: Progress = lambda rows: None,
    adds_tags: bool = False,
) -> Iterator["Done"]:
    """Check all rows as a run does, without writing anything. Raises `FileError`.

    `adds_tags`: whether tags that there are not yet are added; otherwise rows with them are refused.
    """
    with _staged(table, layout, progress, adds_tags) as stage:
        stage.match()
        stage.compare(resubscribes=resubscribes)
        yield _done(stage, table, layout)


@contextmanager
def run(
    *,
    table: Table,
    layout: Layout,
    origin: ImportOrigin,
    now: datetime,
    progress: Progress = lambda rows: None,
    seen: str | None = None,
    begin: Callable[[], None] = lambda: None,
    adds_tags: bool = False,
) -> Iterator["Done"]:
    """Take what can be taken, in one transaction that ends with the block: what fails in it undoes everything.

    `begin` is called first in that transaction, after the file was read, which takes too long to hold locks.
    `seen`: the version of the plan that somebody agreed to. Raises `FileError` before anything is written,
    `NotAsShown` where the rows would do anything else by now, `MappingError` where a field was retired meanwhile, and
    `ClientsChanged` where somebody came in between. `adds_tags`: as for `check`.
    """
    with _staged(table, layout, progress, adds_tags) as stage:
        try:
            with transaction.atomic():
                begin()
                stage.match(reserves=True)
                if seen is not None:
                    _compare_with(stage, seen)
                write(stage, origin=origin, now=now)
                yield _done(stage, table, layout)
        except IntegrityError as error:
            # An address that was free when the rows were matched has been taken since.
            raise ClientsChanged from error
        except FieldGone as error:
            raise MappingError(f"{error} Choose the columns again.") from error


def _compare_with(stage: Staging, seen: str) -> None:
    stage.lock()
    # As the plan did, which was made as if nobody who opted out were subscribed again.
    stage.compare(resubscribes=False)
    if stage.version() != seen:
        raise NotAsShown
    stage.forget_comparison()


@dataclass(frozen=True, slots=True)
class Done:
    stage: Staging
    counts: dict[str, int]
    #: Reads the file again and yields the rows that were not taken. Only inside the block.
    refused: Callable[[], Iterator[Refused]]


def _done(stage: Staging, table: Table, layout: Layout) -> Done:
    counts = stage.counts()
    return Done(stage, counts, partial(refusals, stage, table, layout, has_lost=bool(counts["lost"])))


@contextmanager
def _staged(table: Table, layout: Layout, progress: Progress, adds_tags: bool) -> Iterator[Staging]:
    """Stages the whole file before a transaction begins, for reading takes long and may fail."""
    tag_column = layout.fields.get("tags")
    tag_cells = None if tag_column is None else TagCells(may_add=adds_tags)
    reader = RowReader(layout=layout, columns=len(table.header), tag_cells=tag_cells)
    has_rows = False
    with staging(layout.consent_columns, values=layout.values, tag_column=tag_column, tag_cells=tag_cells) as stage:
        for number in stage.add((row.line, reader.parse(row.cells)) for row in table.rows()):
            progress(number)
            has_rows = True
        if not has_rows:
            raise FileError("The file has a header row but no clients below it.")
        yield stage


def refusals(stage: Staging, table: Table, layout: Layout, *, has_lost: bool) -> Iterator[Refused]:
    """The rows that are not taken: first those with an opt-out that could not be applied.

    Both in the order of the file, which is read once more up to the last of them.
    """
    for lost in (True, False) if has_lost else (False,):
        yield from _refusals(stage, table, layout, lost=lost)


def _refusals(stage: Staging, table: Table, layout: Layout, *, lost: bool) -> Iterator[Refused]:
    wrong = stage.mistakes(dict(layout.fields), lost=lost)
    wanted = next(wrong, None)
    for row in table.rows() if wanted else ():
        if wanted is None:
            return
        if row.line == wanted[0]:
            yield Refused(row, *wanted[1:])
            wanted = next(wrong, None)


def _planned(stage: Staging, shown: int) -> list[Planned]:
    first = [Planned(*row) for row in stage.first(shown)]
    by_line = {one.line: one for one in first}
    for line, topic, channel, agreed, kept_out in stage.changes(list(by_line)):
        consent = ConsentColumn(topic, channel)
        if kept_out:
            by_line[line].kept_out.append(consent)
        else:
            by_line[line].changes[consent] = bool(agreed)
    for line, consent in stage.unclear(list(by_line)):
        by_line[line].unclear.append(consent)
    gets = stage.values.planned(list(by_line))
    return [replace(one, gets=gets[one.line]) for one in first]


# --- The file of the rows that were not taken -------------------------------------------------------------------------
def refused_csv(table: Table, refused: Iterator[Refused]) -> Iterator[bytes]:
    """The rows as they were, with their line and the reason. Once corrected, the file can be imported as it is."""
    kept = [number for number, name in enumerate(table.header) if name not in REPORT_HEADERS]
    header = [LINE_HEADER, WHY_HEADER, *(table.header[number] for number in kept)]
    yield from spreadsheets.stream_csv(header, (_refused_row(one, table.header, kept) for one in refused))


def _refused_row(refused: Refused, header: Sequence[str], kept: Sequence[int]) -> list[str]:
    cells = refused.row.cells
    own = [quoted(cells[number]) if number < len(cells) else "" for number in kept]
    return [str(refused.row.line), why(refused.mistakes, header), *own, *cells[len(header) :]]


def why(mistakes: Sequence[Mistake], header: Sequence[str]) -> str:
    """All that is wrong with a row, in one line."""
    return " ".join(text if column == ROW else f"{header[column]}: {text}" for column, text in mistakes)
