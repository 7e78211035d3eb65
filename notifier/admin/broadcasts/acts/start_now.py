"""*Start now*: the page that starts a scheduled broadcast before its time.

It is at `<broadcast_id>/act/start-now/`; the button that leads there, and who may press it: `buttons`.
"""

from datetime import datetime
from typing import cast

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext

from notifier.admin.broadcasts import page_parts
from notifier.admin.broadcasts.forms import NumberForm
from notifier.admin.lists.base import BackOfficeAdmin
from notifier.broadcasts import acts, lifecycle, schedules
from notifier.broadcasts.acts import Act
from notifier.models import Broadcast
from notifier.progress.sheets import Sheet
from notifier.runtime import clock
from notifier.runtime.versions import NotAsShown


def start_now_page(model_admin: BackOfficeAdmin, request: HttpRequest, broadcast: Broadcast) -> HttpResponse:
    """GET says to how many it would go at once, POST starts it."""
    if request.method == "POST":
        return _start(model_admin, request, broadcast)
    if not acts.is_allowed(Act.START_NOW, broadcast) or broadcast.needs_approval:
        return page_parts.refused(model_admin, request, broadcast, lifecycle.refusal(Act.START_NOW, broadcast.pk))
    context = page_parts.context(model_admin, request, broadcast, "Start now")
    context |= page_parts.reach_now(request, broadcast)
    return TemplateResponse(request, "admin/notifier/broadcast/start.html", context)


def _start(model_admin: BackOfficeAdmin, request: HttpRequest, broadcast: Broadcast) -> HttpResponse:
    form = NumberForm(request.POST, sends=page_parts.sends_now(broadcast))
    seen = request.POST.get("seen", "")
    try:
        if not form.has_grown:
            schedules.start_now(broadcast_id=broadcast.pk, now=clock.now(), by=cast(User, request.user), seen=seen)
            return page_parts.to_progress(model_admin, request, broadcast, gettext("Started."))
    except NotAsShown:
        pass
    except lifecycle.NotAllowed as refusal:
        return page_parts.refused(model_admin, request, broadcast, refusal)
    return page_parts.not_as_shown(model_admin, request)


def is_for_one_person(sheet: Sheet, now: datetime) -> bool:
    """Its time is part of what a second person approved, where one had to: see `schedules.start_now`.

    What was just sent starts by itself in a moment.
    """
    return not (sheet.broadcast.needs_approval or sheet.broadcast.can_be_undone)
