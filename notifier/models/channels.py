from django.db import models


class Channel(models.TextChoices):
    """The ways to reach a client. The value names the queue, the preference's field and the setting's prefix."""

    EMAIL = "email", "E-mail"
    SMS = "sms", "SMS"
