"""What staff decided about deliveries that ended badly: who, when, why, and which."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from notifier.messages.lines import validate_one_line
from notifier.models.deliveries import Delivery, Reason


class Resolution(models.Model):
    """One decision of a member of staff about one delivery or many. Its row is never deleted."""

    class Action(models.TextChoices):
        MARKED_SENT = "MARKED_SENT", _("Marked as sent")
        SENT_AGAIN = "SENT_AGAIN", _("Sent again")

    action = models.CharField(max_length=20, choices=Action.choices)
    #: NULL is the command line.
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()
    why = models.CharField(_("reason"), max_length=300, validators=[validate_one_line])
    #: How many deliveries it changed.
    number = models.BigIntegerField(default=0)

    class Meta:
        verbose_name = _("manual decision")

    def __str__(self) -> str:
        return f"{self.get_action_display().lower()}: {self.why}"


class ResolvedDelivery(models.Model):
    """One delivery that a decision changed, and what it was before."""

    resolution = models.ForeignKey(Resolution, on_delete=models.PROTECT, related_name="deliveries", db_index=False)
    # As on Delivery.client: PROTECT is enough, and a bulk decision inserts a row for each of a million.
    delivery = models.ForeignKey(Delivery, on_delete=models.PROTECT, related_name="resolutions", db_constraint=False)
    state_before = models.CharField(max_length=10, choices=Delivery.State.choices)
    detail_before = models.CharField(max_length=300, blank=True, db_default="")

    class Meta:
        verbose_name = _("resolved message")
        constraints = [
            models.UniqueConstraint(name="resolveddelivery_once", fields=["resolution", "delivery"]),
        ]

    def __str__(self) -> str:
        return f"message {self.delivery_id}, which was {self.state_before}"

    @property
    def reason_before(self) -> str:
        """Its `detail_before` as people read it."""
        return Reason.in_words(self.detail_before)
