"""What is known about a member of staff besides the account."""

from django.conf import settings
from django.db import models
from phonenumber_field.modelfields import PhoneNumberField


class Profile(models.Model):
    """A user without a row is like one with an empty row."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="profile")
    #: Where test SMS go.
    phone = PhoneNumberField(null=True, blank=True)
    #: The zone in which times are shown and read. Empty: settings.TIME_ZONE.
    time_zone = models.CharField(max_length=60, blank=True, default="")

    def __str__(self) -> str:
        return f"profile of {self.user}"
