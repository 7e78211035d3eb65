"""Pause, resume and cancel. Cancelling can't be undone, so a page asks before it."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext

from notifier.admin.broadcasts import page_parts
from notifier.admin.lists.base import BackOfficeAdmin
from notifier.broadcasts import acts, lifecycle
from notifier.broadcasts.acts import Act
from notifier.models import Broadcast, Delivery
from notifier.progress import sheets
from notifier.progress.sheets import Sheet
from notifier.runtime import clock


def pause(model_admin: BackOfficeAdmin, request: HttpRequest, broadcast: Broadcast) -> HttpResponse:
    done = gettext("Paused. Messages that are already being sent still go out.")
    return _change(model_admin, request, broadcast, partial(lifecycle.pause, now=clock.now()), done)


def resume(model_admin: BackOfficeAdmin, request: HttpRequest, broadcast: Broadcast) -> HttpResponse:
    return _change(model_admin, request, broadcast, lifecycle.resume, gettext("Resumed."))


def cancel_page(model_admin: BackOfficeAdmin, request: HttpRequest, broadcast: Broadcast) -> HttpResponse:
    """GET says how many have not been sent yet, POST cancels it."""
    if request.method == "POST":
        done = gettext("Cancelled. Messages that had not been sent will not be sent.")
        return _change(model_admin, request, broadcast, lifecycle.cancel, done)
    if not acts.is_allowed(Act.CANCEL, broadcast):
        return page_parts.refused(model_admin, request, broadcast, lifecycle.refusal(Act.CANCEL, broadcast.pk))
    sheet = sheets.sheet(broadcast)
    context = {
        **page_parts.context(model_admin, request, broadcast, "Cancel"),
        "sheet": sheet,
        "number": unsent(sheet),
        "sent": sheet.count(Delivery.State.SENT),
    }
    return TemplateResponse(request, "admin/notifier/broadcast/cancel.html", context)


def _change(
    model_admin: BackOfficeAdmin,
    request: HttpRequest,
    broadcast: Broadcast,
    service: Callable[..., None],
    done: str,
) -> HttpResponse:
    try:
        service(broadcast_id=broadcast.pk)
    except lifecycle.NotAllowed as refusal:
        return page_parts.refused(model_admin, request, broadcast, refusal)
    return page_parts.to_progress(model_admin, request, broadcast, done)


def is_on_its_way(sheet: Sheet, now: datetime) -> bool:
    """Whether it is running, or was sent a moment ago: what is planned has nothing to pause."""
    return sheet.broadcast.state == Broadcast.State.RUNNING or sheet.broadcast.can_be_undone


def unsent(sheet: Sheet) -> int | None:
    """How many have not gone out yet; None before all clients have been looked at: the number would be too low."""
    is_counted = sheet.broadcast.state not in Broadcast.BEFORE_START and sheet.expanded_share >= 1
    return sheet.waiting if is_counted else None
