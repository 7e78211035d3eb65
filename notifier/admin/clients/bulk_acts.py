"""Archiving, returning, exporting and erasing clients: permission, a page that asks, one service call."""

import json
from collections.abc import Sequence
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.http import content_disposition_header

from notifier.admin.clients.decisions import DECISIONS, Decision, EraseForm, counted, prospect
from notifier.admin.lists import deferred_counts
from notifier.admin.lists.base import BackOfficeAdmin
from notifier.admin.lists.selection import MAX_CHOSEN, Rows, Selection
from notifier.clients import archiving, erasure, record
from notifier.models import Client
from notifier.runtime import clock

#: Of those that a decision is about, so many are named before it is taken.
NAMED = 20


class ClientOrders(BackOfficeAdmin):
    def get_urls(self) -> list[URLPattern]:
        decide = self.admin_site.admin_view(self.decide_view)
        return [path("decide/<str:name>/", decide, name="notifier_client_decide"), *super().get_urls()]

    @admin.action(description="Archive…", permissions=["change"])
    def archive_selected(self, request: HttpRequest, queryset: QuerySet[Client]) -> HttpResponse:
        return self._to_page(request, queryset, DECISIONS["archive"])

    @admin.action(description="Return from the archive…", permissions=["change"])
    def return_selected(self, request: HttpRequest, queryset: QuerySet[Client]) -> HttpResponse:
        return self._to_page(request, queryset, DECISIONS["restore"])

    @admin.action(description="All that is kept about a client…", permissions=["export_client"])
    def export_all_data(self, request: HttpRequest, queryset: QuerySet[Client]) -> HttpResponse:
        return self._to_page(request, queryset, DECISIONS["export"])

    @admin.action(description="Erase personal data…", permissions=["erase_client"])
    def erase_selected(self, request: HttpRequest, queryset: QuerySet[Client]) -> HttpResponse:
        return self._to_page(request, queryset, DECISIONS["erase"])

    def has_export_client_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("notifier.export_client")

    def has_erase_client_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("notifier.erase_client")

    def _to_page(self, request: HttpRequest, queryset: QuerySet[Client], decision: Decision) -> HttpResponse:
        query = request.GET.copy()
        query.pop("p", None)
        ids: list[int] = []
        if request.POST.get("select_across") != "1":
            ids = list(queryset.order_by("pk").values_list("pk", flat=True)[:MAX_CHOSEN])
        elif decision.is_personal:
            text = f"“{decision.label}” is for clients that you tick one by one, not for all of a list at once."
            self.message_user(request, text, messages.WARNING)
            return redirect(request.get_full_path())
        return redirect(self.decision_url(decision, Selection(ids, query.urlencode())))

    def decision_url(self, decision: Decision, selection: Selection) -> str:
        return f"{self.page_url('decide', decision.name)}?{selection.query()}"

    def decide_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """GET asks, POST does it."""
        decision = DECISIONS.get(name)
        if decision is None:
            raise Http404
        if not (self.has_view_permission(request) and request.user.has_perm(decision.permission)):
            raise PermissionDenied
        selection = Selection.read(request.GET)
        chosen = self._rows_of(request, decision, selection) if selection else None
        if selection is None or chosen is None:
            self.message_user(request, "Choose the clients from this list.", messages.WARNING)
            return redirect(self.page_url("changelist"))
        rows = chosen.found
        form = EraseForm(request.POST or None) if decision.name == "erase" else None
        if request.method == "POST" and (form is None or form.is_valid()):
            if decision.name == "export":
                return self._file(request, rows)
            self._carry_out(request, decision, rows, form.cleaned_data["why"] if form else "")
            return redirect(self._back(selection))
        later = deferred_counts.address(request, is_long=chosen.is_long)
        return self._ask(request, decision, rows, {"form": form, "back": self._back(selection), "counting": later})

    def _rows_of(self, request: HttpRequest, decision: Decision, selection: Selection) -> Rows | None:
        if decision.is_personal and not selection.ids:
            return None
        return self.selected_rows(request, selection)

    def _ask(
        self, request: HttpRequest, decision: Decision, rows: QuerySet[Client], context: dict[str, Any]
    ) -> HttpResponse:
        some = list(rows.prefetch_related(None).order_by("pk")[: NAMED + 1])
        page = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": decision.question.format("these clients"),
            "decision": decision,
            "some": some[:NAMED],
            "more": len(some) > NAMED,
            **({} if context["counting"] else _counts(decision, rows, some)),
        }
        return TemplateResponse(request, "admin/notifier/client/decision.html", page | context)

    def _carry_out(self, request: HttpRequest, decision: Decision, rows: Any, reason: str) -> None:
        by, now = cast(User, request.user), clock.now()
        if decision.name == "archive":
            number = archiving.archive(clients=rows, by=by, now=now)
            self._say(request, number, f"{counted(number)} archived: sent nothing from now on.")
        elif decision.name == "restore":
            number = archiving.restore(clients=rows, by=by, now=now)
            self._say(request, number, f"{counted(number)} returned, with the consent of before.")
        else:
            self._erase(request, rows, reason)

    def _say(self, request: HttpRequest, number: int, done: str) -> None:
        if number:
            self.message_user(request, done, messages.SUCCESS)
        else:
            self.message_user(request, "Nothing was changed: somebody else was faster.", messages.WARNING)

    def _erase(self, request: HttpRequest, rows: QuerySet[Client], reason: str) -> None:
        """One by one, a transaction each: one that can't be erased now holds up nobody else."""
        done = 0
        for pk in rows.filter(erased_at=None).order_by("pk").values_list("pk", flat=True):
            try:
                erasure.erase(client_id=pk, by=cast(User, request.user), why=reason, now=clock.now())
                done += 1
            except erasure.NotErased as refusal:
                self.message_user(request, str(refusal), messages.ERROR)
        if done:
            self._say(request, done, f"The personal data of {counted(done)} is erased for good.")

    def _file(self, request: HttpRequest, rows: QuerySet[Client]) -> HttpResponse:
        chosen = list(rows.prefetch_related(None).order_by("pk"))
        found = [record.everything(client=client, now=clock.now()) for client in chosen]
        LogEntry.objects.log_actions(cast(User, request.user).pk, chosen, CHANGE, "Exported what is kept.")
        name = f"client-{chosen[0].pk}" if len(chosen) == 1 else f"{len(chosen)}-clients"
        if request.POST.get("as") == "txt":
            name, media, text = f"{name}.txt", "text/plain", "\n\n".join(map(record.as_text, found))
        else:
            name, media, text = f"{name}.json", "application/json", json.dumps(found, indent=2, ensure_ascii=False)
        response = HttpResponse(text, content_type=f"{media}; charset=utf-8")
        response["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
        return response

    def _back(self, selection: Selection) -> str:
        if selection.listed is None:
            return self.page_url("change", *selection.ids) if len(selection.ids) == 1 else self.page_url("changelist")
        return f"{self.page_url('changelist')}?{selection.listed}"


def _counts(decision: Decision, rows: QuerySet[Client], some: Sequence[Client]) -> dict[str, Any]:
    seen = prospect(decision, rows)
    many = counted(seen.number)
    who = str(some[0]) if len(some) == 1 else many
    return {
        "title": decision.question.format(who) if seen.number else f"{decision.label}: nothing to do",
        "prospect": seen,
        "button": decision.button.format(many),
    }
