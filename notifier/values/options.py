"""One of a list, or several of it. What is kept is the option's number, so a label can be changed at any time."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from notifier.values.base import FieldKind, Reading, Stored, ValueType, quoted
from notifier.values.texts import folded

#: Of one field, retired ones among them. Where several may be chosen each is a bit of a number with a sign.
MAX_OPTIONS = 200
MAX_SEVERAL = 62
MAX_LABEL_LETTERS = 80
#: In a label they would end it, where several stand in one cell.
SEPARATORS = ";|"
_NAMED = 10


@dataclass(frozen=True, slots=True)
class Option:
    #: From 1.
    number: int
    label: str
    is_retired: bool = False


class _Options(ValueType):
    def __init__(self, options: Iterable[Option]) -> None:
        self.options: Mapping[int, Option] = {option.number: option for option in options}

    @cached_property
    def _by_label(self) -> Mapping[str, Option]:
        return {folded(option.label): option for option in self.options.values()}

    def offered(self, chosen: Iterable[int] = ()) -> list[Option]:
        """In order: what can be chosen, and what is chosen already although it was retired since."""
        kept = set(chosen)
        return [option for option in self.options.values() if not option.is_retired or option.number in kept]

    def _named(self, text: str) -> Option | None:
        return self._by_label.get(folded(text.strip()))

    def _option(self, text: str) -> int:
        found = self._named(text)
        if found is None:
            raise ValueError(f"{quoted(text)} is not one of the options: {self._in_words()}.")
        if found.is_retired:
            raise ValueError(f"“{found.label}” was retired, so it can’t be chosen any more.")
        return found.number

    def _in_words(self) -> str:
        labels = [option.label for option in self.offered()]
        some = ", ".join(labels[:_NAMED])
        return f"{some} and {len(labels) - _NAMED} more" if len(labels) > _NAMED else some or "there are none"

    def label(self, number: int) -> str:
        option = self.options.get(number)
        return option.label if option else f"option {number}"


class ChoiceType(_Options):
    kind = FieldKind.CHOICE

    def _read(self, text: str, reading: Reading) -> int:
        return self._option(text)

    def store(self, value: int) -> Stored:
        return value

    def load(self, stored: Stored) -> int:
        return int(stored)

    def show(self, value: int) -> str:
        return self.label(value)


class ChoicesType(_Options):
    kind = FieldKind.CHOICES

    def _read(self, text: str, reading: Reading) -> tuple[int, ...] | None:
        if (whole := self._named(text)) and not whole.is_retired:
            return (whole.number,)
        separator = f"[{SEPARATORS}]" if any(one in text for one in SEPARATORS) else ","
        parts = [part.strip() for part in re.split(separator, text)]
        return tuple(sorted({self._option(part) for part in parts if part})) or None

    def store(self, value: Iterable[int]) -> Stored:
        """A bit for each option that is chosen."""
        return sum(1 << (number - 1) for number in set(value))

    def load(self, stored: Stored) -> tuple[int, ...]:
        return tuple(number for number in range(1, MAX_SEVERAL + 1) if int(stored) >> (number - 1) & 1)

    def _in_order(self, value: Iterable[int]) -> list[int]:
        """As the field has its options; those that it does not have any more come last."""
        chosen = set(value)
        known = [number for number in self.options if number in chosen]
        return known + sorted(chosen.difference(known))

    def show(self, value: Iterable[int]) -> str:
        return ", ".join(self.label(one) for one in self._in_order(value))

    def write(self, value: Iterable[int]) -> str:
        return "; ".join(self.label(one) for one in self._in_order(value))
