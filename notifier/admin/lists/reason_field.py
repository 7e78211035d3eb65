"""The fields in which staff say why, or how we know, for something that is kept on record."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from notifier.messages.lines import validate_one_line

#: Letters of `ConsentChange.detail`.
MAX_EVIDENCE = 300


class ReasonField(forms.CharField):
    """One line of text, which a browser neither suggests nor remembers. Each form says in `help_text` who reads it."""

    default_validators = [validate_one_line]
    default_error_messages = {"required": "Give a reason. It is recorded."}

    def __init__(self, *, max_length: int, help_text: Any, **options: Any) -> None:
        widget = forms.TextInput(attrs={"autocomplete": "off"})
        super().__init__(label=_("Reason"), max_length=max_length, help_text=help_text, widget=widget, **options)


#: Said where a consent is added without it.
HOW_DO_WE_KNOW = _("Say how we know that they agreed. It is recorded with the consent.")


class EvidenceField(forms.CharField):
    """How we know that clients agreed to something. The form asks for it where a consent is added."""

    default_validators = [validate_one_line]

    def __init__(self, *, help_text: Any) -> None:
        widget = forms.TextInput(attrs={"autocomplete": "off"})
        super().__init__(
            label=_("How do we know?"), required=False, max_length=MAX_EVIDENCE, help_text=help_text, widget=widget
        )
