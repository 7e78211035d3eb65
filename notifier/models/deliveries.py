"""What a broadcast sends: one delivery for each (client, channel), why one was skipped, and how many a day there were.

A delivery names its broadcast as text: `broadcasts` is above, and asks which of them have deliveries left.
"""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from notifier.models.channels import Channel
from notifier.models.clients import Client


class Reason(models.TextChoices):
    """Why a delivery was skipped: as its `detail` has it, which stays as it is, and as people read it."""

    NO_EMAIL = "no e-mail address", _("no e-mail address")
    NO_PHONE = "no phone number", _("no phone number")
    LANDLINE = "landline number: no SMS is sent there", _("landline number")
    SUPPRESSED = "address suppressed", _("address suppressed")
    ARCHIVED = "client archived", _("client archived")
    CONSENT_GONE = "consent withdrawn after the send began", _("consent withdrawn after sending began")
    FREQUENCY_CAP = "frequency cap", _("frequency cap reached")
    #: The provider answered so when it was sent.
    OPTED_OUT = "the recipient has opted out at the provider", _("opted out with the provider")
    REACHED = "reached by an earlier broadcast meanwhile", _("already sent in an earlier broadcast")
    NO_VALUE = "no value for a placeholder", _("no value for a placeholder")

    @classmethod
    def in_words(cls, detail: str) -> str:
        """How the `detail` of a delivery reads: a reason of ours by its label, anything else unchanged."""
        return str(cls(detail).label) if detail in cls.values else detail

    @classmethod
    def no_address(cls, channel: Channel) -> "Reason":
        return cls.NO_EMAIL if channel == Channel.EMAIL else cls.NO_PHONE


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def active(self) -> "DeliveryQuerySet":
        """Those that are not settled."""
        return self.filter(due_at__isnull=False)


class Delivery(models.Model):
    class State(models.TextChoices):
        PENDING = "PENDING", _("Waiting")
        SENDING = "SENDING", _("Sending")
        RETRYING = "RETRYING", _("Retrying")
        SENT = "SENT", _("Sent")
        FAILED = "FAILED", _("Failed")
        UNKNOWN = "UNKNOWN", _("Unknown")
        SKIPPED = "SKIPPED", _("Skipped")
        CANCELLED = "CANCELLED", _("Cancelled")

    #: Not settled: they have a time when something is due.
    OPEN = (State.PENDING, State.SENDING, State.RETRYING)
    #: Nothing more happens to these by itself.
    SETTLED = (State.SENT, State.FAILED, State.UNKNOWN, State.SKIPPED, State.CANCELLED)
    #: Settled, and not known to have arrived; each has a detail that says why.
    UNSENT = (State.FAILED, State.UNKNOWN, State.SKIPPED, State.CANCELLED)
    #: Something went wrong. Who was skipped did not want it, or can't be written to: that is as it should be.
    PROBLEMS = (State.FAILED, State.UNKNOWN)

    # The unique key below begins with the broadcast, so an index of its own would only cost time.
    broadcast = models.ForeignKey("Broadcast", on_delete=models.PROTECT, related_name="deliveries", db_index=False)
    # Checked by PROTECT alone: a constraint in the database makes the fan-out's inserts 2.7 times slower.
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="deliveries", db_constraint=False)
    channel = models.CharField(max_length=10, choices=Channel.choices)
    #: Copied at the fan-out; empty where the client had none.
    address = models.CharField(max_length=254, blank=True, db_default="")
    state = models.CharField(_("status"), max_length=10, choices=State.choices, db_default=State.PENDING)
    #: When the dispatcher must look at this row again; NULL once it is settled.
    due_at = models.DateTimeField(_("due"), null=True)
    attempts = models.PositiveSmallIntegerField(default=0, db_default=0)
    #: The token of the present or last claim. NULL while the row waits for a ticket or is in one.
    lease_token = models.UUIDField(null=True, editable=False)
    #: The client's language when it was last claimed. NULL where none was on record, or before it was.
    language = models.CharField(max_length=12, null=True, editable=False)
    detail = models.CharField(max_length=300, blank=True, default="", db_default="")
    provider_id = models.CharField(_("provider’s ID"), max_length=100, blank=True, default="", db_default="")
    settled_at = models.DateTimeField(_("processed"), null=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = _("message")
        permissions = [
            ("resolve_delivery", "Can mark messages as sent and send them again"),
            ("export_delivery", "Can export messages, with addresses"),
        ]
        constraints = [
            models.UniqueConstraint(name="delivery_broadcast_client_chan", fields=["broadcast", "client", "channel"])
        ]
        indexes = [
            models.Index(
                name="delivery_due",
                fields=["broadcast", "channel", "state", "due_at"],
                condition=Q(due_at__isnull=False),
            ),
            models.Index(
                name="delivery_feed", fields=["broadcast", "settled_at"], condition=Q(settled_at__isnull=False)
            ),
            # The few that were not sent, by their reason. Rows that are sent never enter it, so sending costs no more.
            models.Index(
                name="delivery_state_broadcast",
                fields=["state", "broadcast", "detail"],
                condition=Q(state__in=["FAILED", "UNKNOWN", "SKIPPED", "CANCELLED"]),
            ),
            # For lists of e.g. the few UNKNOWN rows among millions. Rows that are sent never enter it either.
            models.Index(
                name="delivery_state_id",
                fields=["state", "id"],
                condition=Q(state__in=["FAILED", "UNKNOWN", "SKIPPED", "CANCELLED"]),
            ),
        ]

    def __str__(self) -> str:
        return f"Message #{self.pk}"

    @property
    def reason(self) -> str:
        """Its `detail` as people read it."""
        return Reason.in_words(self.detail)


class DailyStats(models.Model):
    """How many deliveries of a broadcast were settled in a state on one day, as the dispatcher last counted.

    The overview adds these up, because a page can't count millions of deliveries.
    """

    broadcast = models.ForeignKey("Broadcast", on_delete=models.CASCADE, related_name="days", db_index=False)
    #: In settings.TIME_ZONE.
    day = models.DateField()
    channel = models.CharField(max_length=10, choices=Channel.choices)
    state = models.CharField(max_length=10, choices=Delivery.State.choices)
    number = models.BigIntegerField()

    class Meta:
        verbose_name_plural = _("daily stats")
        constraints = [models.UniqueConstraint(name="dailystats_once", fields=["broadcast", "day", "channel", "state"])]
        indexes = [
            models.Index(name="dailystats_day", fields=["day"]),
            # What waits for a decision is added up over all times.
            models.Index(name="dailystats_unknown", fields=["number"], condition=Q(state=Delivery.State.UNKNOWN)),
        ]

    def __str__(self) -> str:
        return f"{self.day}: {self.number} {self.state}"
