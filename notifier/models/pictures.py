"""Pictures that staff uploaded for e-mails, and how the organisation shows itself in them."""

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifier.messages import pictures
from notifier.messages.lines import validate_one_line


class Picture(models.Model):
    """The files themselves lie in the storage, by their name: `notifier.pictures`."""

    name = models.CharField(max_length=60, unique=True, editable=False)
    alt = models.CharField(
        _("description"),
        max_length=pictures.MAX_ALT_LETTERS,
        validators=[validate_one_line],
        help_text=_(
            "What the picture shows, in a few words. Clients who can’t see it read this instead. The plain-text "
            "version shows it too."
        ),
    )
    width = models.PositiveIntegerField(editable=False)
    height = models.PositiveIntegerField(editable=False)
    size_bytes = models.PositiveIntegerField(_("size"), editable=False)
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, editable=False, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    created_at = models.DateTimeField(_("uploaded"), auto_now_add=True, db_index=True)

    def __str__(self) -> str:
        return self.alt

    def clean(self) -> None:
        self.alt = self.alt.strip()
        # Each of them would be a mistake of the text that shows the picture.
        if any(mark in self.alt for mark in ("{{", "}}", "{%")):
            raise ValidationError(
                {"alt": gettext("A description can’t have a placeholder. Write what the picture shows.")}
            )

    @property
    def url(self) -> str:
        """As it stands in e-mails."""
        return pictures.url(self.name)

    @property
    def markdown(self) -> str:
        return pictures.in_markdown(name=self.name, alt=self.alt)
