"""The lists of running processes, and of the tickets that wait where there is no RabbitMQ. Read only."""

from django.contrib import admin
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from notifier.admin.lists.base import ReadOnlyAdmin
from notifier.models import Process, QueuedTicket
from notifier.models.operations import PROCESS_SILENT_AFTER
from notifier.wording.badges import badge, state_badge

#: Letters of a ticket's content in the list.
BODY_LENGTH = 200


@admin.register(Process)
class ProcessAdmin(ReadOnlyAdmin):
    list_display = ("process", "state_shown", "detail", "last_seen_at", "started_at")
    list_filter = ("kind", "channel")
    ordering = ("kind", "channel", "-pk")
    fields = ("kind", "channel", "host", "pid", "state_shown", "detail", "last_seen_at", "started_at")

    @admin.display(description=_("process"))
    def process(self, process: Process) -> str:
        return str(process)

    @admin.display(description=_("status"))
    def state_shown(self, process: Process) -> SafeString:
        # By the web server's clock, which is exact enough here and takes no query a row.
        if process.last_seen_at < timezone.now() - PROCESS_SILENT_AFTER:
            return badge(text="Silent", tone="bad")
        return state_badge(Process.State(process.state))


@admin.register(QueuedTicket)
class QueuedTicketAdmin(ReadOnlyAdmin):
    list_display = ("ticket", "channel", "state_shown", "available_at", "content")
    list_filter = ("channel", "dead")
    ordering = ("-pk",)
    fields = ("channel", "state_shown", "available_at", "content")

    @admin.display(description=_("ticket"))
    def ticket(self, ticket: QueuedTicket) -> str:
        return f"#{ticket.pk}"

    @admin.display(description=_("status"))
    def state_shown(self, ticket: QueuedTicket) -> SafeString:
        if ticket.dead:
            return badge(text="Unreadable, set aside", tone="bad")
        if ticket.lease_token:
            return badge(text="Being processed", tone="active")
        return badge(text="Waiting", tone="quiet")

    @admin.display(description=_("content"))
    def content(self, ticket: QueuedTicket) -> str:
        text = bytes(ticket.body).decode(errors="replace")
        return text if len(text) <= BODY_LENGTH else f"{text[: BODY_LENGTH - 1]}…"
