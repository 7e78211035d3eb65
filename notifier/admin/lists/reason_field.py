"""The field in which staff give their reason for something that is kept on record."""

from typing import Any

from django import forms

from notifier.messages.lines import validate_one_line


class ReasonField(forms.CharField):
    """One line of text, which a browser neither suggests nor remembers. Each form says in `help_text` who reads it."""

    default_validators = [validate_one_line]
    default_error_messages = {"required": "Give a reason. It is recorded."}

    def __init__(self, *, max_length: int, help_text: str, **options: Any) -> None:
        widget = forms.TextInput(attrs={"autocomplete": "off"})
        super().__init__(label="Reason", max_length=max_length, help_text=help_text, widget=widget, **options)
