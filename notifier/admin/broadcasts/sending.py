"""The way from a notification to its broadcast: choose, look, say when, send."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from urllib.parse import urlencode

from csp.decorators import csp
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator

from notifier.admin.broadcasts import confirmation, email_preview
from notifier.admin.broadcasts.send_options import SendForm
from notifier.admin.lists import deferred_counts
from notifier.admin.lists.base import BackOfficeAdmin
from notifier.admin.lists.selection import read_ids
from notifier.broadcasts import approvals, held_back, lifecycle
from notifier.models import Broadcast, Notification
from notifier.runtime import clock
from notifier.web.htmx import HtmxHttpRequest

#: Each of them counts its audience on the confirm page.
MAX_AT_ONCE = 20
SEND = "notifier.send_broadcast"
CRITICAL = "notifier.send_critical"
RECENTLY = "Nothing was sent yet: this went out a short while ago, or is about to. Tick “Send again” if you want that."


@dataclass(frozen=True, slots=True)
class Order:
    """What the confirm page posts, besides its form."""

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
    if not 0 < len(seen) <= MAX_AT_ONCE or any(moment.tzinfo is None for moment in seen.values()):
        return None
    return Order(seen=seen, token=token, again=posted.get("again") == "on")


class SendingAdmin(BackOfficeAdmin):
    """What the pages of notifications have for those who may send them."""

    def get_urls(self) -> list[URLPattern]:
        guard = self.admin_site.admin_view
        return [
            path("broadcast/", guard(self.broadcast_view), name="notifier_notification_broadcast"),
            path("limits/", guard(self.limits_view), name="notifier_notification_limits"),
            path(
                "<int:notification_id>/email/",
                guard(self.email_preview_view),
                name="notifier_notification_email_preview",
            ),
            *super().get_urls(),
        ]

    def limits_view(self, request: HttpRequest) -> HttpResponse:
        """Who sleeps and who has had enough, which the confirm page asks for by itself: it takes a while for many."""
        if not self.has_send_broadcast_permission(request):
            raise PermissionDenied
        ids = read_ids(request.GET.get("ids", ""), most=MAX_AT_ONCE)
        found = Notification.objects.filter(pk__in=ids).select_related("topic").order_by("pk")
        now = clock.now()
        kept = [
            (n, [held_back.count(topic=n.topic, channel=channel, now=now) for channel in n.channels]) for n in found
        ]
        context = {**self.admin_site.each_context(request), "opts": self.opts, "title": "Who waits, and who is skipped"}
        is_part = cast(HtmxHttpRequest, request).htmx
        name = "limits" if is_part else "limits_page"
        return TemplateResponse(request, f"admin/notifier/notification/{name}.html", context | {"kept": kept})

    @method_decorator(csp(email_preview.POLICY))
    def email_preview_view(self, request: HttpRequest, notification_id: int) -> HttpResponse:
        """What the confirm page frames."""
        if not self.has_send_broadcast_permission(request):
            raise PermissionDenied
        return email_preview.page(
            request, get_object_or_404(Notification.objects.select_related("topic"), pk=notification_id)
        )

    def has_send_broadcast_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm(SEND)

    @admin.action(description="Broadcast selected notifications…", permissions=["send_broadcast"])
    def broadcast_selected(self, request: HttpRequest, queryset: QuerySet[Notification]) -> HttpResponse | None:
        ids = list(queryset.order_by("pk").values_list("pk", flat=True)[: MAX_AT_ONCE + 1])
        if len(ids) > MAX_AT_ONCE:
            self.message_user(request, f"Choose at most {MAX_AT_ONCE} notifications at once.", messages.ERROR)
            return None
        return self._to_confirm_page(ids)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """In one transaction with what an edit means for broadcasts that have not begun."""
        super().save_model(request, obj, form, change)
        if not change:
            return
        if number := approvals.take_edit(notification=obj, by=cast(User, request.user)):
            words = "1 broadcast that has" if number == 1 else f"{number} broadcasts that have"
            self.message_user(
                request, f"{words} not begun takes over the new text, and awaits approval of it.", messages.WARNING
            )
        kept = Broadcast.objects.filter(notification=obj, state=Broadcast.State.SCHEDULED, needs_approval=False)
        if old := [broadcast for broadcast in kept.select_related("notification") if broadcast.is_outdated]:
            names = ", ".join(f"#{broadcast.pk}" for broadcast in old)
            self.message_user(
                request,
                f"Scheduled with the text as it was before: {names}. To send the new text, cancel and broadcast again.",
                messages.WARNING,
            )

    # --- The confirm page ---
    def broadcast_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_send_broadcast_permission(request):
            raise PermissionDenied
        return (
            self._send(request)
            if request.method == "POST"
            else self._confirm(request, read_ids(request.GET.get("ids", ""), most=MAX_AT_ONCE))
        )

    def _send(self, request: HttpRequest) -> HttpResponse:
        order = read_order(request.POST)
        if order is None:
            self.message_user(request, "That form was not complete, so nothing was sent. Look again.", messages.ERROR)
            return self._to_confirm_page(read_ids(request.GET.get("ids", ""), most=MAX_AT_ONCE))
        ids = list(order.seen)
        # A second click, or one more after the way back: its time may have passed, and its number may be old.
        if made := lifecycle.find_existing(token=order.token, notification_ids=ids):
            return self._made(request, made)
        found = list(Notification.objects.filter(pk__in=ids).select_related("topic"))
        may = request.user.has_perm(CRITICAL)
        form = SendForm(request.POST, now=clock.now(), sends=confirmation.sends(found), may_be_critical=may)
        if not form.is_valid():
            return self._confirm(request, ids, "Nothing was sent yet: see what is marked below.", form)
        return self._create(request, order, form)

    def _create(self, request: HttpRequest, order: Order, form: SendForm) -> HttpResponse:
        try:
            made = lifecycle.create(
                seen=order.seen,
                token=order.token,
                by=cast(User, request.user),
                now=clock.now(),
                again=order.again,
                terms=form.terms,
            )
        except lifecycle.SentRecently:
            return self._confirm(request, list(order.seen), RECENTLY, form)
        except lifecycle.BroadcastError as refusal:
            return self._confirm(request, list(order.seen), f"Nothing was sent. {refusal}", form)
        return self._made(request, made)

    def _made(self, request: HttpRequest, made: Sequence[Broadcast]) -> HttpResponse:
        if not request.user.has_perm("notifier.view_broadcast"):
            self.message_user(request, f"Taken over: {'; '.join(map(outcome, made))}.", messages.SUCCESS)
            return redirect(self.page_url("changelist"))
        return redirect(_page_of(made))

    def _confirm(
        self, request: HttpRequest, ids: Sequence[int], note: str = "", form: SendForm | None = None
    ) -> HttpResponse:
        found = list(Notification.objects.filter(pk__in=ids).select_related("topic").order_by("pk"))
        if not found:
            self.message_user(request, "Choose the notifications to broadcast from this list.", messages.WARNING)
            return redirect(self.page_url("changelist"))
        later = deferred_counts.address(
            request, is_long=deferred_counts.is_long(topics=len({n.topic_id for n in found}))
        )
        offered = confirmation.offers(notifications=found, now=clock.now(), counted=not later)
        counts = {} if later else self._counts(request, offered, form)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Broadcast this notification?"
            if len(found) == 1
            else f"Broadcast these {len(found)} notifications?",
            "counting": later,
            "offers": offered,
            **counts,
            "earlier": [broadcast for offer in offered for broadcast in offer.earlier],
            "token": uuid.uuid4(),
            "note": note,
            "limits": self._limits(found),
        }
        return TemplateResponse(request, "admin/notifier/notification/broadcast.html", context)

    def _counts(
        self, request: HttpRequest, offered: Sequence[confirmation.Offer], form: SendForm | None
    ) -> dict[str, Any]:
        summary = confirmation.summary(offered)
        may = request.user.has_perm(CRITICAL)
        return {
            "summary": summary,
            "form": form or SendForm(now=clock.now(), sends=summary.total, may_be_critical=may),
            "approvals": sum(offer.needs_approval for offer in offered),
        }

    def _limits(self, found: Sequence[Notification]) -> str:
        """Where it is told whom sending hours and caps keep back; empty where there are none."""
        if not held_back.are_set([channel for n in found for channel in n.channels]):
            return ""
        query = urlencode({"ids": ",".join(str(n.pk) for n in found)}, safe=",")
        return f"{self.page_url('limits')}?{query}"

    def _to_confirm_page(self, ids: Sequence[int]) -> HttpResponseRedirect:
        query = urlencode({"ids": ",".join(str(pk) for pk in ids)}, safe=",")
        return redirect(f"{self.page_url('broadcast')}?{query}")


def outcome(broadcast: Broadcast) -> str:
    return f"{broadcast} is {lifecycle.state_in_words(broadcast)}"


def _page_of(made: Sequence[Broadcast]) -> str:
    if len(made) == 1:
        return reverse("admin:notifier_broadcast_progress", args=[made[0].pk])
    ids = ",".join(str(broadcast.pk) for broadcast in made)
    return f"{reverse('admin:notifier_broadcast_changelist')}?id__in={ids}"
