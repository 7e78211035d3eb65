"""The fields that staff defined, and tags, in the form of a client."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.utils.html import escape
from django.utils.translation import gettext

from notifier.fields import tags, values
from notifier.fields.definitions import Definition, Definitions
from notifier.messages.lines import validate_one_line
from notifier.models import Client, Tag
from notifier.values.amounts import MoneyType
from notifier.values.base import TYPED, FieldKind
from notifier.values.options import ChoicesType, ChoiceType
from notifier.values.texts import MAX_TEXT_LETTERS, folded

#: In the form.
TAGS = "tags"


def name_of(definition: Definition) -> str:
    return f"field_{definition.id}"


class ChosenOption(int):
    """The number of an option that reads as its label, in messages about it."""

    label: str

    @classmethod
    def of(cls, number: int, value_type: ChoiceType | ChoicesType) -> "ChosenOption":
        made = cls(number)
        made.label = value_type.label(number)
        return made

    def __str__(self) -> str:
        return self.label


# --- Fields -----------------------------------------------------------------------------------------------------------
class TypedField(forms.CharField):
    """What `ValueType.read` makes of what was typed."""

    def __init__(self, definition: Definition, **kwargs: Any) -> None:
        self.value_type = definition.type
        super().__init__(required=False, strip=False, **kwargs)

    def to_python(self, value: Any) -> Any:
        try:
            return self.value_type.read(str(value or ""), TYPED)
        except ValueError as error:
            raise ValidationError(str(error)) from error

    def run_validators(self, value: Any) -> None:
        """They are for texts, and `to_python` has checked more."""

    def prepare_value(self, value: Any) -> Any:
        # What was posted stands there as it was typed.
        return value if value is None or isinstance(value, str) else self.value_type.write(value)

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.to_python(data) != initial)
        except ValidationError:
            return True


class YesNoField(forms.ChoiceField):
    """Three answers: yes, no, and none. With False for no, a form could not tell it from none."""

    def __init__(self, definition: Definition, **kwargs: Any) -> None:
        super().__init__(required=False, choices=[("", "Not known"), ("yes", "Yes"), ("no", "No")], **kwargs)


class OneField(forms.TypedChoiceField):
    def __init__(self, definition: Definition, *, chosen: int | None = None, **kwargs: Any) -> None:
        self.value_type = cast(ChoiceType, definition.type)
        offered = self.value_type.offered([chosen] if chosen else [])
        choices = [("", "None"), *((str(option.number), option.label) for option in offered)]
        super().__init__(required=False, choices=choices, coerce=self._chosen, empty_value=None, **kwargs)

    def _chosen(self, value: Any) -> ChosenOption:
        return ChosenOption.of(int(value), self.value_type)

    def prepare_value(self, value: Any) -> Any:
        return str(int(value)) if isinstance(value, int) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return (self.prepare_value(initial) or "") != (data or "")


class SeveralField(forms.TypedMultipleChoiceField):
    widget = forms.CheckboxSelectMultiple

    def __init__(self, definition: Definition, *, chosen: Sequence[int] = (), **kwargs: Any) -> None:
        self.value_type = cast(ChoicesType, definition.type)
        choices = [(str(option.number), option.label) for option in self.value_type.offered(chosen)]
        super().__init__(required=False, choices=choices, coerce=self._chosen, empty_value=None, **kwargs)

    def _chosen(self, value: Any) -> ChosenOption:
        return ChosenOption.of(int(value), self.value_type)

    def prepare_value(self, value: Any) -> Any:
        return [str(int(one)) for one in value or ()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return set(self.prepare_value(initial)) != {str(one) for one in data or ()}


class TagsField(forms.CharField):
    """Names of tags, with commas between them: as the tags have them, and new ones as they were typed."""

    def __init__(self, *, may_add: bool, **kwargs: Any) -> None:
        self.may_add = may_add
        super().__init__(required=False, **kwargs)

    def to_python(self, value: Any) -> Any:
        typed = [name for part in str(value or "").split(";") for name in part.split(",")]
        names = list({folded(name): name.strip() for name in typed if name.strip()}.values())
        if len(names) > tags.MAX_OF_CLIENT:
            raise ValidationError(
                gettext("A client can have %(max_of_client)s tags.") % {"max_of_client": tags.MAX_OF_CLIENT}
            )
        for name in names:
            # Before the database is asked: PostgreSQL compares no NUL.
            validate_one_line(name)
        found, unknown = tags.named(names)
        if unknown and not self.may_add:
            raise ValidationError(
                gettext("There is no tag “%(unknown)s”, and you can’t add tags.") % {"unknown": unknown[0]}
            )
        for name in unknown:
            tags.check_name(name)
        return sorted([*(tag.name for tag in found), *unknown], key=folded)

    def run_validators(self, value: Any) -> None:
        """They are for texts, and `to_python` has checked more."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.to_python(data) != (initial or []))
        except ValidationError:
            return True


