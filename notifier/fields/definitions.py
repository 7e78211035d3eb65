"""The fields of clients, as staff define them: adding, changing, retiring and deleting them and their options."""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext

from notifier.fields import usage
from notifier.messages import placeholders
from notifier.messages.lines import validate_name
from notifier.models import ClientField, FieldOption
from notifier.models.fields import MAX_KEY_LETTERS, NUMBERS, TEXTS
from notifier.values import currencies
from notifier.values.base import FieldKind, ValueType
from notifier.values.options import MAX_LABEL_LETTERS, MAX_OPTIONS, MAX_SEVERAL, SEPARATORS
from notifier.values.texts import folded

#: Keys that mean something else in a text, in a file or in a condition; and what will be of use there.
RESERVED = frozenset(placeholders.PLACEHOLDERS) | frozenset(
    "id number name first_name last_name full_name email e_mail phone sms mobile address channel topic topics consent "
    "preferences time_zone timezone zone language locale country tag tags status active archived erased created "
    "changed updated since unsubscribe preference_center date today now true false none and or not".split()
)


class FieldInUse(Exception):
    """Something uses it, so it stays; the message tells staff what, and what to do instead."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A field with the type of its values."""

    field: ClientField
    type: ValueType

    @property
    def id(self) -> int:
        return self.field.pk

    @property
    def key(self) -> str:
        return self.field.key

    @property
    def label(self) -> str:
        return self.field.label


class Definitions:
    """All fields, in order, read at one moment by two queries."""

    def __init__(self, fields: Iterable[ClientField]) -> None:
        found = list(fields)
        options: dict[int, list[FieldOption]] = {field.pk: [] for field in found if field.is_chosen}
        if options:
            for option in FieldOption.objects.filter(field__in=options).order_by("position", "pk"):
                options[option.field_id].append(option)
        self._by_id: Mapping[int, Definition] = {
            field.pk: Definition(field, field.value_type(options.get(field.pk, ()))) for field in found
        }

    def __iter__(self) -> Iterator[Definition]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, field_id: int) -> Definition | None:
        return self._by_id.get(field_id)


def every() -> Definitions:
    """Retired ones too: clients may still have values of them."""
    return Definitions(ClientField.objects.in_order())


def active() -> Definitions:
    return Definitions(ClientField.objects.active().in_order())


def of(*fields: ClientField) -> Definitions:
    return Definitions(fields)


# --- Checking ---------------------------------------------------------------------------------------------------------
def suggested_key(label: str) -> str:
    """A key made of the label; empty where it has none of the letters."""
    letters = unicodedata.normalize("NFKD", label.casefold())
    bare = "".join(char for char in letters if not unicodedata.combining(char))
    words = "".join(char if char.isascii() and char.isalnum() else " " for char in bare).split()
    key = "_".join(words).lstrip("0123456789_")[:MAX_KEY_LETTERS].rstrip("_")
    return f"{key}_field"[:MAX_KEY_LETTERS] if key in RESERVED else key


def check(field: ClientField) -> None:
    """Raises `ValidationError` with the mistakes by field: of what can't be told from this row alone."""
    found: dict[str, str] = {}
    if field.key in RESERVED:
        found["key"] = f"“{field.key}” means something else already, in a text or in a file. Choose another key."
    others = ClientField.objects.exclude(pk=field.pk)
    if field.label and others.filter(folded=folded(field.label)).exists():
        found["label"] = f"There is a field “{field.label}” already."
    if field.kind == FieldKind.MONEY and field.currency not in currencies.CODES:
        found["currency"] = "Choose the currency of the amounts."
    if field.pk is None and field.kind and not _free_column(field):
        found["kind"] = (
            f"There are {len(TEXTS)} fields of text already."
            if field.is_text
            else f"There are {len(NUMBERS)} fields already that are no text."
        ) + " Delete one that you don’t need any more."
    if found:
        raise ValidationError(found)


def _free_column(field: ClientField) -> str:
    """The first column that is no field's; empty where there is none."""
    taken = set(ClientField.objects.values_list("column", flat=True))
    return next((column for column in (TEXTS if field.is_text else NUMBERS) if column not in taken), "")


