"""Text of one line: names, subjects, and whatever else stands in a header or in one line of a page."""

import re
import unicodedata

from django.core.exceptions import ValidationError
from django.utils.translation import gettext

#: Control characters, what Unicode calls a line's or a paragraph's end, and halves of a character, which can't be
#: written. Python's `email` ends a header's line at each of \x0b, \x0c, \x1c-\x1e, \x85, U+2028 and U+2029, too.
_UNWANTED = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
#: Nobody sees them, although Unicode counts them as letters, marks or symbols: joiners, Hangul and Khmer fillers,
#: variation selectors, the empty cell of Braille.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def is_one_line(text: str) -> bool:
    return _UNWANTED.search(text) is None


def one_line(text: str) -> str:
    """`text` in one line, with a blank for what no line may contain. What is one line already stays as it is."""
    return text if is_one_line(text) else " ".join(_UNWANTED.sub(" ", text).split())


def is_blank(text: str) -> bool:
    """Whether a reader would see nothing: only blanks of any kind, and characters without width or ink."""
    return all(unicodedata.category(char)[0] in "ZC" or _UNSEEN.match(char) for char in text)


def is_no_name(text: str) -> bool:
    """Whether nobody and nothing is called so: nothing of it can be seen, or it is a dash, a dot or the like.

    What nobody sees within a name stays: Persian and the languages of India need joiners.
    """
    return all(unicodedata.category(char)[0] in "ZCP" or _UNSEEN.match(char) for char in text)


def validate_one_line(value: object) -> None:
    """For fields of models and forms; raises `ValidationError`. Migrations know it by this name."""
    if not is_one_line(str(value)):
        raise ValidationError(gettext("Enter one line, without tabs or other control characters."), code="lines")
    if str(value) and is_blank(str(value)):
        raise ValidationError(gettext("Nothing in this text would be visible. Enter some text."), code="invisible")


def validate_name(value: object) -> None:
    """For the names of clients, topics, groups and staff; raises `ValidationError`."""
    validate_one_line(value)
    if str(value) and is_no_name(str(value)):
        raise ValidationError(gettext("“%(value)s” is not a name.") % {"value": value}, code="no_name")
