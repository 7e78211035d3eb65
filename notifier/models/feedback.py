"""What comes back: answers by SMS, bounces and complaints. Each is kept as evidence, and never handled twice."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from notifier.models.channels import Channel


class InboundMessage(models.Model):
    """A message that somebody sent to us. Keywords are acted on; everything else waits for staff to read it."""

    class Outcome(models.TextChoices):
        STOPPED = "STOPPED", _("Stopped")
        STARTED = "STARTED", _("Started again")
        HELPED = "HELPED", _("Help sent")
        KEPT = "KEPT", _("For staff to read")

    channel = models.CharField(max_length=10, choices=Channel.choices, default=Channel.SMS)
    provider = models.CharField(max_length=40)
    #: The provider's own id, so that a message that it delivers twice is handled once.
    provider_id = models.CharField(_("provider’s ID"), max_length=100)
    #: A digest once its client was erased.
    sender = models.CharField(max_length=254)
    text = models.TextField(blank=True)
    outcome = models.CharField(max_length=10, choices=Outcome.choices)
    received_at = models.DateTimeField(_("received"))
    read_at = models.DateTimeField(_("read"), null=True)
    read_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        verbose_name = _("SMS reply")
        verbose_name_plural = _("SMS replies")
        default_permissions = ("view", "change")
        constraints = [models.UniqueConstraint(name="inboundmessage_once", fields=["provider", "provider_id"])]
        indexes = [
            models.Index(name="inboundmessage_sender", fields=["sender"]),
            models.Index(name="inboundmessage_unread", fields=["id"], condition=Q(read_at=None, outcome="KEPT")),
        ]

    def __str__(self) -> str:
        return f"SMS reply {self.pk}"

    @property
    def waits(self) -> bool:
        """Whether it waits for staff to read it."""
        return self.read_at is None and self.outcome == self.Outcome.KEPT


class ProviderEvent(models.Model):
    """What a provider reported about an address after it had taken a message."""

    class Kind(models.TextChoices):
        HARD_BOUNCE = "HARD_BOUNCE", _("Hard bounce")
        SOFT_BOUNCE = "SOFT_BOUNCE", _("Soft bounce")
        COMPLAINT = "COMPLAINT", _("Reported as spam")
        UNSUBSCRIBED = "UNSUBSCRIBED", _("Unsubscribed at the provider")
        #: For a reason that is not the address's: the sender, the message, or a policy. It suppresses nothing.
        REFUSED = "REFUSED", _("Message rejected")

    channel = models.CharField(max_length=10, choices=Channel.choices, default=Channel.EMAIL)
    provider = models.CharField(max_length=40)
    #: The provider's own id, or a digest of the event where it gives none, so that it is handled once.
    event_id = models.CharField(max_length=200)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    #: A digest once its client was erased.
    address = models.CharField(max_length=254)
    #: Our delivery's id, where the event contains it.
    delivery_id = models.BigIntegerField(null=True)
    detail = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField()

    class Meta:
        default_permissions = ("view",)
        constraints = [models.UniqueConstraint(name="providerevent_once", fields=["provider", "event_id"])]
        indexes = [models.Index(name="providerevent_address", fields=["address"])]

    def __str__(self) -> str:
        return f"{self.get_kind_display().lower()}: event {self.pk}"


class SoftBounces(models.Model):
    """How many soft bounces in a row an address had. A message that arrives ends the row."""

    channel = models.CharField(max_length=10, choices=Channel.choices, default=Channel.EMAIL)
    address = models.CharField(max_length=254)
    in_a_row = models.PositiveIntegerField()
    last_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        verbose_name_plural = _("soft bounces")
        constraints = [models.UniqueConstraint(name="softbounces_address", fields=["channel", "address"])]

    def __str__(self) -> str:
        return f"{self.in_a_row} in a row"
