"""A broadcast that has not begun: what it waits for, the second person's page, and the page that changes its time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from notifier.admin.broadcasts import confirmation
from notifier.admin.broadcasts.send_options import TermsForm
from notifier.admin.lists import deferred_counts
from notifier.admin.lists.base import ReadOnlyAdmin
from notifier.broadcasts import approvals, lifecycle, schedules
from notifier.broadcasts.acts import Act
from notifier.broadcasts.approvals import PERMISSION as APPROVE
from notifier.broadcasts.approvals import Version
from notifier.models import Broadcast
from notifier.runtime import clock

CONTROL = "notifier.control_broadcast"
CRITICAL = "notifier.send_critical"
#: Names of those who may approve, on a page.
SHOWN = 8
State = Broadcast.State


@dataclass(frozen=True, slots=True)
class Wait:
    """What a broadcast waits for, as this reader sees it."""

    broadcast: Broadcast
    #: Until it starts; None where it has no time, or that has passed.
    starts_in: timedelta | None
    is_own: bool
    #: Not what they asked for, perhaps, but what they wrote.
    is_own_text: bool
    may_approve: bool
    may_reschedule: bool
    #: Who else may approve it; only looked up while somebody has to.
    approvers: Sequence[User]
    is_outdated: bool

    @property
    def may_decide(self) -> bool:
        return self.may_approve and not (self.is_own or self.is_own_text)

    @property
    def is_overdue(self) -> bool:
        return self.broadcast.scheduled_for is not None and self.starts_in is None


def wait(*, broadcast: Broadcast, user: Any, now: datetime) -> Wait | None:
    """None for one that has begun, or never will."""
    if broadcast.state not in Broadcast.BEFORE_START:
        return None
    waits = broadcast.state == State.AWAITING_APPROVAL
    later = broadcast.scheduled_for is not None and broadcast.scheduled_for > now
    return Wait(
        broadcast=broadcast,
        starts_in=broadcast.scheduled_for - now if later and broadcast.scheduled_for else None,
        is_own=broadcast.created_by_id == user.pk,
        is_own_text=broadcast.text_by_id == user.pk,
        may_approve=waits and user.has_perm(APPROVE),
        may_reschedule=user.has_perm(CONTROL),
        approvers=approvals.approvers(broadcast=broadcast, most=SHOWN) if waits else [],
        is_outdated=broadcast.is_outdated,
    )


def start_now(*, broadcast_id: int) -> None:
    """The order of that name, as the table of orders calls it."""
    schedules.start_now(broadcast_id=broadcast_id, now=clock.now())


class SeenForm(forms.Form):
    """The version of the broadcast that the page showed, so that nobody approves a text that they have not read."""

    text_of = forms.CharField(required=False, widget=forms.HiddenInput)
    scheduled_for = forms.CharField(required=False, widget=forms.HiddenInput)
    expires_at = forms.CharField(required=False, widget=forms.HiddenInput)
    is_critical = forms.CharField(required=False, widget=forms.HiddenInput)

    MOMENTS = ("text_of", "scheduled_for", "expires_at")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        texts = {name: cleaned.get(name) for name in self.MOMENTS}
        try:
            moments = {name: datetime.fromisoformat(text) if text else None for name, text in texts.items()}
        except ValueError as error:
            raise forms.ValidationError("This form was not complete.") from error
        if any(moment is not None and moment.tzinfo is None for moment in moments.values()):
            raise forms.ValidationError("This form was not complete.")
        return {**moments, "is_critical": cleaned.get("is_critical") == "yes"}

    @classmethod
    def of(cls, broadcast: Broadcast) -> "SeenForm":
        moments = {name: getattr(broadcast, name) for name in cls.MOMENTS}
        texts = {name: moment.isoformat() if moment else "" for name, moment in moments.items()}
        return cls(initial=texts | {"is_critical": "yes" if broadcast.is_critical else ""})


class RejectForm(forms.Form):
    why = forms.CharField(label="Why", max_length=200, help_text="Whoever asked for it reads this.")


class BeforeStartAdmin(ReadOnlyAdmin):
    """The two pages of a broadcast that has not begun."""

    def get_urls(self) -> list[URLPattern]:
        guard = self.admin_site.admin_view
        return [
            path("<int:broadcast_id>/approve/", guard(self.approve_view), name="notifier_broadcast_approve"),
            path("<int:broadcast_id>/schedule/", guard(self.schedule_view), name="notifier_broadcast_schedule"),
            *super().get_urls(),
        ]

    # --- Approval ---
    def approve_view(self, request: HttpRequest, broadcast_id: int) -> HttpResponse:
        """GET shows what would be sent, to whom and when; POST gives the word, or refuses it."""
        if not request.user.has_perm(APPROVE):
            raise PermissionDenied
        broadcast = self._waiting(request, broadcast_id)
        if request.method != "POST":
            return self._show(request, broadcast, RejectForm())
        if request.POST.get("word") == "reject":
            return self._reject(request, broadcast)
        return self._approve(request, broadcast)

    def _approve(self, request: HttpRequest, broadcast: Broadcast) -> HttpResponse:
        seen = SeenForm(request.POST)
        if not seen.is_valid():
            self.message_user(request, "That form was not complete, so nothing was approved.", messages.ERROR)
            return redirect(self.page_url("approve", broadcast.pk))
        try:
            approvals.approve(
                broadcast_id=broadcast.pk,
                seen=Version(**seen.cleaned_data),
                by=cast(User, request.user),
                now=clock.now(),
            )
        except lifecycle.ChangedMeanwhile as change:
            self.message_user(request, str(change), messages.ERROR)
            return redirect(self.page_url("approve", broadcast.pk))
        except lifecycle.NotAllowed as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
        else:
            broadcast.refresh_from_db()
            self.message_user(request, f"Approved: it is {lifecycle.state_in_words(broadcast)}.", messages.SUCCESS)
        return redirect(self.page_url("progress", broadcast.pk))

    def _reject(self, request: HttpRequest, broadcast: Broadcast) -> HttpResponse:
        form = RejectForm(request.POST)
        if not form.is_valid():
            return self._show(request, broadcast, form)
        try:
            approvals.reject(broadcast_id=broadcast.pk, by=cast(User, request.user), why=form.cleaned_data["why"])
        except lifecycle.NotAllowed as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
        else:
            self.message_user(request, "Rejected: nothing of it is sent.", messages.SUCCESS)
        return redirect(self.page_url("progress", broadcast.pk))

    def _show(self, request: HttpRequest, broadcast: Broadcast, reject: RejectForm) -> HttpResponse:
        if broadcast.state != State.AWAITING_APPROVAL:
            self.message_user(request, str(lifecycle.refusal(Act.APPROVE, broadcast.pk)), messages.ERROR)
            return redirect(self.page_url("progress", broadcast.pk))
        context = {
            **self._page(request, broadcast, "Approve"),
            **self._in_short(request, broadcast),
            "seen": SeenForm.of(broadcast),
            "reject": reject,
        }
        return TemplateResponse(request, "admin/notifier/broadcast/approve.html", context)

    # --- Before its time ---
    def ask_to_start(self, request: HttpRequest, broadcast: Broadcast) -> HttpResponse:
        """To how many it goes at once. The order itself is one of `broadcasts.ORDERS`."""
        if broadcast.state != State.SCHEDULED or broadcast.needs_approval:
            self.message_user(request, str(lifecycle.refusal(Act.START_NOW, broadcast.pk)), messages.ERROR)
            return redirect(self.page_url("progress", broadcast.pk))
        context = self._page(request, broadcast, "Start now") | self._in_short(request, broadcast)
        return TemplateResponse(request, "admin/notifier/broadcast/start.html", context)

    # --- Another time ---
    def schedule_view(self, request: HttpRequest, broadcast_id: int) -> HttpResponse:
        if not request.user.has_perm(CONTROL):
            raise PermissionDenied
        broadcast = self._waiting(request, broadcast_id)
        now = clock.now()
        asked = {name: getattr(broadcast, name) for name in ("scheduled_for", "expires_at", "is_critical")}
        may = request.user.has_perm(CRITICAL)
        if request.method != "POST":
            form = TermsForm(now=now, initial=asked, may_be_critical=may)
            return self._ask_for_time(request, broadcast, form)
        form = TermsForm(request.POST, now=now, initial=asked, may_be_critical=may)
        if not form.is_valid():
            return self._ask_for_time(request, broadcast, form)
        try:
            schedules.reschedule(broadcast_id=broadcast.pk, terms=form.terms, now=now)
        except lifecycle.BroadcastError as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
        else:
            broadcast.refresh_from_db()
            self.message_user(request, f"Changed: it is {lifecycle.state_in_words(broadcast)}.", messages.SUCCESS)
        return redirect(self.page_url("progress", broadcast.pk))

    def _ask_for_time(self, request: HttpRequest, broadcast: Broadcast, form: TermsForm) -> HttpResponse:
        if broadcast.state not in Broadcast.BEFORE_START:
            self.message_user(request, str(lifecycle.refusal(Act.RESCHEDULE, broadcast.pk)), messages.ERROR)
            return redirect(self.page_url("progress", broadcast.pk))
        context = {
            **self._page(request, broadcast, "Change the time"),
            **({} if broadcast.needs_approval else self._in_short(request, broadcast)),
            "form": form,
        }
        return TemplateResponse(request, "admin/notifier/broadcast/schedule.html", context)

    # --- Both ---
    def _page(self, request: HttpRequest, broadcast: Broadcast, label: str) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"{label}: {broadcast.subject}",
            "label": label,
            "broadcast": broadcast,
            "wait": wait(broadcast=broadcast, user=request.user, now=clock.now()),
        }

    def _in_short(self, request: HttpRequest, broadcast: Broadcast) -> dict[str, Any]:
        """Who would get it now, in numbers, which come later where there are many clients."""
        later = deferred_counts.address(request, is_long=deferred_counts.is_long())
        offer = confirmation.offer_of(broadcast, counted=not later)
        return {"counting": later, "offers": [offer], "summary": None if later else confirmation.summary([offer])}

    def _waiting(self, request: HttpRequest, broadcast_id: int) -> Broadcast:
        if not self.has_view_permission(request):
            raise PermissionDenied
        known = Broadcast.objects.select_related("topic", "created_by", "text_by", "notification", "follows__topic")
        broadcast: Broadcast | None = known.filter(pk=broadcast_id).first()
        if broadcast is None:
            raise Http404(f"There is no broadcast {broadcast_id}.")
        return broadcast
