"""Notifications: the list and the page. How one becomes a broadcast: see `sending`."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Count, DateTimeField, IntegerField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from notifier.admin.broadcasts.sending import SendingAdmin
from notifier.admin.notifications.writing import WritingAdmin
from notifier.models import Broadcast, Notification
from notifier.wording.badges import badge


@admin.register(Notification)
class NotificationAdmin(SendingAdmin, WritingAdmin):
    list_display = ("subject", "topic", "texts", "sent_times", "last_sent", "created_at")
    list_filter = ("topic",)
    list_select_related = ("topic",)
    search_fields = ("subject__icontains",)
    search_help_text = "Words of the subject."
    ordering = ("-created_at",)
    sortable_by = ("created_at",)
    actions = ("broadcast_selected",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Notification]:
        sent = Broadcast.objects.filter(notification=OuterRef("pk")).exclude(started_at=None).order_by()
        times = sent.values("notification").annotate(number=Count("pk")).values("number")
        last = sent.order_by("-pk").values("started_at")[:1]
        notifications: QuerySet[Notification] = super().get_queryset(request)
        return notifications.annotate(
            times_sent=Coalesce(Subquery(times), 0, output_field=IntegerField()),
            last_sent_at=Subquery(last, output_field=DateTimeField()),
        )

    # --- The list and the page ---
    @admin.display(description="texts")
    def texts(self, notification: Notification) -> SafeString:
        return format_html_join(
            " ", "{}", ((badge(text=str(channel.label), tone="quiet"),) for channel in notification.channels)
        )

    @admin.display(description="times sent")
    def sent_times(self, notification: Any) -> int:
        return int(notification.times_sent)

    @admin.display(description="last sent", empty_value="never")
    def last_sent(self, notification: Any) -> datetime | None:
        moment: datetime | None = notification.last_sent_at
        return moment

    def reason_to_keep(self, obj: Notification) -> str:
        if not obj.broadcasts.exists():
            return ""
        return (
            f"“{obj}” can’t be deleted: it has been sent, and the record of who got what refers to it. "
            "Leave it as it stands, and write a new one for the next occasion."
        )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        extra = {"may_broadcast": self.has_send_broadcast_permission(request)}
        return super().change_view(request, object_id, form_url, extra | (extra_context or {}))
