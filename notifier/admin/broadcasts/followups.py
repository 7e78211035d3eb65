"""Sending to those who did not get it: the page that asks, with exact numbers, and what is offered once all is over."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from notifier.admin.broadcasts import confirmation
from notifier.admin.broadcasts.send_options import FollowForm
from notifier.admin.deliveries import results
from notifier.admin.lists import deferred_counts
from notifier.broadcasts import followups, progress
from notifier.broadcasts.followups import Missing
from notifier.models import Broadcast, Delivery
from notifier.runtime import clock

SEND = "notifier.send_broadcast"
CRITICAL = "notifier.send_critical"
RESOLVE = "notifier.resolve_delivery"


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do about a broadcast that has ended."""

    name: str
    #: What the button says, and the sentence beside it.
    label: str
    words: str
    url: str
    tone: str = "secondary"


def next_steps(request: HttpRequest, sheet: progress.Sheet, follower: Broadcast | None, retry: str) -> list[Step]:
    """For whoever may take them. `retry` is the address of sending again what failed; empty where nobody can."""
    broadcast, may = sheet.broadcast, request.user.has_perm
    failed, unknown = sheet.count(Delivery.State.FAILED), sheet.count(Delivery.State.UNKNOWN)
    steps = []
    if unknown and may(RESOLVE) and may("notifier.view_delivery"):
        words = "Nobody knows whether these arrived. Look them up in the provider’s log, then say."
        url = results.list_of(broadcast, state__exact=Delivery.State.UNKNOWN)
        steps.append(Step("resolve", f"Resolve {unknown:,} unknown…", words, url))
    if failed and retry:
        words = "The same deliveries once more, each with all its attempts. It asks for a reason first."
        steps.append(Step("retry", f"Retry {failed:,} failed…", words, retry))
    if may(SEND) and not follower:
        steps.append(_follow_up(sheet))
    if may(results.EXPORT) and may("notifier.view_delivery"):
        words = "Who got what, when, and why somebody did not, as CSV or XLSX."
        steps.append(Step("export", f"Export {sheet.total:,} deliveries", words, results.list_of(broadcast)))
    return steps


def _follow_up(sheet: progress.Sheet) -> Step:
    url = reverse("admin:notifier_broadcast_follow", args=[sheet.broadcast.pk])
    if not sheet.missed:
        words = "Nobody was missed. This sends the same text to those who have agreed to it since."
        return Step("follow", "Send to those who joined since…", words, url)
    words = (
        "Whoever did not get it may have no address, or not want it: the next page counts those who can get it now, "
        "and asks before it sends them the same text."
    )
    # Whoever was skipped would most likely be skipped again.
    tone = "primary" if sheet.count(Delivery.State.FAILED) else "secondary"
    whom = "whether the one" if sheet.missed == 1 else f"who of the {sheet.missed:,}"
    return Step("follow", f"Look {whom} can still get it…", words, url, tone=tone)


class FollowUpPages:
    """The part of `BroadcastAdmin` that asks before a follow-up, and makes it."""

    admin_site: Any
    opts: Any
    message_user: Any
    page_url: Any
    _visible: Any

    def follow_view(self, request: HttpRequest, broadcast_id: int) -> HttpResponse:
        """GET counts and asks, POST sends."""
        if not request.user.has_perm(SEND):
            raise PermissionDenied
        broadcast: Broadcast = self._visible(request, broadcast_id)
        try:
            if request.method == "POST":
                return self._follow(request, broadcast)
            followups.check(broadcast=broadcast)
        except followups.FollowUpError as refusal:
            self.message_user(request, f"Nothing was sent. {refusal}", messages.ERROR)
            return redirect(self.page_url("progress", broadcast.pk))
        return self._ask_to_follow(request, broadcast)

    def _follow(self, request: HttpRequest, broadcast: Broadcast) -> HttpResponse:
        try:
            token = uuid.UUID(request.POST.get("token", ""))
        except ValueError:
            self.message_user(request, "That form was not complete, so nothing was sent. Look again.", messages.ERROR)
            return redirect(self.page_url("follow", broadcast.pk))
        # A second click. Its number may be old by now, for those whom it was about are being sent to.
        if made := followups.find_existing(broadcast_id=broadcast.pk, token=token):
            return redirect(self.page_url("progress", made.pk))
        followups.check(broadcast=broadcast)
        number = total(followups.missing(broadcast=broadcast))
        form = FollowForm(request.POST, sends=number, may_be_critical=request.user.has_perm(CRITICAL))
        if not form.is_valid():
            return self._ask_to_follow(request, broadcast, "Nothing was sent yet: see what is marked below.", form)
        made = followups.create(
            broadcast_id=broadcast.pk,
            token=token,
            by=cast(User, request.user),
            now=clock.now(),
            is_critical=bool(form.cleaned_data["is_critical"]),
        )
        return redirect(self.page_url("progress", made.pk))

    def _ask_to_follow(
        self, request: HttpRequest, broadcast: Broadcast, note: str = "", form: FollowForm | None = None
    ) -> HttpResponse:
        later = deferred_counts.address(request, is_long=deferred_counts.is_long())
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Send to those who did not get it?",
            "broadcast": broadcast,
            "shown": confirmation.read_by_somebody(broadcast),
            "note": note,
            "token": uuid.uuid4(),
            "counting": later,
            **({} if later else self._missing(request, broadcast, form)),
        }
        return TemplateResponse(request, "admin/notifier/broadcast/follow.html", context)

    def _missing(self, request: HttpRequest, broadcast: Broadcast, form: FollowForm | None) -> dict[str, Any]:
        counted = followups.missing(broadcast=broadcast)
        number = total(counted)
        return {
            "title": "Send to those who did not get it?" if number else "Nobody is left to send it to",
            "counted": counted,
            "number": number,
            "unknown": sum(missing.unknown for missing in counted),
            "under_way": sum(missing.under_way for missing in counted),
            "unknown_url": results.list_of(broadcast, state__exact=Delivery.State.UNKNOWN),
            "asks": followups.asks_for_approval(number=number, by=cast(User, request.user)),
            "button": button(counted),
            "form": form or FollowForm(sends=number, may_be_critical=request.user.has_perm(CRITICAL)),
        }


def total(counted: Sequence[Missing]) -> int:
    return sum(missing.recipients for missing in counted)


def button(counted: Sequence[Missing]) -> str:
    """What goes out: "12 e-mails and 3 SMS"."""
    parts = [missing.channel.counted(missing.recipients) for missing in counted if missing.recipients]
    return " and ".join(parts)
