"""Where the values of the placeholders come from: of one client, as the claim reads it, and as counts ask for it.

A placeholder of the client has one source here, so what is counted before a broadcast is what its claims will find.
Those that are built in are columns of the clients' table. Each field that staff defined is a column of `ClientValues`,
found by its key each time: no claim, page or count works with a definition of earlier. A key that no field has is
missing for everybody, so a text with it goes to nobody, or with its fallback.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import F, Q, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce

from notifier.languages import offered
from notifier.messages import lines, placeholders
from notifier.models import Broadcast, Channel, Client, ClientField, ClientValues, FieldOption, Notification
from notifier.models.notifications import fields_named
from notifier.values.base import FieldKind, ValueType
from notifier.values.kinds import type_of
from notifier.values.options import Option

VALUES = ClientValues._meta.db_table
#: From the clients' table to what they have in fields.
_ROW = "field_values__"


class Source(ABC):
    """Where the values of one placeholder stand. A raw value is what the database has; None and "" are missing."""

    #: Every client has one: nobody needs to be asked who lacks it.
    is_always_there = False
    #: How values are told to clients; None: as they stand.
    type: ValueType | None

    @abstractmethod
    def sql(self, client: str, values: str) -> str:
        """For a statement that is written out, with the names of both tables in it: the raw value."""

    @abstractmethod
    def expression(self, client: str = "") -> Combinable:
        """For a query: `client` leads to the clients' table, as in `client__`. The raw value; a text is never NULL."""

    def path(self, client: str = "") -> str:
        """The same for the left side of a condition; empty where there is no column."""
        return ""

    @abstractmethod
    def is_missing(self, client: str = "") -> Q:
        """Condition of the clients who have no value."""

    @abstractmethod
    def is_present(self, client: str = "") -> Q:
        """Condition of all others."""

    @abstractmethod
    def raw(self, client: Client) -> Any:
        """Of one client."""

    def is_blank(self, raw: Any) -> bool:
        """Whether that is no value, or one that nobody would see."""
        return raw is None or (isinstance(raw, str) and lines.is_blank(raw))

    def text(self, raw: Any, *, language: str, is_sms: bool) -> str:
        """As a client of this language reads it; empty where it is missing."""
        return "" if self.is_blank(raw) else str(raw)

    def example(self, language: str, is_sms: bool) -> str:
        """Of the client whom we invented."""
        return ""


@dataclass(frozen=True, slots=True)
class ClientColumn(Source):
    """A column of the clients' table, which is empty where there is no value, and never blank."""

    name: str
    is_always_there: bool = False
    type: None = field(default=None, init=False)

    def sql(self, client: str, values: str) -> str:
        return f"{client}.{self.name}"

    def expression(self, client: str = "") -> Combinable:
        return F(self.path(client))

    def path(self, client: str = "") -> str:
        return f"{client}{self.name}"

    def is_missing(self, client: str = "") -> Q:
        return Q(**{self.path(client): ""})

    def is_present(self, client: str = "") -> Q:
        return ~self.is_missing(client)

    def raw(self, client: Client) -> Any:
        return getattr(client, self.name)


@dataclass(frozen=True, slots=True)
class FieldColumn(Source):
    """A column of `ClientValues`: of a field that staff defined, retired or not. NULL where there is no value."""

    column: str
    type: ValueType
    label: str

    def sql(self, client: str, values: str) -> str:
        return f"{values}.{self.column}"

    def expression(self, client: str = "") -> Combinable:
        column = F(self.path(client))
        return Coalesce(column, Value("")) if self.type.is_text else column

    def is_missing(self, client: str = "") -> Q:
        found = Q(**{f"{self.path(client)}__isnull": True})
        # Of a list nothing chosen is no value either.
        return found | Q(**{self.path(client): 0}) if self.type.kind == FieldKind.CHOICES else found

    def is_present(self, client: str = "") -> Q:
        found = Q(**{f"{self.path(client)}__isnull": False})
        return found & ~Q(**{self.path(client): 0}) if self.type.kind == FieldKind.CHOICES else found

    def raw(self, client: Client) -> Any:
        # A client who has nothing in any field has no row, and one whom we invented has no key.
        row = getattr(client, "field_values", None) if client.pk else None
        return getattr(row, self.column) if row else None

    def is_blank(self, raw: Any) -> bool:
        return Source.is_blank(self, raw) or (raw == 0 and self.type.kind == FieldKind.CHOICES)

    def text(self, raw: Any, *, language: str, is_sms: bool) -> str:
        if self.is_blank(raw):
            return ""
        return self.type.tell(self.type.load(raw), language=language, is_sms=is_sms)

    def example(self, language: str, is_sms: bool) -> str:
        found = _EXAMPLES.get(self.type.kind)
        if found is not None:
            return self.type.tell(found, language=language, is_sms=is_sms)
        labels = [one.label for one in getattr(self.type, "options", {}).values() if not one.is_retired]
        return str((labels or [self.label])[0])

    def path(self, client: str = "") -> str:
        return f"{client}{_ROW}{self.column}"


@dataclass(frozen=True, slots=True)
class Nowhere(Source):
    """Of a key that no field has: it was deleted, or never there."""

    type: None = field(default=None, init=False)

    def sql(self, client: str, values: str) -> str:
        return "NULL"

    def expression(self, client: str = "") -> Combinable:
        return Value("")

    def is_missing(self, client: str = "") -> Q:
        return ~Q(pk__in=[])

    def is_present(self, client: str = "") -> Q:
        return Q(pk__in=[])

    def raw(self, client: Client) -> Any:
        return None


