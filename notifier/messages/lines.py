"""Text of one line: names, subjects, and whatever else stands in a header or in one line of a page."""

import re

from django.core.exceptions import ValidationError

#: Control characters, what Unicode calls a line's or a paragraph's end, and halves of a character, which can't be
#: written. Python's `email` ends a header's line at each of \x0b, \x0c, \x1c-\x1e, \x85, U+2028 and U+2029, too.
_UNWANTED = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def is_one_line(text: str) -> bool:
    return _UNWANTED.search(text) is None


def one_line(text: str) -> str:
    """`text` in one line, with a blank for what no line may contain. What is one line already stays as it is."""
    return text if is_one_line(text) else " ".join(_UNWANTED.sub(" ", text).split())


def validate_one_line(value: object) -> None:
    """For fields of models and forms; raises `ValidationError`. Migrations know it by this name."""
    if not is_one_line(str(value)):
        raise ValidationError("Enter one line, without tabs or other control characters.", code="lines")
