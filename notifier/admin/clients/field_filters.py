"""The filter of the client list by fields that staff defined and by tags: one form, each field with what fits its kind.

`?f.<key>=` holds options, yes or no, `any` (has a value) or `none`, several of which any may hold; `f.<key>.from` and
`f.<key>.to` are the ends of a range, and `f.<key>.begins` and `f.<key>.contains` are about texts. `?tag=` is a tag's
number or `none`. What can't be read finds nobody, and says why: it must not widen what an act is about.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import reduce
from operator import and_, or_
from typing import Any

from django.contrib import admin
from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifier.admin.clients.request_fields import fields_of, tags_of
from notifier.admin.lists import search, selection
from notifier.fields import conditions
from notifier.fields.definitions import Definition
from notifier.models import Client, ClientTag
from notifier.values.amounts import MoneyType
from notifier.values.base import TYPED, FieldKind
from notifier.values.options import ChoicesType, ChoiceType
from notifier.wording import numbers

PREFIX, TAG = selection.FIELD_PREFIX, "tag"
ANY, NONE = "any", "none"
_HAS = {ANY: "Has a value", NONE: "No value"}
_RANGED = frozenset({FieldKind.WHOLE, FieldKind.DECIMAL, FieldKind.MONEY, FieldKind.DATE})
_ENDS = {"from": "From", "to": "To"}
_PARTS = {"begins": "Begins with", "contains": "Contains"}
MAX_PARTS_LETTERS = 100


_ALL_AT_ONCE = "_notifier_fields_at_once"


@contextmanager
def all_at_once(request: HttpRequest) -> Iterator[None]:
    """Inside, the filter finds any clients, and not those of one page, as fast as it can."""
    setattr(request, _ALL_AT_ONCE, True)
    try:
        yield
    finally:
        delattr(request, _ALL_AT_ONCE)


class FilterUnreadable(Exception):
    """Its text says what of the URL can't be read, to staff."""


@dataclass(frozen=True, slots=True)
class FilterTick:
    """A tick of the form."""

    value: str
    label: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class FilterInput:
    """A field of the form in which something is typed."""

    name: str
    label: str
    value: str
    is_date: bool = False

    @property
    def html_id(self) -> str:
        return f"filter-{self.name.replace('.', '-')}"


@dataclass(frozen=True, slots=True)
class FieldSection:
    """One field, as the form has it."""

    name: str
    label: str
    is_used: bool
    ticks: Sequence[FilterTick]
    typed: Sequence[FilterInput] = field(default=())


