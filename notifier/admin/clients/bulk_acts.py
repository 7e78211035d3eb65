"""Archiving, returning, exporting and erasing clients: a page that asks, and one service call for each act."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifier.admin.clients import personal_data
from notifier.admin.clients.acts import ACTS, ClientAct, EraseForm, preview, version
from notifier.admin.lists import deferred_counts, selection
from notifier.admin.lists.base import BackOfficeAdmin
from notifier.admin.lists.selection import Rows, Selection
from notifier.clients import archiving, erasure
from notifier.models import Client
from notifier.models.clients import ClientQuerySet
from notifier.runtime import clock
from notifier.runtime.versions import NotAsShown
from notifier.wording import numbers

#: So many of the clients are named on the page that asks.
MAX_NAMED = 20
OTHERS = _("Nothing was done: these clients have changed since you opened the page. The page below is up to date.")


# --- Actions of the list: each leads to the page that asks ---
@admin.action(description=_("Archive…"), permissions=["change"])
def archive_selected(model_admin: BackOfficeAdmin, request: HttpRequest, queryset: QuerySet[Client]) -> HttpResponse:
    return _to_act_page(model_admin, request, queryset, ACTS["archive"])


@admin.action(description=_("Restore…"), permissions=["change"])
def return_selected(model_admin: BackOfficeAdmin, request: HttpRequest, queryset: QuerySet[Client]) -> HttpResponse:
    return _to_act_page(model_admin, request, queryset, ACTS["restore"])


@admin.action(description=_("Export data held…"), permissions=["export_client"])
def export_all_data(model_admin: BackOfficeAdmin, request: HttpRequest, queryset: QuerySet[Client]) -> HttpResponse:
    return _to_act_page(model_admin, request, queryset, ACTS["export"])


@admin.action(description=_("Erase personal data…"), permissions=["erase_client"])
def erase_selected(model_admin: BackOfficeAdmin, request: HttpRequest, queryset: QuerySet[Client]) -> HttpResponse:
    return _to_act_page(model_admin, request, queryset, ACTS["erase"])


def _to_act_page(
    model_admin: BackOfficeAdmin, request: HttpRequest, queryset: QuerySet[Client], act: ClientAct
) -> HttpResponse:
    if act.is_personal and selection.is_whole_list(request):
        text = gettext(
            "For “%(act_label)s”, tick the clients one by one. It can’t be used for a whole list at once."
        ) % {"act_label": act.label}
        model_admin.message_user(request, text, messages.WARNING)
        return redirect(request.get_full_path())
    return redirect(act_url(model_admin, act, Selection.of_action(request, queryset)))


def act_url(model_admin: BackOfficeAdmin, act: ClientAct, selected: Selection) -> str:
    return f"{model_admin.page_url('decide', act.name)}?{selected.query()}"


# --- The page that asks ---
def act_page(model_admin: BackOfficeAdmin, request: HttpRequest, name: str) -> HttpResponse:
    """GET asks, POST does it."""
    act = ACTS.get(name)
    if act is None:
        raise Http404
    if not (model_admin.has_view_permission(request) and request.user.has_perm(act.permission)):
        raise PermissionDenied
    selected = Selection.read(request.GET)
    rows = _selected_rows(model_admin, request, act, selected) if selected else None
    if selected is None or rows is None:
        return model_admin.ask_to_choose(request)
    form = EraseForm(request.POST or None) if act.name == "erase" else None
    back = model_admin.back_url(selected)
    note = ""
    if request.method == "POST" and (form is None or form.is_valid()):
        try:
            return _carry_out(model_admin, request, act, rows, form) or redirect(back)
        except NotAsShown:
            note = str(OTHERS)
            # The reason stays; that they are sure was said of others.
            form = EraseForm(initial={"why": form.cleaned_data["why"]}) if form else None
    later = deferred_counts.counted_url(request, is_long=rows.is_long)
    context = {"form": form, "back": back, "counting": later, "note": note}
    return _confirmation(model_admin, request, act, rows.found, context)


def _carry_out(
    model_admin: BackOfficeAdmin, request: HttpRequest, act: ClientAct, rows: Rows, form: EraseForm | None
) -> HttpResponse | None:
    """Raises `NotAsShown` where these are no longer the clients that the page showed."""
    cleaned = {**(form.cleaned_data if form else {}), "seen": request.POST.get("seen", "")}
    if act.is_personal and cleaned["seen"] != version(act, rows.found):
        raise NotAsShown
    if act.name == "export":
        return personal_data.file_response(request, rows.found)
    DO[act.name](model_admin, request, cast(ClientQuerySet, rows.found), cleaned)
    return None


def _selected_rows(
    model_admin: BackOfficeAdmin, request: HttpRequest, act: ClientAct, selected: Selection
) -> Rows | None:
    if act.is_personal and selected.ids is None:
        return None
    return model_admin.selected_rows(request, selected)


def _confirmation(
    model_admin: BackOfficeAdmin,
    request: HttpRequest,
    act: ClientAct,
    clients: QuerySet[Client],
    context: Mapping[str, Any],
) -> HttpResponse:
    # Any of them, then sorted: in the order of ids all others might be looked at before the first.
    some = sorted(clients.prefetch_related(None).order_by()[: MAX_NAMED + 1], key=lambda client: client.pk)
    page = {
        "title": act.question.format("these clients"),
        "act": act,
        "tone": act.tone,
        "some": some[:MAX_NAMED],
        "more": len(some) > MAX_NAMED,
        **({} if context["counting"] else _counts(act, clients, some) | {"seen": version(act, clients)}),
        **context,
    }
    return TemplateResponse(request, "admin/notifier/client/act.html", model_admin.page_context(request, page))


def _counts(act: ClientAct, clients: QuerySet[Client], some: Sequence[Client]) -> dict[str, Any]:
    found = preview(act, clients)
    many = numbers.counted(found.number, "client")
    who = str(some[0]) if len(some) == 1 else many
    return {
        "title": act.question.format(who)
        if found.number
        else gettext("%(act_label)s: nothing to do") % {"act_label": act.label},
        "preview": found,
        "button": act.button.format(many),
    }


# --- What each act does ---
def _archive(
    model_admin: BackOfficeAdmin, request: HttpRequest, clients: ClientQuerySet, cleaned: Mapping[str, Any]
) -> None:
    by = cast(User, request.user)
    number = archiving.archive(clients=clients, by=by, now=clock.now(), seen=cleaned["seen"])
    model_admin.report(
        request,
        number,
        gettext("%(clients)s archived. Nothing will be sent to them.") % {"clients": numbers.counted(number, "client")},
    )


def _restore(
    model_admin: BackOfficeAdmin, request: HttpRequest, clients: ClientQuerySet, cleaned: Mapping[str, Any]
) -> None:
    by = cast(User, request.user)
    number = archiving.restore(clients=clients, by=by, now=clock.now(), seen=cleaned["seen"])
    model_admin.report(
        request,
        number,
        gettext("%(clients)s restored, with their earlier consent.") % {"clients": numbers.counted(number, "client")},
    )


def _erase(
    model_admin: BackOfficeAdmin, request: HttpRequest, clients: ClientQuerySet, cleaned: Mapping[str, Any]
) -> None:
    """Each client in a transaction of its own, so that one who can't be erased now does not stop the others."""
    done = 0
    for pk in clients.filter(erased_at=None).order_by("pk").values_list("pk", flat=True):
        try:
            erasure.erase(client_id=pk, by=cast(User, request.user), why=cleaned["why"], now=clock.now())
            done += 1
        except erasure.NotErased as refusal:
            model_admin.message_user(request, str(refusal), messages.ERROR)
    if done:
        model_admin.report(
            request,
            done,
            gettext("The personal data of %(clients)s has been erased permanently.")
            % {"clients": numbers.counted(done, "client")},
        )


#: By the act's name. The export is no part of it: it answers with a file.
DO: Mapping[str, Callable[[BackOfficeAdmin, HttpRequest, ClientQuerySet, Mapping[str, Any]], None]] = {
    "archive": _archive,
    "restore": _restore,
    "erase": _erase,
}
