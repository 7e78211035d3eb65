"""Yes or no."""

from notifier.values import localised
from notifier.values.base import FieldKind, Reading, Stored, ValueType, quoted

_YES = "1 1.0 y yes t true x on j ja oui si sí da ✓ ✔ ☑".split()
_NO = "0 0.0 n no f false off nein non ✗ ✘ ☐".split()
_WORDS = {**dict.fromkeys(_YES, True), **dict.fromkeys(_NO, False)}


class YesNoType(ValueType):
    kind = FieldKind.YES_NO

    def _read(self, text: str, reading: Reading) -> bool:
        if (found := _WORDS.get(text.casefold())) is None:
            raise ValueError(f"{quoted(text)} is neither yes nor no.")
        return found

    def store(self, value: bool) -> Stored:
        return int(value)

    def load(self, stored: Stored) -> bool:
        return bool(stored)

    def show(self, value: bool) -> str:
        return "Yes" if value else "No"

    def tell(self, value: bool, *, language: str, is_sms: bool = False) -> str:
        return localised.yes_or_no(value, language=language)

    def write(self, value: bool) -> str:
        return "yes" if value else "no"
