"""Broadcasts: their list, and the routes to their pages. The list counts no deliveries: it reads the tally."""

from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import URLPattern
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from notifier.admin.broadcasts import email_preview, page_parts, progress_page
from notifier.admin.broadcasts.acts import approve, buttons, follow_up, reschedule, undo
from notifier.admin.deliveries.results import list_of
from notifier.admin.lists.base import ReadOnlyAdmin
from notifier.admin.lists.routing import page
from notifier.broadcasts import lifecycle
from notifier.models import Broadcast, Delivery
from notifier.overview.concerns import LATE_AFTER
from notifier.progress import sheets
from notifier.runtime import clock
from notifier.wording import numbers, wall_clocks
from notifier.wording.badges import badge, state_badge
from notifier.wording.model_names import NOTHING


@admin.register(Broadcast)
class BroadcastAdmin(ReadOnlyAdmin):
    list_display = (
        "title",
        "state_shown",
        "sent_share",
        "sent",
        "failed",
        "unknown",
        "skipped",
        "audience_shown",
        "begun",
    )
    list_display_links = None
    list_filter = ("state", "topic")
    # From a notification's page, and after several were broadcast at once.
    linked_by = ("notification__id__exact", "id__in")
    list_select_related = ("topic", "created_by")
    search_fields = ("subject__icontains",)
    search_help_text = _("Search by subject.")
    ordering = ("-created_at",)
    sortable_by = ()

    def get_urls(self) -> list[URLPattern]:
        one = "<int:broadcast_id>"
        preview, told = progress_page.email_preview_page, page_parts.telling_who_is_missing
        return [
            page(self, progress_page.progress_page, name="progress", route=f"{one}/progress/"),
            page(self, preview, name="email_preview", route=f"{one}/email/", policy=email_preview.POLICY),
            page(self, told(approve.approve_page), name="approve", route=f"{one}/approve/"),
            page(self, told(reschedule.reschedule_page), name="schedule", route=f"{one}/schedule/"),
            page(self, told(follow_up.follow_up_page), name="follow", route=f"{one}/follow/"),
            page(self, told(follow_up.count_page), name="follow_count", route=f"{one}/follow/count/"),
            page(self, undo.undo_page, name="undo", route="undo/"),
            # Pause, resume, retry, start now and cancel.
            page(self, told(buttons.act_page), name="act", route=f"{one}/act/<str:name>/"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Nothing of a broadcast can be edited: its page is the progress page."""
        if numbers.read_id(object_id) is None:
            raise Http404
        return redirect(self.page_url("progress", object_id))

    # --- The columns ---
    @admin.display(description=_("broadcast"))
    def title(self, broadcast: Broadcast) -> SafeString:
        return format_html(
            '<a href="{}">{}</a> <span class="quiet">#{} {}{}</span>',
            self.page_url("progress", broadcast.pk),
            broadcast.title,
            broadcast.pk,
            broadcast.topic.name,
            f", follows #{broadcast.follows_id}" if broadcast.follows_id else "",
        )

    @admin.display(description=_("status"))
    def state_shown(self, broadcast: Broadcast) -> SafeString:
        return state_badge(Broadcast.State(broadcast.state))

    @admin.display(description=_("progress"))
    def sent_share(self, broadcast: Broadcast) -> SafeString | str:
        bar = sheets.sheet(broadcast).bar
        if not bar.to_send:
            return NOTHING
        shown = render_to_string("admin/includes/broadcasts/bar.html", {"bar": bar, "of": f"#{broadcast.pk}"})
        # Of what was cancelled midway the columns are about those clients alone who were looked at, and the bar is not.
        return shown if bar.is_partial else format_html("{} {}%", shown, int(bar.share * 100))

    @admin.display(description=_("sent"))
    def sent(self, broadcast: Broadcast) -> str:
        return _number(broadcast, Delivery.State.SENT)

    @admin.display(description=_("failed"))
    def failed(self, broadcast: Broadcast) -> str:
        return _to_look_at(broadcast, Delivery.State.FAILED, "bad")

    @admin.display(description=_("unknown"))
    def unknown(self, broadcast: Broadcast) -> str:
        return _to_look_at(broadcast, Delivery.State.UNKNOWN, "warn")

    @admin.display(description=_("skipped"))
    def skipped(self, broadcast: Broadcast) -> str:
        return _number(broadcast, Delivery.State.SKIPPED)

    @admin.display(description=_("messages"))
    def audience_shown(self, broadcast: Broadcast) -> str:
        """How many messages are to be sent; who is skipped has a column of their own.

        Before the start nobody knows: its page counts them then, and any cheaper number here would be another one.
        """
        sheet = sheets.sheet(broadcast)
        if broadcast.started_at is None or not sheet.is_counted:
            return NOTHING
        return f"{sheet.bar.to_send:,}" + (" so far" if sheet.bar.grows else "")

    @admin.display(description=_("started"))
    def begun(self, broadcast: Broadcast) -> SafeString:
        return format_html('{} <span class="quiet">by {}</span>', _start(broadcast), lifecycle.requester(broadcast))


def _start(broadcast: Broadcast) -> str:
    """When it started, or is to start, or was."""
    if broadcast.started_at:
        return wall_clocks.shown(broadcast.started_at)
    # The end of the time to undo it is no time that staff have chosen.
    planned = None if broadcast.scheduled_for == broadcast.undo_until else broadcast.scheduled_for
    if broadcast.state not in Broadcast.BEFORE_START:
        return f"was planned for {wall_clocks.shown(planned)}" if planned else NOTHING
    if planned and planned > clock.now():
        return f"starts {wall_clocks.shown(planned)}"
    if planned and (broadcast.state == Broadcast.State.AWAITING_APPROVAL or planned < clock.now() - LATE_AFTER):
        return f"was due {wall_clocks.shown(planned)}"
    if broadcast.state == Broadcast.State.AWAITING_APPROVAL:
        return "once approved"
    return "about to start" if broadcast.scheduled_for else NOTHING


def _number(broadcast: Broadcast, state: Delivery.State) -> str:
    number = sheets.sheet(broadcast).count(state)
    return f"{number:,}" if number else NOTHING


def _to_look_at(broadcast: Broadcast, state: Delivery.State, tone: str) -> str:
    """A number that somebody should do something about, and a link to the deliveries behind it."""
    number = _number(broadcast, state)
    if number == NOTHING:
        return number
    return format_html('<a href="{}">{}</a>', list_of(broadcast, state__exact=state), badge(text=number, tone=tone))
