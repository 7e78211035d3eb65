"""Which rows of a list a page is about, as its address carries it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import QueryDict

#: Ticks on one page of the list; more than these are chosen by what the list finds.
MAX_CHOSEN = 200


def read_ids(text: str, *, most: int) -> list[int]:
    """The ids in "1,2"; none where it is anything else, or too many."""
    parts = text.split(",")
    if len(parts) > most or not all(part.isdecimal() and len(part) < 19 for part in parts):
        return []
    return [int(part) for part in parts]


class Rows(NamedTuple):
    """What was selected."""

    found: QuerySet[Any]
    #: More than a list counts.
    is_long: bool


@dataclass(frozen=True, slots=True)
class Selection:
    """What a decision is about, as an address carries it: rows chosen one by one, or all that a list finds."""

    #: Empty: all of the list.
    ids: Sequence[int]
    #: The list's own query, to find them or to go back to; None where the row's own page was.
    listed: str | None

    @classmethod
    def read(cls, query: QueryDict) -> "Selection | None":
        """None where the address names nothing."""
        ids = read_ids(query.get("ids", ""), most=MAX_CHOSEN)
        listed = query.get("list")
        return cls(ids, listed) if ids or (listed is not None and "ids" not in query) else None

    def query(self) -> str:
        chosen = {"ids": ",".join(str(pk) for pk in self.ids)} if self.ids else {}
        return urlencode(chosen | ({} if self.listed is None else {"list": self.listed}), safe=",")
