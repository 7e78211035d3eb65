"""What staff record of clients besides their addresses: fields that staff define, their values, and tags."""

from collections.abc import Sequence
from datetime import datetime
from functools import reduce
from operator import and_
from typing import Any

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from notifier.messages.lines import validate_name, validate_one_line
from notifier.models.clients import Client
from notifier.values import texts
from notifier.values.base import CHOSEN, FieldKind, ValueType
from notifier.values.kinds import type_of
from notifier.values.options import MAX_LABEL_LETTERS, MAX_OPTIONS, Option

#: Fields that there can be, retired ones among them: those whose values are texts, and all others.
TEXT_COLUMNS, NUMBER_COLUMNS = 30, 60
NUMBERS = tuple(f"n{number}" for number in range(1, NUMBER_COLUMNS + 1))
TEXTS = tuple(f"t{number}" for number in range(1, TEXT_COLUMNS + 1))
MAX_KEY_LETTERS = 40
#: As it stands in placeholders and in files. The database checks it too.
KEY = r"^[a-z][a-z0-9_]*$"


class ClientFieldQuerySet(models.QuerySet["ClientField"]):
    def in_order(self) -> "ClientFieldQuerySet":
        return self.order_by("position", "pk")

    def active(self) -> "ClientFieldQuerySet":
        """Those that were not retired."""
        return self.filter(retired_at=None)


class ClientField(models.Model):
    """A field of clients that staff defined. `notifier.fields.definitions` writes it."""

    #: Unchangeable once something uses it.
    key = models.CharField(
        max_length=MAX_KEY_LETTERS,
        unique=True,
        validators=[RegexValidator(KEY, "Use small letters a to z, digits and underscores, and begin with a letter.")],
        help_text=_("For placeholders and files, such as member_since. It can’t be changed once the field is used."),
    )
    label = models.CharField(
        max_length=80, validators=[validate_name], help_text=_("Shown to staff, and above the column in files.")
    )
    #: The label without capitals: no two are the same.
    folded = models.CharField(max_length=250, unique=True, editable=False)
    help = models.CharField(
        _("help text"),
        max_length=200,
        blank=True,
        default="",
        validators=[validate_one_line],
        help_text=_("Shown below the field on a client’s page: what belongs in it."),
    )
    kind = models.CharField(_("type"), max_length=10, choices=FieldKind.choices)
    #: Of money alone.
    currency = models.CharField(
        max_length=3,
        blank=True,
        default="",
        help_text=_("All amounts in this field are in this currency."),
    )
    description = models.CharField(
        _("description for clients"),
        max_length=300,
        blank=True,
        default="",
        validators=[validate_one_line],
        help_text=_("What you keep this for, in words for clients. Shown in the file of all data held about a client."),
    )
    position = models.PositiveIntegerField(_("order"), default=0)
    #: Of `ClientValues`, where its values stand: it has that to itself.
    column = models.CharField(max_length=4, unique=True, editable=False)
    #: No new values are entered; those that are there stay.
    retired_at = models.DateTimeField(_("retired"), null=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects = ClientFieldQuerySet.as_manager()

    class Meta:
        verbose_name = _("client field")
        constraints = [
            models.CheckConstraint(name="clientfield_key", condition=Q(key__regex=KEY)),
            models.CheckConstraint(
                name="clientfield_currency",
                condition=Q(kind=FieldKind.MONEY) & ~Q(currency="") | ~Q(kind=FieldKind.MONEY) & Q(currency=""),
                violation_error_message=_("Choose the currency of an amount of money."),
            ),
            models.CheckConstraint(
                name="clientfield_column",
                condition=Q(kind=FieldKind.TEXT, column__startswith="t")
                | Q(kind__in=sorted(set(FieldKind.values) - {"TEXT"}), column__startswith="n"),
            ),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def is_text(self) -> bool:
        """Whether its values are texts; all others are numbers."""
        return self.kind == FieldKind.TEXT

    @property
    def is_chosen(self) -> bool:
        """Whether its values are options of a list."""
        return self.kind in CHOSEN

    def value_type(self, options: Sequence["FieldOption"] | None = None) -> ValueType:
        """`options`: its own, in order, where the caller has them already."""
        if options is None:
            options = list(self.options.order_by("position", "pk")) if self.is_chosen else []
        return type_of(
            kind=self.kind,
            currency=self.currency,
            options=[Option(one.number, one.label, one.retired_at is not None) for one in options],
        )


class FieldOption(models.Model):
    """One of the values that may be chosen in a field. Values refer to its number, so its label can change."""

    field = models.ForeignKey(ClientField, on_delete=models.CASCADE, related_name="options", db_index=False)
    #: Within the field, from 1. No other option of the field ever gets it.
    number = models.PositiveSmallIntegerField(editable=False)
    label = models.CharField(max_length=MAX_LABEL_LETTERS, validators=[validate_name])
    folded = models.CharField(max_length=250, editable=False)
    position = models.PositiveIntegerField(_("order"), default=0)
    retired_at = models.DateTimeField(_("retired"), null=True, editable=False)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(name="fieldoption_field_number", fields=["field", "number"]),
            models.UniqueConstraint(name="fieldoption_field_label", fields=["field", "folded"]),
            models.CheckConstraint(name="fieldoption_number", condition=Q(number__gte=1, number__lte=MAX_OPTIONS)),
        ]

    def __str__(self) -> str:
        return self.label


def _columns() -> dict[str, "models.Field[Any, Any]"]:
    """`n…` for numbers, and for each text `t…`, and `f…` by which it is compared (`texts.folded`)."""
    columns: dict[str, models.Field[Any, Any]] = {name: models.BigIntegerField(null=True) for name in NUMBERS}
    for name in TEXTS:
        columns[name] = models.CharField(max_length=texts.MAX_TEXT_LETTERS, null=True)
        columns[folded_column(name)] = models.CharField(max_length=texts.MAX_TEXT_LETTERS, null=True)
    return columns


def folded_column(column: str) -> str:
    return f"f{column[1:]}"


class _Columns(models.Model):
    class Meta:
        abstract = True


for _name, _field in _columns().items():
    _field.contribute_to_class(_Columns, _name)


class ClientValues(_Columns):
    """What one client has in the fields that staff defined: a column a field, by `ClientField.column`. NULL: nothing.

    A number is in small units, a date 20261231, a yes 1, and an option its number (`notifier.values`). Only
    `notifier.fields.applying` writes it, with its history.
    """

    # Not checked by the database, as on Delivery.client: old processes delete clients, and know nothing of this table.
    client = models.OneToOneField(
        Client, on_delete=models.CASCADE, primary_key=True, related_name="field_values", db_constraint=False
    )

    class Meta:
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                name="clientvalues_texts",
                condition=reduce(and_, (~Q(**{name: ""}) for name in TEXTS)),
            )
        ]

    def __str__(self) -> str:
        return f"values of client {self.client_id}"


