"""Broadcasts: the list, the progress page, and the orders that staff give."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, cast

from csp.decorators import csp
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django_htmx.http import HTMX_STOP_POLLING

from notifier.admin.broadcasts import before_start, email_preview
from notifier.admin.broadcasts.before_start import BeforeStartAdmin
from notifier.admin.broadcasts.followups import RESOLVE, FollowUpPages, next_steps
from notifier.admin.broadcasts.listing import BroadcastList, sender
from notifier.admin.deliveries.recovery import DECISIONS, WhyForm, outcome, reasons
from notifier.admin.deliveries.results import list_of
from notifier.broadcasts import followups, lifecycle, progress
from notifier.broadcasts import skip_reasons as why_unsent
from notifier.delivery import recovery
from notifier.models import Broadcast, Delivery, Reason, Resolution
from notifier.policies import throttles
from notifier.runtime import clock, process_health
from notifier.web.htmx import HtmxHttpRequest

CONTROL = "notifier.control_broadcast"
#: How long a page without JavaScript shows the same numbers.
REFRESH_SECONDS = 3


@dataclass(frozen=True, slots=True)
class Order:
    """Something that staff may tell a broadcast to do."""

    name: str
    label: str
    #: In which states of the broadcast the button is shown. The service has the last word.
    states: tuple[str, ...]
    #: What it does to a broadcast of this id, and says after.
    give: Callable[..., None] | None = None
    done: str = ""
    #: Instead of that: the deliveries that are sent again, of which there must be some.
    of: Delivery.State | None = None
    #: What a page of its own says before this is done; such an order can't be taken back.
    warning: str = ""
    tone: str = ""
    #: It is about what has not been sent yet.
    takes_back: bool = False
    #: What the button that does it says, with how many.
    button: str = "Send {} again"
    permission: str = CONTROL
    #: Not for a broadcast that a second person has a say in.
    alone: bool = False

    @property
    def asks(self) -> bool:
        """Whether it has that page."""
        return bool(self.warning or self.of or self.alone)

    def number(self, sheet: progress.Sheet) -> int | None:
        """Of the deliveries that it is about; None where it is about the broadcast as a whole."""
        if self.of:
            return sheet.count(self.of)
        # Before it starts nobody has been counted, and until everybody has been the number would be too low.
        is_counted = sheet.broadcast.state not in Broadcast.BEFORE_START and sheet.expanded_share >= 1
        return sheet.waiting if self.takes_back and is_counted else None

    def words(self, number: int | None) -> str:
        """What the button that does it says."""
        return f"{self.label} the broadcast" if number is None else self.button.format(f"{number:,}")

    def fits(self, sheet: progress.Sheet, now: datetime) -> bool:
        if self.alone and sheet.broadcast.needs_approval:
            return False
        if self.of and sheet.broadcast.is_expired(now):
            return False
        return sheet.broadcast.state in self.states and (self.of is None or sheet.count(self.of) > 0)


_STATE = Broadcast.State
ORDERS = {
    order.name: order
    for order in (
        Order(
            "pause",
            "Pause",
            (_STATE.RUNNING,),
            lifecycle.pause,
            "Paused. What is being sent at this moment still goes out.",
        ),
        Order("resume", "Resume", (_STATE.PAUSED,), lifecycle.resume, "Resumed.", tone="primary"),
        # Whatever is unknown may have arrived: see the page that resolves deliveries.
        Order(
            "retry",
            "Retry failed",
            (_STATE.RUNNING, _STATE.FINISHED),
            of=Delivery.State.FAILED,
            permission=RESOLVE,
        ),
        Order("start-now", "Start now", (_STATE.SCHEDULED,), before_start.start_now, "Started.", alone=True),
        Order(
            "cancel",
            "Cancel",
            (_STATE.AWAITING_APPROVAL, _STATE.SCHEDULED, _STATE.RUNNING, _STATE.PAUSED),
            lifecycle.cancel,
            "Cancelled. Whatever had not gone out stays unsent.",
            warning="Whatever has not gone out yet will never be sent. This can’t be undone.",
            tone="danger",
            takes_back=True,
            button="Cancel: {} not yet sent will never be",
        ),
    )
}


@admin.register(Broadcast)
class BroadcastAdmin(FollowUpPages, BeforeStartAdmin, BroadcastList):
    # --- Its page ---
    def get_urls(self) -> list[URLPattern]:
        guard = self.admin_site.admin_view
        return [
            path("<int:broadcast_id>/progress/", guard(self.progress_view), name="notifier_broadcast_progress"),
            path("<int:broadcast_id>/email/", guard(self.email_preview_view), name="notifier_broadcast_email_preview"),
            path("<int:broadcast_id>/follow/", guard(self.follow_view), name="notifier_broadcast_follow"),
            path("<int:broadcast_id>/order/<str:name>/", guard(self.order_view), name="notifier_broadcast_order"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Nothing of a broadcast can be edited: its page is the progress page."""
        if not object_id.isdecimal():
            raise Http404
        return redirect(self.page_url("progress", object_id))

    def progress_view(self, request: HtmxHttpRequest, broadcast_id: int) -> HttpResponse:
        """The page, and for htmx the parts of it that move. One view of it costs the same whatever the audience."""
        broadcast = self._visible(request, broadcast_id)
        is_under_way = broadcast.state == Broadcast.State.RUNNING
        sheet = progress.sheet(broadcast, limits=throttles.rates() if is_under_way else None)
        context = self._figures(request, sheet)
        if request.htmx:
            # Buttons are sent again only where others are due: a click must not fall between two polls.
            context["swap_controls"] = not context["wall"] and request.GET.get("controls") != context["controls"]
            # Said aloud only where it is news.
            context["swap_said"] = request.GET.get("said") != context["said"]
            response = TemplateResponse(request, "admin/notifier/broadcast/poll.html", context)
            response.status_code = HTMX_STOP_POLLING if context["settled"] else HTTPStatus.OK
            return response
        page = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": broadcast.subject,
            "refresh_seconds": REFRESH_SECONDS,
        }
        return TemplateResponse(request, "admin/notifier/broadcast/progress.html", page | context)

    @method_decorator(csp(email_preview.POLICY))
    def email_preview_view(self, request: HttpRequest, broadcast_id: int) -> HttpResponse:
        """The e-mail that it froze, whatever the notification says today, for the pages that frame it."""
        return email_preview.page(request, self._visible(request, broadcast_id))

    def _figures(self, request: HttpRequest, sheet: progress.Sheet) -> dict[str, Any]:
        broadcast = sheet.broadcast
        settled = broadcast.finished_at is not None and broadcast.tallied_at is not None
        follower = followups.follower_of(broadcast_id=broadcast.pk) if broadcast.finished_at else None
        orders = self._orders(request, sheet, follower)
        retry = self.page_url("order", broadcast.pk, "retry") if ORDERS["retry"] in orders else ""
        buttons = [(order, order.number(sheet)) for order in orders]
        # A number that comes later has no place yet on the button that is there.
        shown = [order.name if number is None else f"{order.name}+" for order, number in buttons]
        states = [(state, sheet.count(state)) for state in Delivery.State]
        return {
            "broadcast": broadcast,
            "sheet": sheet,
            "wall": request.GET.get("wall") == "1",
            "said": progress.announcement(sheet),
            "follower": follower,
            "steps": next_steps(request, sheet, follower, retry) if settled else [],
            "deliveries": list_of(broadcast),
            "spared": why_unsent.spared(broadcast.pk) if sheet.count(Delivery.State.SKIPPED) else None,
            "spared_url": list_of(broadcast, state__exact=Delivery.State.SKIPPED, reason=Reason.CONSENT_GONE),
            "sent": sheet.count(Delivery.State.SENT),
            "wait": before_start.wait(broadcast=broadcast, user=request.user, now=clock.now()),
            "states": states,
            "terms": [(state, number) for state, number in states if number],
            "sender": sender(broadcast),
            "is_expired": broadcast.is_expired(clock.now()),
            "health": process_health.health(channels=broadcast.channels, now=clock.now()),
            "feed": progress.feed(broadcast),
            "may_see_clients": request.user.has_perm("notifier.view_client"),
            "may_see_deliveries": request.user.has_perm("notifier.view_delivery"),
            "buttons": buttons,
            "controls": "-".join([broadcast.state, *shown]),
            "settled": settled,
        }

    def _orders(self, request: HttpRequest, sheet: progress.Sheet, follower: Broadcast | None) -> list[Order]:
        # What failed was taken over by the broadcast that follows: see `followups`.
        done_with = {ORDERS["retry"]} if follower else set()
        now = clock.now()
        given = [order for order in ORDERS.values() if request.user.has_perm(order.permission)]
        return [order for order in given if order.fits(sheet, now) and order not in done_with]

    # --- Orders ---
    def order_view(self, request: HttpRequest, broadcast_id: int, name: str) -> HttpResponse:
        """GET asks, where there is something to ask; POST does it."""
        order = ORDERS.get(name)
        if order is None:
            raise Http404
        if not request.user.has_perm(order.permission):
            raise PermissionDenied
        broadcast = self._visible(request, broadcast_id)
        if request.method == "POST":
            return self._give(request, order, broadcast)
        if not order.asks:
            return HttpResponseNotAllowed(["POST"])
        if order.alone:
            return self.ask_to_start(request, broadcast)
        return self._ask(request, order, broadcast, WhyForm())

    def _give(self, request: HttpRequest, order: Order, broadcast: Broadcast) -> HttpResponse:
        if order.give is None:
            return self._send_again(request, order, broadcast)
        try:
            order.give(broadcast_id=broadcast.pk)
        except lifecycle.NotAllowed as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
        else:
            self.message_user(request, order.done, messages.SUCCESS)
        return redirect(self.page_url("progress", broadcast.pk))

    def _send_again(self, request: HttpRequest, order: Order, broadcast: Broadcast) -> HttpResponse:
        form = WhyForm(request.POST)
        if not form.is_valid():
            return self._ask(request, order, broadcast, form)
        resolved = recovery.send_again(
            deliveries=broadcast.deliveries.filter(state=order.of),
            by=cast(User, request.user),
            why=form.cleaned_data["why"],
            now=clock.now(),
        )
        level, text = outcome(DECISIONS["send-again"], resolved)
        self.message_user(request, text, level)
        return redirect(self.page_url("progress", broadcast.pk))

    def _ask(self, request: HttpRequest, order: Order, broadcast: Broadcast, form: WhyForm) -> HttpResponse:
        sheet = progress.sheet(broadcast)
        number, obstacle = self._number(order, sheet)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"{order.label}: {broadcast.subject}",
            "broadcast": broadcast,
            "sheet": sheet,
            "order": order,
            "form": form if order.of else None,
            "obstacle": obstacle,
            "number": number,
            "button": order.words(number),
            "sent": sheet.count(Delivery.State.SENT),
        }
        return TemplateResponse(request, "admin/notifier/broadcast/order.html", context)

    def _number(self, order: Order, sheet: progress.Sheet) -> tuple[int | None, str]:
        """How many deliveries it is about, and why it can't be done. What is sent again is counted now."""
        if not order.of:
            return order.number(sheet), ""
        rows = sheet.broadcast.deliveries.filter(state=order.of)
        seen = recovery.prospect(action=Resolution.Action.SENT_AGAIN, deliveries=rows, now=clock.now())
        nothing = f"nothing of it is {order.of.label.lower()} any more"
        return seen.number, "" if seen.number else reasons(seen.left) or nothing

    def _visible(self, request: HttpRequest, broadcast_id: int) -> Broadcast:
        if not self.has_view_permission(request):
            raise PermissionDenied
        broadcast: Broadcast | None = self._detailed().filter(pk=broadcast_id).first()
        if broadcast is None:
            raise Http404(f"There is no broadcast {broadcast_id}.")
        return broadcast

    def _detailed(self) -> QuerySet[Broadcast]:
        return Broadcast.objects.select_related("topic", "created_by", "text_by", "approved_by", "notification")
