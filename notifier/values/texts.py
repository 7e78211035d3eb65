"""Text of one line."""

import re
import unicodedata

from notifier.values.base import FieldKind, Reading, Stored, ValueType

MAX_TEXT_LETTERS = 500
#: Control characters, and those that change the direction of the text around them.
_UNWANTED = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def folded(text: str) -> str:
    """By which texts are compared, found and kept in order: without capitals, the same on every engine."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())[:MAX_TEXT_LETTERS]


class TextType(ValueType):
    kind = FieldKind.TEXT
    is_text = True

    def _read(self, text: str, reading: Reading) -> str:
        text = unicodedata.normalize("NFC", text)
        if _UNWANTED.search(text):
            raise ValueError("Enter one line, without tabs or other control characters.")
        if len(text) > MAX_TEXT_LETTERS:
            raise ValueError(f"This is longer than {MAX_TEXT_LETTERS} characters.")
        return text

    def store(self, value: str) -> Stored:
        return value

    def load(self, stored: Stored) -> str:
        return str(stored)

    def show(self, value: str) -> str:
        return value
