"""The list: it runs a filter or a search once, not to count and again to show, and sorts by what it offers alone."""

from typing import Any

from django.contrib.admin.views.main import ORDER_VAR, ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest

from notifier.admin.lists import search
from notifier.admin.lists.among import among
from notifier.admin.lists.paginator import MAX_COUNTED, known, known_in_order
from notifier.wording import numbers


class BoundedChangeList(ChangeList):
    #: What there is to say about the search, in sentences; and whether it is so wide that nothing is listed.
    note = ""
    is_refused = False
    #: What a search finds may lie anywhere in the order of the list, and each row takes long to look at.
    is_search_dear = False

    def get_results(self, request: HttpRequest) -> None:
        self.note = search.said(request)
        self.is_refused = bool(self.note) and self.queryset.query.is_empty()
        if self.queryset.query.where:
            self._pin()
        super().get_results(request)

    def _pin(self) -> None:
        """Fewer than MAX_COUNTED are found by their ids from here on, in the same order.

        Counting them is half of the work. Where more are found and each takes long to look at, the list is of those
        that were found first, and says so.
        """
        ids = self.found_ids()
        is_cut = len(ids) >= MAX_COUNTED and bool(self.query) and self.is_search_dear
        if is_cut:
            listed, many = f"{MAX_COUNTED - 1:,}", self.opts.verbose_name_plural
            self.note = f"More than {listed} {many} match, and only {listed} of them are listed. {search.NARROW}"
        if is_cut or len(ids) < MAX_COUNTED:
            every = self.apply_select_related(self.root_queryset).order_by(*self.queryset.query.order_by)
            self.queryset = every.filter(among(ids))
            if len(ids) > self.list_per_page:
                # All of them, and not those of one page: for these PostgreSQL would rather walk along a million names,
                # or five million deliveries, and finds all of the few at the far end.
                in_order = list(self.queryset.values_list("pk", flat=True))
                known_in_order(self.queryset, in_order, among=every)
        known(self.queryset, len(ids))

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """Without the columns of the address that the list does not offer to sort by.

        Django sorts by any column that is shown: by those without an index it takes a second for a million rows.
        """
        wanted = self.params.pop(ORDER_VAR, "").split(".")
        if offered := [one for one in dict.fromkeys(wanted) if self._is_offered(one)]:
            self.params[ORDER_VAR] = ".".join(offered)
        ordering: list[Any] = super().get_ordering(request, queryset)
        return ordering

    def _is_offered(self, wanted: str) -> bool:
        """Of a part of `?o=`: the number of a column, with a minus sign before it where it goes down."""
        number = numbers.read_digits(wanted.removeprefix("-"))
        if number is None or number >= len(self.list_display):
            return False
        return self.list_display[number] in (self.sortable_by or ())

    def found_ids(self) -> list[Any]:
        """Up to MAX_COUNTED ids, in any order. Override it where there is a faster way to find them."""
        return list(self.queryset.order_by().values_list("pk", flat=True)[:MAX_COUNTED])
