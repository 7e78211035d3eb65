"""Clients with their preferences."""

from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.timezone import localtime

from notifier.admin.clients import audience_lists
from notifier.admin.clients.audience_lists import AudienceChangeList, ReachFilter
from notifier.admin.clients.export import ClientExports
from notifier.admin.clients.pages import ClientPages
from notifier.admin.clients.preferences import RESUBSCRIBE, PreferenceInline
from notifier.admin.lists.addresses import breakable
from notifier.admin.lists.change_list import BoundedChangeList
from notifier.admin.lists.search import matching, may_find_erased
from notifier.clients import record
from notifier.clients.imports.rows import read_name
from notifier.consent import suppressions
from notifier.consent.consents import Origin
from notifier.models import Channel, Client, ConsentChange, Topic
from notifier.runtime import clock
from notifier.staff import auth_backend
from notifier.wording.badges import badge
from notifier.wording.model_names import NOTHING

CHANNEL_WORDS = {Channel.EMAIL: "e-mail", Channel.SMS: "SMS"}


class ClientForm(forms.ModelForm):
    time_zone = forms.ChoiceField(
        required=False,
        help_text="Nothing is sent in their night, where sending hours are set. It is told from the phone number’s "
        f"country, or is the product’s own ({settings.CLIENT_TIME_ZONE}), where none is chosen.",
    )
    #: Shown below the matrix, where it belongs.
    evidence = forms.CharField(
        label="How do we know?",
        required=False,
        max_length=300,
        help_text="Where a change above comes from, e.g. “asked by phone”. It is kept with the change.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Who may only look has no fields.
        if field := cast(forms.ChoiceField | None, self.fields.get("time_zone")):
            choices = auth_backend.zone_choices("As their phone number tells")
            # One that came with a file may be an alias, which the list does not show.
            own = self.instance.time_zone
            field.choices = [*choices, (own, own)] if own and own not in auth_backend.zones_of(choices) else choices

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        try:
            return read_name(name)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors and not cleaned.get("email") and not cleaned.get("phone"):
            # At the first of the fields, where it is mended; the constraint would say it above the form.
            self.add_error("email", "Give an e-mail address, a phone number, or both.")
        return cleaned


class ActiveFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("active", "Active"), ("archived", "Archived")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Client]) -> QuerySet[Client]:
        wanted = {"active": True, "archived": False}.get(self.value() or "")
        return queryset if wanted is None else queryset.filter(is_active=wanted)


class ConsentFilter(admin.SimpleListFilter):
    title = "consent"
    parameter_name = "wants"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        topics = Topic.objects.order_by("name").values_list("slug", "name")
        return [
            (f"{slug}.{channel.value}", f"{name} by {CHANNEL_WORDS[channel]}")
            for slug, name in topics
            for channel in Channel
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Client]) -> QuerySet[Client]:
        slug, _, channel = (self.value() or "").rpartition(".")
        if channel not in Channel.values:
            return queryset
        # Client and topic are unique together: the join makes no client appear twice.
        return queryset.filter(preferences__topic__slug=slug, **{f"preferences__{channel}": True})


@admin.register(Client)
class ClientAdmin(ClientExports, ClientPages):
    form = ClientForm
    inlines = (PreferenceInline,)
    list_display = ("name", "shown_email", "phone", "wants", "state", "created")
    list_filter = (ActiveFilter, ConsentFilter, ReachFilter)
    search_fields = ("name",)
    search_help_text = "A name, or the beginning of an e-mail address or of a phone number."
    ordering = ("name",)
    sortable_by = ("name", "shown_email", "phone", "created")
    actions = ("archive_selected", "return_selected", "export_selected", "export_all_data", "erase_selected")
    fieldsets = ((None, {"fields": ("name", "email", "phone", "time_zone", "is_active")}),)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[BoundedChangeList]:
        return AudienceChangeList if audience_lists.PARAMETER in request.GET else BoundedChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Client]:
        return super().get_queryset(request).prefetch_related("preferences__topic")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Client], search_term: str
    ) -> tuple[QuerySet[Client], bool]:
        if not search_term.strip():
            return queryset, False
        return queryset.filter(matching(search_term, erased=may_find_erased(request))), False

    @admin.display(description="e-mail", ordering="email")
    def shown_email(self, client: Client) -> SafeString | None:
        return breakable(client.email) if client.email else None

    @admin.display(description="wants")
    def wants(self, client: Client) -> SafeString | str:
        consents = sorted(client.preferences.all(), key=lambda preference: preference.topic.name)
        chosen = [
            (preference.topic.name, ", ".join(CHANNEL_WORDS[channel] for channel in channels))
            for preference in consents
            if (channels := [channel for channel in Channel if getattr(preference, channel.value)])
        ]
        return format_html_join("", '<div class="want">{} <span class="quiet">{}</span></div>', chosen) or NOTHING

    @admin.display(description="state")
    def state(self, client: Client) -> SafeString:
        if client.erased_at:
            return badge(text="Erased", tone="quiet")
        return badge(text="Active", tone="good") if client.is_active else badge(text="Archived", tone="quiet")

    @admin.display(description="since", ordering="created_at")
    def created(self, client: Client) -> str:
        return date_format(localtime(client.created_at), "j M Y")

    def save_model(self, request: HttpRequest, obj: Client, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        suppressions.recognise_client(obj)
        if {"email", "phone"} & set(form.changed_data):
            self._warn_of_silence(request, obj)

    def _warn_of_silence(self, request: HttpRequest, client: Client) -> None:
        """A client whose address is suppressed looks like any other where they are entered."""
        for one in record.suppressions(client) if request.user.has_perm("notifier.view_suppression") else ():
            words = f"{one} is suppressed ({one.get_source_display()}): nothing is sent there, whatever is ticked."
            self.message_user(request, words, messages.WARNING)

    def get_formset_kwargs(self, request: HttpRequest, obj: Any, inline: Any, prefix: str) -> dict[str, Any]:
        kwargs: dict[str, Any] = super().get_formset_kwargs(request, obj, inline, prefix)
        if isinstance(inline, PreferenceInline):
            kwargs["may_resubscribe"] = request.user.has_perm(RESUBSCRIBE)
            kwargs["has_reason"] = bool(request.POST.get("evidence", "").strip())
        return kwargs

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Consent is written by the service that keeps the evidence."""
        detail = form.cleaned_data.get("evidence", "")
        origin = Origin(ConsentChange.Source.STAFF, by=cast(User, request.user), detail=detail)
        formset.save_consents(origin=origin, now=clock.now())
