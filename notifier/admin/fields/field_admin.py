"""Fields of clients: their list, and the form that defines one, with its options."""

from collections.abc import Iterable
from typing import Any, ClassVar, cast

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifier.admin.lists.base import GuardedDeleteAdmin
from notifier.fields import definitions, usage
from notifier.fields.definitions import OptionChange
from notifier.forms.stale_forms import StaleModelForm
from notifier.messages import placeholders
from notifier.messages.lines import validate_name
from notifier.models import ClientField
from notifier.notifications import field_uses
from notifier.runtime import clock
from notifier.values import currencies
from notifier.values.base import CHOSEN, FieldKind
from notifier.values.options import MAX_LABEL_LETTERS, MAX_OPTIONS
from notifier.wording.badges import badge

ONLY_OF_LISTS = _("For “One of a list” and “Several of a list”: one per line.")
#: Lines of a longest list, each of a longest label.
MAX_TYPED = MAX_OPTIONS * (MAX_LABEL_LETTERS + 2)


class FieldForm(forms.ModelForm):
    currency = forms.ChoiceField(
        required=False,
        choices=[("", _("None")), *((code, code) for code in currencies.CODES)],
        help_text=_("Of money alone."),
    )
    new_options = forms.CharField(
        required=False, max_length=MAX_TYPED, widget=forms.Textarea(attrs={"rows": 4}), help_text=ONLY_OF_LISTS
    )

    class Meta:
        model = ClientField
        fields = ("label", "key", "kind", "currency", "help", "description", "position")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "key" in self.fields and self.instance.pk is None:
            self.fields["key"].required = False
            self.fields["key"].help_text += " If you leave it empty, it is made from the label."
        if "position" in self.fields:
            self.fields["position"].required = False
            self.fields["position"].help_text = gettext("Fields are shown in this order.")

    def clean_position(self) -> int:
        return int(self.cleaned_data["position"] or self.instance.position or 0)

    def clean_new_options(self) -> list[str]:
        return [line.strip() for line in self.cleaned_data["new_options"].splitlines() if line.strip()]

    def kind_now(self) -> str:
        return str(self.cleaned_data.get("kind") or self.instance.kind)

    def all_labels(self) -> list[str]:
        return list(self.cleaned_data.get("new_options") or ())

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        if self.instance.pk is None and not cleaned.get("key") and "key" not in self.errors:
            cleaned["key"] = definitions.suggested_key(cleaned.get("label", ""))
            if not cleaned["key"]:
                self.add_error("key", gettext("Enter a key, in small letters a to z. None can be made from the label."))
        kind = self.kind_now()
        if kind != FieldKind.MONEY:
            cleaned["currency"] = ""
        if kind not in CHOSEN and cleaned.get("new_options"):
            self.add_error("new_options", gettext("Only a list has options. Choose another type, or leave this empty."))
        if kind in CHOSEN and "new_options" not in self.errors:
            self._check_labels(kind)
        return cleaned

    def _check_labels(self, kind: str) -> None:
        labels = self.all_labels()
        if not labels:
            self.add_error("new_options", gettext("Enter the options, one per line."))
        try:
            definitions.check_labels(labels, kind=kind)
        except ValidationError as error:
            self.add_error("new_options", error)

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if not self.errors:
            try:
                definitions.check(self.instance)
            except ValidationError as error:
                for name, messages_ in error.message_dict.items():
                    self.add_error(name if name in self.fields else None, messages_)

    def options(self) -> list[OptionChange]:
        return [OptionChange(None, label) for label in self.cleaned_data.get("new_options") or ()]


class ExistingFieldForm(StaleModelForm, FieldForm):
    """Of a field that is there: with its options, and whether it is retired."""

    is_retired = forms.BooleanField(
        required=False,
        label=_("Retired"),
        help_text=_("A retired field takes no new values and is no longer offered. What clients have in it is kept."),
    )
    numbers: ClassVar[tuple[int, ...]] = ()

    def values_now(self) -> dict[str, Any]:
        found = super().values_now()
        if not found:
            return found
        field = ClientField.objects.get(pk=self.instance.pk)
        found["is_retired"] = field.retired_at is not None
        for option in field.options.all():
            found |= {f"option_{option.number}": option.label, f"order_{option.number}": option.position}
            found[f"retired_{option.number}"] = option.retired_at is not None
        return {name: value for name, value in found.items() if name in self.fields}

    def all_labels(self) -> list[str]:
        kept = [str(self.cleaned_data.get(f"option_{number}") or "") for number in self.numbers]
        return [label for label in kept if label] + super().all_labels()

    def options(self) -> list[OptionChange]:
        cleaned = self.cleaned_data
        kept = sorted(self.numbers, key=lambda number: (cleaned[f"order_{number}"] or 0, number))
        changed = [
            OptionChange(number, cleaned[f"option_{number}"], bool(cleaned[f"retired_{number}"])) for number in kept
        ]
        return changed + super().options()