class Tag(models.Model):
    """A free label of clients. `notifier.fields.tags` writes it."""

    name = models.CharField(max_length=60, validators=[validate_name])
    #: The name without capitals: no two are the same.
    folded = models.CharField(max_length=250, unique=True, editable=False)
    #: What it was called before, with the end of each: [["VIP", "2026-06-10T09:00:00+00:00"]]. Changes on record have
    #: the name of their time.
    former_names: Any = models.JSONField(null=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    def __str__(self) -> str:
        return self.name

    def name_at(self, moment: datetime) -> str:
        """What it was called then."""
        former = ((name, datetime.fromisoformat(until)) for name, until in self.former_names or ())
        return next((name for name, until in former if moment < until), self.name)


class ClientTag(models.Model):
    """That a client has a tag."""

    pk = models.CompositePrimaryKey("client_id", "tag_id")
    client = models.ForeignKey(
        Client, on_delete=models.CASCADE, related_name="client_tags", db_index=False, db_constraint=False
    )
    tag = models.ForeignKey(
        Tag, on_delete=models.PROTECT, related_name="client_tags", db_index=False, db_constraint=False
    )

    class Meta:
        default_permissions = ()
        indexes = [models.Index(name="clienttag_tag", fields=["tag", "client"])]

    def __str__(self) -> str:
        return f"client {self.client_id}, tag {self.tag_id}"


class ValueChange(models.Model):
    """What one act changed in the fields and tags of a client. Rows are added, and go only with the client's data."""

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="value_changes", db_constraint=False)
    at = models.DateTimeField()
    #: NULL if it was not a member of staff.
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    #: Where it came from: "Import of spring.csv".
    reason = models.CharField(max_length=100, blank=True, default="")
    #: {"fields": {"7": [1200, null]}}: the field's id, with what stood in its column before and after; and
    #: {"tags": {"added": ["VIP"], "removed": []}}: by their names at that time.
    changes: Any = models.JSONField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"change {self.pk} of client {self.client_id}"
