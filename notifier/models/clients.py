"""Clients, the topics, and what each client agreed to hear about."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Length, Lower
from django.utils.translation import gettext_lazy as _
from phonenumber_field.modelfields import PhoneNumberField
from simple_history.models import HistoricalRecords

from notifier.addresses import emails
from notifier.addresses.phones import E164
from notifier.messages.lines import validate_one_line


def validate_email_address(value: str) -> None:
    """Refuses, with the reason, what mail can't go to, and whatever only looks like another address."""
    try:
        emails.read(value)
    except ValueError as error:
        raise ValidationError(str(error)) from error


class EmailAddressFormField(forms.EmailField):
    default_validators = [validate_email_address]

    def to_python(self, value: Any) -> Any:
        # None where there is none: with "" Django would look for others without an address, and call them the same.
        return emails.canonical(super().to_python(value) or "") or self.empty_value


class LowercaseEmailField(models.EmailField):
    """An address in its one form (`notifier.addresses.emails`), and NULL when absent, so that plain uniqueness means
    what people expect. Migrations know it by this name.
    """

    default_validators = [validate_email_address]

    def to_python(self, value: Any) -> Any:
        return emails.canonical(value) or None if isinstance(value, str) else value

    def get_prep_value(self, value: Any) -> Any:
        return super().get_prep_value(self.to_python(value))

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"form_class": EmailAddressFormField, **kwargs})


class Topic(models.Model):
    name = models.CharField(max_length=80, unique=True, validators=[validate_one_line])
    slug = models.SlugField(max_length=80, unique=True)

    def __str__(self) -> str:
        return self.name


class ClientQuerySet(models.QuerySet["Client"]):
    def active(self) -> "ClientQuerySet":
        return self.filter(is_active=True)

    def archived(self) -> "ClientQuerySet":
        return self.filter(is_active=False)

    def restorable(self) -> "ClientQuerySet":
        """Archived clients that can be restored: those who were erased can't."""
        return self.archived().filter(erased_at=None)


class Client(models.Model):
    #: What lists, searches and messages call them: the first and the last name where either is known, or else the full
    #: name as it was written. Triggers in the database hold it (migration 0031); `notifier.clients.names` makes it.
    name = models.CharField(max_length=200, validators=[validate_one_line])
    #: Both empty where only the full name is known: of companies, of those who have one name, of titles before a name.
    first_name = models.CharField(max_length=200, blank=True, default="", db_default="", validators=[validate_one_line])
    last_name = models.CharField(max_length=200, blank=True, default="", db_default="", validators=[validate_one_line])
    email = LowercaseEmailField("e-mail", max_length=254, unique=True, null=True, blank=True)
    phone = PhoneNumberField(unique=True, null=True, blank=True)
    #: The last digits of the number, where it was found to be a landline's when it was entered; no SMS is sent there
    #: (`notifier.policies.landlines`). Digits, and not a mark alone: whatever changes the number without looking at its
    #: type, as a process of the release before does, leaves others here, and a number of unknown type passes.
    landline_ending = models.CharField(max_length=4, null=True, editable=False)
    #: Only `notifier.clients.archiving` writes it, and an erasure: no form does.
    is_active = models.BooleanField(_("active"), default=True, db_default=True)
    #: Empty: the phone number's zone counts, or else CLIENT_TIME_ZONE.
    time_zone = models.CharField(max_length=64, blank=True, default="", db_default="")
    #: One of CLIENT_LANGUAGES, as a code. NULL, and one that is no longer among them: the default of the settings.
    language = models.CharField(max_length=12, null=True, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    #: When personal data was erased. Only the id is left, which deliveries refer to.
    erased_at = models.DateTimeField(_("erased"), null=True, editable=False)

    #: When they said on their own page that they want nothing any more. Only they can subscribe again then, or staff
    #: with a permission for it: see `notifier.consent.consents.refusals`.
    stopped_at = models.DateTimeField(_("unsubscribed from everything"), null=True, editable=False)

    objects = ClientQuerySet.as_manager()
    history = HistoricalRecords(excluded_fields=["landline_ending", "updated_at", "stopped_at"])

    class Meta:
        permissions = [
            ("import_client", "Can import clients from a file"),
            ("export_client", "Can export clients, with addresses and consent"),
            ("erase_client", "Can erase a client’s personal data"),
            ("resubscribe_client", "Can subscribe clients again who had opted out, with a reason"),
        ]
        constraints = [
            models.CheckConstraint(
                name="client_has_an_address",
                condition=Q(email__isnull=False) | Q(phone__isnull=False) | Q(erased_at__isnull=False),
                violation_error_message=_("A client needs an e-mail address or a phone number."),
            ),
            models.CheckConstraint(name="client_email_lower", condition=Q(email=Lower("email"), email__contains="@")),
            models.CheckConstraint(name="client_phone_e164", condition=Q(phone__regex=E164)),
        ]
        indexes = [
            # Archived clients are few, and the confirm page subtracts them.
            models.Index(name="client_archived", fields=["id"], condition=Q(is_active=False)),
            # Clients who may not be reachable. The confirm page looks them up, and need not look up the others.
            models.Index(
                name="client_odd",
                fields=["id", "is_active", "email", "phone"],
                condition=Q(is_active=False) | Q(email=None) | Q(phone=None),
            ),
            models.Index(name="client_name", fields=["name"]),
            # For their list in the order of names, which would otherwise search through all clients.
            models.Index(name="client_archived_name", fields=["name"], condition=Q(is_active=False)),
            # For the lists of those who agreed and have no address, likewise.
            models.Index(name="client_no_email_name", fields=["name"], condition=Q(email=None)),
            models.Index(name="client_no_phone_name", fields=["name"], condition=Q(phone=None)),
            # For the list of those with one language, in the order of names.
            models.Index(name="client_language_name", fields=["language", "name"]),
            models.Index(name="client_created", fields=["created_at"]),
            # Clients with a landline number, whom the confirm page subtracts; whether they are active, too.
            models.Index(
                name="client_landline",
                fields=["id", "is_active", "phone", "landline_ending"],
                condition=Q(landline_ending__isnull=False),
            ),
            # For the longest name, which says how long an SMS can get while it is being written.
            models.Index(Length("name").desc(), name="client_name_length"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def has_landline(self) -> bool:
        """Whether the phone number is a landline's, to which no SMS is sent."""
        return bool(self.phone and self.landline_ending and str(self.phone).endswith(self.landline_ending))


class Preference(models.Model):
    """What one client wants to hear about one topic. No row, no consent."""

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="preferences", db_index=False)
    # The index below begins with it.
    topic = models.ForeignKey(Topic, on_delete=models.PROTECT, related_name="preferences", db_index=False)
    email = models.BooleanField(_("e-mail"), default=False, db_default=False)
    sms = models.BooleanField(_("SMS"), default=False, db_default=False)

    class Meta:
        constraints = [models.UniqueConstraint(name="preference_client_topic", fields=["client", "topic"])]
        # Covers counting a topic's consents.
        indexes = [models.Index(name="preference_reach", fields=["topic", "client", "email", "sms"])]

    def __str__(self) -> str:
        return f"{self.client} · {self.topic}"
