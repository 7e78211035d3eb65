"""What every list and page of the back office has in common."""

from collections.abc import Mapping
from copy import copy
from typing import Any, ClassVar
from urllib.parse import unquote_plus

from django.contrib import admin, messages
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import get_fields_from_path, unquote
from django.core.exceptions import BadRequest
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse

from notifier.admin.lists.change_list import BoundedChangeList
from notifier.admin.lists.paginator import MAX_COUNTED, BoundedPaginator
from notifier.admin.lists.selection import Rows, Selection
from notifier.web.odd_addresses import NUL
from notifier.wording import numbers
from notifier.wording.model_names import listed


class BackOfficeAdmin(admin.ModelAdmin):
    """Lists that take the same time however long they are: see `BoundedPaginator`. Sort only by an indexed column."""

    show_full_result_count = False
    paginator = BoundedPaginator
    list_per_page = 50
    list_max_show_all = 0
    sortable_by: ClassVar[tuple[str, ...]] = ()
    show_facets = admin.ShowFacets.NEVER
    #: What links of ours filter the list by, besides the filters that it offers.
    linked_by: ClassVar[tuple[str, ...]] = ()

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Only what a filter of the list, or a link of ours, asks for; everything else is answered with 400.

        Django allows every column, those that no page shows among them: `?content__contains=a`, then `=ab`, and so
        on tells whoever may open the list what is in them.
        """
        if lookup.endswith("__in") and any(numbers.read_id(part) is None for part in value.split(",")):
            return False
        filters = self.list_filter if request is None else self.get_list_filter(request)
        return lookup in self.linked_by or any(lookup in self._parameters(item) for item in filters)

    def _parameters(self, item: Any) -> tuple[str, ...]:
        """The parameters that one item of `list_filter` puts into the list's address."""
        if not isinstance(item, str):
            return (item.parameter_name,)
        field: Any = get_fields_from_path(self.model, item)[-1]
        chosen = f"{item}__{field.target_field.name}" if field.is_relation else item
        return f"{chosen}__exact", f"{item}__isnull"

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if change and not self.has_change_permission(request, obj):
            # Help texts are about writing, so readers don't get them.
            fields = [*self.opts.fields, *self.opts.many_to_many]
            kwargs["help_texts"] = dict.fromkeys([field.name for field in fields], "")
        return super().get_form(request, obj, change=change, **kwargs)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"title": listed(self.opts), **(extra_context or {})})

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[BoundedChangeList]:
        return BoundedChangeList

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Without the stock bulk delete, which lists every related row before it asks."""
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def get_action_choices(self, request: HttpRequest, default_choices: Any = (("", "Choose…"),)) -> Any:
        return super().get_action_choices(request, list(default_choices))

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any], *args: Any) -> HttpResponse | None:
        if any(numbers.read_id(chosen) is None for chosen in request.POST.getlist(ACTION_CHECKBOX_NAME)):
            raise BadRequest("a row was chosen by something that is no id")
        return super().response_action(request, queryset, *args)

    def listed_rows(self, request: HttpRequest, query: str) -> Rows | None:
        """All rows that the list finds by this query; None where the list would refuse the query."""
        listing = copy(request)
        listing.GET = QueryDict(query)
        if NUL in unquote_plus(query):
            return None
        try:
            found = self.get_changelist_instance(listing)
            return Rows(found.get_queryset(listing), is_long=found.result_count >= MAX_COUNTED)
        except (IncorrectLookupParameters, DisallowedModelAdminLookup):
            return None

    def selected_rows(self, request: HttpRequest, selection: Selection) -> Rows | None:
        """The chosen rows, or all that the list finds; None as in `listed_rows`."""
        if selection.ids:
            return Rows(self.get_queryset(request).filter(pk__in=selection.ids), is_long=False)
        return self.listed_rows(request, selection.listed or "")

    def page_context(self, request: HttpRequest, context: Mapping[str, Any]) -> dict[str, Any]:
        """The context of a page of our own, with what the frame of every page needs."""
        return {**self.admin_site.each_context(request), "opts": self.opts, **context}

    def page_url(self, page: str, *args: Any) -> str:
        return reverse(f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_{page}", args=args)


class ReadOnlyAdmin(BackOfficeAdmin):
    """For rows that only the services write."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class GuardedDeleteAdmin(BackOfficeAdmin):
    """Refuses, with a reason, to delete a row that other records need, before the stock page lists all of those."""

    def reason_to_keep(self, obj: Any) -> str:
        """Why it can't be deleted and what to do instead, in a sentence; empty when it can."""
        raise NotImplementedError

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        obj = self.get_object(request, unquote(object_id))
        if obj is not None and self.has_delete_permission(request, obj) and (reason := self.reason_to_keep(obj)):
            self.message_user(request, reason, messages.ERROR)
            return redirect(self.page_url("change", obj.pk))
        return super().delete_view(request, object_id, extra_context)
