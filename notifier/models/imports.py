"""A file of clients between its upload and its import. It is in the database so that any web server can continue."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from notifier.messages.lines import validate_one_line


class ClientImport(models.Model):
    class State(models.TextChoices):
        UPLOADED = "UPLOADED", _("Being prepared")
        DONE = "DONE", _("Imported")
        DISCARDED = "DISCARDED", _("Discarded")

    file_name = models.CharField(_("file"), max_length=200, validators=[validate_one_line])
    #: Its rows in one form (`notifier.files.packed`), read once. Emptied once it is imported or discarded, because it
    #: is full of personal data.
    content = models.BinaryField()
    state = models.CharField(_("status"), max_length=10, choices=State.choices, default=State.UPLOADED)
    #: Which column is what: `{"E-Mail address": "email", "Listings": "listings.email"}`.
    mapping = models.JSONField(default=dict)
    #: Of the columns' names: a file with the same ones is read as this one was (`notifier.clients.imports.proposals`).
    header_digest = models.CharField(max_length=16, blank=True, default="", db_default="", editable=False)
    #: The country of phone numbers without a country code; empty: they are refused. None is PHONE_DEFAULT_REGION, as
    #: before there was a choice.
    phone_region = models.CharField(max_length=2, null=True, blank=True)
    #: Whether it may subscribe clients again who had opted out; `reason` says why.
    resubscribes = models.BooleanField(default=False)
    reason = models.CharField(max_length=300, blank=True, validators=[validate_one_line])
    #: `{"added": n, "changed": n, "unchanged": n, "failed": n, "kept_out": n, …}`, as `Staging.counts` has them.
    counts = models.JSONField(default=dict)
    #: The rows that were not imported, as CSV, with a column that says why. Emptied some time after the import.
    failed_rows = models.TextField(blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(_("uploaded"), auto_now_add=True)
    finished_at = models.DateTimeField(_("imported"), null=True)

    class Meta:
        verbose_name = _("import")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return self.file_name
