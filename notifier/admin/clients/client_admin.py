"""Clients with their preferences."""

from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils.formats import date_format
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifier.addresses import phones
from notifier.admin.clients import (
    audience_lists,
    bulk_acts,
    client_form,
    client_page,
    export,
    field_filters,
    field_values,
    flags,
    list_columns,
    phone_note,
    send_page,
    tag_acts,
)
from notifier.admin.clients.acts import ACTS
from notifier.admin.clients.audience_lists import (
    AudienceChangeList,
    AudienceFilter,
    ClientChangeList,
    ConditionsFilter,
    ReachFilter,
    TurnoverFilter,
)
from notifier.admin.clients.client_form import ClientForm
from notifier.admin.clients.explanation_page import explanation_page
from notifier.admin.clients.field_filters import FieldsFilter
from notifier.admin.clients.list_filters import ActiveFilter, ConsentFilter, LandlineFilter, LanguageFilter
from notifier.admin.clients.preferences import PreferenceInline
from notifier.admin.lists import routing, search, selection
from notifier.admin.lists.addresses import readable
from notifier.admin.lists.base import GuardedDeleteAdmin
from notifier.admin.lists.change_list import BoundedChangeList
from notifier.clients import record
from notifier.consent import consents, suppressions
from notifier.consent.consents import Origin
from notifier.fields import applying, definitions, values
from notifier.fields.definitions import Definitions
from notifier.forms.stale_forms import FIELD, Seen
from notifier.models import Channel, Client, ConsentChange
from notifier.runtime import clock
from notifier.staff import groups


