"""Every change of what a client agreed to hear about. Rows are added, never changed and never deleted."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from notifier.models.channels import Channel
from notifier.models.clients import Client, Topic


class ConsentChange(models.Model):
    class Source(models.TextChoices):
        STAFF = "STAFF", _("Staff")
        IMPORT = "IMPORT", _("Import")
        COMMAND = "COMMAND", _("Command line")
        #: The client, by the link of a message: see `ip`.
        LINK = "LINK", _("Link in a message")
        #: The mailbox provider's own button, which posts for the client (RFC 8058).
        ONE_CLICK = "ONE_CLICK", _("Unsubscribe button in the mail program")
        #: The client, on their preference page.
        PAGE = "PAGE", _("Preference page")
        #: What the preferences were before changes were recorded.
        EARLIER = "EARLIER", _("Before records began")

    #: Changes that clients make themselves.
    CLIENT_REQUESTED = (Source.LINK, Source.ONE_CLICK, Source.PAGE)

    # Not checked by the database, as on Delivery.client: an import writes several for each of its rows.
    client = models.ForeignKey(Client, on_delete=models.PROTECT, related_name="consent_changes", db_constraint=False)
    topic = models.ForeignKey(Topic, on_delete=models.PROTECT, related_name="+", db_index=False)
    channel = models.CharField(max_length=10, choices=Channel.choices)
    #: Whether the client agrees from then on. The change before, if there is one, says the opposite.
    agreed = models.BooleanField()
    at = models.DateTimeField()
    source = models.CharField(max_length=20, choices=Source.choices)
    #: NULL if it was not a member of staff.
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    #: E.g. the file's name or the reason: where the change came from.
    detail = models.CharField(max_length=300, blank=True, default="", db_default="")
    #: The client's IP address for a change on a public page; otherwise NULL.
    ip = models.GenericIPAddressField(_("address"), null=True)

    class Meta:
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"client {self.client_id} {'agreed to' if self.agreed else 'refused'} {self.channel}"

    @property
    def agreed_before(self) -> bool:
        """The opposite, because only changes are recorded."""
        return not self.agreed

    @property
    def origin(self) -> str:
        """Where it comes from, for people to read: “Staff, maria: asked by phone”."""
        who = [self.get_source_display()] + ([self.by.get_username()] if self.by else [])
        return ", ".join(who) + (f": {self.detail}" if self.detail else "")
