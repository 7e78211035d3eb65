"""The form of a client."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, cast

from django import forms
from django.conf import settings
from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from phonenumber_field.phonenumber import PhoneNumber

from notifier.addresses import phones
from notifier.admin.clients import field_values, phone_note
from notifier.admin.clients.preferences import adds_consent
from notifier.admin.lists.reason_field import HOW_DO_WE_KNOW, EvidenceField
from notifier.clients import names
from notifier.clients.imports.rows import MAX_NAME_LETTERS, read_name
from notifier.consent import consents
from notifier.fields import changes
from notifier.fields.definitions import Definitions
from notifier.forms.stale_forms import StaleModelForm, person, since_with_skew
from notifier.languages import offered
from notifier.models import Client, typed_phones
from notifier.staff import timezones


def _language_choices(own: str | None) -> list[tuple[str, str]]:
    """With the client's own, also where it is no longer offered: saving another field must not take it away."""
    found = [("", f"Not set ({offered.name(offered.default())})"), *offered.choices()]
    return found if own is None or own in offered.codes() else [*found, (own, f"{offered.name(own)}, not offered")]


class ClientForm(StaleModelForm):
    time_zone = forms.ChoiceField(
        required=False,
        help_text=format_lazy(
            _(
                "Used for quiet hours. If you don’t choose one, it is worked out from the phone number, or else "
                "is {client_time_zone}."
            ),
            client_time_zone=settings.CLIENT_TIME_ZONE,
        ),
    )
    language = forms.TypedChoiceField(
        required=False,
        empty_value=None,
        help_text=_("Messages are in this language, wherever they have been written in it."),
    )
    #: Shown below the matrix, where it belongs.
    evidence = EvidenceField(
        help_text=_(
            "Where this change comes from. For example: “asked by phone”. Recorded with the change, and required "
            "for every box you tick."
        ),
    )

    #: What the client has in the fields that staff defined and in tags, by the names in the form: `with_own_fields`.
    own_values: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and not self.is_bound and "first_name" in self.fields:
            # Whoever opens the form wants to write.
            self.fields["first_name"].widget.attrs["autofocus"] = True
        if name := self.fields.get("name"):
            name.label, name.required = "Full name", False
            name.help_text = gettext(
                "Made from the first and last name. Enter it yourself only if you don’t know which is which, or for a "
                "company."
            )
        if phone := self.fields.get("phone"):
            phone.help_text = phone_note.below(is_landline=self.instance.has_landline)
            phone.widget.attrs |= phone_note.asks()
        # A reader's form has no fields.
        if language := cast(forms.ChoiceField | None, self.fields.get("language")):
            language.choices = _language_choices(self.instance.language)
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

    def values_now(self) -> dict[str, Any]:
        found = super().values_now()
        return found | dict(self.own_values) if found else found

    def changed_by(self, names: Sequence[str], since: datetime) -> str:
        # They do that on their own page, which makes no version.
        stopped = "by the client" if "stopped_at" in names else ""
        own = self._own_changed_by(since) if self.own_values.keys() & set(names) else ""
        return "; ".join(filter(None, [stopped, super().changed_by(names, since), own]))

    def _own_changed_by(self, since: datetime) -> str:
        """Who changed fields and tags of the client since then."""
        newest = changes.of_client(self.instance.pk).filter(at__gte=since_with_skew(since))[: changes.MAX_NAMED]
        return "; ".join(
            person(one.by.get_username() if one.by else None, one.at, one.reason) for one in reversed(newest)
        )

    def clean_name(self) -> str:
        return self._read_name("name")

    def clean_first_name(self) -> str:
        return self._read_name("first_name")

    def clean_last_name(self) -> str:
        return self._read_name("last_name")

    def _read_name(self, field: str) -> str:
        name: str = self.cleaned_data[field]
        try:
            return read_name(name) if name else ""
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error

    def _make_full_name(self, cleaned: dict[str, Any]) -> None:
        """From the first and the last name, where either is given."""
        if not {"first_name", "last_name", "name"} <= cleaned.keys():
            return
        made = names.full_name(first_name=cleaned["first_name"], last_name=cleaned["last_name"])
        if not made:
            if not cleaned["name"]:
                self.add_error("first_name", gettext("Enter a first name, a last name, or a full name."))
        elif len(made) > MAX_NAME_LETTERS:
            self.add_error(
                "last_name",
                gettext("The name is longer than %(max_name_letters)s characters.")
                % {"max_name_letters": MAX_NAME_LETTERS},
            )
        elif "name" in self.changed_data and cleaned["name"] not in ("", made):
            words = gettext(
                "The full name is made from the first and last name. Change those, or clear both to enter another."
            )
            self.add_error("name", words)
        else:
            # Among the cleaned values, so that it is saved with them.
            cleaned["name"] = made

    def clean_phone(self) -> PhoneNumber | None:
        phone: PhoneNumber | None = self.cleaned_data["phone"]
        if not phone or "phone" not in self.changed_data:
            return phone
        try:
            # As it was typed: a ".0" at its end is gone by now, with its nought among the digits.
            found = typed_phones.read(str(phone.raw_input or phone))
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
        if words := typed_phones.why_not(self["phone"].data or ""):
            self.errors["phone"] = self.error_class([words], renderer=self.renderer, field_id=self["phone"].auto_id)

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        self._make_full_name(cleaned)
        self._tell_what_is_wrong_with_the_phone()
        if "phone" in self.changed_data and "phone" in cleaned:
            # Among the cleaned values, so that it is saved with the number.
            self.instance.landline_ending = cleaned["landline_ending"] = self._landline_ending()
            # For the form that comes back because something else is wrong. Its field has been bound by now.
            self["phone"].help_text = phone_note.below(is_landline=bool(cleaned["landline_ending"]))
        if not self.errors and not cleaned.get("email") and not cleaned.get("phone"):
            # At the first field that can be corrected; the error of the constraint would stand above the form.
            self.add_error("email", gettext("Enter an e-mail address, a phone number, or both."))
        if not cleaned.get("evidence", "").strip() and "evidence" not in self.errors and adds_consent(self.data):
            self.add_error("evidence", HOW_DO_WE_KNOW)
        return cleaned


def with_own_fields(client: Client | None, definitions: Definitions, *, may_add_tags: bool) -> type[ClientForm]:
    """The form with a field for each of these, and for tags. The client is read at this moment."""
    now = field_values.values_of(client, definitions)
    fields = field_values.form_fields(definitions, now, may_add_tags=may_add_tags)
    return type("ClientForm", (ClientForm,), {"own_values": now, "__module__": __name__, **fields})
