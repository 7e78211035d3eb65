"""Pages of a list that may be endless."""

from typing import Any, cast

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.utils.functional import cached_property

#: A list counts so far and no further; one more than a round number, so that "more than 10,000" can be told.
MAX_COUNTED = 10_001

_KNOWN = "notifier_count"


def known(rows: QuerySet[Any], number: int) -> None:
    """Spares the paginator of exactly these rows the count."""
    setattr(rows, _KNOWN, number)


class BoundedPaginator(Paginator):
    @cached_property
    def count(self) -> int:
        rows = cast(QuerySet, self.object_list)
        number: int | None = getattr(rows, _KNOWN, None)
        # Unordered: the count needs no order, and a LIMIT would make the database keep it.
        return rows.order_by()[:MAX_COUNTED].count() if number is None else number
