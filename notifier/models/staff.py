"""What is known about a member of staff besides the account."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from phonenumber_field.modelfields import PhoneNumberField

from notifier.models.broadcasts import Broadcast


class Profile(models.Model):
    """A user without a row is like one with an empty row."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="profile")
    #: Where test SMS go.
    phone = PhoneNumberField(null=True, blank=True)
    #: The zone in which times are shown and read. Empty: settings.TIME_ZONE.
    time_zone = models.CharField(max_length=60, blank=True, default="")
    #: What the client list shows: ids of fields, and "tags". NULL: never chosen.
    client_columns = models.JSONField(null=True, editable=False)

    def __str__(self) -> str:
        return f"profile of {self.user}"


class StaffMail(models.Model):
    """A mail that tells a member of staff about a broadcast, from the act that it is about until it has gone out.

    It is written in the transaction of that act, and sent later by a dispatcher: a mail server that is away neither
    stops the act nor loses the mail.
    """

    class What(models.TextChoices):
        TO_APPROVE = "TO_APPROVE", _("Needs approval")
        APPROVED = "APPROVED", _("Approved")
        REJECTED = "REJECTED", _("Rejected")

    broadcast = models.ForeignKey(Broadcast, on_delete=models.CASCADE, related_name="staff_mails")
    to = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    what = models.CharField(max_length=10, choices=What.choices)
    #: When it is to be sent, or tried again; NULL once it was sent or given up.
    due_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0, db_default=0)

    class Meta:
        default_permissions = ()
        indexes = [models.Index(name="staffmail_due", fields=["due_at"], condition=Q(due_at__isnull=False))]

    def __str__(self) -> str:
        return f"mail {self.pk} about broadcast {self.broadcast_id}"
