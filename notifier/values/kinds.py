"""The type of a field's values, by its kind."""

from collections.abc import Callable, Iterable

from notifier.values.amounts import DecimalNumber, Money, Whole
from notifier.values.base import Kind, ValueType
from notifier.values.dates import Day
from notifier.values.options import Choice, Choices, Option
from notifier.values.texts import Text
from notifier.values.yes_no import YesNo

_PLAIN: dict[str, Callable[[], ValueType]] = {
    Kind.TEXT: Text,
    Kind.WHOLE: Whole,
    Kind.DECIMAL: DecimalNumber,
    Kind.DATE: Day,
    Kind.YES_NO: YesNo,
}


def type_of(*, kind: str, currency: str = "", options: Iterable[Option] = ()) -> ValueType:
    """`options` in their order, retired ones too: clients may have them."""
    if kind == Kind.MONEY:
        return Money(currency)
    if kind == Kind.CHOICE:
        return Choice(options)
    if kind == Kind.CHOICES:
        return Choices(options)
    return _PLAIN[kind]()
