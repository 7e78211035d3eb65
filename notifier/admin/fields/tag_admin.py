"""Tags: their list, renaming, and the page that merges one into another."""

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifier.admin.lists import routing
from notifier.admin.lists.base import BackOfficeAdmin, GuardedDeleteAdmin
from notifier.fields import tags, usage
from notifier.fields.applying import ChangeOrigin
from notifier.models import Tag
from notifier.runtime import clock
from notifier.wording import numbers


class TagForm(forms.ModelForm):
    class Meta:
        model = Tag
        fields = ("name",)

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        tags.check_name(name, besides=self.instance if self.instance.pk else None)
        return name


class MergeForm(forms.Form):
    into = forms.ModelChoiceField(
        Tag.objects.none(),
        label=_("Into"),
        empty_label=_("Choose a tag"),
        error_messages={"required": _("Choose the tag that stays.")},
        help_text=_("Clients who have one of both, or both, have this one afterwards."),
    )


@admin.register(Tag)
class TagAdmin(GuardedDeleteAdmin):
    form = TagForm
    list_display = ("name", "created_at")
    search_fields = ("name__icontains",)
    search_help_text = _("Search by name.")
    ordering = ("folded",)
    sortable_by = ("created_at",)
    fields = ("name", "used_by")

    def get_urls(self) -> list[URLPattern]:
        return [routing.page(self, merge_page, name="merge", route="<int:tag_id>/merge/"), *super().get_urls()]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("name", "used_by") if obj else ("name",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("used_by",) if obj else ()

    @admin.display(description=_("used by"))
    def used_by(self, tag: Tag) -> str:
        return usage.in_words(usage.uses_of(tag)) or "nothing yet"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        extra = {"may_merge": self.has_change_permission(request)}
        return super().change_view(request, object_id, form_url, extra | (extra_context or {}))

    def save_model(self, request: HttpRequest, obj: Tag, form: Any, change: bool) -> None:
        if change:
            tags.rename(tag=obj, name=obj.name, now=clock.now())
        else:
            obj.__dict__.update(tags.add(obj.name).__dict__)

    def reason_to_keep(self, obj: Tag) -> str:
        return tags.reason_to_keep(obj)

    def delete_model(self, request: HttpRequest, obj: Tag) -> None:
        tags.delete(tag_id=obj.pk)


def merge_page(model_admin: BackOfficeAdmin, request: HttpRequest, tag_id: int) -> HttpResponse:
    """GET asks into which, POST does it."""
    if not (model_admin.has_view_permission(request) and model_admin.has_change_permission(request)):
        raise PermissionDenied
    tag = Tag.objects.filter(pk=tag_id).first()
    if tag is None:
        raise Http404
    form = MergeForm(request.POST or None)
    cast(forms.ModelChoiceField, form.fields["into"]).queryset = Tag.objects.exclude(pk=tag.pk).order_by("folded")
    if request.method == "POST" and form.is_valid():
        return _merge(model_admin, request, tag, form.cleaned_data["into"])
    context = {
        "title": gettext("Merge “%(tag)s” into another tag") % {"tag": tag},
        "tag": tag,
        "form": form,
        "used_by": usage.in_words(usage.uses_of(tag)),
        "others": form.fields["into"].queryset.exists(),  # type: ignore[attr-defined]
    }
    return TemplateResponse(request, "admin/notifier/tag/merge.html", model_admin.page_context(request, context))


def _merge(model_admin: BackOfficeAdmin, request: HttpRequest, tag: Tag, into: Tag) -> HttpResponse:
    origin = ChangeOrigin(by=cast(User, request.user), reason=f"Merged “{tag}” into “{into}”")
    try:
        number = tags.merge(tag=tag, into=into, origin=origin, now=clock.now())
    except ValidationError as error:
        model_admin.message_user(request, error.messages[0], messages.ERROR)
        return redirect(model_admin.page_url("change", tag.pk))
    words = f"“{tag}” was merged into “{into}”: {numbers.counted(number, 'client')} changed."
    model_admin.log_change(request, into, words)
    model_admin.message_user(request, words, messages.SUCCESS)
    return redirect(model_admin.page_url("change", into.pk))
