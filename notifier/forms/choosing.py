"""Menus of which one entry is chosen, and what their blank entry is called."""

from typing import Any, cast

from django import forms

#: Django's own is a row of dashes, which a screen reader spells out.
CHOOSE, NONE = "Choose…", "None"


def name_the_blank(field: Any) -> None:
    """Says what to do where something has to be chosen, and what is meant where nothing need be."""
    blank = CHOOSE if getattr(field, "required", False) else NONE
    if isinstance(field, forms.ModelChoiceField):
        if field.empty_label is not None and _is_dashes(field.empty_label):
            field.empty_label = blank
    elif isinstance(field, forms.ChoiceField):
        choices: list[Any] = list(cast(Any, field.choices))
        field.choices = [(value, blank if not value and _is_dashes(label) else label) for value, label in choices]


def _is_dashes(label: Any) -> bool:
    return isinstance(label, str) and set(label) == {"-"}
