"""Audiences that staff save."""

from typing import Any

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from notifier.messages.lines import validate_name, validate_one_line


class SavedAudience(models.Model):
    """Clients that staff chose by conditions. `notifier.saved_audiences.saving` writes it."""

    name = models.CharField(max_length=80, validators=[validate_name])
    #: The name without capitals: no two are the same.
    folded = models.CharField(max_length=250, unique=True, editable=False)
    description = models.CharField(
        max_length=200,
        blank=True,
        default="",
        validators=[validate_one_line],
        help_text=_("For colleagues: what it is for."),
    )
    #: The conditions, as `notifier.saved_audiences.document` checks and reads them.
    document: Any = models.JSONField(default=dict, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", editable=False
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    class Meta:
        verbose_name = _("audience")
        permissions = [("use_savedaudience", "Can broadcast to a saved audience")]

    def __str__(self) -> str:
        return self.name
