from django.db import models


class Channel(models.TextChoices):
    """The ways to reach a client. The value names the queue, the preference's field and the setting's prefix."""

    EMAIL = "email", "E-mail"
    SMS = "sms", "SMS"

    @property
    def in_words(self) -> str:
        """The label inside a sentence."""
        return "e-mail" if self is Channel.EMAIL else str(self.label)
