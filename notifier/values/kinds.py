"""The type of a field's values, by its kind."""

from collections.abc import Callable, Iterable

from notifier.values.amounts import DecimalType, MoneyType, WholeType
from notifier.values.base import FieldKind, ValueType
from notifier.values.dates import DateType
from notifier.values.options import ChoicesType, ChoiceType, Option
from notifier.values.texts import TextType
from notifier.values.yes_no import YesNoType

_PLAIN: dict[str, Callable[[], ValueType]] = {
    FieldKind.TEXT: TextType,
    FieldKind.WHOLE: WholeType,
    FieldKind.DECIMAL: DecimalType,
    FieldKind.DATE: DateType,
    FieldKind.YES_NO: YesNoType,
}


def type_of(*, kind: str, currency: str = "", options: Iterable[Option] = ()) -> ValueType:
    """`options` in their order, retired ones too: clients may have them."""
    if kind == FieldKind.MONEY:
        return MoneyType(currency)
    if kind == FieldKind.CHOICE:
        return ChoiceType(options)
    if kind == FieldKind.CHOICES:
        return ChoicesType(options)
    return _PLAIN[kind]()
