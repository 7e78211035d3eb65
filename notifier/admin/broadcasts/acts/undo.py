"""*Undo*: what was just sent, counted down, and the button that takes it back.

The progress page has the button as well. This page is where someone comes who sent several at once, or may not see
broadcasts. It is at `undo/?ids=…`, with the ids of the broadcasts.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext
from django_htmx.http import HTMX_STOP_POLLING

from notifier.admin.lists.base import BackOfficeAdmin
from notifier.admin.lists.selection import read_ids
from notifier.broadcasts import lifecycle, undo
from notifier.models import Broadcast
from notifier.runtime import clock
from notifier.staff import groups
from notifier.web.htmx import HtmxHttpRequest
from notifier.wording import numbers

#: As many as can be sent at once, or more.
MAX_AT_ONCE = 50
#: How long a page without JavaScript shows the same seconds.
REFRESH_SECONDS = 2


def may_undo(user: Any, broadcast: Broadcast) -> bool:
    """Whoever sent it, by *Send* or by approving it; and whoever may stop any broadcast."""
    if user.pk in (broadcast.created_by_id, broadcast.approved_by_id):
        return True
    return bool(user.has_perm(groups.VIEW_BROADCAST) and user.has_perm(groups.CONTROL_BROADCAST))


def url_of(broadcasts: Sequence[Broadcast]) -> str:
    ids = ",".join(str(broadcast.pk) for broadcast in broadcasts)
    return f"{reverse('admin:notifier_broadcast_undo')}?{urlencode({'ids': ids}, safe=',')}"


def undo_page(model_admin: BackOfficeAdmin, request: HtmxHttpRequest) -> HttpResponse:
    """GET shows how long is left, POST undoes it."""
    ids = read_ids(request.GET.get("ids", ""), most=MAX_AT_ONCE)
    found = list(Broadcast.objects.filter(pk__in=ids).select_related("topic").order_by("pk"))
    if not all(may_undo(request.user, broadcast) for broadcast in found):
        raise PermissionDenied
    if not found:
        return model_admin.ask_to_choose(request)
    return _undo(model_admin, request, found) if request.method == "POST" else _show(model_admin, request, found)


def _show(model_admin: BackOfficeAdmin, request: HtmxHttpRequest, found: Sequence[Broadcast]) -> HttpResponse:
    now = clock.now()
    waiting = any(broadcast.can_be_undone for broadcast in found)
    page = {
        "title": gettext("%(broadcasts)s just sent") % {"broadcasts": numbers.counted(len(found), "broadcast")},
        "rows": [(broadcast, _starts_in(broadcast, now)) for broadcast in found],
        "waiting": waiting,
        "refresh_seconds": REFRESH_SECONDS,
        "list_url": _list_url(model_admin, request, found),
    }
    if request.htmx:
        status = 200 if waiting else HTMX_STOP_POLLING
        return TemplateResponse(request, "admin/notifier/broadcast/undo_poll.html", page, status=status)
    return TemplateResponse(request, "admin/notifier/broadcast/undo.html", model_admin.page_context(request, page))


def _starts_in(broadcast: Broadcast, now: datetime) -> Any:
    """Until its start; None for one that has started, or may at any moment."""
    later = broadcast.can_be_undone and broadcast.scheduled_for is not None and broadcast.scheduled_for > now
    return broadcast.scheduled_for - now if later and broadcast.scheduled_for else None


def _list_url(model_admin: BackOfficeAdmin, request: HttpRequest, found: Sequence[Broadcast]) -> str:
    if not request.user.has_perm(groups.VIEW_BROADCAST):
        return ""
    return f"{model_admin.page_url('changelist')}?id__in={','.join(str(broadcast.pk) for broadcast in found)}"


def _undo(model_admin: BackOfficeAdmin, request: HttpRequest, found: Sequence[Broadcast]) -> HttpResponse:
    undone = []
    for broadcast in found:
        try:
            undo.undo(broadcast_id=broadcast.pk, by=cast(User, request.user))
            undone.append(broadcast)
        except lifecycle.NotAllowed as refusal:
            model_admin.message_user(request, gettext("Too late. %(refusal)s") % {"refusal": refusal}, messages.ERROR)
    if undone:
        what = "Undone" if len(found) == len(undone) else numbers.counted(len(undone), "broadcast") + " undone"
        model_admin.message_user(request, gettext("%(what)s: nothing was sent.") % {"what": what}, messages.SUCCESS)
    return redirect(_back_url(model_admin, request, undone) or _result_url(model_admin, request, found))


def _back_url(model_admin: BackOfficeAdmin, request: HttpRequest, undone: Sequence[Broadcast]) -> str:
    """Where it was sent from, with what was chosen there; empty where that is not for this reader."""
    may = request.user.has_perm
    if not undone:
        return ""
    first = undone[0]
    if first.needs_approval:
        return model_admin.page_url("approve", first.pk) if may(groups.APPROVE_BROADCAST) else ""
    if not may(groups.SEND_BROADCAST):
        return ""
    if first.follows_id:
        return model_admin.page_url("follow", first.follows_id) if may(groups.VIEW_BROADCAST) else ""
    again = [broadcast for broadcast in undone if not broadcast.needs_approval and not broadcast.follows_id]
    query = {"ids": ",".join(str(broadcast.notification_id) for broadcast in again), "undone": first.pk}
    return f"{reverse('admin:notifier_notification_broadcast')}?{urlencode(query, safe=',')}"


def _result_url(model_admin: BackOfficeAdmin, request: HttpRequest, found: Sequence[Broadcast]) -> str:
    if not request.user.has_perm(groups.VIEW_BROADCAST):
        return reverse("admin:index")
    if len(found) == 1:
        return model_admin.page_url("progress", found[0].pk)
    return _list_url(model_admin, request, found)