class FieldsFilter(admin.ListFilter):
    title = _("fields and tags")
    #: What `BackOfficeAdmin` looks for.
    parameter_name = TAG
    template = "admin/notifier/client/field_filters.html"

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        self._asked: dict[str, list[str]] = {name: params.pop(name) for name in list(params) if is_ours(name)}
        self.used_parameters = dict(self._asked)
        every = fields_of(request)
        used = {key_of(name) for name in self._asked}
        self._definitions = [one for one in every if one.field.retired_at is None or one.key in used]
        self._by_key = {one.key: one for one in every}
        self._tags = tags_of(request)

    # --- Asked by the list ---
    def has_output(self) -> bool:
        return bool(self._definitions or self._tags or self._asked)

    def expected_parameters(self) -> list[str | None]:
        return list(self._asked)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Client]) -> QuerySet[Client]:
        try:
            found = [one for name, values in self._asked.items() if (one := self._condition(name, values)) is not None]
        except FilterUnreadable as error:
            search.say(request, str(error))
            return queryset.none()
        if not found:
            return queryset
        condition = reduce(and_, found)
        if connection.vendor == "postgresql" or getattr(request, _ALL_AT_ONCE, False):
            return queryset.filter(condition)
        # SQLite would look through all values and sort what it found, for the first page of a million names: this way
        # it walks along the names.
        return queryset.filter(Exists(Client.objects.filter(condition, pk=OuterRef("pk"))))

    def choices(self, changelist: Any) -> Iterator[Any]:
        """What the template shows: see `FieldSection`."""
        yield {
            "sections": [self._section(one) for one in self._definitions],
            "tags": self._tag_choices(),
            "kept": [
                (name, value)
                for name, values in changelist.filter_params.items()
                for value in (values if isinstance(values, list) else [values])
                if not is_ours(name) and name not in ("p", "e")
            ],
            "without": changelist.get_query_string(remove=list(self._asked)) if self._asked else "",
        }

    # --- Conditions ---
    def _condition(self, name: str, values: Sequence[str]) -> Q | None:
        """None where nothing was chosen. Raises `FilterUnreadable`."""
        values = [value for value in values if value.strip()]
        if not values:
            return None
        if name == TAG:
            return reduce(and_, [self._tag_condition(value) for value in values])
        key, _, part = name.removeprefix(PREFIX).partition(".")
        definition = self._by_key.get(key)
        if definition is None:
            raise FilterUnreadable(
                gettext("The list is filtered by a field that there is not any more. Clear the filters.")
            )
        if not part:
            return reduce(or_, [self._chosen(definition, value) for value in values])
        return self._typed(definition, part, values[-1])

    def _tag_condition(self, value: str) -> Q:
        # The clients of a tag are an index; to ask about each client whether they have it would go through them all.
        if value == NONE:
            return ~Q(pk__in=ClientTag.objects.values("client_id"))
        number = numbers.read_id(value)
        if number is None or not any(tag.pk == number for tag in self._tags):
            raise FilterUnreadable(
                gettext("The list is filtered by a tag that there is not any more. Clear the filters.")
            )
        return Q(pk__in=ClientTag.objects.filter(tag=number).values("client_id"))

    def _chosen(self, definition: Definition, value: str) -> Q:
        if value == ANY:
            return conditions.has_value(definition)
        if value == NONE:
            return conditions.is_missing(definition)
        kind, number = definition.type, numbers.read_id(value)
        if isinstance(kind, ChoiceType | ChoicesType) and number is not None and number in kind.options:
            chosen = [number]
            return (
                conditions.is_one_of(definition, chosen)
                if isinstance(kind, ChoiceType)
                else conditions.has_any_option(definition, chosen)
            )
        if kind.kind == FieldKind.YES_NO and value in ("yes", "no"):
            return conditions.is_one_of(definition, [value == "yes"])
        raise FilterUnreadable(
            gettext("The list is filtered by something that “%(definition_label)s” can’t be. Clear the filters.")
            % {"definition_label": definition.label}
        )

    def _typed(self, definition: Definition, part: str, text: str) -> Q:
        ways: dict[str, Callable[[], Q]] = {}
        if definition.type.kind in _RANGED:
            ways = {
                "from": lambda: conditions.is_between(definition, least=_read(definition, text)),
                "to": lambda: conditions.is_between(definition, most=_read(definition, text)),
            }
        elif definition.type.kind == FieldKind.TEXT:
            ways = {
                "begins": lambda: conditions.begins(definition, text[:MAX_PARTS_LETTERS]),
                "contains": lambda: conditions.contains(definition, text[:MAX_PARTS_LETTERS]),
            }
        if part not in ways:
            raise FilterUnreadable(
                gettext("“%(definition_label)s” can’t be filtered like this. Clear the filters.")
                % {"definition_label": definition.label}
            )
        return ways[part]()

    # --- The form ---
    def _section(self, definition: Definition) -> FieldSection:
        name = f"{PREFIX}{definition.key}"
        chosen = self._asked.get(name, [])
        ticks = [*_options(definition), *_HAS.items()]
        parts: Mapping[str, str] = {}
        if definition.type.kind in _RANGED:
            parts = _ENDS
        elif definition.type.kind == FieldKind.TEXT:
            parts = _PARTS
        typed = [
            FilterInput(f"{name}.{part}", words, self._last(f"{name}.{part}"), definition.type.kind == FieldKind.DATE)
            for part, words in parts.items()
        ]
        money = definition.type
        return FieldSection(
            name=name,
            label=f"{definition.label} ({money.currency})" if isinstance(money, MoneyType) else definition.label,
            is_used=any(key_of(one) == definition.key for one in self._asked if one != TAG),
            ticks=[FilterTick(value, label, value in chosen) for value, label in ticks],
            typed=typed,
        )

    def _last(self, name: str) -> str:
        return self._asked.get(name, [""])[-1]

    def _tag_choices(self) -> list[FilterTick]:
        if not self._tags:
            return []
        chosen = self._last(TAG)
        named = [(str(tag.pk), tag.name) for tag in self._tags]
        ticks = [("", gettext("All")), *named, (NONE, "No tag")]
        return [FilterTick(value, label, value == chosen) for value, label in ticks]


def is_ours(name: str) -> bool:
    return name == TAG or name.startswith(PREFIX)


def key_of(name: str) -> str:
    """The field's, of a parameter."""
    return name.removeprefix(PREFIX).partition(".")[0] if name.startswith(PREFIX) else ""


def _options(definition: Definition) -> list[tuple[str, str]]:
    kind = definition.type
    if isinstance(kind, ChoiceType | ChoicesType):
        return [(str(option.number), option.label) for option in kind.options.values()]
    return [("yes", gettext("Yes")), ("no", gettext("No"))] if kind.kind == FieldKind.YES_NO else []


def _read(definition: Definition, text: str) -> Any:
    try:
        return definition.type.read(text, TYPED)
    except ValueError as error:
        raise FilterUnreadable(
            gettext("%(definition_label)s: %(error)s No clients are listed.")
            % {"definition_label": definition.label, "error": error}
        ) from error
