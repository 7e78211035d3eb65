"""Suppressions: addresses that are sent nothing, whoever they belong to, and the record of why."""

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from notifier.addresses import phones
from notifier.addresses.phones import E164
from notifier.messages.lines import validate_one_line
from notifier.models import typed_phones
from notifier.models.channels import Channel
from notifier.models.clients import Client

#: A digest that stands in an address's place begins with this; no address does.
DIGEST = "digest:"


def shown(address: str) -> str:
    """The address as pages show it."""
    return "[erased]" if address.startswith(DIGEST) else address


class Suppression(models.Model):
    """An address that is never sent anything on a channel, whoever it belongs to and whatever they ticked.

    Once its client was erased, a keyed digest stands in its place (`notifier.consent.digests`): it finds the same
    address again, and nobody can read the address from it.
    """

    class Source(models.TextChoices):
        STAFF = "STAFF", _("Staff")
        #: The mailbox or number does not exist, or refuses for good.
        BOUNCE = "BOUNCE", _("Bounce")
        #: Reported as spam.
        COMPLAINT = "COMPLAINT", _("Complaint")
        #: STOP by SMS, or the provider reports that the client opted out there.
        CLIENT = "CLIENT", _("Client request")
        #: Personal data was erased: the address stays suppressed.
        ERASED = "ERASED", _("Erased")

    #: Only the client may lift these, or staff with a permission for it.
    CLIENT_REQUESTED = (Source.CLIENT, Source.COMPLAINT, Source.ERASED)

    channel = models.CharField(max_length=10, choices=Channel.choices)
    address = models.CharField(max_length=254, help_text=_("An e-mail address, or a number like +1 202 555 0123."))
    reason = models.CharField(max_length=200, validators=[validate_one_line])
    source = models.CharField(
        max_length=10, choices=Source.choices, default=Source.STAFF, db_default=Source.STAFF, editable=False
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        permissions = [
            ("lift_suppression", "Can lift suppressions that bounces or staff made, with a reason"),
            ("lift_refusal", "Can lift suppressions that clients asked for, with a reason"),
        ]
        constraints = [
            models.UniqueConstraint(
                name="suppression_channel_address",
                fields=["channel", "address"],
                violation_error_message=_("This address is suppressed on this channel already."),
            ),
            models.CheckConstraint(name="suppression_address_lower", condition=Q(address=Lower("address"))),
            models.CheckConstraint(
                name="suppression_phone_e164",
                condition=~Q(channel=Channel.SMS) | Q(address__regex=E164) | Q(address__startswith=DIGEST),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_channel_display()} {phones.spaced(shown(self.address))}"

    @property
    def shown_address(self) -> str:
        return shown(self.address)

    @property
    def is_client_requested(self) -> bool:
        return self.source in self.CLIENT_REQUESTED

    def clean(self) -> None:
        """Bring the address into the form of clients' addresses; otherwise it would never match one."""
        field = Channel(self.channel).address_field if self.channel in Channel.values else "email"
        try:
            client = Client(**{field: phones.whole(self.address.strip()) if field == "phone" else self.address})
            client.clean_fields(exclude=["name"])
            self.address = str(client.phone or client.email or "")
        except ValidationError as error:
            words = typed_phones.why_not(self.address) if field == "phone" else ""
            raise ValidationError({"address": words or error.messages}) from error
        except ValueError as error:
            raise ValidationError({"address": str(error)}) from error


class SuppressionChange(models.Model):
    """One entry or lifting of a suppression, kept for ever as evidence."""

    class Action(models.TextChoices):
        SUPPRESSED = "SUPPRESSED", _("Suppressed")
        LIFTED = "LIFTED", _("Lifted")

    channel = models.CharField(max_length=10, choices=Channel.choices)
    #: A digest once its client was erased.
    address = models.CharField(max_length=254)
    action = models.CharField(max_length=10, choices=Action.choices)
    #: Who or what caused this change: a lifting by the client's START has CLIENT.
    source = models.CharField(max_length=10, choices=Suppression.Source.choices)
    #: The provider's answer, the keyword, or the reason that staff gave.
    reason = models.CharField(max_length=300, blank=True, default="", db_default="")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()

    class Meta:
        default_permissions = ("view",)
        indexes = [models.Index(name="suppressionchange_address", fields=["address"])]

    def __str__(self) -> str:
        return f"{self.get_action_display().lower()}: {self.get_channel_display()} {phones.spaced(shown(self.address))}"


class ErasedAddress(models.Model):
    """The digest of an erased client's address: it finds the evidence if somebody names the address again."""

    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="erased_addresses")
    channel = models.CharField(max_length=10, choices=Channel.choices)
    digest = models.CharField(max_length=80)

    class Meta:
        default_permissions = ("view",)
        verbose_name_plural = _("erased addresses")
        constraints = [models.UniqueConstraint(name="erasedaddress_once", fields=["digest", "channel", "client"])]

    def __str__(self) -> str:
        return f"{self.get_channel_display()} address of client {self.client_id}, erased"
