"""The forms of users, in the words of the product: Django's own are those of programmers."""

from typing import Any, cast

from django import forms
from django.contrib.auth.forms import (
    AdminPasswordChangeForm,
    AdminUserCreationForm,
    ReadOnlyPasswordHashWidget,
    UserChangeForm,
)
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifier.staff.account import INVALID_EMAIL

LABELS = {
    "username": _("Username"),
    "password": _("Password"),
    "first_name": _("First name"),
    "last_name": _("Last name"),
    "email": _("E-mail"),
    "is_active": _("Active"),
    "is_staff": _("Staff"),
    "groups": _("Groups"),
    "is_superuser": _("All permissions"),
    "user_permissions": _("Individual permissions"),
    "last_login": _("Last log-in"),
    "date_joined": _("Added"),
}
HELP_TEXTS = {
    "username": _("Up to 150 letters, digits and the signs @ . + - _"),
    "email": _("Test e-mails are sent here."),
    "is_active": _("Untick this when somebody leaves: they can’t log in, and what they did stays on record."),
    "is_staff": _("Only staff can log in."),
    "groups": "",
    "is_superuser": _("They can do everything, whatever their groups."),
    "user_permissions": _("In addition to those of their groups."),
}
_REPEATED = "Repeat the password"
_WITHOUT = _("Without a password, the user can’t log in.")
# The page's script shows the warning by its id, once “No” is chosen.
_LOST = format_html(
    '{}<ul id="id_unusable_warning" class="messagelist"><li class="warning">{}</li></ul>',
    _WITHOUT,
    "The current password will be lost.",
)


def _in_words(form: forms.BaseForm, *, help_text: Any = _WITHOUT) -> None:
    form.fields["password2"].label, form.fields["password2"].help_text = _REPEATED, ""
    if choice := cast(forms.ChoiceField | None, form.fields.get("usable_password")):
        choice.label, choice.help_text = "Log in with a password", help_text
        choice.choices = {"true": "Yes", "false": "No"}


class HiddenPassword(ReadOnlyPasswordHashWidget):
    """The button alone, without the pieces of the hash."""

    def get_context(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return super().get_context(*args, **kwargs) | {"summary": [], "button_label": "Set a new password"}


class UserForm(UserChangeForm):
    class Meta(UserChangeForm.Meta):
        labels = LABELS
        help_texts = HELP_TEXTS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A reader's form has no fields.
        if email := self.fields.get("email"):
            email.error_messages["invalid"] = INVALID_EMAIL
        if password := self.fields.get("password"):
            password.help_text, password.widget = gettext("Nobody can see it."), HiddenPassword()


class AddUserForm(AdminUserCreationForm):
    class Meta(AdminUserCreationForm.Meta):
        labels = LABELS
        help_texts = HELP_TEXTS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _in_words(self)


class SetPasswordForm(AdminPasswordChangeForm):
    """Of somebody else."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _in_words(self, help_text=_LOST)
