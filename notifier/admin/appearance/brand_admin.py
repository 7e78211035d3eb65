"""The brand: a form for its only row, to which the menu leads."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Model, Q
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from notifier.admin.lists.base import BackOfficeAdmin
from notifier.models import Brand, Picture
from notifier.models.brands import ONLY

#: Pictures to choose the logo from.
MAX_OFFERED = 100
FROM_NOW_ON = _(
    "Changes apply to new broadcasts. E-mails that have been sent, are scheduled or await approval keep "
    "the brand that they had."
)


class BrandForm(forms.ModelForm):
    class Meta:
        widgets: ClassVar[dict[str, Any]] = {
            "colour": forms.TextInput(attrs={"class": "colour", "spellcheck": "false", "autocomplete": "off"}),
            "postal_address": forms.Textarea(attrs={"rows": 4}),
        }


@admin.register(Brand)
class BrandAdmin(BackOfficeAdmin):
    form = BrandForm
    fieldsets = (
        (None, {"fields": ("name", "logo", "colour", "ink"), "description": FROM_NOW_ON}),
        (_("At the end of e-mails"), {"fields": ("reply_line", "postal_address")}),
    )

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["notifier/appearance.css"]}

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """The only row is made with the first look at it."""
        if object_id == str(ONLY):
            Brand.objects.get_or_create(pk=ONLY)
        return super().get_object(request, object_id, from_field)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """The newest pictures, and the one that is chosen."""
        newest = Picture.objects.order_by("-pk").values("pk")[:MAX_OFFERED]
        chosen = Brand.objects.exclude(logo=None).values("logo")
        offered = Picture.objects.filter(Q(pk__in=newest) | Q(pk__in=chosen)).order_by("-pk")
        field: Any = super().formfield_for_foreignkey(db_field, request, queryset=offered, **kwargs)
        field.empty_label = "No logo"
        return field

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "logo" and field:
            # Pictures have pages of their own.
            field.widget.can_add_related = field.widget.can_change_related = field.widget.can_view_related = False
            field.widget.can_delete_related = False
        return field

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
