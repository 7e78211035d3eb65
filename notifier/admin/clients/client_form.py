"""The form of a client."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, cast

from django import forms
from django.conf import settings
from phonenumber_field.phonenumber import PhoneNumber

from notifier.addresses import phones
from notifier.admin.clients.preferences import adds_consent
from notifier.admin.lists.why_field import HOW_DO_WE_KNOW, EvidenceField
from notifier.clients.imports.rows import read_name
from notifier.consent import consents
from notifier.staff import timezones
from notifier.web.stale_forms import StaleModelForm


class ClientForm(StaleModelForm, forms.ModelForm):
    time_zone = forms.ChoiceField(
        required=False,
        help_text="Nothing is sent in their quiet hours, where there are any. Where no zone is chosen it is told from "
        f"the phone number’s area code or country, or is the product’s own ({settings.CLIENT_TIME_ZONE}).",
    )
    #: Shown below the matrix, where it belongs.
    evidence = EvidenceField(
        help_text="Where a change above comes from, e.g. “asked by phone”. It is kept with the change, and needed for "
        "everything that is ticked.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        phone = self.fields.get("phone")
        if phone and self.instance.phone and phones.is_landline(str(self.instance.phone)):
            phone.help_text = "This is a landline number: few of those take an SMS."
        # A reader's form has no fields.
        if field := cast(forms.ChoiceField | None, self.fields.get("time_zone")):
            choices = timezones.zone_choices("As their phone number tells")
            # A zone from an imported file may be an alias, which the list does not have.
            own = self.instance.time_zone
            field.choices = [*choices, (own, own)] if own and own not in timezones.zones_of(choices) else choices

    # --- What must not have changed since the page was shown, besides the fields ---
    labels: ClassVar[Mapping[str, str]] = {
        "is_active": "whether the client is archived",
        "stopped_at": "the client stopped everything",
    }

    #: Compared by the matrix, where it has changed.
    notes = ("consent",)

    def other_values(self, row: Any) -> dict[str, Any]:
        return {name: getattr(row, name) for name in self.labels} | {"consent": consents.last_change(row)}

    def changed_by(self, names: Sequence[str], since: datetime) -> str:
        # They do that on their own page, which makes no version.
        stopped = "by themselves" if "stopped_at" in names else ""
        return "; ".join(filter(None, [stopped, super().changed_by(names, since)]))

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        try:
            return read_name(name)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error

    def clean_phone(self) -> PhoneNumber | None:
        phone: PhoneNumber | None = self.cleaned_data["phone"]
        if not phone or "phone" not in self.changed_data:
            return phone
        try:
            # As it was typed: a ".0" at its end is gone by now, with its nought among the digits.
            found = phones.read(str(phone.raw_input or phone), region=settings.PHONE_DEFAULT_REGION)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error
        return PhoneNumber.from_string(found.number)

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors and not cleaned.get("email") and not cleaned.get("phone"):
            # At the first field that can be corrected; the error of the constraint would stand above the form.
            self.add_error("email", "Give an e-mail address, a phone number, or both.")
        if not cleaned.get("evidence", "").strip() and "evidence" not in self.errors and adds_consent(self.data):
            self.add_error("evidence", HOW_DO_WE_KNOW)
        return cleaned
