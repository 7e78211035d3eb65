"""The type of a field's values, by its kind."""

from collections.abc import Callable, Iterable

from notifier.values.amounts import DecimalType, MoneyType, WholeType
from notifier.values.base import Kind, ValueType
from notifier.values.dates import DateType
from notifier.values.options import ChoicesType, ChoiceType, Option
from notifier.values.texts import TextType
from notifier.values.yes_no import YesNoType

_PLAIN: dict[str, Callable[[], ValueType]] = {
    Kind.TEXT: TextType,
    Kind.WHOLE: WholeType,
    Kind.DECIMAL: DecimalType,
    Kind.DATE: DateType,
    Kind.YES_NO: YesNoType,
}


def type_of(*, kind: str, currency: str = "", options: Iterable[Option] = ()) -> ValueType:
    """`options` in their order, retired ones too: clients may have them."""
    if kind == Kind.MONEY:
        return MoneyType(currency)
    if kind == Kind.CHOICE:
        return ChoiceType(options)
    if kind == Kind.CHOICES:
        return ChoicesType(options)
    return _PLAIN[kind]()
