"""Pages of a list that may have millions of rows."""

from typing import Any, cast

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.utils.functional import cached_property

#: A list counts no further: one more than a round number, so that it can say "more than 10,000".
MAX_COUNTED = 10_001

_KNOWN = "notifier_count"
_IN_ORDER = "notifier_in_order"


def known(rows: QuerySet[Any], number: int) -> None:
    """Tells the paginator of these rows their number, so that it does not count."""
    setattr(rows, _KNOWN, number)


def known_in_order(rows: QuerySet[Any], ids: list[Any], *, among: QuerySet[Any]) -> None:
    """Tells the paginator the ids of these rows in their order: those of a page are looked up `among` all rows."""
    setattr(rows, _IN_ORDER, (ids, among))


class BoundedPaginator(Paginator):
    @cached_property
    def count(self) -> int:
        rows = cast(QuerySet, self.object_list)
        number: int | None = getattr(rows, _KNOWN, None)
        # Drop the order, which a LIMIT would make the database keep although a count needs none.
        return rows.order_by()[:MAX_COUNTED].count() if number is None else number

    def page(self, number: int | str) -> Page:
        known_rows: tuple[list[Any], QuerySet[Any]] | None = getattr(self.object_list, _IN_ORDER, None)
        if known_rows is None:
            return super().page(number)
        ids, among = known_rows
        number = self.validate_number(number)
        on_page = ids[(number - 1) * self.per_page : number * self.per_page]
        return Page(among.filter(pk__in=on_page), number, self)
