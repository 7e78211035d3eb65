"""The list itself: what a filter or a search finds is looked for once, and not once to count it and once to show it."""

from typing import Any

from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest

from notifier.admin.paginator import MOST_COUNTED, known


class BoundedChangeList(ChangeList):
    def get_results(self, request: HttpRequest) -> None:
        if self.queryset.query.where:
            self._pin()
        super().get_results(request)

    def _pin(self) -> None:
        """Fewer than MOST_COUNTED are found by their ids from here on, in the same order.

        Counting them is half of the work. And for one page in the order of names PostgreSQL would rather walk along a
        million clients than look for the few: it does not know how few they are.
        """
        ids = self.found_ids()
        if len(ids) < MOST_COUNTED:
            rows = self.apply_select_related(self.root_queryset).filter(pk__in=ids)
            self.queryset = rows.order_by(*self.queryset.query.order_by)
        known(self.queryset, len(ids))

    def found_ids(self) -> list[Any]:
        """Up to MOST_COUNTED, in any order. Overridden by who knows a faster way to them."""
        return list(self.queryset.order_by().values_list("pk", flat=True)[:MOST_COUNTED])
