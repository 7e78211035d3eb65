"""The pages around one client: what they were sent and why, what they agreed to and when, and what staff may do."""

from typing import Any

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from notifier.admin.clients.bulk_acts import ClientOrders
from notifier.admin.clients.decisions import DECISIONS, Decision
from notifier.admin.lists.base import GuardedDeleteAdmin
from notifier.admin.lists.selection import Selection
from notifier.clients import record
from notifier.explanations import explanation
from notifier.models import Broadcast, Client
from notifier.runtime import clock

#: Broadcasts to choose from, when somebody asks why.
OFFERED = 20


class ClientPages(ClientOrders, GuardedDeleteAdmin):
    def get_urls(self) -> list[URLPattern]:
        why_view = self.admin_site.admin_view(self.why_view)
        return [path("<int:client_id>/why/", why_view, name="notifier_client_why"), *super().get_urls()]

    # --- The client's own page ---
    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Of an erased client nothing can be changed: only the number is left."""
        return super().has_change_permission(request, obj) and (obj is None or obj.erased_at is None)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        client = self.get_object(request, unquote(object_id))
        extra = self._record(request, client) if client is not None and self.has_view_permission(request) else {}
        return super().change_view(request, object_id, form_url, extra | (extra_context or {}))

    def _record(self, request: HttpRequest, client: Client) -> dict[str, Any]:
        """What the page shows below the form."""
        shown: dict[str, Any] = {"decisions": self._open_decisions(request, client)}
        if not client.is_active:
            shown["archiving"] = record.archiving(client)
        if request.user.has_perm("notifier.view_preference"):
            most = record.MOST if request.GET.get("consent") == "all" else record.SHOWN_CHANGES
            told = request.user.has_perm("notifier.view_suppressionchange")
            changes = record.story(client=client, most=most + 1, with_addresses=told)
            shown |= {"changes": changes[:most], "more_changes": len(changes) > most, "most_changes": record.MOST}
        if request.user.has_perm("notifier.view_delivery"):
            before = request.GET.get("before", "")
            before_id = int(before) if before.isdecimal() and len(before) < 19 else None
            shown |= {"sent": record.delivery_page(client=client, before=before_id), "is_later_page": before_id}
        if request.user.has_perm("notifier.view_suppression"):
            shown["suppressions"] = record.suppressions(client)
        if request.user.has_perm("notifier.view_inboundmessage"):
            some = list(record.answers(client)[: record.SHOWN_ANSWERS + 1])
            shown |= {"answers": some[: record.SHOWN_ANSWERS], "more_answers": len(some) > record.SHOWN_ANSWERS}
        return shown

    def _open_decisions(self, request: HttpRequest, client: Client) -> list[tuple[Decision, str]]:
        """Those that make sense, each with its address."""
        fit = {"archive": client.is_active, "restore": not client.is_active and not client.erased_at}
        fit |= {"erase": client.erased_at is None, "export": True}
        selection = Selection([client.pk], None)
        return [
            (decision, self.decision_url(decision, selection))
            for decision in DECISIONS.values()
            if fit[decision.name] and request.user.has_perm(decision.permission)
        ]

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Versions with what each changed, instead of the stock log, which knows of edits on pages alone."""
        client = self.get_object(request, unquote(object_id))
        if client is None:
            raise Http404
        most = record.MOST if request.GET.get("show") == "all" else record.SHOWN
        found = list(record.versions(client=client, most=most + 1)) if self.has_view_permission(request) else []
        extra = {"versions": found[:most], "more": len(found) > most, "most": record.MOST}
        return super().history_view(request, object_id, extra | (extra_context or {}))

    def reason_to_keep(self, obj: Client) -> str:
        instead = "Archive the client instead, or erase the personal data: then nothing is sent any more."
        if obj.deliveries.exists():
            return f"{obj} can’t be deleted: the record of what was sent has entries for this client. {instead}"
        if obj.consent_changes.exists():
            return f"{obj} can’t be deleted: what this client agreed to is on record, as evidence. {instead}"
        return ""

    # --- Why? ---
    def why_view(self, request: HttpRequest, client_id: int) -> HttpResponse:
        if not (self.has_view_permission(request) and request.user.has_perm("notifier.view_delivery")):
            raise PermissionDenied
        client = self.get_object(request, str(client_id))
        if client is None:
            raise Http404
        chosen = self._chosen(request.GET.get("broadcast", ""))
        term = request.GET.get("q", "").strip()
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Why did {client} get it, or not?",
            "client": client,
            "broadcast": chosen,
            "answers": explanation.answers(client=client, broadcast=chosen, now=clock.now()) if chosen else [],
            "term": term,
            "offered": list(self._offered(term)[:OFFERED]),
        }
        return TemplateResponse(request, "admin/notifier/client/explanation.html", context)

    def _chosen(self, number: str) -> Broadcast | None:
        if not number:
            return None
        found = Broadcast.objects.filter(pk=int(number)) if number.isdecimal() and len(number) < 19 else None
        broadcast = found.select_related("topic", "created_by").first() if found else None
        if broadcast is None:
            raise Http404
        return broadcast

    def _offered(self, term: str) -> QuerySet[Broadcast]:
        """The newest, or those of this number or with these words in the subject."""
        newest = Broadcast.objects.order_by("-pk").defer("email_body", "sms_body", "tally")
        number = term.removeprefix("#")
        if number.isdecimal() and len(number) < 19:
            return newest.filter(Q(pk=int(number)) | Q(subject__icontains=term))
        return newest.filter(*(Q(subject__icontains=word) for word in term.split()))