def check_labels(labels: Sequence[str], *, kind: str) -> None:
    """Raises `ValidationError` where these can't be the options of one field."""
    most = MAX_SEVERAL if kind == FieldKind.CHOICES else MAX_OPTIONS
    if len(labels) > most:
        raise ValidationError(
            gettext("A field like this can have %(most)s options, retired ones among them.") % {"most": most}
        )
    seen: set[str] = set()
    for label in labels:
        validate_name(label)
        if len(label) > MAX_LABEL_LETTERS:
            raise ValidationError(
                gettext("An option can have %(max_label_letters)s characters. Shorten “%(label)s…”.")
                % {"max_label_letters": MAX_LABEL_LETTERS, "label": label[:30]}
            )
        if any(one in label for one in SEPARATORS):
            raise ValidationError(
                gettext("An option can’t have %(join)s in it, as “%(label)s” has.")
                % {"join": " or ".join(SEPARATORS), "label": label}
            )
        if folded(label) in seen:
            raise ValidationError(gettext("“%(label)s” is there twice.") % {"label": label})
        seen.add(folded(label))


# --- Writing ----------------------------------------------------------------------------------------------------------
def save(field: ClientField) -> None:
    """Add the field, or change it. Raises `ValidationError` for a mistake, and `FieldInUse` for a key that is used.

    The kind of a field never changes: its values would be of another.
    """
    with transaction.atomic():
        before = ClientField.objects.select_for_update().filter(pk=field.pk).first() if field.pk else None
        check(field)
        if before is not None:
            _refuse_what_is_fixed(before, field)
        else:
            field.column = _free_column(field)
            if not field.position:
                field.position = (ClientField.objects.aggregate(last=Max("position"))["last"] or 0) + 1
        field.folded = folded(field.label)
        if field.kind != FieldKind.MONEY:
            field.currency = ""
        field.save()


def _refuse_what_is_fixed(before: ClientField, field: ClientField) -> None:
    if before.kind != field.kind:
        raise FieldInUse(f"The type of “{before}” can’t be changed. Add another field, and retire this one.")
    for name, what in (("key", "key"), ("currency", "currency")):
        if getattr(before, name) != getattr(field, name) and (uses := usage.uses_of(before)):
            raise FieldInUse(
                f"The {what} of “{before}” can’t be changed, because it is used by {usage.in_words(uses)}."
            )


def retire(*, field_id: int, now: datetime) -> bool:
    """From now on no new values are entered, and nothing new uses it; returns whether it was active."""
    return bool(ClientField.objects.active().filter(pk=field_id).update(retired_at=now))


def restore(*, field_id: int) -> bool:
    """It is used like any other again; returns whether it was retired."""
    return bool(ClientField.objects.exclude(retired_at=None).filter(pk=field_id).update(retired_at=None))


def reason_to_keep(field: ClientField) -> str:
    """Why it can't be deleted and what to do instead, in a sentence; empty where nothing uses it."""
    if uses := usage.uses_of(field):
        return f"“{field}” can’t be deleted, because it is used by {usage.in_words(uses)}. You can retire it instead."
    return ""


def delete(*, field_id: int) -> None:
    """Raises `FieldInUse` where something uses it. Whoever sets values locks the field: none comes in between."""
    with transaction.atomic():
        field = ClientField.objects.select_for_update().filter(pk=field_id).first()
        if field is None:
            return
        if reason := reason_to_keep(field):
            raise FieldInUse(reason)
        field.delete()


@dataclass(frozen=True, slots=True)
class OptionChange:
    """What an option is to be; `number` is None for a new one."""

    number: int | None
    label: str
    is_retired: bool = False


def set_options(*, field: ClientField, options: Sequence[OptionChange], now: datetime) -> None:
    """Make these the options of the field, in this order. Those that are not named stay, after them.

    None is ever deleted: a client may have it, and its number must not become another's. Raises `ValidationError`.
    """
    with transaction.atomic():
        ClientField.objects.select_for_update().get(pk=field.pk)
        rows = {one.number: one for one in FieldOption.objects.filter(field=field).order_by("position", "pk")}
        changes = [one for one in options if one.number is None or one.number in rows]
        named = {one.number for one in changes}
        changes += [
            OptionChange(row.number, row.label, row.retired_at is not None)
            for row in rows.values()
            if row.number not in named
        ]
        check_labels([one.label for one in changes], kind=field.kind)
        # Out of the way first: two labels may change places.
        for row in rows.values():
            row.folded = f"\x1f{row.number}"
        FieldOption.objects.bulk_update(rows.values(), ["folded"])
        last = max(rows, default=0)
        for position, change in enumerate(changes, start=1):
            if change.number is None:
                last += 1
            row = rows.get(change.number or 0) or FieldOption(field=field, number=last)
            row.label, row.folded, row.position = change.label, folded(change.label), position
            row.retired_at = (row.retired_at or now) if change.is_retired else None
            row.save()
