"""The filters of the list of clients: archived or not, what they agreed to, their language, and landlines."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifier.languages import offered
from notifier.models import Channel, Client, Topic
from notifier.policies import landlines


class ActiveFilter(admin.SimpleListFilter):
    title = _("status")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("active", gettext("Active")), ("archived", gettext("Archived"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Client]) -> QuerySet[Client]:
        wanted = {"active": True, "archived": False}.get(self.value() or "")
        return queryset if wanted is None else queryset.filter(is_active=wanted)


class ConsentFilter(admin.SimpleListFilter):
    title = _("consent")
    parameter_name = "wants"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        topics = Topic.objects.order_by("name").values_list("slug", "name")
        return [
            (f"{slug}.{channel.value}", f"{name} by {channel.in_words}") for slug, name in topics for channel in Channel
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Client]) -> QuerySet[Client]:
        slug, _, channel = (self.value() or "").rpartition(".")
        if channel not in Channel.values:
            return queryset
        # Client and topic are unique together: the join makes no client appear twice.
        return queryset.filter(preferences__topic__slug=slug, **{f"preferences__{channel}": True})


class LanguageFilter(admin.SimpleListFilter):
    title = _("language")
    parameter_name = "language"
    #: No language has this code.
    NOT_SET = "none"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        not_set = f"Not set ({offered.name(offered.default())})"
        return [*offered.choices(), (self.NOT_SET, not_set)] if len(offered.codes()) > 1 else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Client]) -> QuerySet[Client]:
        wanted = self.value()
        if wanted not in (*offered.codes(), self.NOT_SET):
            return queryset
        return queryset.filter(language=None if wanted == self.NOT_SET else wanted)


class LandlineFilter(admin.SimpleListFilter):
    title = _("phone")
    parameter_name = "landline"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", gettext("Landline: no SMS")), ("no", gettext("Not a landline"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Client]) -> QuerySet[Client]:
        condition = {"yes": landlines.has_landline(), "no": landlines.is_passing()}.get(self.value() or "")
        return queryset if condition is None else queryset.filter(condition)
