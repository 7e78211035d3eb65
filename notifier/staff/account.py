"""*Your account*: what members of staff change about themselves. It needs no permission, and changes nobody else."""

from collections.abc import Mapping
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifier.forms.phone_fields import PhoneField
from notifier.forms.stale_forms import StaleForm
from notifier.messages.lines import validate_name, validate_one_line
from notifier.models import typed_phones
from notifier.staff import profiles, timezones

#: Django writes it without the hyphen.
INVALID_EMAIL = "Enter a valid e-mail address."


class AccountForm(StaleForm, forms.Form):
    """Of the user with whom it is made."""

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        self.user = user
        super().__init__(*args, **kwargs)
        self.fields["phone"].help_text = f"Test SMS are sent here. {typed_phones.how_to_write()}"

    def values_now(self) -> dict[str, Any]:
        return _values(User.objects.get(pk=self.user.pk))

    first_name = forms.CharField(
        required=False,
        max_length=150,
        validators=[validate_name],
        widget=forms.TextInput({"autocomplete": "given-name"}),
    )
    last_name = forms.CharField(
        required=False,
        max_length=150,
        validators=[validate_name],
        widget=forms.TextInput({"autocomplete": "family-name"}),
    )
    email = forms.EmailField(
        label=_("E-mail"),
        required=False,
        validators=[validate_one_line],
        help_text=_("Test e-mails are sent here."),
        error_messages={"invalid": INVALID_EMAIL},
        widget=forms.EmailInput({"autocomplete": "email"}),
    )
    phone = PhoneField(
        required=False,
        widget=forms.TextInput({"type": "tel", "autocomplete": "tel"}),
    )
    time_zone = forms.ChoiceField(
        required=False,
        choices=timezones.zone_choices,
        help_text=_("Dates and times are shown and entered in this zone."),
    )


def account_page(request: HttpRequest, *, context: dict[str, Any]) -> HttpResponse:
    """`context` is that of the page's frame. The page is always about the user who asks."""
    user = cast(User, request.user)
    if request.method != "POST":
        return _show(request, context, AccountForm(initial=_values(user), user=user))
    with transaction.atomic():
        profiles.lock(user=user)
        form = AccountForm(request.POST, user=user)
        if not form.is_valid():
            return _show(request, context, form)
        _save(user, form.cleaned_data)
    messages.success(request, gettext("Your account has been saved."))
    return redirect("admin:account")


def _save(user: User, data: Mapping[str, Any]) -> None:
    profiles.change(
        user=user,
        names=(data["first_name"], data["last_name"]),
        email=data["email"],
        phone=data["phone"],
        time_zone=data["time_zone"],
    )


def _values(user: User) -> dict[str, Any]:
    profile = profiles.profile_of(user)
    return {
        "first_name": user.first_name,
        "last_name": user.last_name,
        "email": user.email,
        "phone": profile.phone.as_international if profile.phone else "",
        "time_zone": profile.time_zone,
    }


def _show(request: HttpRequest, context: dict[str, Any], form: AccountForm) -> HttpResponse:
    groups = cast(User, request.user).groups.order_by("name").values_list("name", flat=True)
    found = {"title": "Your account", "form": form, "group_names": list(groups)}
    return TemplateResponse(request, "admin/staff/account.html", context | found)
