"""Whom a text is hardest on, of those who would get it: a preview for each shows what may go wrong. Read only."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import reduce
from operator import add, or_
from typing import Any

from django.db.models import Case, CharField, Q, QuerySet, Value, When
from django.db.models.functions import Cast, Coalesce, Length

from notifier.audience import reachable, topic_counts
from notifier.models import Channel, Client, Preference, Topic
from notifier.policies import client_values
from notifier.policies.client_values import Source

#: Languages that are written from right to left, and their letters.
_RTL_LANGUAGES = ("ar", "ckb", "fa", "he", "ug", "ur")
_RTL_LETTERS = "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]"


class Extreme(StrEnum):
    LONGEST = "longest"
    SHORTEST = "shortest"
    MISSING = "missing"
    RIGHT_TO_LEFT = "right_to_left"


def find(
    *, topic: Topic, channel: Channel, keys: Sequence[str], needed: Sequence[str], language: str | None = None
) -> Mapping[Extreme, Client]:
    """One client of each kind, where there is one, by the values of the placeholders `keys`.

    `needed`: who lacks one of these gets nothing, so that only `MISSING` may be such a client. `language`: only those
    who are written to in it. Each kind is a pass over all recipients of the topic, so a page asks for it only when
    somebody presses for it.
    """
    sources = client_values.read(keys)
    readers = reachable.written_to_in(language, client="client__")
    recipients = reachable.wanting(topic_id=topic.pk, channel=channel).filter(*readers)
    reached = recipients.filter(*client_values.present(needed, client="client__"))
    found: dict[Extreme, QuerySet[Preference]] = {}
    if keys:
        letters = reduce(add, map(_letters, sources.each.values()))
        sized = reached.annotate(letters=letters)
        found[Extreme.LONGEST] = sized.order_by("-letters", "client_id")
        found[Extreme.SHORTEST] = sized.order_by("letters", "client_id")
        lacking = client_values.read(client_values.missable(keys)).missing("client__")
        # Better somebody who reads a fallback than somebody who reads nothing.
        skipped = When(client_values.missing(needed, client="client__"), then=Value(1))
        rows = recipients.filter(lacking).annotate(skipped=Case(skipped, default=Value(0)))
        found[Extreme.MISSING] = rows.order_by("skipped", "client_id")
    found[Extreme.RIGHT_TO_LEFT] = reached.filter(_from_right_to_left(sources.each.values())).order_by("client_id")
    with topic_counts.along_the_indexes():
        first = {kind: rows.select_related("client__field_values").first() for kind, rows in found.items()}
    return {kind: row.client for kind, row in first.items() if row is not None}


def _letters(source: Source) -> Any:
    """How many letters or digits its value has, about: what it reads like depends on the language."""
    text = Cast(source.expression("client__"), CharField())
    return Coalesce(Length(text), Value(0))


def _from_right_to_left(sources: Any) -> Q:
    texts = [source for source in sources if source.type is None or source.type.is_text]
    written = [Q(**{f"{path}__regex": _RTL_LETTERS}) for path in (one.path("client__") for one in texts) if path]
    return reduce(or_, written, Q(client__language__in=_RTL_LANGUAGES))
