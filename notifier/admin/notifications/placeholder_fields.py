"""The fields of clients as the page offers them where a notification is written: each is a placeholder by its key."""

from notifier.models import ClientField
from notifier.values.base import FieldKind

#: How a value reads in a message, beside the label.
_AS = {
    FieldKind.WHOLE: "as in 1,200",
    FieldKind.DECIMAL: "as in 12.5",
    FieldKind.MONEY: "with its currency",
    FieldKind.DATE: "as in 31 Dec 2026",
    FieldKind.YES_NO: "yes or no",
    FieldKind.CHOICES: "separated by commas",
}


def meanings() -> dict[str, str]:
    """What takes the place of each, by its key; of those that were not retired."""
    return {one.key: _meaning(one) for one in ClientField.objects.active().in_order()}


def _meaning(field: ClientField) -> str:
    told = _AS.get(FieldKind(field.kind), "")
    return f"{field.label}, {told}" if told else field.label
