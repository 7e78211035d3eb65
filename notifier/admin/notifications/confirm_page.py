"""From notifications to their broadcasts: the page that shows what would be sent, asks when, and sends."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifier.admin.broadcasts import email_preview, offers, stopped
from notifier.admin.broadcasts.acts import undo
from notifier.admin.broadcasts.forms import SendForm
from notifier.admin.lists import deferred_counts
from notifier.admin.lists.base import BackOfficeAdmin
from notifier.admin.lists.selection import read_ids
from notifier.admin.notifications import audience_choice
from notifier.broadcasts import lifecycle
from notifier.broadcasts.lifecycle import AudienceSeen
from notifier.forms import moments
from notifier.models import Brand, Broadcast, Channel, Notification
from notifier.models.broadcasts import BroadcastQuerySet
from notifier.runtime import clock
from notifier.saved_audiences.document import BrokenAudience, Document
from notifier.staff import groups
from notifier.wording import numbers

#: The parameter that names a broadcast that was undone: what was chosen for it is offered again.
UNDONE = "undone"
#: Each of them counts its audience on the confirm page.
MAX_AT_ONCE = 20
RECENTLY = _(
    "Nothing has been sent yet: this was sent recently, or is about to be. Tick “Send again” to send it anyway."
)


@dataclass(frozen=True, slots=True)
class SendRequest:
    """What the confirm page posts, besides its form."""

    #: By notification, the `updated_at` that the page showed.
    seen: dict[int, datetime]
    token: uuid.UUID
    again: bool
    #: The version of the brand that the page showed; None on a page of before there were brands.
    brand: str | None
    #: The saved audience as the page showed it, or the conditions of a list; None: everybody on the topic.
    audience: AudienceSeen | Document | None


def read_send_request(posted: QueryDict) -> SendRequest | None:
    """None for anything that the confirm page did not make."""
    try:
        pairs = [value.split("@", 1) for value in posted.getlist("seen")]
        read = {numbers.read_id(pk): moments.read(moment) for pk, moment in pairs}
        token = uuid.UUID(posted.get("token", ""))
    except ValueError:
        return None
    seen = {pk: moment for pk, moment in read.items() if pk is not None and moment is not None}
    if not 0 < len(seen) == len(read) <= MAX_AT_ONCE:
        return None
    audience = audience_choice.read_seen(posted)
    if audience is None and posted.get(audience_choice.SEEN):
        return None
    again, brand = posted.get("again") == "on", posted.get("brand_seen")
    return SendRequest(seen=seen, token=token, again=again, brand=brand, audience=audience)


def confirm_page(model_admin: BackOfficeAdmin, request: HttpRequest) -> HttpResponse:
    """GET shows who would get what, POST sends it."""
    if not request.user.has_perm(groups.SEND_BROADCAST):
        raise PermissionDenied
    if request.method == "POST":
        return _send(model_admin, request)
    return _ask(model_admin, request, _asked_ids(request))


def email_preview_page(model_admin: BackOfficeAdmin, request: HttpRequest, notification_id: int) -> HttpResponse:
    """The e-mail, which the confirm page frames."""
    if not request.user.has_perm(groups.SEND_BROADCAST):
        raise PermissionDenied
    notification = get_object_or_404(Notification.objects.select_related("topic"), pk=notification_id)
    try:
        to = audience_choice.to_whom(request, audience_choice.asked_in_url(request.GET))
    except BrokenAudience as broken:
        raise Http404(str(broken)) from broken
    return email_preview.page(request, notification, to.within)


def to_page(model_admin: BackOfficeAdmin, ids: Sequence[int]) -> HttpResponseRedirect:
    """To the confirm page of these notifications."""
    return redirect(f"{model_admin.page_url('broadcast')}?{_query(ids)}")


# --- Sending ----------------------------------------------------------------------------------------------------------
def _send(model_admin: BackOfficeAdmin, request: HttpRequest) -> HttpResponse:
    asked = read_send_request(request.POST)
    if asked is None:
        text = gettext("The form was incomplete, so nothing was sent. Please try again.")
        model_admin.message_user(request, text, messages.ERROR)
        return to_page(model_admin, _asked_ids(request))
    ids = list(asked.seen)
    # A second click, or the form posted again after the back button. It is not checked again: its time may have passed
    # by now, and its number may be old.
    if made := lifecycle.find_existing(token=asked.token, notification_ids=ids):
        return _sent(model_admin, request, made)
    found = list(Notification.objects.filter(pk__in=ids).select_related("topic"))
    may = request.user.has_perm(groups.SEND_CRITICAL)
    try:
        seen = asked.audience
        to = audience_choice.to_whom(request, seen.id if isinstance(seen, AudienceSeen) else seen)
    except BrokenAudience as error:
        model_admin.message_user(request, gettext("Nothing was sent. %(error)s") % {"error": error}, messages.ERROR)
        return to_page(model_admin, ids)
    sends, critical_sends = offers.sends(found, now=clock.now(), to=to)
    form = SendForm(request.POST, now=clock.now(), sends=sends, critical_sends=critical_sends, may_be_critical=may)
    if not form.is_valid():
        return _ask(model_admin, request, ids, gettext("Nothing has been sent yet: check what is marked below."), form)
    return _create(model_admin, request, asked, form)


def _create(model_admin: BackOfficeAdmin, request: HttpRequest, asked: SendRequest, form: SendForm) -> HttpResponse:
    try:
        made = lifecycle.create(
            seen=asked.seen,
            token=asked.token,
            by=cast(User, request.user),
            now=clock.now(),
            again=asked.again,
            options=form.options,
            brand_seen=asked.brand,
            audience=asked.audience,
        )
    except lifecycle.SentRecently:
        return _ask(model_admin, request, list(asked.seen), str(RECENTLY), form, wrong="again")
    except (lifecycle.BroadcastError, BrokenAudience) as refusal:
        return _ask(model_admin, request, list(asked.seen), f"Nothing was sent. {refusal}", form)
    return _sent(model_admin, request, made)


def _sent(model_admin: BackOfficeAdmin, request: HttpRequest, made: Sequence[Broadcast]) -> HttpResponse:
    """To the broadcasts; whoever may not see them is told of them in the list of notifications.

    Several, and those that their sender may not see, can be undone on a page of its own; one alone on its own page.
    """
    may_see = request.user.has_perm(groups.VIEW_BROADCAST)
    if any(broadcast.can_be_undone for broadcast in made) and (len(made) > 1 or not may_see):
        return redirect(undo.url_of(made))
    if not may_see:
        told = "; ".join(f"{broadcast} is {lifecycle.state_in_words(broadcast)}" for broadcast in made)
        model_admin.message_user(request, gettext("Done: %(told)s.") % {"told": told}, messages.SUCCESS)
        return redirect(model_admin.page_url("changelist"))
    if len(made) == 1:
        return redirect("admin:notifier_broadcast_progress", made[0].pk)
    ids = ",".join(str(broadcast.pk) for broadcast in made)
    return redirect(f"{reverse('admin:notifier_broadcast_changelist')}?id__in={ids}")


# --- Asking -----------------------------------------------------------------------------------------------------------
def _ask(
    model_admin: BackOfficeAdmin,
    request: HttpRequest,
    ids: Sequence[int],
    note: str = "",
    form: SendForm | None = None,
    wrong: str = "",
) -> HttpResponse:
    """`wrong` is the id of the field that the note is about, where the form does not know it."""
    found = list(Notification.objects.filter(pk__in=ids).select_related("topic").order_by("pk"))
    if not found:
        text = gettext("Choose the notifications to broadcast from this list.")
        model_admin.message_user(request, text, messages.WARNING)
        return redirect(model_admin.page_url("changelist"))
    topics = len({n.topic_id for n in found})
    later = deferred_counts.counted_url(request, is_long=deferred_counts.is_long(topics=topics))
    undone = None if request.method == "POST" else _undone(request).first()
    choice = audience_choice.of_request(request, [n.pk for n in found], counted=not later, undone=undone)
    if choice.problem:
        model_admin.message_user(request, choice.problem, messages.ERROR)
        return to_page(model_admin, ids)
    offered = offers.of_notifications(notifications=found, now=clock.now(), counted=not later, to=choice.to)
    what = "this notification" if len(found) == 1 else f"these {len(found)} notifications"
    page = {
        "title": gettext("Broadcast %(what)s?") % {"what": what},
        "counting": later,
        "offers": offered,
        "choice": choice,
        **({} if later else _counts(request, offered, form)),
        "earlier": [broadcast for offer in offered for broadcast in offer.earlier],
        "token": uuid.uuid4(),
        "brand_seen": lifecycle.brand_version(Brand.objects.look()),
        "note": note,
        "wrong": wrong,
        "undo_seconds": settings.UNDO_SECONDS,
    }
    return TemplateResponse(
        request, "admin/notifier/notification/broadcast.html", model_admin.page_context(request, page)
    )


def _counts(request: HttpRequest, offered: Sequence[offers.Offer], form: SendForm | None) -> dict[str, Any]:
    may = request.user.has_perm(groups.SEND_CRITICAL)
    used = [channel for channel in Channel if any(channel in offer.notification.channels for offer in offered)]
    standing_still = stopped.find(channels=used, now=clock.now())
    summary = offers.summary(offered, stopped=standing_still, may_be_critical=may)
    form = form or SendForm(
        now=clock.now(),
        sends=summary.total,
        critical_sends=summary.critical_total,
        may_be_critical=may,
        initial=_chosen_before(request),
    )
    return {
        "summary": summary,
        "form": form,
        "number": summary.critical_total if form.is_for_critical else summary.total,
        "approvals": sum(offer.needs_approval(cast(User, request.user)) for offer in offered),
        "approval_above": settings.APPROVAL_ABOVE,
    }


def _chosen_before(request: HttpRequest) -> dict[str, Any]:
    """What the reader had chosen for a broadcast of theirs that they have undone; nothing where there is none."""
    return {**(_undone(request).values("expires_at", "is_critical").first() or {})}


def _undone(request: HttpRequest) -> BroadcastQuerySet:
    """The reader's own broadcast that the URL names as undone."""
    undone = numbers.read_id(request.GET.get(UNDONE, "")) or 0
    return Broadcast.objects.filter(pk=undone, created_by=request.user.pk)


def _asked_ids(request: HttpRequest) -> list[int]:
    return read_ids(request.GET.get("ids", ""), most=MAX_AT_ONCE)


def _query(ids: Sequence[int]) -> str:
    return urlencode({"ids": ",".join(str(pk) for pk in ids)}, safe=",")
