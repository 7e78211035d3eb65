"""The export of clients: what the list finds, or those that were ticked, as a file."""

import logging
from tempfile import TemporaryFile
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.timezone import localtime

from notifier.admin.lists.base import BackOfficeAdmin
from notifier.admin.lists.selection import MAX_CHOSEN, Selection
from notifier.clients import export
from notifier.clients.imports import importer
from notifier.files import spreadsheets
from notifier.models import Client
from notifier.runtime import clock

logger = logging.getLogger(__name__)

EXPORT = "notifier.export_client"
#: A sheet is written in full before the browser gets any of it.
MAX_XLSX = 50_000


class ClientExports(BackOfficeAdmin):
    """For the admin of clients."""

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.export_view)
        return [path("export/", page, name="notifier_client_export"), *super().get_urls()]

    def has_export_client_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm(EXPORT) and self.has_view_permission(request)

    @admin.action(description="Export selected clients…", permissions=["export_client"])
    def export_selected(self, request: HttpRequest, queryset: QuerySet[Client]) -> HttpResponse:
        ids: list[int] = []
        if request.POST.get("select_across") != "1":
            ids = list(queryset.order_by("pk").values_list("pk", flat=True)[:MAX_CHOSEN])
        return redirect(self._export_url(Selection(ids, _listed(request))))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        extra = {"export_url": self._export_url(Selection([], _listed(request)))}
        return super().changelist_view(request, {**extra, **(extra_context or {})})

    def _export_url(self, selection: Selection) -> str:
        return f"{self.page_url('export')}?{selection.query()}"

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """GET asks which kind of file, POST makes it."""
        if not self.has_export_client_permission(request):
            raise PermissionDenied
        selection = Selection.read(request.GET)
        rows = self.selected_rows(request, selection) if selection else None
        if selection is None or rows is None:
            self.message_user(request, "Choose the clients from this list.", messages.WARNING)
            return redirect(self.page_url("changelist"))
        found = rows.found.filter(erased_at=None)
        is_long = found.order_by()[MAX_XLSX : MAX_XLSX + 1].exists()
        kind = request.POST.get("kind") if request.method == "POST" else None
        if kind in KINDS and not (kind == "xlsx" and is_long):
            return self._export(request, found, kind)
        page = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Export clients",
            "number": None if is_long else found.count(),
            "most_xlsx": MAX_XLSX,
            "is_chosen": bool(selection.ids),
            "back": f"{self.page_url('changelist')}?{selection.listed or ''}",
        }
        return TemplateResponse(request, "admin/notifier/client/export.html", page)

    def _export(self, request: HttpRequest, found: QuerySet[Client], kind: str) -> HttpResponseBase:
        subjects = importer.subjects()
        name = f"clients-{localtime(clock.now()):%Y-%m-%d}.{kind}"
        # Addresses leave the house: who took them when is in the record, as for every other thing done to clients.
        LogEntry.objects.create(
            user_id=cast(int, request.user.pk),
            content_type=ContentType.objects.get_for_model(Client),
            object_repr=name,
            action_flag=CHANGE,
            change_message=f"Exported clients as {kind.upper()}, by {request.META.get('QUERY_STRING', '')}"[:1000],
        )
        logger.info("User %s exports clients as %s.", request.user.pk, kind)
        return KINDS[kind](export.header(subjects), export.rows(found, subjects), name)


def _listed(request: HttpRequest) -> str:
    query = request.GET.copy()
    query.pop("p", None)
    return query.urlencode()


def _csv(header: list[str], rows: Any, name: str) -> HttpResponseBase:
    return StreamingHttpResponse(
        spreadsheets.stream_csv(header, rows),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _xlsx(header: list[str], rows: Any, name: str) -> HttpResponseBase:
    file = TemporaryFile()  # noqa: SIM115  (the response closes it)
    spreadsheets.write_xlsx(header, rows, cast(Any, file))
    file.seek(0)
    return FileResponse(file, as_attachment=True, filename=name)


#: By what the page posts.
KINDS = {"csv": _csv, "xlsx": _xlsx}
