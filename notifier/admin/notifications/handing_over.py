"""From whoever writes a notification to whoever sends it: its status, and what the form's buttons do after a save."""

from dataclasses import dataclass
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifier.admin.lists.base import BackOfficeAdmin
from notifier.admin.notifications import confirm_page
from notifier.models import Notification
from notifier.notifications import statuses
from notifier.runtime import clock
from notifier.runtime.versions import NotAsShown
from notifier.staff import groups
from notifier.wording.badges import state_badge

Status = Notification.Status

#: The names of the form's buttons.
SEND, READY, DRAFT = "_send", "_ready", "_draft"
DRAFT_AGAIN = _(
    "The text that was ready to send has changed, so it is no longer ready. Press “Ready to send” when it is."
)


class StatusFilter(admin.SimpleListFilter):
    title = _("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(status.value.lower(), str(status.label)) for status in Status]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        wanted = (self.value() or "").upper()
        return queryset.filter(status=wanted) if wanted in Status.values else queryset


def shown(notification: Any) -> SafeString:
    """Of a row of the list; who handed it over stands beside a text that is ready."""
    status = Status(notification.status)
    if status != Status.READY or not notification.ready_by:
        return state_badge(status)
    return format_html('{} <span class="quiet">by {}</span>', state_badge(status), notification.ready_by.get_username())


@dataclass(frozen=True, slots=True)
class HandingOver:
    """What the form shows of its status."""

    notification: Notification
    status: Status
    badge: SafeString

    @classmethod
    def of(cls, notification: Any) -> "HandingOver | None":
        """None where the row was not read with its status: an earlier version."""
        if (found := getattr(notification, "status", None)) is None:
            return None
        return cls(notification, Status(found), state_badge(Status(found)))


def after_save(model_admin: BackOfficeAdmin, request: HttpRequest, notification: Notification) -> HttpResponse | None:
    """What the pressed button leads to; None for those of every form."""
    if SEND in request.POST and request.user.has_perm(groups.SEND_BROADCAST):
        return confirm_page.to_page(model_admin, [notification.pk])
    if READY in request.POST:
        _mark_ready(model_admin, request, notification)
    elif DRAFT in request.POST:
        statuses.take_back(notification_id=notification.pk)
        model_admin.log_change(request, notification, "No longer ready to send.")
        model_admin.message_user(request, gettext("It is no longer ready to send."), messages.SUCCESS)
    else:
        return None
    return redirect(model_admin.page_url("change", notification.pk))


def _mark_ready(model_admin: BackOfficeAdmin, request: HttpRequest, notification: Notification) -> None:
    try:
        statuses.mark_ready(notification=notification, by=cast(User, request.user), now=clock.now())
    except (statuses.SentAlready, NotAsShown) as refusal:
        model_admin.message_user(request, str(refusal), messages.WARNING)
        return
    model_admin.log_change(request, notification, "Marked as ready to send.")
    text = gettext(
        "“%(notification)s” is saved and ready to send. Anyone who may send it finds it on the overview "
        "and in the list."
    ) % {"notification": notification}
    model_admin.message_user(request, text, messages.SUCCESS)
