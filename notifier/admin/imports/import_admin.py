"""Imports of files of clients: the list of them, the result of each, and the routes to the pages of a file."""

from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifier.admin.imports import ownership, previews, steps, uploading
from notifier.admin.lists import routing
from notifier.admin.lists.base import ReadOnlyAdmin
from notifier.clients.imports import retention
from notifier.models import ClientImport
from notifier.staff import groups
from notifier.wording.badges import badge
from notifier.wording.model_names import NOTHING

#: The tone of each state's badge.
TONES = {"UPLOADED": "warn", "DONE": "good", "DISCARDED": "quiet"}


@admin.register(ClientImport)
class ClientImportAdmin(ReadOnlyAdmin):
    list_display = ("file_name", "state_shown", "who", "created_at", "added", "changed", "unchanged", "not_taken")
    list_select_related = ("created_by",)
    list_filter = ("state",)
    search_fields = ("file_name__icontains",)
    search_help_text = _("Search by file name.")
    ordering = ("-pk",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ClientImport]:
        return super().get_queryset(request).defer("content", "failed_rows", "mapping")

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return super().has_view_permission(request, obj) or request.user.has_perm(groups.IMPORT_CLIENT)

    # --- The list ---
    @admin.display(description=_("status"))
    def state_shown(self, row: ClientImport) -> SafeString:
        return badge(text=row.get_state_display(), tone=TONES[row.state])

    @admin.display(description=_("by"))
    def who(self, row: ClientImport) -> str:
        return row.created_by.get_username() if row.created_by else "the command line"

    @admin.display(description=_("added"))
    def added(self, row: ClientImport) -> str:
        return _count(row, "added")

    @admin.display(description=_("changed"))
    def changed(self, row: ClientImport) -> str:
        return _count(row, "changed")

    @admin.display(description=_("unchanged"))
    def unchanged(self, row: ClientImport) -> str:
        return _count(row, "unchanged")

    @admin.display(description=_("rejected"))
    def not_taken(self, row: ClientImport) -> str:
        return _count(row, "failed")

    # --- Pages ---
    def get_urls(self) -> list[URLPattern]:
        return [
            uploading.upload_route(self),
            routing.page(self, steps.columns_page, name="columns", route="<int:pk>/columns/"),
            routing.page(self, steps.preview_page, name="preview", route="<int:pk>/preview/"),
            routing.page(self, steps.discard_page, name="discard", route="<int:pk>/discard/"),
            routing.page(self, steps.failed_rows_page, name="failed_rows", route="<int:pk>/failed-rows/"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The result; for one that waits and that this user may open, its next step."""
        row = cast(ClientImport | None, self.get_object(request, unquote(object_id)))
        if row is None or request.method != "GET":
            return super().change_view(request, object_id, form_url, extra_context)
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        may_open = ownership.may_open(request, row)
        if row.state == ClientImport.State.UPLOADED and may_open:
            return redirect(self.page_url("columns", row.pk))
        has_failed_rows = ClientImport.objects.filter(pk=row.pk).exclude(failed_rows="").exists()
        page = {
            "title": gettext("Import of %(file_name)s") % {"file_name": row.file_name},
            "row": row,
            "state": self.state_shown(row),
            "who": self.who(row),
            "figures": previews.figures(row.counts),
            "notes": previews.notes(row.counts),
            "may_download": has_failed_rows and may_open,
            "kept_until": row.finished_at + retention.KEEP_FAILED_ROWS if row.finished_at else None,
        }
        context = self.page_context(request, page)
        return TemplateResponse(request, "admin/notifier/clientimport/result.html", context)


def _count(row: ClientImport, name: str) -> str:
    return f"{row.counts[name]:,}" if name in row.counts else NOTHING
