"""Lifting suppressions, each with a reason: who may lift which, and the page that asks."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifier.admin.lists import selection
from notifier.admin.lists.base import BackOfficeAdmin
from notifier.admin.lists.reason_field import ReasonField
from notifier.admin.lists.selection import Selection
from notifier.consent import suppressions
from notifier.consent.suppressions import STAFF_LIFTABLE, Evidence, Source
from notifier.models import Suppression
from notifier.runtime import clock
from notifier.runtime.versions import NotAsShown
from notifier.staff import groups
from notifier.wording import numbers
from notifier.wording.badges import badge

CHANGED = _(
    "Nothing was lifted: the suppressions have changed since you opened the page. The page below is up to date."
)
TONES = {
    Source.STAFF: "quiet",
    Source.BOUNCE: "warn",
    Source.COMPLAINT: "bad",
    Source.CLIENT: "active",
    Source.ERASED: "quiet",
}


class LiftForm(forms.Form):
    why = ReasonField(
        max_length=300,
        help_text=_(
            "Recorded permanently with your name. For example: “ticket 4711: the mailbox is back”. Don’t repeat "
            "the address."
        ),
    )
    #: The version of what the page showed.
    seen = forms.CharField(required=False, widget=forms.HiddenInput)


def liftable_sources(user: Any) -> tuple[Suppression.Source, ...]:
    """The sources whose suppressions this user may lift."""
    by_staff = STAFF_LIFTABLE if user.has_perm(groups.LIFT_SUPPRESSION) else ()
    return (*by_staff, *(Suppression.CLIENT_REQUESTED if user.has_perm(groups.LIFT_REFUSAL) else ()))


def source_badge(suppression: Suppression) -> SafeString:
    source = Source(suppression.source)
    return badge(text=str(source.label), tone=TONES[source])


@admin.action(description=_("Lift…"), permissions=["lift"])
def lift_selected(model_admin: BackOfficeAdmin, request: HttpRequest, queryset: QuerySet[Suppression]) -> HttpResponse:
    if selection.is_whole_list(request):
        text = gettext("For “Lift”, tick the suppressions one by one. It can’t be used for a whole list at once.")
        model_admin.message_user(request, text, messages.WARNING)
        return redirect(request.get_full_path())
    return redirect(lift_url(model_admin, Selection.of_action(request, queryset)))


def lift_url(model_admin: BackOfficeAdmin, selected: Selection) -> str:
    return f"{model_admin.page_url('lift')}?{selected.query()}"


def lift_page(model_admin: BackOfficeAdmin, request: HttpRequest) -> HttpResponse:
    """GET asks, POST does it."""
    sources = liftable_sources(request.user)
    if not (model_admin.has_view_permission(request) and sources):
        raise PermissionDenied
    selected = Selection.read(request.GET)
    if selected is None or not selected.ids:
        return model_admin.ask_to_choose(request)
    form, note = LiftForm(request.POST or None), ""
    if request.method == "POST" and form.is_valid():
        try:
            _lift(model_admin, request, selected.ids, form.cleaned_data, sources)
            return redirect(_back_url(model_admin, selected, lifted=True))
        except NotAsShown:
            note = str(CHANGED)
    rows = list(Suppression.objects.filter(pk__in=selected.ids).order_by("pk"))
    if not any(row.source in sources for row in rows) and rows:
        raise PermissionDenied
    context = {"form": form, "note": note, "back": _back_url(model_admin, selected, lifted=False)}
    return _confirmation(model_admin, request, rows, sources, context)


def _lift(
    model_admin: BackOfficeAdmin,
    request: HttpRequest,
    ids: Sequence[int],
    cleaned: Mapping[str, str],
    sources: Collection[Suppression.Source],
) -> None:
    evidence = Evidence(Source.STAFF, cleaned["why"], by=cast(User, request.user))
    now = clock.now()
    number = suppressions.lift_rows(ids=ids, evidence=evidence, now=now, sources=sources, seen=cleaned["seen"])
    which = numbers.counted(number, "suppression was", "suppressions were")
    model_admin.report(
        request,
        number,
        gettext("%(which)s lifted. Clients are sent what they have agreed to again.") % {"which": which},
    )


def _confirmation(
    model_admin: BackOfficeAdmin,
    request: HttpRequest,
    rows: list[Suppression],
    sources: Collection[Suppression.Source],
    context: Mapping[str, Any],
) -> HttpResponse:
    lifted = [row for row in rows if row.source in sources]
    page = {
        "title": gettext("Lift %(suppressions)s?") % {"suppressions": numbers.counted(len(lifted), "suppression")}
        if lifted
        else gettext("Lift: nothing to do"),
        "lifted": [(row, source_badge(row)) for row in lifted],
        "seen": suppressions.version(lifted),
        "left": len(rows) - len(lifted),
        "refused": any(row.is_client_requested for row in lifted),
        "button": f"Lift {numbers.counted(len(lifted), 'suppression')}",
        **context,
    }
    return TemplateResponse(request, "admin/notifier/suppression/lift.html", model_admin.page_context(request, page))


def _back_url(model_admin: BackOfficeAdmin, selected: Selection, *, lifted: bool) -> str:
    # The page of a single row is gone once it has been lifted.
    is_gone = lifted and selected.listed is None
    return model_admin.page_url("changelist") if is_gone else model_admin.back_url(selected)
