"""What the import pages show: samples of the columns, what each row would do, and the result in words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from notifier.clients.imports import importer, uploads
from notifier.clients.imports.columns import NOTHING, ConsentColumn
from notifier.clients.imports.importer import Plan, Planned, Refused
from notifier.clients.imports.rows import ROW
from notifier.files.base import Table
from notifier.models import Channel, ClientImport
from notifier.wording import numbers

#: Rows in each table of the preview.
MAX_SHOWN = 50
SAMPLES = 3
MAX_SAMPLE_LETTERS = 40

FIGURES = {"added": "new clients", "changed": "changed", "unchanged": "as they are", "failed": "not taken"}

#: What is said of so many clients: of one, and of several.
NOTES = {
    "kept_out": (
        "client opted out before. That consent stays off; the rest of the row is taken.",
        "clients opted out before. That consent stays off; the rest of the row is taken.",
    ),
    "unclear": (
        "client says yes in one row, and in another something that can’t be read and may be a no. That consent stays "
        "as it is: mend the other row and import it.",
        "clients say yes in one row, and in another something that can’t be read and may be a no. That consent stays "
        "as it is: mend the other rows and import them.",
    ),
    "resubscribed": (
        "client had opted out before, and was subscribed again for the reason given.",
        "clients had opted out before, and were subscribed again for the reason given.",
    ),
    "archived": (
        "client is archived and stays so: nothing is sent until somebody restores the client.",
        "clients are archived and stay so: nothing is sent until somebody restores them.",
    ),
    "suppressed": (
        "client has a suppressed address: consent is taken, and nothing is sent there.",
        "clients have a suppressed address: consent is taken, and nothing is sent there.",
    ),
    "landlines": (
        "client has a landline number: few of those take an SMS.",
        "clients have a landline number: few of those take an SMS.",
    ),
}


@dataclass(frozen=True, slots=True)
class Column:
    number: int
    name: str
    samples: list[str]
    chosen: str

    @property
    def field_id(self) -> str:
        return f"column-{self.number}"


@dataclass(frozen=True, slots=True)
class Cell:
    name: str
    text: str
    mistakes: list[str] = field(default_factory=list)


def columns_of(table: Table, chosen: Mapping[str, str]) -> list[Column]:
    """The columns with their first values, and the meaning chosen for each."""
    rows = [row.cells for row in islice(table.rows(), SAMPLES)]
    return [
        Column(
            number=number,
            name=name,
            samples=[_sample(cells[number]) for cells in rows if number < len(cells) and cells[number].strip()],
            chosen=chosen.get(name, NOTHING),
        )
        for number, name in enumerate(table.header)
    ]


def _sample(text: str) -> str:
    return text if len(text) <= MAX_SAMPLE_LETTERS else f"{text[: MAX_SAMPLE_LETTERS - 1]}…"


def figures(counts: Mapping[str, int]) -> list[tuple[str, str, int]]:
    return [(name, words, counts[name]) for name, words in FIGURES.items() if name in counts]


def notes(counts: Mapping[str, int]) -> list[str]:
    """Sentences about clients who opted out, are archived or are suppressed."""
    return [numbers.counted(number, *words) for key, words in NOTES.items() if (number := counts.get(key))]


def _clients(number: int) -> str:
    return numbers.counted(number, "client")


def sentence(counts: Mapping[str, int]) -> str:
    done = f"Imported: {counts['added']:,} added, {counts['changed']:,} changed, {counts['unchanged']:,} as they were."
    if not (failed := counts["failed"]):
        return done
    return f"{done} Not taken: {numbers.counted(failed, 'row')}. Download them below, mend them, import again."


def preview(pending: ClientImport, found: Plan) -> dict[str, Any]:
    """The context of the preview page."""
    table = uploads.table_of(pending)
    shown = [number for number, name in enumerate(table.header) if pending.mapping.get(name)]
    counts = found.counts
    names = {subject.pk: subject.name for subject in importer.subjects()}
    takes = counts["added"] + counts["changed"]
    return {
        "seen": found.version,
        "figures": figures(counts),
        "notes": notes(counts),
        "kept_out": counts["kept_out"],
        "takes": takes,
        "adds_consent": found.adds_consent,
        "button": f"Import {_clients(takes)}" if takes else "Import",
        "first": [_as_taken(one, names) for one in found.first],
        "more_taken": max(0, takes + counts["unchanged"] - len(found.first)),
        "header": [table.header[number] for number in shown],
        "refused": [_as_refused(one, table.header, shown) for one in found.refused],
        "more_refused": counts["failed"] - len(found.refused),
    }


def _as_refused(one: Refused, header: list[str], shown: list[int]) -> dict[str, Any]:
    cells = [
        Cell(
            name=header[number],
            text=_sample(one.row.cells[number]) if number < len(one.row.cells) else "",
            mistakes=[text for column, text in one.mistakes if column == number],
        )
        for number in shown
    ]
    whole = [text for column, text in one.mistakes if column == ROW or column not in shown]
    return {"line": one.row.line, "cells": cells, "mistakes": whole}


def _as_taken(one: Planned, names: Mapping[int, str]) -> dict[str, Any]:
    if one.is_new:
        outcome, tone = "New", "good"
    elif one.alters or one.changes:
        outcome, tone = "Changed", "active"
    else:
        outcome, tone = "As it is", "quiet"
    return {
        "row": one,
        "outcome": outcome,
        "tone": tone,
        "gets": [_want(want, names) for want, agreed in one.changes.items() if agreed],
        "loses": [_want(want, names) for want, agreed in one.changes.items() if not agreed],
        "kept_out": [_want(want, names) for want in one.kept_out],
        "unclear": [_want(want, names) for want in one.unclear],
    }


def _want(want: ConsentColumn, names: Mapping[int, str]) -> str:
    return f"{names[want.topic]} by {Channel(want.channel).in_words}"
