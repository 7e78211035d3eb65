"""The page that sends a broadcast's text once more, to those who did not get it: it counts them exactly, and asks."""

import uuid
from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from notifier.admin.broadcasts import page_parts, samples, stopped, totals
from notifier.admin.broadcasts.acts import next_steps
from notifier.admin.broadcasts.forms import FollowForm
from notifier.admin.broadcasts.totals import Totals
from notifier.admin.deliveries import results
from notifier.admin.lists import deferred_counts
from notifier.admin.lists.base import BackOfficeAdmin
from notifier.audience import held_back, missing_values, unreached
from notifier.broadcasts import followups, lifecycle
from notifier.models import Broadcast, Delivery
from notifier.progress import sheets
from notifier.runtime import clock
from notifier.staff import groups


def follow_up_page(model_admin: BackOfficeAdmin, request: HttpRequest, broadcast_id: int) -> HttpResponse:
    """GET counts and asks, POST sends."""
    if not request.user.has_perm(groups.SEND_BROADCAST):
        raise PermissionDenied
    broadcast = page_parts.find(model_admin, request, broadcast_id)
    try:
        if request.method == "POST":
            return _follow_up(model_admin, request, broadcast)
        followups.check(broadcast=broadcast)
    except followups.FollowUpError as refusal:
        return page_parts.refused(model_admin, request, broadcast, f"Nothing was sent. {refusal}")
    return _ask(model_admin, request, broadcast)


def count_page(model_admin: BackOfficeAdmin, request: HttpRequest, broadcast_id: int) -> HttpResponse:
    """A piece of the progress page: the way to those who did not get it, with its number, once they are counted."""
    if not request.user.has_perm(groups.SEND_BROADCAST):
        raise PermissionDenied
    broadcast = page_parts.find(model_admin, request, broadcast_id)
    try:
        followups.check(broadcast=broadcast)
    except followups.FollowUpError as refusal:
        return TemplateResponse(request, "admin/notifier/broadcast/parts/follow_step.html", {"refusal": str(refusal)})
    step = next_steps.follow_up(request, sheets.sheet(broadcast))
    return TemplateResponse(request, "admin/notifier/broadcast/parts/follow_step.html", {"step": step})


def _follow_up(model_admin: BackOfficeAdmin, request: HttpRequest, broadcast: Broadcast) -> HttpResponse:
    try:
        token = uuid.UUID(request.POST.get("token", ""))
    except ValueError:
        text = "The form was incomplete, so nothing was sent. Please try again."
        model_admin.message_user(request, text, messages.ERROR)
        return redirect(model_admin.page_url("follow", broadcast.pk))
    # A second click. Its number may be old by now, for those whom it was about are being sent to.
    if made := followups.find_existing(broadcast_id=broadcast.pk, token=token):
        return redirect(model_admin.page_url("progress", made.pk))
    followups.check(broadcast=broadcast)
    summary = totals.of_follow_up(broadcast, unreached.missing(broadcast=broadcast, now=clock.now()))
    form = _form(request, summary, request.POST)
    if not form.is_valid():
        return _ask(model_admin, request, broadcast, "Nothing has been sent yet: check what is marked below.", form)
    made = followups.create(
        broadcast_id=broadcast.pk,
        token=token,
        by=cast(User, request.user),
        now=clock.now(),
        is_critical=bool(form.cleaned_data["is_critical"]),
    )
    return redirect(model_admin.page_url("progress", made.pk))


def _ask(
    model_admin: BackOfficeAdmin,
    request: HttpRequest,
    broadcast: Broadcast,
    note: str = "",
    form: FollowForm | None = None,
) -> HttpResponse:
    later = deferred_counts.counted_url(request, is_long=deferred_counts.is_long())
    page = {
        "title": "Send to those who missed it?",
        "broadcast": broadcast,
        "shown": samples.samples_of(broadcast),
        "variants": samples.frozen_variants(broadcast),
        "note": note,
        "token": uuid.uuid4(),
        "counting": later,
        "undo_seconds": settings.UNDO_SECONDS,
        **({} if later else _missing(request, broadcast, form)),
    }
    return TemplateResponse(request, "admin/notifier/broadcast/follow.html", model_admin.page_context(request, page))


def _missing(request: HttpRequest, broadcast: Broadcast, form: FollowForm | None) -> dict[str, Any]:
    counted = unreached.missing(broadcast=broadcast, now=clock.now())
    summary, number = totals.of_follow_up(broadcast, counted), unreached.total(counted)
    form = form or _form(request, summary)
    return {
        "title": "Send to those who missed it?" if summary.critical_total else "Nobody left to send it to",
        "counted": [
            (one, summary.sends[one.channel], summary.critical[one.channel] - summary.sends[one.channel])
            for one in counted
        ],
        "lacking": [
            missing_values.in_words(key=key, number=number, channel=channel)
            for channel, found in summary.lacking.items()
            for key, number in found.each.items()
        ],
        "has_caps": held_back.caps_are_set(),
        "summary": summary,
        "number": summary.critical_total if form.is_for_critical else summary.total,
        "undelivered": sum(missing.undelivered for missing in counted),
        "unknown": sum(missing.unknown for missing in counted),
        "under_way": sum(missing.under_way for missing in counted),
        "unknown_url": results.list_of(broadcast, state__exact=Delivery.State.UNKNOWN),
        "stopped": stopped.lines(summary.sends, now=clock.now()),
        "approval_above": settings.APPROVAL_ABOVE,
        "asks": lifecycle.needs_approval(by=cast(User, request.user), sends=lambda: number),
        "form": form,
    }


def _form(request: HttpRequest, summary: Totals, posted: QueryDict | None = None) -> FollowForm:
    may = request.user.has_perm(groups.SEND_CRITICAL)
    return FollowForm(posted, sends=summary.total, critical_sends=summary.critical_total, may_be_critical=may)
