"""The record of who got what, when, and why somebody did not. Read only."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from notifier.admin.badges import state_badge
from notifier.admin.base import ReadOnlyAdmin
from notifier.admin.clients import matching
from notifier.models import Client, Delivery


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ("recipient", "channel", "address", "state_shown", "detail", "attempts", "settled", "message")
    list_display_links = ("recipient",)
    list_filter = ("state", "channel")
    list_select_related = ("client", "broadcast")
    search_fields = ("client__name",)
    search_help_text = "A client’s name, or the beginning of the client’s e-mail address or phone number."
    ordering = ("-pk",)
    fieldsets = (
        (None, {"fields": ("client", "message", "channel", "address")}),
        ("Outcome", {"fields": ("state_shown", "detail", "settled_at", "attempts", "due_at", "provider_id")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        # The texts of one broadcast would come with every row.
        return super().get_queryset(request).defer("broadcast__email_body", "broadcast__sms_body", "broadcast__tally")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Delivery], search_term: str
    ) -> tuple[QuerySet[Delivery], bool]:
        if not search_term.strip():
            return queryset, False
        return queryset.filter(client__in=Client.objects.filter(matching(search_term)).values("pk")), False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        title = {}
        for owner in ("broadcast", "client"):
            if (chosen := request.GET.get(f"{owner}__id__exact", "")).isdecimal():
                title = {"title": f"Deliveries of {owner} #{chosen}"}
        return super().changelist_view(request, {**title, **(extra_context or {})})

    @admin.display(description="client")
    def recipient(self, delivery: Delivery) -> str:
        return delivery.client.name

    @admin.display(description="broadcast")
    def message(self, delivery: Delivery) -> SafeString:
        url = reverse("admin:notifier_broadcast_progress", args=[delivery.broadcast_id])
        return format_html('<a href="{}">{}</a>', url, delivery.broadcast)

    @admin.display(description="state")
    def state_shown(self, delivery: Delivery) -> SafeString:
        return state_badge(Delivery.State(delivery.state))

    @admin.display(description="settled", empty_value="–")
    def settled(self, delivery: Any) -> datetime | None:
        moment: datetime | None = delivery.settled_at
        return moment
