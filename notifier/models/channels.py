from django.db import models
from django.utils.translation import gettext_lazy as _

from notifier.addresses import emails


class Channel(models.TextChoices):
    """The ways to reach a client. The value names the queue, the preference's field and the setting's prefix."""

    EMAIL = "email", _("E-mail")
    SMS = "sms", _("SMS")

    @property
    def address_field(self) -> str:
        """The client's field that holds the address."""
        return "email" if self is Channel.EMAIL else "phone"

    def canonical(self, address: str) -> str:
        """The one form in which addresses of this channel are stored and compared; a digest stays as it is."""
        return emails.canonical(address) if self is Channel.EMAIL else address.strip()

    @property
    def body_field(self) -> str:
        """The field of a notification, and of a broadcast, that holds the text for it."""
        return f"{self.value}_body"

    @property
    def in_words(self) -> str:
        """The label as it stands inside a sentence."""
        return "e-mail" if self is Channel.EMAIL else str(self.label)

    @property
    def address_in_words(self) -> str:
        """What such an address is called inside a sentence."""
        return "e-mail address" if self is Channel.EMAIL else "phone number"

    @property
    def units(self) -> str:
        """Several messages of it: "e-mails", "SMS"."""
        return "e-mails" if self is Channel.EMAIL else "SMS"

    def counted(self, number: int) -> str:
        """So many messages of it: "1 e-mail", "1,234 e-mails", "3 SMS"."""
        return f"{number:,} {self.in_words if number == 1 else self.units}"
