"""What the import pages show: samples of the columns, what each row would do, and the result in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from django.utils.translation import gettext

from notifier.clients.imports import importer, uploads
from notifier.clients.imports.columns import FIELD_PREFIX, NOTHING, ConsentColumn
from notifier.clients.imports.importer import Plan, Planned, Refused
from notifier.clients.imports.messages import Owner
from notifier.clients.imports.proposals import Proposal
from notifier.clients.imports.rows import ROW
from notifier.files.base import Table
from notifier.models import Channel, ClientImport
from notifier.wording import numbers

#: Rows in each table of the preview.
MAX_SHOWN = 50
#: New tags that are named.
MAX_NEW_TAGS = 20
SAMPLES = 3
MAX_SAMPLE_LETTERS = 40

FIGURES = {"added": "New clients", "changed": "Changed", "unchanged": "Unchanged", "failed": "Rejected"}
#: Comes first, where there are any.
LOST = "Opt-outs not applied"

#: What is said of so many clients: of one, and of several.
NOTES = {
    "lost": (
        "rejected row has an opt-out that can’t be applied, because it is not clear whose it is. It is listed first: "
        "correct it and import it again, or turn the consent off on the client’s page.",
        "rejected rows have an opt-out that can’t be applied, because it is not clear whose it is. They are listed "
        "first: correct them and import them again, or turn the consent off on the clients’ pages.",
    ),
    "withdrawn": (
        "client withdraws consent in a rejected row. The opt-out is applied; nothing else in the row is imported.",
        "clients withdraw consent in rejected rows. The opt-outs are applied; nothing else in those rows is imported.",
    ),
    "kept_out": (
        "client opted out before. That consent stays off; the rest of the row is imported.",
        "clients opted out before. That consent stays off; the rest of the row is imported.",
    ),
    "unclear": (
        "client says yes in one row, and something in another row that can’t be read and may mean no. That consent is "
        "unchanged: fix the other row and import it.",
        "clients say yes in one row, and something in another row that can’t be read and may mean no. That consent is "
        "unchanged: fix the other rows and import them.",
    ),
    "resubscribed": (
        "client had opted out before, and was subscribed again for the reason given.",
        "clients had opted out before, and were subscribed again for the reason given.",
    ),
    "archived": (
        "client is archived and stays archived. Nothing is sent until someone restores the client.",
        "clients are archived and stay archived. Nothing is sent until someone restores them.",
    ),
    "suppressed": (
        "client has a suppressed address. Consent is imported, but nothing is sent to that address.",
        "clients have a suppressed address. Consent is imported, but nothing is sent to those addresses.",
    ),
    "landlines": (
        "client has a landline number. Consent is imported, but no SMS is sent to that number.",
        "clients have a landline number. Consent is imported, but no SMS is sent to those numbers.",
    ),
}


@dataclass(frozen=True, slots=True)
class Column:
    number: int
    name: str
    samples: list[str]
    chosen: str
    #: Whether it was recognised by what is in it, and not by its name.
    is_by_contents: bool

    @property
    def field_id(self) -> str:
        return f"column-{self.number}"


@dataclass(frozen=True, slots=True)
class Cell:
    name: str
    text: str
    mistakes: list["Sentence"] = field(default_factory=list)


#: What is wrong, in pieces, each with the client whom it names, if it names one.
Sentence = list[tuple[str, int | None]]


def columns_context(table: Table, chosen: Mapping[str, str], proposal: Proposal) -> dict[str, Any]:
    """The columns with their first values and the meaning chosen for each; and where what is chosen comes from."""
    rows = [row.cells for row in islice(table.rows(), SAMPLES)]
    found = [
        Column(
            number=number,
            name=name,
            samples=[_sample(cells[number]) for cells in rows if number < len(cells) and cells[number].strip()],
            chosen=chosen.get(name, NOTHING),
            is_by_contents=name in proposal.by_contents and chosen.get(name) == proposal.mapping[name],
        )
        for number, name in enumerate(table.header)
    ]
    return {"columns": found, "as_in": proposal.as_in if dict(chosen) == proposal.mapping else None}


def _sample(text: str) -> str:
    return text if len(text) <= MAX_SAMPLE_LETTERS else f"{text[: MAX_SAMPLE_LETTERS - 1]}…"


def figures(counts: Mapping[str, int]) -> list[tuple[str, str, int]]:
    lost = [("lost", LOST, counts["lost"])] if counts.get("lost") else []
    return lost + [(name, words, counts[name]) for name, words in FIGURES.items() if name in counts]


def notes(counts: Mapping[str, int]) -> list[str]:
    """Sentences about clients who opt out or had opted out, are archived or are suppressed."""
    return [numbers.counted(number, *words) for key, words in NOTES.items() if (number := counts.get(key))]


def _clients(number: int) -> str:
    return numbers.counted(number, "client")


def sentence(counts: Mapping[str, int]) -> str:
    lost = f"{numbers.counted(counts['lost'], 'opt-out')} could not be applied. " if counts["lost"] else ""
    done = gettext("%(lost)sImported: %(counts)s added, %(counts_2)s changed, %(counts_3)s unchanged.") % {
        "lost": lost,
        "counts": f"{counts['added']:,}",
        "counts_2": f"{counts['changed']:,}",
        "counts_3": f"{counts['unchanged']:,}",
    }
    if not (failed := counts["failed"]):
        return done
    return gettext("%(done)s Rejected: %(rows)s. Download them below, fix them and import them again.") % {
        "done": done,
        "rows": numbers.counted(failed, "row"),
    }


def preview(pending: ClientImport, found: Plan) -> dict[str, Any]:
    """The context of the preview page."""
    table = uploads.table_of(pending)
    shown = [number for number, name in enumerate(table.header) if pending.mapping.get(name)]
    counts = found.counts
    names = {topic.pk: topic.name for topic in importer.topics()}
    takes = counts["added"] + counts["changed"]
    button = f"Import {_clients(takes)}" if takes else "Apply the opt-outs" if counts["withdrawn"] else "Import"
    return {
        "seen": found.version,
        "figures": figures(counts),
        "notes": notes(counts),
        "kept_out": counts["kept_out"],
        "takes": takes,
        "adds_consent": found.adds_consent,
        "withdrawn": counts["withdrawn"],
        "button": button,
        "new_tags": found.new_tags[:MAX_NEW_TAGS],
        "more_new_tags": max(0, len(found.new_tags) - MAX_NEW_TAGS),
        "has_values": any(_is_of_ours(pending.mapping.get(table.header[number], NOTHING)) for number in shown),
        "first": [_as_taken(one, names) for one in found.first],
        "more_taken": max(0, takes + counts["unchanged"] - len(found.first)),
        "header": [table.header[number] for number in shown],
        "refused": [_as_refused(one, table.header, shown) for one in found.refused],
        "more_refused": counts["failed"] - len(found.refused),
    }


def _is_of_ours(meaning: str) -> bool:
    """Whether a column is a field that staff defined, or has tags."""
    return meaning == "tags" or meaning.startswith(FIELD_PREFIX)


def _as_refused(one: Refused, header: list[str], shown: list[int]) -> dict[str, Any]:
    mistakes = [(column, _sentence(text, one.owners)) for column, text in one.mistakes]
    cells = [
        Cell(
            name=header[number],
            text=_sample(one.row.cells[number]) if number < len(one.row.cells) else "",
            mistakes=[sentence for column, sentence in mistakes if column == number],
        )
        for number in shown
    ]
    whole = [sentence for column, sentence in mistakes if column == ROW or column not in shown]
    return {"line": one.row.line, "cells": cells, "mistakes": whole}


def _sentence(text: str, owners: Sequence[Owner]) -> Sentence:
    found: Sentence = []
    for owner in owners:
        before, named, text = text.partition(str(owner))
        found += [(before, None), (named, owner.pk)] if named else [(before, None)]
    return [*found, (text, None)]


def _as_taken(one: Planned, names: Mapping[int, str]) -> dict[str, Any]:
    if one.is_new:
        outcome, tone = "New", "good"
    elif one.alters or one.changes or one.gets.values or one.gets.tags:
        outcome, tone = "Changed", "active"
    else:
        outcome, tone = "Unchanged", "quiet"
    return {
        "row": one,
        "outcome": outcome,
        "tone": tone,
        "gets": [_consent(consent, names) for consent, agreed in one.changes.items() if agreed],
        "loses": [_consent(consent, names) for consent, agreed in one.changes.items() if not agreed],
        "kept_out": [_consent(consent, names) for consent in one.kept_out],
        "unclear": [_consent(consent, names) for consent in one.unclear],
        "values": one.gets.values,
        "tags": one.gets.tags,
    }


def _consent(consent: ConsentColumn, names: Mapping[int, str]) -> str:
    return f"{names[consent.topic]} by {Channel(consent.channel).in_words}"
