"""The page that changes when a broadcast that has not begun starts and expires."""

from typing import cast

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifier.admin.broadcasts import page_parts
from notifier.admin.broadcasts.forms import NumberForm, SendOptionsForm
from notifier.admin.lists.base import BackOfficeAdmin
from notifier.broadcasts import acts, lifecycle, schedules
from notifier.broadcasts.acts import Act
from notifier.models import Broadcast
from notifier.runtime import clock
from notifier.runtime.versions import NotAsShown
from notifier.staff import groups

GROWN = _("Nothing was started: it would now be many more messages. Please check the number again.")


def reschedule_page(model_admin: BackOfficeAdmin, request: HttpRequest, broadcast_id: int) -> HttpResponse:
    """GET asks for the times, POST changes them."""
    if not request.user.has_perm(groups.CONTROL_BROADCAST):
        raise PermissionDenied
    broadcast = page_parts.find(model_admin, request, broadcast_id, "follows__topic")
    now = clock.now()
    form = SendOptionsForm(
        request.POST if request.method == "POST" else None,
        now=now,
        initial={name: getattr(broadcast, name) for name in ("scheduled_for", "expires_at", "is_critical")},
        may_be_critical=request.user.has_perm(groups.SEND_CRITICAL),
    )
    if not form.is_valid():
        return _ask(model_admin, request, broadcast, form)
    if _has_grown(request, broadcast, form):
        return _ask(model_admin, request, broadcast, form, str(GROWN))
    try:
        by, seen = cast(User, request.user), request.POST.get("seen", "")
        schedules.reschedule(broadcast_id=broadcast.pk, options=form.options, now=now, by=by, seen=seen)
    except NotAsShown:
        now_shown = page_parts.find(model_admin, request, broadcast_id, "follows__topic")
        return _ask(model_admin, request, now_shown, form, _changed(now_shown))
    except lifecycle.BroadcastError as refusal:
        return page_parts.refused(model_admin, request, broadcast, refusal)
    broadcast.refresh_from_db()
    text = gettext("Changed: it is %(state_in_words)s.") % {"state_in_words": lifecycle.state_in_words(broadcast)}
    return page_parts.to_progress(model_admin, request, broadcast, text)


def _has_grown(request: HttpRequest, broadcast: Broadcast, form: SendOptionsForm) -> bool:
    """Whether it would start at once, and go to many more than the page said."""
    if form.options.scheduled_for or broadcast.needs_approval:
        return False
    is_critical = form.options.is_critical
    # By the number that the page showed for this choice.
    shown = request.POST.get("counted_critical" if is_critical else "counted", "")
    return NumberForm({"counted": shown}, sends=page_parts.sends_now(broadcast, is_critical=is_critical)).has_grown


def _fixed(form: SendOptionsForm) -> bool | None:
    """None where whoever reads the page can't change whether it is critical; it shows both numbers where they can."""
    return None if form.fields["is_critical"].disabled else False


def _changed(broadcast: Broadcast) -> str:
    """What is said to whoever changes a time that is no longer what they saw."""
    newest = broadcast.changes.select_related("by").order_by("-pk").first()
    who = newest.by.get_username() if newest else "someone"
    return gettext(
        "Nothing was changed: %(who)s has changed this broadcast since you opened the page. It is now "
        "%(state_in_words)s. Your choice is still below: check it and save again."
    ) % {"who": who, "state_in_words": lifecycle.state_in_words(broadcast)}


def _ask(
    model_admin: BackOfficeAdmin, request: HttpRequest, broadcast: Broadcast, form: SendOptionsForm, note: str = ""
) -> HttpResponse:
    if not acts.is_allowed(Act.RESCHEDULE, broadcast):
        return page_parts.refused(model_admin, request, broadcast, lifecycle.refusal(Act.RESCHEDULE, broadcast.pk))
    context = {
        **page_parts.context(model_admin, request, broadcast, "Change the time"),
        # Where a second person has to approve it, nothing starts from here, so there is no number to show.
        **({} if broadcast.needs_approval else page_parts.reach_now(request, broadcast, is_critical=_fixed(form))),
        "form": form,
        "note": note,
    }
    return TemplateResponse(request, "admin/notifier/broadcast/schedule.html", context)
