"""What is wrong with the forms of a page: named at its top with a link to each field, the first of which has the focus.

The focus is the attribute `autofocus` of what the server sends, so it needs no script.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib.admin.utils import flatten_fieldsets
from django.forms.boundfield import BoundField


@dataclass(frozen=True, slots=True)
class Mistake:
    text: str
    #: Where its link leads to on the page; "" where no field that is seen is to blame.
    field_id: str = ""
    #: The field that can take the focus for it.
    field: BoundField | None = None


def of_form(form: forms.BaseForm, names: Iterable[str] | None = None) -> Iterator[Mistake]:
    """What is wrong with these fields, or with the whole form: what is about no field comes first."""
    if names is None:
        yield from (Mistake(str(text)) for text in form.non_field_errors())
    for name in form.fields if names is None else names:
        if name in form.fields:
            yield from (_of_field(form[name], str(text)) for text in form[name].errors)


def of_formset(formset: Any) -> Iterator[Mistake]:
    """What is about no field that is seen leads to the formset, which the pages give an id."""
    group = f"{formset.prefix}-group"
    yield from (Mistake(text, group) for text in formset.non_form_errors())
    for form in formset.forms:
        for mistake in of_form(form):
            yield mistake if mistake.field_id else Mistake(mistake.text, group)


def of_change_form(adminform: Any, formsets: Sequence[Any]) -> Iterator[Mistake]:
    """In the order of a row's page: the fields of its fieldsets, its formsets, and the fields shown after them."""
    form = adminform.form
    first = [name for name in flatten_fieldsets(adminform.fieldsets) if name in form.fields]
    yield from (Mistake(str(text)) for text in form.non_field_errors())
    yield from of_form(form, first)
    for one in formsets:
        yield from of_formset(one.formset)
    yield from of_form(form, [name for name in form.fields if name not in first])


def give_focus(mistakes: Sequence[Mistake]) -> bool:
    """To the first wrong field; whether there is one. It has to be called before that field is rendered."""
    wrong = [mistake.field for mistake in mistakes if mistake.field]
    if not wrong:
        return False
    # Some forms of Django's give it to their first field, whichever is wrong.
    for field in wrong[0].form.fields.values():
        field.widget.attrs.pop("autofocus", None)
    widget: Any = wrong[0].field.widget
    # The choice of a related row is a widget around another, and shares its attributes with all forms.
    getattr(widget, "widget", widget).attrs["autofocus"] = True
    return True


def _of_field(field: BoundField, text: str) -> Mistake:
    if field.is_hidden:
        return Mistake(text)
    label = str(field.label or "").rstrip(":")
    # Django's own messages don't say what they are about: "This field is required."
    says_what = label.endswith("?") or label.casefold() in text.casefold()
    words = text if says_what else f"{label[:1].upper()}{label[1:]}: {text}"
    if field.use_fieldset:
        # Several inputs, each with its number; all of them get the attributes of the one widget.
        return Mistake(words, f"{field.auto_id}_0")
    return Mistake(words, field.id_for_label, field)
