"""The form in which a notification is written."""

from typing import Any

from django import forms


class NotificationForm(forms.ModelForm):
    class Meta:
        help_texts = {
            "email_body": "Leave it empty to send no e-mail.",
            "sms_body": "Leave it empty to send no SMS.",
        }
        widgets = {
            "email_body": forms.Textarea(attrs={"rows": 16, "class": "vLargeTextField", "dir": "auto"}),
            "sms_body": forms.Textarea(attrs={"rows": 4, "class": "vLargeTextField", "dir": "auto"}),
        }

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        if not {"email_body", "sms_body"} & self.errors.keys() and not (cleaned["email_body"] or cleaned["sms_body"]):
            # Said at the first of the two fields; the constraint would say it above the form.
            self.add_error("email_body", "Write an e-mail text, an SMS text, or both.")
        return cleaned
