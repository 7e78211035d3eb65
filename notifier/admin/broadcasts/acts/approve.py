"""The second person's page: read what would be sent, to whom and when, then approve or reject it."""

from typing import cast

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifier.admin.broadcasts import page_parts, waiting
from notifier.admin.lists.base import BackOfficeAdmin
from notifier.admin.lists.reason_field import ReasonField
from notifier.broadcasts import acts, approvals, lifecycle
from notifier.broadcasts.acts import Act
from notifier.models import Broadcast
from notifier.runtime import clock
from notifier.runtime.versions import NotAsShown
from notifier.staff import groups

CHANGED = _("Nothing was rejected: this broadcast has changed since you opened the page. Please check it again.")


class RejectForm(forms.Form):
    why = ReasonField(max_length=200, help_text=_("The person who created it will see this."))
    #: The version that the page showed: it may have been mended since.
    seen = forms.CharField(required=False, widget=forms.HiddenInput)


def approve_page(model_admin: BackOfficeAdmin, request: HttpRequest, broadcast_id: int) -> HttpResponse:
    """GET shows what would be sent, to whom and when; POST approves or rejects it."""
    if not request.user.has_perm(groups.APPROVE_BROADCAST):
        raise PermissionDenied
    broadcast = page_parts.find(model_admin, request, broadcast_id, "follows__topic")
    if request.method != "POST":
        return _show(model_admin, request, broadcast, RejectForm())
    if request.POST.get("word") == "reject":
        return _reject(model_admin, request, broadcast)
    return _approve(model_admin, request, broadcast)


def _show(model_admin: BackOfficeAdmin, request: HttpRequest, broadcast: Broadcast, reject: RejectForm) -> HttpResponse:
    if not acts.is_allowed(Act.APPROVE, broadcast):
        return page_parts.refused(model_admin, request, broadcast, lifecycle.refusal(Act.APPROVE, broadcast.pk))
    context = {
        **page_parts.context(model_admin, request, broadcast, "Approve"),
        **page_parts.reach_now(request, broadcast, at=broadcast.scheduled_for),
        "wait": waiting.wait(broadcast=broadcast, user=request.user, now=clock.now()),
        "reject": reject,
    }
    return TemplateResponse(request, "admin/notifier/broadcast/approve.html", context)


def _approve(model_admin: BackOfficeAdmin, request: HttpRequest, broadcast: Broadcast) -> HttpResponse:
    seen = request.POST.get("seen", "")
    if not seen:
        return _read_again(
            model_admin, request, broadcast, gettext("The form was incomplete, so nothing was approved.")
        )
    try:
        approvals.approve(broadcast_id=broadcast.pk, by=cast(User, request.user), now=clock.now(), seen=seen)
    except NotAsShown:
        why = gettext("%(broadcast)s has changed since you opened the page. Check it again before you approve it.") % {
            "broadcast": broadcast
        }
        return _read_again(model_admin, request, broadcast, why)
    except lifecycle.NotAllowed as refusal:
        return page_parts.refused(model_admin, request, broadcast, refusal)
    broadcast.refresh_from_db()
    text = gettext("Approved: it is %(state_in_words)s.") % {"state_in_words": lifecycle.state_in_words(broadcast)}
    return page_parts.to_progress(model_admin, request, broadcast, text)


def _read_again(model_admin: BackOfficeAdmin, request: HttpRequest, broadcast: Broadcast, why: str) -> HttpResponse:
    model_admin.message_user(request, why, messages.ERROR)
    return redirect(model_admin.page_url("approve", broadcast.pk))


def _reject(model_admin: BackOfficeAdmin, request: HttpRequest, broadcast: Broadcast) -> HttpResponse:
    form = RejectForm(request.POST)
    if not form.is_valid():
        return _show(model_admin, request, broadcast, form)
    try:
        approvals.reject(broadcast_id=broadcast.pk, by=cast(User, request.user), now=clock.now(), **form.cleaned_data)
    except NotAsShown:
        model_admin.message_user(request, CHANGED, messages.ERROR)
        typed = RejectForm(initial={"why": form.cleaned_data["why"]})
        return _show(model_admin, request, page_parts.find(model_admin, request, broadcast.pk, "follows__topic"), typed)
    except lifecycle.NotAllowed as refusal:
        return page_parts.refused(model_admin, request, broadcast, refusal)
    return page_parts.to_progress(model_admin, request, broadcast, gettext("Rejected. Nothing will be sent."))
