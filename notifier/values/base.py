"""What all kinds of values have in common, and what is asked of each."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from notifier.addresses.emails import shortened
from notifier.files.base import NO_RESULT
from notifier.messages import lines

#: Longer text is no value of any kind, and is not looked at.
MAX_LETTERS = 2_000
#: What programs write where a formula failed.
_FAILED = frozenset(
    "#N/A #REF! #NAME? #VALUE! #DIV/0! #NUM! #NULL! #SPILL! #CALC! #FIELD! #BLOCKED! #GETTING_DATA".split()
)

#: What stands in the database: a number in small units, a date as 20261231, an option's number, or a text.
Stored = int | str


class FieldKind(TextChoices):
    TEXT = "TEXT", _("Text")
    WHOLE = "WHOLE", _("Whole number")
    DECIMAL = "DECIMAL", _("Decimal number")
    MONEY = "MONEY", _("Amount of money")
    DATE = "DATE", _("Date")
    YES_NO = "YES_NO", _("Yes or no")
    CHOICE = "CHOICE", _("One of a list")
    CHOICES = "CHOICES", _("Several of a list")


#: Kinds whose values are chosen from options.
CHOSEN = frozenset({FieldKind.CHOICE, FieldKind.CHOICES})


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known of how numbers and dates are written. What it leaves open is refused where that matters."""

    #: Empty: nobody knows. Then a point is taken for one, and "1,234" for nothing.
    decimal_mark: Literal["", ".", ","] = ""
    #: Of dates with slashes or hyphens, such as 03/04/2026. None: nobody knows.
    day_first: bool | None = None


#: A cell of somebody's file.
CELL = Reading()
#: Typed into a page of ours, which shows 1,234.5 itself.
TYPED = Reading(decimal_mark=".")


class ValueType(ABC):
    """How values of one field are read, stored and shown. A value is what Python has for it, and never blank."""

    kind: ClassVar[FieldKind]
    #: Whether they are stored as texts; otherwise as numbers.
    is_text: ClassVar[bool] = False

    def read(self, text: str, reading: Reading = TYPED) -> Any:
        """The value that somebody wrote, in a form or in a cell; None for a blank.

        Raises ValueError with what is wrong, in a sentence.
        """
        if len(text) > MAX_LETTERS:
            raise ValueError(f"This is longer than {MAX_LETTERS:,} characters.")
        text = text.strip()
        if lines.is_blank(text):
            return None
        if text == NO_RESULT:
            raise ValueError("The formula was saved without its result. Open the workbook in Excel and save it again.")
        if text in _FAILED:
            raise ValueError(f"“{text}” is not a value: a formula failed. Leave the cell blank, or correct it.")
        return self._read(text, reading)

    @abstractmethod
    def _read(self, text: str, reading: Reading) -> Any:
        """As `read`, of a text that is not blank, without blanks around it."""

    @abstractmethod
    def store(self, value: Any) -> Stored:
        """Equal values are equal in the database. Numbers and dates are in order there, too, on every engine."""

    @abstractmethod
    def load(self, stored: Stored) -> Any:
        """The value that `store` made this of."""

    @abstractmethod
    def show(self, value: Any) -> str:
        """For staff, on pages."""

    def tell(self, value: Any, *, language: str, is_sms: bool = False) -> str:
        """For a client of this language, in a message. What makes an SMS UCS-2 is left out of one where it can be."""
        return self.show(value)

    def write(self, value: Any) -> str:
        """As a form's field and a file have it: `read` makes the same value of it, by any `Reading`."""
        return self.show(value)


def quoted(text: str) -> str:
    """What somebody wrote, for a message about it."""
    return f"“{shortened(lines.one_line(text))}”"
