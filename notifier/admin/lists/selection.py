"""Which rows of a list a page is about, written in the page's URL."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import HttpRequest, QueryDict

from notifier.wording import numbers

#: Of parameters that filter by fields of clients.
FIELD_PREFIX = "f."
#: Of conditions that nobody saved: see `admin.clients.audience_lists`.
CONDITIONS = "conditions"
#: More ids than the ticks on one page of a list are not put into a URL.
MAX_CHOSEN = 200


def read_ids(text: str, *, most: int) -> list[int]:
    """The ids in "1,2"; none where it is anything else, or too many."""
    ids = [numbers.read_id(part) for part in text.split(",")]
    return [pk for pk in ids if pk is not None] if len(ids) <= most and None not in ids else []


def in_words(query: QueryDict, *, but: str = "") -> str:
    """How a list's query narrows it, for a record that is kept; empty where it does not. `but` names what to leave out.

    What was searched for is left out too: it may be somebody's address, and no erasure would find it in a record. So is
    what fields were asked for, which may be anything.
    """
    of_the_list = {but, "q", "o", "p", "e"}
    named = {name: value for name, value in query.items() if name not in of_the_list}
    filters = [
        name[:200] if name.startswith(FIELD_PREFIX) or name == CONDITIONS else f"{name}={value}"[:200]
        for name, value in named.items()
    ]
    return ", ".join([*filters, *(["what a search found"] if query.get("q") else [])])


def is_whole_list(request: HttpRequest) -> bool:
    """Whether the action was asked for all that the list finds, and not for the rows that were ticked."""
    return request.POST.get("select_across") == "1"


def listed_query(request: HttpRequest) -> str:
    """The query of the list that was open, from its first page on."""
    query = request.GET.copy()
    query.pop("p", None)
    return query.urlencode()


class Rows(NamedTuple):
    """The selected rows."""

    found: QuerySet[Any]
    #: More than a list counts.
    is_long: bool


@dataclass(frozen=True, slots=True)
class Selection:
    """The rows that an act is about: those with these ids, or all that a list finds."""

    #: None: all that the list finds, and only where that was chosen. Ticks whose rows are gone are not that.
    ids: Sequence[int] | None
    #: The list's query, to find the rows and to go back to; None where the act was chosen on a row's own page.
    listed: str | None

    @classmethod
    def read(cls, query: QueryDict) -> "Selection | None":
        """None where the URL names nothing."""
        listed = query.get("list")
        if "ids" not in query:
            return None if listed is None else cls(None, listed)
        ids = read_ids(query.get("ids", ""), most=MAX_CHOSEN)
        return cls(ids, listed) if ids else None

    @classmethod
    def of_action(cls, request: HttpRequest, queryset: QuerySet[Any]) -> "Selection":
        """What an action of the list was asked for: the ids that were ticked, or the query that finds them all.

        All of them may be a million, so their ids are not put into a URL.
        """
        if is_whole_list(request):
            return cls(None, listed_query(request))
        ids = list(queryset.order_by("pk").values_list("pk", flat=True)[:MAX_CHOSEN])
        return cls(ids, listed_query(request))

    @property
    def only(self) -> int | None:
        """The one row that it is about; None where there are several."""
        return self.ids[0] if self.ids is not None and len(self.ids) == 1 else None

    def query(self) -> str:
        chosen = {} if self.ids is None else {"ids": ",".join(str(pk) for pk in self.ids)}
        return urlencode(chosen | ({} if self.listed is None else {"list": self.listed}), safe=",")