def form_fields(definitions: Definitions, now: Mapping[str, Any], *, may_add_tags: bool) -> dict[str, forms.Field]:
    """By their names in the form. `now`: what the client has, as `values_of` gives it."""
    found: dict[str, forms.Field] = {name_of(one): _form_field(one, now.get(name_of(one))) for one in definitions}
    help_text = "Separated by commas." + ("" if may_add_tags else " Tags that there are already.")
    found[TAGS] = TagsField(
        may_add=may_add_tags, help_text=help_text, widget=forms.TextInput(attrs={"class": "vTextField"})
    )
    for name, field in found.items():
        field.initial = now.get(name)
    return found


def _form_field(definition: Definition, now: Any) -> forms.Field:
    kind = definition.type.kind
    options: dict[str, Any] = {"label": definition.label, "help_text": escape(definition.field.help)}
    if kind == FieldKind.CHOICE:
        return OneField(definition, chosen=now, **options)
    if kind == FieldKind.CHOICES:
        return SeveralField(definition, chosen=now or (), **options)
    if kind == FieldKind.YES_NO:
        return YesNoField(definition, **options)
    if kind == FieldKind.DATE:
        widget: forms.TextInput = forms.DateInput(attrs={"type": "date"})
    elif kind == FieldKind.TEXT:
        widget = forms.TextInput(attrs={"class": "vTextField", "maxlength": MAX_TEXT_LETTERS})
    else:
        widget = forms.TextInput(attrs={"inputmode": "decimal"})
    if isinstance(definition.type, MoneyType):
        options["label"] = f"{definition.label} ({definition.type.currency})"
    return TypedField(definition, widget=widget, **options)


# --- Values -----------------------------------------------------------------------------------------------------------
def values_of(client: Client | None, definitions: Definitions) -> dict[str, Any]:
    """What the client has, by the names in the form, as the form's fields give it."""
    if client is None or client.pk is None:
        return {}
    has = values.of_client(client.pk, definitions)
    found = {name_of(one): _in_form(has.get(one.id), one) for one in definitions}
    return found | {TAGS: [tag.name for tag in tags.of_client(client.pk)]}


def _in_form(value: Any, definition: Definition) -> Any:
    value_type = definition.type
    if value is None:
        return None
    if isinstance(value_type, ChoiceType):
        return ChosenOption.of(value, value_type)
    if isinstance(value_type, ChoicesType):
        return [ChosenOption.of(one, value_type) for one in value]
    return value_type.write(value) if value_type.kind == FieldKind.YES_NO else value


def chosen_values(form: Any, definitions: Definitions) -> dict[Definition, Any]:
    """What was changed in the form, as `ValueType.store` takes it."""
    changed = [one for one in definitions if name_of(one) in form.changed_data]
    return {one: _out_of_form(form.cleaned_data[name_of(one)], one) for one in changed}


def _out_of_form(value: Any, definition: Definition) -> Any:
    if definition.type.kind == FieldKind.YES_NO:
        return definition.type.read(value or "")
    if isinstance(value, list):
        return tuple(sorted(int(one) for one in value)) or None
    return int(value) if isinstance(value, ChosenOption) else value


def chosen_tags(form: Any, client: Client) -> dict[Tag, bool]:
    """What was changed in the form; tags that are not there yet are added."""
    if TAGS not in form.changed_data:
        return {}
    names = form.cleaned_data[TAGS]
    found, unknown = tags.named(names)
    wanted = [*found, *(tags.add(name) for name in unknown)]
    kept = {tag.pk for tag in wanted}
    gone = [tag for tag in tags.of_client(client.pk) if tag.pk not in kept]
    return dict.fromkeys(wanted, True) | dict.fromkeys(gone, False)
