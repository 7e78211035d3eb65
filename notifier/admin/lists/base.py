"""What every list and page of the back office has in common."""

from collections.abc import Mapping
from copy import copy
from typing import Any, ClassVar, cast
from urllib.parse import unquote_plus

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import get_fields_from_path, quote, unquote
from django.core.exceptions import BadRequest
from django.core.validators import ProhibitNullCharactersValidator
from django.db import IntegrityError, transaction
from django.db.models import CharField, Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext

from notifier.admin.lists import saving, search
from notifier.admin.lists.change_list import BoundedChangeList
from notifier.admin.lists.paginator import MAX_COUNTED, BoundedPaginator
from notifier.admin.lists.selection import Rows, Selection
from notifier.forms import stale_forms
from notifier.messages.lines import validate_name, validate_one_line
from notifier.web.odd_urls import NUL
from notifier.wording import numbers
from notifier.wording.model_names import listed, one

#: What these fields hold is a name: a client's, a topic's, a group's, a user's.
NAMES = ("name", "first_name", "last_name")


class BackOfficeAdmin(admin.ModelAdmin):
    """Lists that take the same time however long they are: see `BoundedPaginator`. Sort only by an indexed column."""

    show_full_result_count = False
    paginator = BoundedPaginator
    list_per_page = 50
    list_max_show_all = 0
    sortable_by: ClassVar[tuple[str, ...]] = ()
    show_facets = admin.ShowFacets.NEVER
    # Below the rows, where the bar can stay in sight while it is shown: with nothing ticked there is none.
    actions_on_top = False
    actions_on_bottom = True
    #: Below the search field for those who may not see clients, where others find clients with it.
    search_help_without_clients: Any = ""
    #: What links of ours filter the list by, besides the filters that it offers.
    linked_by: ClassVar[tuple[str, ...]] = ()
    #: With these a save is refused as a whole; they say why. The page then shows what is there now.
    refusals: ClassVar[tuple[type[Exception], ...]] = ()

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
        """The parameters that one item of `list_filter` puts into the list's URL."""
        item = item[0] if isinstance(item, tuple) else item
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
        form = super().get_form(request, obj, change=change, **kwargs)
        is_written = obj is not None and obj.pk is not None and self.has_change_permission(request, obj)
        return stale_forms.carrying(form) if is_written else form

    # --- Saving and deleting one row ---
    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if request.method != "POST":
            return super().changeform_view(request, object_id, form_url, extra_context)
        try:
            return self._save_page(request, object_id, form_url, extra_context)
        except IntegrityError:
            # Somebody else has just taken what only one row may have. Checked once more, the form says so itself.
            return self._save_page(request, object_id, form_url, extra_context)
        except self.refusals as refusal:
            self.message_user(request, gettext("Nothing was saved. %(refusal)s") % {"refusal": refusal}, messages.ERROR)
            return redirect(request.get_full_path())

    def _save_page(self, request: HttpRequest, object_id: str | None, *args: Any) -> HttpResponse:
        with transaction.atomic():
            if object_id:
                # Before the row is read: the form then compares, and writes, what nobody else is changing.
                saving.lock(self.model, object_id)
            return super().changeform_view(request, object_id, *args)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        # After a save one stays where one works, so no button has to say so.
        return super().render_change_form(request, {"show_save_and_continue": False, **context}, *args, **kwargs)

    def response_post_save_add(self, request: HttpRequest, obj: Any) -> HttpResponseRedirect:
        return self._own_page(request, obj) or super().response_post_save_add(request, obj)

    def response_post_save_change(self, request: HttpRequest, obj: Any) -> HttpResponseRedirect:
        return self._own_page(request, obj) or super().response_post_save_change(request, obj)

    def _own_page(self, request: HttpRequest, obj: Any) -> HttpResponseRedirect | None:
        """The page of the row; None where it can't be opened."""
        return redirect(self.own_url(request, obj)) if self.has_view_or_change_permission(request, obj) else None

    def own_url(self, request: HttpRequest, obj: Any) -> str:
        """Of the row's page, and from there back to the list as it was filtered."""
        preserved: dict[str, Any] = {"preserved_filters": self.get_preserved_filters(request), "opts": self.opts}
        return str(add_preserved_filters(preserved, self.page_url("change", quote(obj.pk))))

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Writes only the columns that were changed on the page: others may be writing the rest."""
        if not change:
            super().save_model(request, obj, form, change)
        elif columns := saving.changed_columns(obj, form):
            obj.save(update_fields=columns)

    def version_for_deletion(self, request: HttpRequest, obj: Any) -> str:
        """Of what the page that asks shows of the row and of all that goes with it."""
        return saving.version_for_deletion(obj, self.get_deleted_objects([obj], request)[0])

    def reason_to_keep(self, obj: Any) -> str:
        """Why it can't be deleted and what to do instead, in a sentence; empty when it can."""
        return ""

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if request.method != "POST":
            return self._delete_page(request, object_id, extra_context)
        with transaction.atomic():
            saving.lock(self.model, object_id)
            return self._delete_page(request, object_id, extra_context)

    def _delete_page(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None) -> HttpResponse:
        obj = self.get_object(request, unquote(object_id))
        if obj is None or not self.has_delete_permission(request, obj):
            return super().delete_view(request, object_id, extra_context)
        if reason := self.reason_to_keep(obj):
            self.message_user(request, reason, messages.ERROR)
            return redirect(self.page_url("change", obj.pk))
        version = self.version_for_deletion(request, obj)
        if request.method == "POST" and request.POST.get(saving.SEEN) != version:
            text = gettext(
                "Nothing was deleted: this %(opts)s has changed since you opened the page. Check it again."
            ) % {"opts": one(self.opts)}
            self.message_user(request, text, messages.WARNING)
            return redirect(request.get_full_path())
        return super().delete_view(request, object_id, {saving.SEEN: version, **(extra_context or {})})

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Text of one line is refused with more of them, also for models that are not ours, such as users."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if isinstance(field, forms.CharField) and isinstance(db_field, CharField):
            # Django's own refuses no more than a NUL, and would say so besides.
            others = [one for one in field.validators if not isinstance(one, ProhibitNullCharactersValidator)]
            field.validators = [*others, validate_name if db_field.name in NAMES else validate_one_line]
        return field

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"title": listed(self.opts), **(extra_context or {})})

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[BoundedChangeList]:
        return BoundedChangeList

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        listing = super().get_changelist_instance(request)
        if self.search_help_without_clients and not search.may_see_clients(request):
            listing.search_help_text = self.search_help_without_clients
        return listing

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
        """All rows that the list finds by this query; None where the list refuses the query, or finds too many."""
        listing = copy(request)
        listing.GET = QueryDict(query)
        if NUL in unquote_plus(query):
            return None
        try:
            found = cast(BoundedChangeList, self.get_changelist_instance(listing))
            if found.is_refused:
                return None
            is_long = found.result_count >= MAX_COUNTED
            # Where they are few, the list knows them by their ids already.
            return Rows(found.get_queryset(listing) if is_long else found.queryset, is_long=is_long)
        except (IncorrectLookupParameters, DisallowedModelAdminLookup):
            return None

    def selected_rows(self, request: HttpRequest, selection: Selection) -> Rows | None:
        """The chosen rows, or all that the list finds; None as in `listed_rows`."""
        if selection.ids is not None:
            return Rows(self.get_queryset(request).filter(pk__in=selection.ids), is_long=False)
        return self.listed_rows(request, selection.listed or "")

    def ask_to_choose(self, request: HttpRequest) -> HttpResponse:
        """Back to the list, for a page whose URL names none of its rows."""
        self.message_user(
            request,
            gettext("Choose the %(verbose_name_plural)s from this list.")
            % {"verbose_name_plural": self.opts.verbose_name_plural},
            messages.WARNING,
        )
        return redirect(self.page_url("changelist"))

    def report(self, request: HttpRequest, number: int, done: str) -> None:
        """Says what was done to so many rows; or that nothing was, because somebody else had done it to them all."""
        if number:
            self.message_user(request, done, messages.SUCCESS)
        else:
            self.message_user(request, gettext("Nothing was changed: someone else did this first."), messages.WARNING)

    def back_url(self, selection: Selection) -> str:
        """Where an act about these rows was chosen: the list as it was, or the page of the only row."""
        if selection.listed is not None:
            return f"{self.page_url('changelist')}?{selection.listed}"
        if selection.only is not None:
            return self.page_url("change", selection.only)
        return self.page_url("changelist")

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
        raise NotImplementedError
