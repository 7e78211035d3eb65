"""Conditions about clients' fields and tags, for lists and audiences. Each is a `Q` about one column, or one index."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Exists, F, OuterRef, Q
from django.db.models.lookups import Exact, GreaterThan

from notifier.fields.definitions import Definition
from notifier.models import ClientTag, Tag
from notifier.models.fields import folded_column
from notifier.values.texts import folded

# `client`: the way from the model that is asked to the client: "" from Client, "client__" from Preference.


def _column(definition: Definition, client: str) -> str:
    field = definition.field
    return f"{client}field_values__{folded_column(field.column) if field.is_text else field.column}"


def _stored(definition: Definition, value: Any) -> Any:
    stored = definition.type.store(value)
    return folded(stored) if isinstance(stored, str) else stored


def has_value(definition: Definition, *, client: str = "") -> Q:
    return Q(**{f"{_column(definition, client)}__isnull": False})


def is_missing(definition: Definition, *, client: str = "") -> Q:
    return Q(**{f"{_column(definition, client)}__isnull": True})


def is_one_of(definition: Definition, values: Iterable[Any], *, client: str = "") -> Q:
    """Texts are the same whatever is capitalised."""
    return Q(**{f"{_column(definition, client)}__in": [_stored(definition, value) for value in values]})


def is_between(definition: Definition, *, least: Any = None, most: Any = None, client: str = "") -> Q:
    """Of numbers, amounts and dates; both ends belong to it, and either may be open."""
    column = _column(definition, client)
    found = Q()
    if least is not None:
        found &= Q(**{f"{column}__gte": _stored(definition, least)})
    if most is not None:
        found &= Q(**{f"{column}__lte": _stored(definition, most)})
    return found


def contains(definition: Definition, text: str, *, client: str = "") -> Q:
    """Of texts, whatever is capitalised."""
    return Q(**{f"{_column(definition, client)}__contains": folded(text)})


def begins(definition: Definition, text: str, *, client: str = "") -> Q:
    """Of texts, whatever is capitalised."""
    return Q(**{f"{_column(definition, client)}__startswith": folded(text)})


def has_any_option(definition: Definition, options: Iterable[int], *, client: str = "") -> Q:
    """Of fields in which several may be chosen: one of these at least."""
    mask = int(definition.type.store(tuple(options)))
    return Q(GreaterThan(F(_column(definition, client)).bitand(mask), 0))


def has_all_options(definition: Definition, options: Iterable[int], *, client: str = "") -> Q:
    mask = int(definition.type.store(tuple(options)))
    return Q(Exact(F(_column(definition, client)).bitand(mask), mask))


def has_tag(tag: Tag, *, client: str = "") -> Q:
    return Q(Exists(ClientTag.objects.filter(tag=tag, client=OuterRef(f"{client}pk" if client else "pk"))))
