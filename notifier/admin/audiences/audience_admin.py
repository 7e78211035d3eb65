"""Saved audiences: their list, and what Django's own pages of one are answered by."""

from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from notifier.admin.audiences import builder_page
from notifier.admin.lists.base import GuardedDeleteAdmin
from notifier.broadcasts import audience_edits
from notifier.models import SavedAudience
from notifier.saved_audiences import saving


@admin.register(SavedAudience)
class SavedAudienceAdmin(GuardedDeleteAdmin):
    list_display = ("name", "description", "created_by", "updated_at")
    list_select_related = ("created_by",)
    search_fields = ("name__icontains",)
    search_help_text = "Search by name."
    ordering = ("folded",)
    fields = ("name", "description")

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["notifier/audiences.css"]}

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