#: Those built in, by the key of the placeholder.
BUILT_IN: Mapping[str, Source] = {
    "name": ClientColumn("name", is_always_there=True),
    "first_name": ClientColumn("first_name"),
    "last_name": ClientColumn("last_name"),
}
_NOWHERE = Nowhere()
#: What the client has whom we invented; of a text or a list, the field's label or an option.
_EXAMPLES: Mapping[str, Any] = {
    FieldKind.WHOLE: 3,
    FieldKind.DECIMAL: Decimal("12.5"),
    FieldKind.MONEY: Decimal(350_000),
    FieldKind.DATE: date(2030, 5, 17),
    FieldKind.YES_NO: True,
}


@dataclass(frozen=True, slots=True)
class Sources:
    """Those of some placeholders, by their keys, as the fields are defined at one moment."""

    each: Mapping[str, Source] = field(default_factory=dict)

    def columns(self, *, client: str, values: str) -> str:
        """The raw values, for the end of a list of columns in a statement; empty where there are none."""
        return "".join(f", {source.sql(client, values)}" for source in self.each.values())

    def join(self, *, client: str, values: str) -> str:
        """The table that these need besides that of clients; empty where they need none."""
        if not any(isinstance(source, FieldColumn) for source in self.each.values()):
            return ""
        return f"LEFT JOIN {VALUES} {values} ON {values}.client_id = {client}.id"

    def has(self, keys: Collection[str], raw: Sequence[Any]) -> bool:
        """Whether there is a value for each of `keys`, of what `columns` has of one client."""
        pairs = zip(self.each.items(), raw, strict=True)
        return not any(key in keys and source.is_blank(one) for (key, source), one in pairs)

    def texts(
        self, raw: Iterable[Any], *, topic: str, language: str | None = None, channel: Channel = Channel.EMAIL
    ) -> dict[str, str]:
        """The values of all placeholders for a client of this language, of what `columns` has of them."""
        code, is_sms = offered.of(language), channel == Channel.SMS
        pairs = zip(self.each.items(), raw, strict=True)
        found = {key: source.text(one, language=code, is_sms=is_sms) for (key, source), one in pairs}
        return placeholders.values(topic=topic, **found)

    def only(self, keys: Iterable[str]) -> "Sources":
        """Of these placeholders alone."""
        return Sources({key: self.each[key] for key in keys})

    def missing(self, client: str = "") -> Q:
        """The clients who lack at least one of these; nobody where there are none."""
        found = Q(pk__in=[])
        for source in self.each.values():
            found |= source.is_missing(client)
        return found

    def present(self, client: str = "") -> list[Q]:
        """Conditions of the clients who have a value for each of these."""
        return [source.is_present(client) for source in self.each.values()]


def read(keys: Iterable[str]) -> Sources:
    """Two queries at most, and none where all are built in."""
    asked = list(keys)
    found = {**BUILT_IN, **_fields([key for key in asked if key not in BUILT_IN])}
    return Sources({key: found.get(key, _NOWHERE) for key in asked})


def _fields(keys: Sequence[str]) -> dict[str, FieldColumn]:
    if not keys:
        return {}
    rows = list(ClientField.objects.filter(key__in=keys))
    options: dict[int, list[Option]] = {one.pk: [] for one in rows if one.is_chosen}
    if options:
        labels = FieldOption.objects.filter(field__in=options).order_by("position", "pk")
        for field_id, number, label, retired_at in labels.values_list("field_id", "number", "label", "retired_at"):
            options[field_id].append(Option(number, label, retired_at is not None))
    return {
        one.key: FieldColumn(
            one.column, type_of(kind=one.kind, currency=one.currency, options=options.get(one.pk, ())), one.label
        )
        for one in rows
    }


def needed(text: Notification | Broadcast, channel: Channel) -> tuple[str, ...]:
    """The placeholders that a client may lack a value for, and then does not get the text on this channel."""
    return missable(text.needed(channel))


def missable(keys: Iterable[str]) -> tuple[str, ...]:
    """Of these, those that some clients may have no value for."""
    return tuple(key for key in keys if key not in BUILT_IN or not BUILT_IN[key].is_always_there)


def of_client(
    client: Client,
    *,
    topic: str,
    keys: Iterable[str] = (),
    language: str | None = None,
    channel: Channel = Channel.EMAIL,
) -> dict[str, str]:
    """The values of the placeholders that are built in, and of `keys`, as they read in this language.

    Of the client whom we invented, who is in no database, there are examples.
    """
    found = read(dict.fromkeys((*BUILT_IN, *keys)))
    if client.pk:
        raw = [source.raw(client) for source in found.each.values()]
        return found.texts(raw, topic=topic, language=language, channel=channel)
    code, is_sms = offered.of(language), channel == Channel.SMS
    examples = {key: one.example(code, is_sms) or str(one.raw(client) or "") for key, one in found.each.items()}
    return placeholders.values(topic=topic, **examples)


def missing(keys: Collection[str], *, client: str = "") -> Q:
    """The clients who lack at least one of these; nobody where there are no keys."""
    return read(keys).missing(client)


def present(keys: Collection[str], *, client: str = "") -> list[Q]:
    """Conditions of the clients who have a value for each of these."""
    return read(keys).present(client)


def are_known(keys: Collection[str]) -> bool:
    """Whether each of these is built in, or the key of a field, retired or not."""
    others = set(keys) - BUILT_IN.keys()
    return not others or ClientField.objects.filter(key__in=others).count() == len(others)


def unusable_in(text: Notification | Broadcast) -> list[str]:
    """A sentence for each placeholder that a new broadcast of it can't have: of a field retired since, or of none."""
    texts = [one for channel in text.channels for one in text.texts(channel)]
    fields = fields_named(*texts)
    return list(dict.fromkeys(one for text in texts for one in placeholders.unusable(text, fields)))
