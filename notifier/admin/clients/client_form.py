"""The form of a client."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, cast

from django import forms
from django.conf import settings
from phonenumber_field.phonenumber import PhoneNumber

from notifier.addresses import phones, typed_phones
from notifier.addresses.phones import Phone
from notifier.admin.clients import phone_note
from notifier.admin.clients.preferences import adds_consent
from notifier.admin.lists.reason_field import HOW_DO_WE_KNOW, EvidenceField
from notifier.clients.imports import proposals
from notifier.clients.imports.rows import read_name
from notifier.consent import consents
from notifier.forms.stale_forms import StaleModelForm
from notifier.staff import timezones


def _read_phone(text: str) -> Phone:
    """The number that somebody typed. What is wrong with it names the country that was chosen at the last import."""
    try:
        return typed_phones.read(text)
    except ValueError:
        # Only now is it looked up: nearly all numbers are right.
        return typed_phones.read(text, likely=proposals.last_region())


class ClientForm(StaleModelForm):
    time_zone = forms.ChoiceField(
        required=False,
        help_text="Used for quiet hours. If you don’t choose one, it is worked out from the phone number, or else is "
        f"{settings.CLIENT_TIME_ZONE}.",
    )
    #: Shown below the matrix, where it belongs.
    evidence = EvidenceField(
        help_text="Where this change comes from. For example: “asked by phone”. Recorded with the change, and required "
        "for every box you tick.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and not self.is_bound and "name" in self.fields:
            # Whoever opens the form wants to write.
            self.fields["name"].widget.attrs["autofocus"] = True
        if phone := self.fields.get("phone"):
            phone.help_text = phone_note.below(is_landline=self.instance.has_landline)
            phone.widget.attrs |= phone_note.asks()
        # A reader's form has no fields.
        if field := cast(forms.ChoiceField | None, self.fields.get("time_zone")):
            choices = timezones.zone_choices("From their phone number")
            # A zone from an imported file may be an alias, which the list does not have.
            own = self.instance.time_zone
            field.choices = [*choices, (own, own)] if own and own not in timezones.zones_of(choices) else choices

    # --- What must not have changed since the page was shown, besides the fields ---
    labels: ClassVar[Mapping[str, str]] = {
        "is_active": "whether the client is archived",
        "stopped_at": "the client unsubscribed from everything",
    }

    #: Compared by the matrix, where it has changed.
    notes = ("consent",)

    def other_values(self, row: Any) -> dict[str, Any]:
        return {name: getattr(row, name) for name in self.labels} | {"consent": consents.last_change(row)}

    def changed_by(self, names: Sequence[str], since: datetime) -> str:
        # They do that on their own page, which makes no version.
        stopped = "by the client" if "stopped_at" in names else ""
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
            found = _read_phone(str(phone.raw_input or phone))
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error
        return PhoneNumber.from_string(found.number)

    def _landline_ending(self) -> str | None:
        if not (phone := self.cleaned_data.get("phone")):
            return None
        return phones.read(str(phone), region=None).landline_ending

    def _tell_what_is_wrong_with_the_phone(self) -> None:
        """As an import tells it, with an example of the country: the field's own words have neither."""
        if not self.has_error("phone", "invalid"):
            return
        try:
            _read_phone(self["phone"].data or "")
        except ValueError as error:
            self.errors["phone"] = self.error_class(
                [str(error)], renderer=self.renderer, field_id=self["phone"].auto_id
            )

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        self._tell_what_is_wrong_with_the_phone()
        if "phone" in self.changed_data and "phone" in cleaned:
            # Among the cleaned values, so that it is saved with the number.
            self.instance.landline_ending = cleaned["landline_ending"] = self._landline_ending()
            # For the form that comes back because something else is wrong. Its field has been bound by now.
            self["phone"].help_text = phone_note.below(is_landline=bool(cleaned["landline_ending"]))
        if not self.errors and not cleaned.get("email") and not cleaned.get("phone"):
            # At the first field that can be corrected; the error of the constraint would stand above the form.
            self.add_error("email", "Enter an e-mail address, a phone number, or both.")
        if not cleaned.get("evidence", "").strip() and "evidence" not in self.errors and adds_consent(self.data):
            self.add_error("evidence", HOW_DO_WE_KNOW)
        return cleaned
