"""Saved audiences: their list, and what Django's own pages of one are answered by."""

from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from notifier.admin.audiences import builder_page
from notifier.admin.lists.base import GuardedDeleteAdmin
from notifier.broadcasts import audience_edits
from notifier.models import SavedAudience
from notifier.saved_audiences import document as documents
from notifier.saved_audiences import known as knowing
from notifier.saved_audiences import saving
from notifier.saved_audiences.document import BrokenAudience, Document
from notifier.wording.badges import BLANK, badge


@admin.register(SavedAudience)
class SavedAudienceAdmin(GuardedDeleteAdmin):
    list_display = ("name", "description", "status", "created_by", "updated_at")
    list_select_related = ("created_by",)
    search_fields = ("name__icontains",)
    search_help_text = _("Search by name.")
    ordering = ("folded",)
    fields = ("name", "description")

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["notifier/audiences.css"]}

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        page = super().changelist_view(request, extra_context)
        if isinstance(page, TemplateResponse):
            _look_up(page)
        return page

    @admin.display(description=_("status"))
    def status(self, audience: Any) -> SafeString:
        if audience.is_broken:
            return badge(text="Can’t be used", tone="warn")
        return badge(text="Names what is retired", tone="quiet") if audience.names_retired else BLANK

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        return builder_page.page(self, request, None)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        return builder_page.page(self, request, builder_page.existing(object_id))

    def reason_to_keep(self, obj: SavedAudience) -> str:
        return saving.reason_to_keep(obj)

    def delete_model(self, request: HttpRequest, obj: SavedAudience) -> None:
        audience_edits.delete(audience_id=obj.pk)


def _look_up(page: TemplateResponse) -> None:
    """For the audiences on a page of their list which nobody can use, and which name what is retired: a few queries."""
    changes = (page.context_data or {})["cl"]
    rows: list[Any] = list(changes.result_list)
    read = [_read(row) for row in rows]
    known = knowing.of(*(one for one in read if one))
    for row, one in zip(rows, read, strict=True):
        row.is_broken = one is None or bool(knowing.problems(one, known))
        row.names_retired = one is not None and bool(knowing.retired(one, known))
    changes.result_list = rows


def _read(audience: SavedAudience) -> Document | None:
    try:
        return documents.parse(audience.document)
    except BrokenAudience:
        return None