@admin.register(Client)
class ClientAdmin(GuardedDeleteAdmin):
    form = ClientForm
    inlines = (PreferenceInline,)
    list_display = ("name", "shown_email", "shown_phone", "wants", "state", "created")
    list_filter = (
        ActiveFilter,
        ConsentFilter,
        LanguageFilter,
        LandlineFilter,
        ReachFilter,
        AudienceFilter,
        ConditionsFilter,
        TurnoverFilter,
        FieldsFilter,
    )
    search_fields = ("name",)
    search_help_text = search.HELP
    ordering = ("name",)
    refusals = (applying.FieldGone,)
    sortable_by = ("name", "shown_email", "shown_phone", "created")
    actions = (
        bulk_acts.archive_selected,
        bulk_acts.return_selected,
        tag_acts.add_to_selected,
        tag_acts.remove_from_selected,
        export.export_selected,
        bulk_acts.export_all_data,
        bulk_acts.erase_selected,
    )
    fieldsets = ((None, {"fields": ("first_name", "last_name", "name", "email", "phone", "language", "time_zone")}),)

    # --- Its form, with the fields that staff defined ---
    def get_fieldsets(self, request: HttpRequest, obj: Client | None = None) -> Any:
        fieldsets = list(super().get_fieldsets(request, obj))
        if self._shows_form(request, obj):
            names = [field_values.name_of(one) for one in _definitions(request)]
            fieldsets.append((gettext("Fields and tags"), {"fields": (*names, field_values.TAGS)}))
        return fieldsets

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if self._shows_form(request, obj):
            kwargs["form"] = client_form.with_own_fields(
                obj, _definitions(request), may_add_tags=request.user.has_perm(groups.ADD_TAG)
            )
        return super().get_form(request, obj, change=change, **kwargs)

    def _shows_form(self, request: HttpRequest, client: Client | None) -> bool:
        """The profile asks for none of what only the form shows."""
        if client is None:
            return self.has_add_permission(request)
        return client_page.is_form(request) and self.has_change_permission(request, client)

    # --- Pages, and who may open them ---
    def get_urls(self) -> list[URLPattern]:
        return [
            routing.page(self, bulk_acts.act_page, name="decide", route="decide/<str:name>/"),
            routing.page(self, explanation_page, name="why", route="<int:client_id>/why/"),
            routing.page(self, tag_acts.tag_page, name="tag", route="tags/<str:name>/"),
            routing.page(self, export.export_page, name="export", route="export/"),
            routing.page(self, send_page.send_page, name="send", route="send/"),
            routing.page(self, send_page.save_page, name="save_audience", route="save-audience/"),
            routing.page(self, list_columns.columns_page, name="columns", route="columns/"),
            routing.page(self, phone_note.phone_note, name="phone", route="phone/"),
            *super().get_urls(),
        ]

    def has_change_permission(self, request: HttpRequest, obj: Client | None = None) -> bool:
        """Of an erased client only the number is left, which nobody can change."""
        return super().has_change_permission(request, obj) and (obj is None or obj.erased_at is None)

    def has_export_client_permission(self, request: HttpRequest) -> bool:
        return export.may_export(self, request)

    def has_erase_client_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(ACTS["erase"].permission)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        extra = {
            "export_url": export.export_url(self, request),
            "columns": list_columns.choices(request),
            "listed": selection.listed_query(request),
            **send_page.urls(self, request),
        }
        page = super().changelist_view(request, extra | (extra_context or {}))
        if isinstance(page, TemplateResponse):
            flags.look_up(request, page)
            list_columns.look_up(request, page)
        return page

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        client = self.get_object(request, unquote(object_id))
        extra: dict[str, Any] = {}
        if client is not None and self.has_view_permission(request):
            extra = client_page.profile_context(self, request, client)
            extra |= client_page.record_context(self, request, client)
        return super().change_view(request, object_id, form_url, extra | (extra_context or {}))

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except PermissionDenied:
            client = self.get_object(request, unquote(object_id)) if object_id and request.method == "POST" else None
            if client is None or client.erased_at is None or not self.has_change_permission(request):
                raise
            # The page had been opened before. What was typed is gone with it: it would bring personal data back.
            self.message_user(request, client_page.erased_meanwhile(client), messages.ERROR)
            return redirect(self.page_url("change", client.pk))

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        client = self.get_object(request, unquote(object_id))
        if client is None:
            raise Http404
        extra = client_page.history_context(self, request, client)
        return super().history_view(request, object_id, extra | (extra_context or {}))

    def reason_to_keep(self, obj: Client) -> str:
        return client_page.reason_to_keep(obj)

    # --- The list ---
    def get_list_display(self, request: HttpRequest) -> list[Any]:
        first, last = self.list_display[:-1], self.list_display[-1:]
        return [*first, *list_columns.list_display(request), *last]

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return field_filters.is_ours(lookup) or super().lookup_allowed(lookup, value, request)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[BoundedChangeList]:
        return AudienceChangeList if audience_lists.PARAMETER in request.GET else ClientChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Client]:
        return super().get_queryset(request).prefetch_related("preferences__topic")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Client], search_term: str
    ) -> tuple[QuerySet[Client], bool]:
        if not search_term.strip():
            return queryset, False
        return queryset.filter(search.matching(search_term, erased=search.may_find_erased(request))), False

    @admin.display(description=_("e-mail"), ordering="email")
    def shown_email(self, client: Client) -> SafeString | None:
        return readable(client.email) if client.email else None

    @admin.display(description=_("phone"), ordering="phone")
    def shown_phone(self, client: Client) -> SafeString | None:
        return readable(str(client.phone)) if client.phone else None

    @admin.display(description=_("agreed to"))
    def wants(self, client: Client) -> str:
        """Topics by the same channels stand together: most clients then need one line."""
        topics: dict[str, list[str]] = {}
        for preference in sorted(client.preferences.all(), key=lambda preference: preference.topic.name):
            channels = [channel.in_words for channel in Channel if getattr(preference, channel.value)]
            if channels:
                topics.setdefault(", ".join(channels), []).append(preference.topic.name)
        chosen = [(", ".join(names), channels) for channels, names in topics.items()]
        each = '<span class="want">{}: <span class="quiet">{}</span></span>'
        return format_html_join(SafeString(' <span class="quiet">·</span> '), each, chosen) or "nothing"

    @admin.display(description=_("status"))
    def state(self, client: Client) -> SafeString:
        return flags.flags(client)

    @admin.display(description=_("since"), ordering="created_at")
    def created(self, client: Client) -> str:
        return date_format(localtime(client.created_at), "j M Y")

    # --- Saving ---
    def save_model(self, request: HttpRequest, obj: Client, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        suppressions.restore_plaintext_of(obj)
        values.set_values(
            client_id=obj.pk,
            values=field_values.chosen_values(form, _definitions(request)),
            tags=field_values.chosen_tags(form, obj),
            origin=applying.ChangeOrigin(by=cast(User, request.user)),
            now=clock.now(),
        )
        if {"email", "phone"} & set(form.changed_data):
            self._warn_of_suppressions(request, obj)
        if "phone" in form.changed_data and obj.has_landline:
            words = gettext("%(spaced)s is a landline number: no SMS is sent to it, whatever is ticked.") % {
                "spaced": phones.spaced(str(obj.phone))
            }
            self.message_user(request, words, messages.WARNING)

    def _warn_of_suppressions(self, request: HttpRequest, client: Client) -> None:
        """Says that an address is suppressed, which the form does not show."""
        for one in record.suppressions(client) if request.user.has_perm(groups.VIEW_SUPPRESSION) else ():
            words = gettext("%(one)s is suppressed (%(source)s): nothing is sent to it, whatever is ticked.") % {
                "one": one,
                "source": one.get_source_display().lower(),
            }
            self.message_user(request, words, messages.WARNING)

    def get_formset_kwargs(self, request: HttpRequest, obj: Any, inline: Any, prefix: str) -> dict[str, Any]:
        kwargs: dict[str, Any] = super().get_formset_kwargs(request, obj, inline, prefix)
        if isinstance(inline, PreferenceInline):
            kwargs["may_resubscribe"] = request.user.has_perm(groups.RESUBSCRIBE_CLIENT)
            kwargs["has_reason"] = bool(request.POST.get("evidence", "").strip())
            seen = Seen.read(request.POST.get(FIELD))
            kwargs["is_outdated"] = bool(seen and obj.pk and seen.has_changed("consent", consents.last_change(obj)))
        return kwargs

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Consent is saved by the service that also records the evidence."""
        detail = form.cleaned_data.get("evidence", "")
        origin = Origin(ConsentChange.Source.STAFF, by=cast(User, request.user), detail=detail)
        formset.save_consents(origin=origin, now=clock.now())


#: Where a request keeps them: its form and the sections of its form are made one after the other.
_DEFINITIONS = "client_field_definitions"


def _definitions(request: HttpRequest) -> Definitions:
    """Of the fields that can be filled in, read once a request."""
    found: Definitions | None = getattr(request, _DEFINITIONS, None)
    if found is None:
        found = definitions.active()
        setattr(request, _DEFINITIONS, found)
    return found
