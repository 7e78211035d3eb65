"""The form in which a notification is written."""

from typing import Any

from django import forms


class NotificationForm(forms.ModelForm):
    class Meta:
        help_texts = {
            "email_body": "Markdown: **bold**, *italic*, [a link](https://…), # heading, - list, 1. list, > quote, "
            "a | b above --|-- for a table, "
            "--- for a horizontal line. A button is a link alone on its line: [Book now](https://…){.button}. Upload "
            "pictures under Pictures, and copy their Markdown."
        }
        widgets = {
            "email_body": forms.Textarea(attrs={"rows": 14, "class": "vLargeTextField", "dir": "auto"}),
            "sms_body": forms.Textarea(attrs={"rows": 5, "class": "vLargeTextField", "dir": "auto"}),
        }

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        if not {"email_body", "sms_body"} & self.errors.keys() and not (cleaned["email_body"] or cleaned["sms_body"]):
            # Said at the first of the two fields; the constraint would say it above the form.
            self.add_error("email_body", "Write an e-mail text, an SMS text, or both.")
        return cleaned
