"""The summary of what is wrong with a page's forms. It has to stand before the forms, for it says which field has the
focus.
"""

from collections.abc import Sequence
from typing import Any

from django import template

from notifier.forms import form_errors
from notifier.forms.form_errors import Mistake

register = template.Library()
TEMPLATE = "admin/includes/error_summary.html"


@register.inclusion_tag(TEMPLATE)
def error_summary(*given: Any, note: str = "", field_id: str = "") -> dict[str, Any]:
    """Of these forms, of which some may be missing. `note` is a refusal of the page's own; `field_id` is what it is
    about, and what is about no other field leads there too: the page gives it the focus where no other field has it.
    """
    found = [mistake for form in given if form for mistake in form_errors.of_form(form)]
    mistakes = [mistake if mistake.field_id else Mistake(mistake.text, field_id) for mistake in found]
    return _summary(mistakes, note, field_id)


@register.inclusion_tag(TEMPLATE)
def change_form_errors(adminform: Any, formsets: Sequence[Any]) -> dict[str, Any]:
    """Of the page of one row."""
    return _summary(list(form_errors.of_change_form(adminform, formsets)), "", "")


def _summary(mistakes: list[Mistake], note: str, field_id: str) -> dict[str, Any]:
    is_field_focused = form_errors.give_focus(mistakes)
    return {
        "mistakes": mistakes,
        "note": note,
        "note_id": field_id,
        "takes_focus": not (is_field_focused or field_id),
    }
