"""The brand: how the organisation shows itself in e-mails and on the pages that clients open. One row."""

import re
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from notifier.messages import brands
from notifier.messages.brands import BrandLook
from notifier.messages.lines import is_one_line, validate_one_line
from notifier.models.pictures import Picture

#: The key of the only row.
ONLY = 1
#: Lines of a postal address, and letters of it.
MAX_ADDRESS_LINES, MAX_ADDRESS_LETTERS = 6, 300
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


class BrandQuerySet(models.QuerySet["Brand"]):
    def only_row(self) -> "Brand":
        """The row, or one that is not saved where there is none yet."""
        return self.select_related("logo").filter(pk=ONLY).first() or Brand(pk=ONLY)

    def look(self) -> BrandLook:
        """As it is now."""
        return self.only_row().look


class Brand(models.Model):
    class Ink(models.TextChoices):
        WHITE = brands.WHITE, _("White")
        DARK = brands.DARK, _("Dark")

    name = models.CharField(
        max_length=80,
        blank=True,
        default="",
        db_default="",
        validators=[validate_one_line],
        help_text=_(
            "Shown at the top of e-mails and on the pages that clients open. If you leave it empty, those "
            "pages show the sender’s name."
        ),
    )
    logo = models.ForeignKey(
        Picture,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text=_("Shown instead of the name, which becomes its description. Upload it under Pictures first."),
    )
    colour = models.CharField(
        _("main colour"),
        max_length=7,
        default=brands.COLOUR,
        db_default=brands.COLOUR,
        help_text=_("For buttons and links, such as #4a45c4."),
    )
    ink = models.CharField(
        _("text on buttons"), max_length=7, choices=Ink.choices, default=Ink.WHITE, db_default=brands.WHITE
    )
    postal_address = models.TextField(
        max_length=MAX_ADDRESS_LETTERS,
        blank=True,
        default="",
        db_default="",
        help_text=_("Shown at the end of e-mails. Many countries require it by law."),
    )
    reply_line = models.CharField(
        max_length=200,
        blank=True,
        default="",
        db_default="",
        validators=[validate_one_line],
        help_text=_(
            "How clients can reach you, at the end of e-mails. For example: “Questions? Reply to this e-mail.”"
        ),
    )
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    objects = BrandQuerySet.as_manager()

    class Meta:
        verbose_name_plural = _("brand")
        default_permissions = ("view", "change")
        constraints = [models.CheckConstraint(name="brand_is_one_row", condition=Q(pk=ONLY))]

    def __str__(self) -> str:
        return self.name or "Brand"

    @property
    def look(self) -> BrandLook:
        return BrandLook(
            name=self.name or (self.logo.alt if self.logo else ""),
            colour=self.colour,
            ink=self.ink,
            logo=self.logo.name if self.logo else "",
            postal_address=self.postal_address,
            reply_line=self.reply_line,
        )

    def clean(self) -> None:
        self.name, self.reply_line = self.name.strip(), self.reply_line.strip()
        self.postal_address = "\n".join(line.strip() for line in self.postal_address.strip().splitlines())
        found: dict[str, Any] = {
            field: "Placeholders don’t work here. Write it as every client reads it."
            for field in ("name", "postal_address", "reply_line")
            if "{{" in getattr(self, field) or "}}" in getattr(self, field)
        }
        if self.postal_address.count("\n") >= MAX_ADDRESS_LINES:
            found["postal_address"] = f"An address has at most {MAX_ADDRESS_LINES} lines."
        if not all(map(is_one_line, self.postal_address.splitlines())):
            found["postal_address"] = "Write the address without tabs or other control characters."
        if mistake := _colour_mistake(self.colour, self.ink):
            found["colour"] = mistake
        if found:
            raise ValidationError(found)
        self.colour = self.colour.lower()


def _colour_mistake(colour: str, ink: str) -> str:
    """A sentence; empty where words in `ink` can be read on the colour."""
    if not _COLOUR.fullmatch(colour):
        return "Write the colour as # and six digits, like #4a45c4."
    if ink not in Brand.Ink.values or (ratio := brands.contrast(colour, ink)) >= brands.MIN_CONTRAST:
        return ""
    words, change, other = ("White", "darker", "dark") if ink == Brand.Ink.WHITE else ("Dark", "lighter", "white")
    # Rounded down, so that what is not enough never reads as if it were.
    shown = int(ratio * 10) / 10
    return (
        f"{words} text can’t be read well on {colour}: the contrast is {shown}:1, and at least {brands.MIN_CONTRAST}:1 "
        f"is needed. Choose a {change} colour, or {other} text."
    )