def existing_form(field: ClientField, *, without: Iterable[str] = ()) -> type[ExistingFieldForm]:
    """`without`: what can't be changed. Of fields that a form declares, the admin would leave these in."""
    options = list(field.options.order_by("position", "pk"))
    fields: dict[str, Any] = {"numbers": tuple(one.number for one in options), "__module__": __name__}
    fields |= dict.fromkeys(name for name in without if name in FieldForm.declared_fields)
    for one in options:
        fields[f"option_{one.number}"] = forms.CharField(
            label=gettext("Option %(number)s") % {"number": one.number},
            max_length=MAX_LABEL_LETTERS,
            validators=[validate_name],
            initial=one.label,
        )
        fields[f"order_{one.number}"] = forms.IntegerField(
            label=gettext("Order"), min_value=0, max_value=10_000, required=False, initial=one.position
        )
        fields[f"retired_{one.number}"] = forms.BooleanField(
            label=gettext("Retired"), required=False, initial=one.retired_at is not None
        )
    made: Any = type("ExistingFieldForm", (ExistingFieldForm,), fields)
    made.base_fields["is_retired"].initial = field.retired_at is not None
    return cast(type[ExistingFieldForm], made)


@admin.register(ClientField)
class ClientFieldAdmin(GuardedDeleteAdmin):
    list_display = ("label", "key", "type", "state", "position")
    ordering = ("position", "pk")
    # Somebody has used it since the page was opened.
    refusals = (definitions.FieldInUse,)
    sortable_by = ("label", "key", "position")

    # --- The list ---
    @admin.display(description=_("type"))
    def type(self, field: ClientField) -> str:
        return f"{field.get_kind_display()}, {field.currency}" if field.currency else str(field.get_kind_display())

    @admin.display(description=_("status"))
    def state(self, field: ClientField) -> SafeString:
        return badge(text="Retired", tone="quiet") if field.retired_at else badge(text="Active", tone="good")

    # --- Its page ---
    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is None:
            kwargs["form"] = FieldForm
        elif self.has_change_permission(request, obj):
            fixed = self.get_readonly_fields(request, obj)
            kwargs["form"] = existing_form(obj, without=fixed if obj.kind == FieldKind.MONEY else (*fixed, "currency"))
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            names = ("label", "key", "kind", "currency", "new_options", "help", "description", "position")
            return ((None, {"fields": names}),)
        currency = ("currency",) if obj.kind == FieldKind.MONEY else ()
        about: Any = (
            None,
            {"fields": ("label", "key", "kind", *currency, "help", "description", "position", "used_by")},
        )
        if not self.has_change_permission(request, obj):
            return (about,)
        retiring = (None, {"fields": ("is_retired",)})
        if not obj.is_chosen:
            return (about, retiring)
        lines: Iterable[Any] = (
            (f"option_{one.number}", f"order_{one.number}", f"retired_{one.number}")
            for one in obj.options.order_by("position", "pk")
        )
        return (about, (gettext("Options"), {"fields": (*lines, "new_options")}), retiring)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return ()
        if usage.uses_of(obj):
            return ("key", "kind", *(("currency",) if obj.kind == FieldKind.MONEY else ()), "used_by")
        return ("kind", "used_by")

    @admin.display(description=_("used by"))
    def used_by(self, field: ClientField) -> str:
        return usage.in_words(usage.uses_of(field)) or "nothing yet"

    # --- Saving and deleting ---
    def save_model(self, request: HttpRequest, obj: ClientField, form: Any, change: bool) -> None:
        now = clock.now()
        definitions.save(obj)
        if obj.is_chosen:
            definitions.set_options(field=obj, options=form.options(), now=now)
        if change and "is_retired" in form.changed_data:
            if form.cleaned_data["is_retired"]:
                definitions.retire(field_id=obj.pk, now=now)
                self._say_which_texts(request, obj)
            else:
                definitions.restore(field_id=obj.pk)

    def _say_which_texts(self, request: HttpRequest, field: ClientField) -> None:
        if texts := list(field_uses.uses(field)):
            self.message_user(
                request,
                gettext(
                    "%(use)s is in %(in_words)s. Broadcasts that were requested go on with it; a notification can’t "
                    "be sent again until you take it out of the text."
                )
                % {"use": placeholders.Use(field.key), "in_words": usage.in_words(texts)},
                messages.WARNING,
            )

    def reason_to_keep(self, obj: ClientField) -> str:
        return definitions.reason_to_keep(obj)

    def delete_model(self, request: HttpRequest, obj: ClientField) -> None:
        definitions.delete(field_id=obj.pk)
