"""Pages of a list that may have millions of rows."""

from typing import Any, cast

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.utils.functional import cached_property

#: A list counts no further: one more than a round number, so that it can say "more than 10,000".
MAX_COUNTED = 10_001

_KNOWN = "notifier_count"


def known(rows: QuerySet[Any], number: int) -> None:
    """Tells the paginator of these rows their number, so that it does not count."""
    setattr(rows, _KNOWN, number)


class BoundedPaginator(Paginator):
    @cached_property
    def count(self) -> int:
        rows = cast(QuerySet, self.object_list)
        number: int | None = getattr(rows, _KNOWN, None)
        # Drop the order, which a LIMIT would make the database keep although a count needs none.
        return rows.order_by()[:MAX_COUNTED].count() if number is None else number
