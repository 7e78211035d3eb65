"""What became of the messages that providers took, as they report it: the receipts."""

from django.db import models
from django.db.models import Q

from notifier.models.broadcasts import Broadcast
from notifier.models.channels import Channel
from notifier.models.deliveries import Delivery


class Receipt(models.Model):
    """What the provider last said of one delivery: a row of its own, so that fan-out, claim and settle pay nothing.

    No personal data: of a provider's answer only its code is kept, so an erased client's receipts stay as they are.
    """

    class State(models.TextChoices):
        """In their order: a receipt replaces one that stands before it, and never one that stands after it."""

        ACCEPTED = "ACCEPTED", "Accepted"
        UNDELIVERED = "UNDELIVERED", "Undelivered"
        DELIVERED = "DELIVERED", "Delivered"
        BOUNCED = "BOUNCED", "Bounced"
        COMPLAINED = "COMPLAINED", "Reported as spam"

    #: It reached the client's phone or mailbox. Whoever reports spam has it.
    ARRIVED = (State.DELIVERED, State.COMPLAINED)
    #: It did not, and the provider tries no more.
    MISSED = (State.UNDELIVERED, State.BOUNCED)
    #: Nothing more is waited for.
    FINAL = (*ARRIVED, *MISSED)

    delivery = models.OneToOneField(
        Delivery, primary_key=True, on_delete=models.CASCADE, db_constraint=False, related_name="receipt"
    )
    # The same as the delivery's, so that the dispatcher counts without a look at that.
    broadcast = models.ForeignKey(
        Broadcast, on_delete=models.PROTECT, db_constraint=False, db_index=False, related_name="receipts"
    )
    channel = models.CharField(max_length=10, choices=Channel.choices)
    state = models.CharField("receipt", max_length=12, choices=State.choices)
    #: When the provider says that it was so; when we were told, where it does not say.
    at = models.DateTimeField()
    #: The provider's error, such as 30005, or the mail server's status, such as 5.1.1; empty where there is none.
    code = models.CharField(max_length=40, blank=True, db_default="")
    #: Kept when a bounce or a complaint follows.
    delivered_at = models.DateTimeField(null=True)
    #: Who says so, and what the message is called there.
    provider = models.CharField(max_length=40)
    provider_id = models.CharField("provider’s ID", max_length=100, blank=True, db_default="")
    #: It came while the delivery was open: the dispatcher looks what became of that.
    is_early = models.BooleanField(db_default=False)
    #: The delivery was UNKNOWN, or about to be tried again, and this receipt proves that it was taken.
    is_proof = models.BooleanField(db_default=False)

    class Meta:
        default_permissions = ()
        indexes = [
            # What the dispatcher counts, and what lists filter by: found without the rows.
            models.Index(name="receipt_counts", fields=["broadcast", "channel", "state", "is_proof"]),
            models.Index(name="receipt_early", fields=["delivery"], condition=Q(is_early=True)),
        ]

    def __str__(self) -> str:
        return f"{self.get_state_display().lower()}: message {self.delivery_id}"

    @property
    def is_bounce_after_delivery(self) -> bool:
        """Whether the provider said first that it was delivered, and then that it was not."""
        return self.state == self.State.BOUNCED and self.delivered_at is not None


class ReceiptCounts(models.Model):
    """How many receipts of each kind a broadcast has, as the dispatcher last counted. Receipts come for days after its
    end, so its last tally can't hold them; and its row is not written by web processes, a thousand times a second.
    """

    broadcast = models.OneToOneField(
        Broadcast, primary_key=True, on_delete=models.CASCADE, db_constraint=False, related_name="receipt_counts"
    )
    #: When a receipt last came, to a few seconds.
    told_at = models.DateTimeField()
    #: When the dispatcher counts again; NULL where nothing came since it last did.
    due_at = models.DateTimeField(null=True)
    counted_at = models.DateTimeField(null=True)
    #: `{channel: {state: n}}`.
    counts = models.JSONField(default=dict)
    #: How many of its deliveries were settled by a receipt: `{channel: n}`.
    proofs = models.JSONField(default=dict)

    class Meta:
        default_permissions = ()
        verbose_name_plural = "receipt counts"
        indexes = [models.Index(name="receiptcounts_due", fields=["due_at"], condition=Q(due_at__isnull=False))]

    def __str__(self) -> str:
        return f"receipts of broadcast {self.broadcast_id}"
