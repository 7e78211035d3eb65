"""Reads the cells of fields that staff defined, and of tags. Each `read` raises ValueError with what is wrong."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, lru_cache

from django.core.exceptions import ValidationError

from notifier.addresses.emails import shortened
from notifier.fields import tags
from notifier.fields.definitions import Definition
from notifier.models import Tag
from notifier.values.base import CELL, Stored
from notifier.values.kinds import type_of
from notifier.values.options import ChoicesType, ChoiceType, Option
from notifier.values.texts import TextType, folded

#: What a file says again and again is read once. Longer cells are not kept.
_KEPT, _MAX_KEPT_LETTERS = 5_000, 40
_NAMED = 5
_SEPARATORS = re.compile(f"[{re.escape(tags.SEPARATORS)}]")
#: What programs write where there is nothing.
_NO_TAGS = frozenset("nan <na> null none undefined n/a nat".split())


class ValueCells:
    """The cells of one field, read into what is stored."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self._few = lru_cache(maxsize=_KEPT)(self._stored)
        self._with_retired = _with_retired_options(definition)

    def read(self, cell: str) -> Stored | None:
        """None for a blank. An option that was retired is read too: who has it may keep it."""
        return self._few(cell) if len(cell) <= _MAX_KEPT_LETTERS else self._stored(cell)

    def _stored(self, cell: str) -> Stored | None:
        kind = self.definition.type
        try:
            value = kind.read(cell, CELL)
        except ValueError:
            if self._with_retired is None:
                raise
            try:
                value = self._with_retired.read(cell, CELL)
            except ValueError:
                value = None
            if value is None:
                raise
        return None if value is None else kind.store(value)


def _with_retired_options(definition: Definition) -> ChoiceType | ChoicesType | None:
    """A type by which these can be chosen as well; None where there are none."""
    found = definition.type
    if not isinstance(found, ChoiceType | ChoicesType) or not retired_options(definition):
        return None
    every = [Option(option.number, option.label) for option in found.options.values()]
    lenient = type_of(kind=found.kind, options=every)
    return lenient if isinstance(lenient, ChoiceType | ChoicesType) else None


def retired_options(definition: Definition) -> Sequence[Option]:
    found = definition.type
    every: Iterable[Option] = found.options.values() if isinstance(found, ChoiceType | ChoicesType) else ()
    return [option for option in every if option.is_retired]


class TagCells:
    """Tags by their numbers: those that there are, and from -1 down those that the file brings."""

    def __init__(self, *, may_add: bool) -> None:
        self._may_add = may_add
        self._numbers: dict[str, int] = {}
        self.names: dict[int, str] = {}
        for pk, name, key in Tag.objects.order_by("folded").values_list("pk", "name", "folded"):
            self._numbers[key], self.names[pk] = pk, name
        self._there = len(self.names)
        self._few: Callable[[str], tuple[int, ...]] = lru_cache(maxsize=_KEPT)(self._read)

    def read(self, cell: str) -> tuple[int, ...]:
        return self._few(cell) if len(cell) <= _MAX_KEPT_LETTERS else self._read(cell)

    def _read(self, cell: str) -> tuple[int, ...]:
        names = {folded(name): name for part in _SEPARATORS.split(cell) if (name := part.strip())}
        found = [number for key, name in names.items() if (number := self._number(key, name)) is not None]
        if len(found) > tags.MAX_OF_CLIENT:
            raise ValueError(f"These are more than {tags.MAX_OF_CLIENT} tags. A client can’t have more.")
        return tuple(sorted(found))

    def _number(self, key: str, name: str) -> int | None:
        """None for what programs write where there is nothing."""
        if (found := self._numbers.get(key)) is not None:
            return found
        if TextType().read(name, CELL) is None or key in _NO_TAGS:
            return None
        if not self._may_add:
            raise ValueError(f"There is no tag “{shortened(name)}”, and you may not add tags. {self._in_words}")
        # First, so that a million of them ask nothing of the database.
        if len(self.names) >= tags.MAX_TAGS:
            raise ValueError(f"“{shortened(name)}” is not a tag, and there are {tags.MAX_TAGS:,} tags already.")
        try:
            tags.check_name(name)
        except ValidationError as error:
            raise ValueError(f"“{shortened(name)}” can’t be a tag. {' '.join(error.messages)}") from error
        number = self._there - len(self.names) - 1
        self._numbers[key], self.names[number] = number, name
        return number

    @cached_property
    def _in_words(self) -> str:
        known = [name for pk, name in self.names.items() if pk > 0]
        more = f" and {len(known) - _NAMED} more" if len(known) > _NAMED else ""
        return f"There are: {', '.join(known[:_NAMED])}{more}." if known else "There are no tags yet."


def readers(values: Mapping[int, Definition]) -> list[tuple[int, ValueCells]]:
    """With the position of each column."""
    return [(column, ValueCells(definition)) for column, definition in values.items()]
