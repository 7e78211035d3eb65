"""Clients with their preferences."""

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.timezone import localtime

from notifier import clock
from notifier.admin.badges import badge
from notifier.admin.base import GuardedDeleteAdmin
from notifier.admin.finding import matching
from notifier.admin.preferences import PreferenceInline
from notifier.models import Channel, Client, Topic
from notifier.services import clients

CHANNEL_WORDS = {Channel.EMAIL: "e-mail", Channel.SMS: "SMS"}


class ClientForm(forms.ModelForm):
    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors and not cleaned.get("email") and not cleaned.get("phone"):
            # At the fields, where it is mended; the constraint would say it above the form.
            self.add_error("email", "Give an e-mail address, a phone number, or both.")
            self.add_error("phone", "Give an e-mail address, a phone number, or both.")
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
class ClientAdmin(GuardedDeleteAdmin):
    form = ClientForm
    inlines = (PreferenceInline,)
    list_display = ("name", "email", "phone", "wants", "state", "created")
    list_filter = (ActiveFilter, ConsentFilter)
    search_fields = ("name",)
    search_help_text = "A name, or the beginning of an e-mail address or of a phone number."
    ordering = ("name",)
    sortable_by = ("name", "email", "phone", "created")
    actions = ("archive_selected", "return_selected")
    fields = ("name", "email", "phone", "is_active")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Client]:
        return super().get_queryset(request).prefetch_related("preferences__topic")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Client], search_term: str
    ) -> tuple[QuerySet[Client], bool]:
        return (queryset.filter(matching(search_term)) if search_term.strip() else queryset), False

    @admin.display(description="wants")
    def wants(self, client: Client) -> SafeString | str:
        consents = sorted(client.preferences.all(), key=lambda preference: preference.topic.name)
        chosen = [
            (preference.topic.name, ", ".join(CHANNEL_WORDS[channel] for channel in channels))
            for preference in consents
            if (channels := [channel for channel in Channel if getattr(preference, channel.value)])
        ]
        return format_html_join("", '<div class="want">{} <span class="quiet">{}</span></div>', chosen) or "–"

    @admin.display(description="state")
    def state(self, client: Client) -> SafeString:
        return badge(text="Active", tone="good") if client.is_active else badge(text="Archived", tone="quiet")

    @admin.display(description="since", ordering="created_at")
    def created(self, client: Client) -> str:
        return date_format(localtime(client.created_at), "j M Y")

    @admin.action(description="Archive selected clients", permissions=["change"])
    def archive_selected(self, request: HttpRequest, queryset: Any) -> None:
        number = clients.archive(clients=queryset, by=cast(User, request.user), now=clock.now())
        self.message_user(request, f"{_counted(number)} archived: sent nothing from now on.", messages.SUCCESS)

    @admin.action(description="Return selected clients", permissions=["change"])
    def return_selected(self, request: HttpRequest, queryset: Any) -> None:
        number = clients.restore(clients=queryset, by=cast(User, request.user), now=clock.now())
        self.message_user(request, f"{_counted(number)} returned, with the consent of before.", messages.SUCCESS)

    def reason_to_keep(self, obj: Client) -> str:
        if not obj.deliveries.exists():
            return ""
        return (
            f"{obj} can’t be deleted: the record of what was sent has entries for this client. "
            "Archive the client instead (untick “Active”): nothing will be sent any more."
        )


def _counted(number: int) -> str:
    return f"{number:,} client{'' if number == 1 else 's'}"
