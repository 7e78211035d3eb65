"""Notifications, and the way from one to its broadcast: choose, look, send."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import Count, DateTimeField, IntegerField, Model, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from notifier import clock
from notifier.admin import confirmation
from notifier.admin.badges import badge
from notifier.admin.base import read_ids
from notifier.admin.writing import WritingAdmin
from notifier.models import Broadcast, Notification
from notifier.services import broadcasts

#: Each of them counts its audience on the confirm page.
MOST_AT_ONCE = 20
SEND = "notifier.send_broadcast"


@dataclass(frozen=True, slots=True)
class Order:
    """What the confirm page posts."""

    seen: dict[int, datetime]
    token: uuid.UUID
    again: bool


def read_order(posted: QueryDict) -> Order | None:
    """None for anything that the confirm page did not make."""
    try:
        pairs = [value.split("@", 1) for value in posted.getlist("seen")]
        seen = {int(pk): datetime.fromisoformat(moment) for pk, moment in pairs}
        token = uuid.UUID(posted.get("token", ""))
    except ValueError:
        return None
    # A time without its zone can't be compared with what the database holds.
    if not 0 < len(seen) <= MOST_AT_ONCE or any(moment.tzinfo is None for moment in seen.values()):
        return None
    return Order(seen=seen, token=token, again=posted.get("again") == "on")


@admin.register(Notification)
class NotificationAdmin(WritingAdmin):
    list_display = ("subject", "topic", "texts", "sent_times", "last_sent", "created_at")
    list_filter = ("topic",)
    list_select_related = ("topic",)
    search_fields = ("subject__icontains",)
    search_help_text = "Words of the subject."
    ordering = ("-created_at",)
    sortable_by = ("created_at",)
    actions = ("broadcast_selected",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Notification]:
        sent = Broadcast.objects.filter(notification=OuterRef("pk")).order_by()
        times = sent.values("notification").annotate(number=Count("pk")).values("number")
        last = sent.order_by("-pk").values("started_at")[:1]
        notifications: QuerySet[Notification] = super().get_queryset(request)
        return notifications.annotate(
            times_sent=Coalesce(Subquery(times), 0, output_field=IntegerField()),
            last_sent_at=Subquery(last, output_field=DateTimeField()),
        )

    def get_urls(self) -> list[URLPattern]:
        confirm = path(
            "broadcast/", self.admin_site.admin_view(self.broadcast_view), name="notifier_notification_broadcast"
        )
        return [confirm, *super().get_urls()]

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

    # --- Broadcasting ---
    def has_send_broadcast_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm(SEND)

    @admin.action(description="Broadcast selected notifications…", permissions=["send_broadcast"])
    def broadcast_selected(self, request: HttpRequest, queryset: QuerySet[Notification]) -> HttpResponse | None:
        ids = list(queryset.order_by("pk").values_list("pk", flat=True)[: MOST_AT_ONCE + 1])
        if len(ids) > MOST_AT_ONCE:
            self.message_user(request, f"Choose at most {MOST_AT_ONCE} notifications at once.", messages.ERROR)
            return None
        return self._to_confirm_page(ids)

    def broadcast_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_send_broadcast_permission(request):
            raise PermissionDenied
        return (
            self._send(request)
            if request.method == "POST"
            else self._confirm(request, read_ids(request.GET.get("ids", ""), most=MOST_AT_ONCE))
        )

    def _send(self, request: HttpRequest) -> HttpResponse:
        order = read_order(request.POST)
        if order is None:
            self.message_user(request, "That form was not complete, so nothing was sent. Look again.", messages.ERROR)
            return self._to_confirm_page(read_ids(request.GET.get("ids", ""), most=MOST_AT_ONCE))
        try:
            made = broadcasts.create(
                seen=order.seen, token=order.token, by=cast(User, request.user), now=clock.now(), again=order.again
            )
        except broadcasts.SentRecently:
            note = "Nothing was sent yet: this went out a short while ago. Tick “Send again” if that is what you want."
            return self._confirm(request, list(order.seen), note)
        except broadcasts.ChangedMeanwhile as change:
            return self._confirm(request, list(order.seen), f"Nothing was sent. {change}")
        if not request.user.has_perm("notifier.view_broadcast"):
            self.message_user(request, f"Started: {len(made)} of {len(order.seen)}.", messages.SUCCESS)
            return redirect(self.page_url("changelist"))
        return redirect(_page_of(made))

    def _confirm(self, request: HttpRequest, ids: Sequence[int], note: str = "") -> HttpResponse:
        found = list(Notification.objects.filter(pk__in=ids).select_related("topic").order_by("pk"))
        if not found:
            self.message_user(request, "Choose the notifications to broadcast from this list.", messages.WARNING)
            return redirect(self.page_url("changelist"))
        offered = confirmation.offers(notifications=found, now=clock.now())
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Broadcast this notification?"
            if len(found) == 1
            else f"Broadcast these {len(found)} notifications?",
            "offers": offered,
            "sends": sum(offer.sends for offer in offered),
            "send_label": confirmation.send_label(offered),
            "earlier": [broadcast for offer in offered for broadcast in offer.earlier],
            "token": uuid.uuid4(),
            "note": note,
        }
        return TemplateResponse(request, "admin/notifier/notification/broadcast.html", context)

    def _to_confirm_page(self, ids: Sequence[int]) -> HttpResponseRedirect:
        query = urlencode({"ids": ",".join(str(pk) for pk in ids)}, safe=",")
        return redirect(f"{self.page_url('broadcast')}?{query}")


def _page_of(made: Sequence[Broadcast]) -> str:
    if len(made) == 1:
        return reverse("admin:notifier_broadcast_progress", args=[made[0].pk])
    ids = ",".join(str(broadcast.pk) for broadcast in made)
    return f"{reverse('admin:notifier_broadcast_changelist')}?id__in={ids}"
