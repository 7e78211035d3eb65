"""Clients with their preferences, the topics, and the addresses that are never written to."""

import re
import sys
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db import connection
from django.db.models import Count, IntegerField, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from phonenumbers import country_code_for_region

from notifier import clock
from notifier.admin.audience_lists import ReachFilter
from notifier.admin.badges import badge
from notifier.admin.base import BackOfficeAdmin, GuardedDeleteAdmin
from notifier.admin.preferences import PreferenceInline
from notifier.models import Broadcast, Channel, Client, Notification, Suppression, Topic
from notifier.services import clients

CHANNEL_WORDS = {Channel.EMAIL: "e-mail", Channel.SMS: "SMS"}


def matching(term: str) -> Q:
    """The clients that `term` means: an address is found by its beginning, a name by its words.

    So an index answers. For the name, PostgreSQL has a trigram index on the name; SQLite reads through the plain one.
    """
    term = term.strip()
    if "@" in term:
        return _begins("email", term.lower())
    if re.match(r"[+(\d]", term):
        return _begins("phone", _phone_prefix(term))
    return Q(*(Q(name__icontains=word) for word in term.split()))


def _begins(field: str, prefix: str) -> Q:
    """An index answers both: PostgreSQL's for patterns, and SQLite's as a range."""
    if connection.vendor == "postgresql":
        return Q(**{f"{field}__startswith": prefix})
    # SQLite reads every row for LIKE … ESCAPE: 2.4 s for a million clients. `Value`, for no half number is a number.
    return Q(**{f"{field}__gte": Value(prefix), f"{field}__lt": Value(prefix + chr(sys.maxunicode))})


def _phone_prefix(term: str) -> str:
    """As phones are stored, +447700…, however it was written: 0044, 44, or at home 07700."""
    digits = re.sub(r"\D", "", term)
    if term.startswith("+"):
        return f"+{digits}"
    if digits.startswith("00"):
        return f"+{digits[2:]}"
    if digits.startswith("0") and settings.PHONE_DEFAULT_REGION:
        return f"+{country_code_for_region(settings.PHONE_DEFAULT_REGION)}{digits[1:]}"
    return f"+{digits}"


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
    list_filter = (ActiveFilter, ConsentFilter, ReachFilter)
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
        number = clients.archive(clients=queryset, now=clock.now())
        self.message_user(request, f"{_counted(number)} archived: sent nothing from now on.", messages.SUCCESS)

    @admin.action(description="Return selected clients", permissions=["change"])
    def return_selected(self, request: HttpRequest, queryset: Any) -> None:
        number = clients.restore(clients=queryset, now=clock.now())
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


@admin.register(Topic)
class TopicAdmin(GuardedDeleteAdmin):
    list_display = ("name", "slug", "notifications", "broadcasts")
    search_fields = ("name",)
    ordering = ("name",)
    sortable_by = ("name", "slug")
    prepopulated_fields = {"slug": ("name",)}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Topic]:
        topics: QuerySet[Topic] = super().get_queryset(request)
        return topics.annotate(notification_count=_count_of(Notification), broadcast_count=_count_of(Broadcast))

    @admin.display(description="notifications")
    def notifications(self, topic: Any) -> int:
        return int(topic.notification_count)

    @admin.display(description="broadcasts")
    def broadcasts(self, topic: Any) -> int:
        return int(topic.broadcast_count)

    def reason_to_keep(self, obj: Topic) -> str:
        if obj.notifications.exists() or obj.broadcasts.exists():
            return f"{obj} can’t be deleted: there are notifications about it. You may rename it instead."
        if obj.preferences.exists():
            return f"{obj} can’t be deleted: clients have said if they want to hear about it. You may rename it."
        return ""


def _count_of(model: Any) -> Coalesce:
    rows = model.objects.filter(topic=OuterRef("pk")).order_by().values("topic").annotate(number=Count("pk"))
    return Coalesce(Subquery(rows.values("number")), 0, output_field=IntegerField())


@admin.register(Suppression)
class SuppressionAdmin(BackOfficeAdmin):
    list_display = ("address", "channel", "reason", "created_at")
    list_filter = ("channel",)
    search_fields = ("address__startswith",)
    search_help_text = "The beginning of an e-mail address, or of a phone number such as +44 20."
    ordering = ("-pk",)
    readonly_fields = ("created_at",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Suppression], search_term: str
    ) -> tuple[QuerySet[Suppression], bool]:
        term = search_term.strip().lower()
        is_phone = re.match(r"[+(\d]", term) and "@" not in term
        prefix = _phone_prefix(term) if is_phone else term
        return queryset.filter(_begins("address", prefix)), False
