"""How many segments one text of an SMS takes for many clients: rendered once for all whose values are equally long."""

import math
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from notifier.messages import placeholders, sms_segments
from notifier.messages.sms_segments import SmsSize

#: Units that an SMS of one segment holds, and each part of one that has several, by the encoding.
_UNITS = {"GSM-7": (160, 153), "UCS-2": (70, 67)}


class _Width(NamedTuple):
    """Of a value: its units in both encodings, and what it has in it."""

    septets: int
    ucs2: int
    has_beyond_gsm: bool
    #: Letters that take two units, in GSM-7 and in UCS-2: a segment may end one unit early before them.
    has_extension: bool
    has_astral: bool


@lru_cache(maxsize=4096)
def _width(value: str) -> _Width:
    extension = sum(char in sms_segments.EXTENSION for char in value)
    astral = sum(ord(char) > 0xFFFF for char in value)
    is_gsm = sms_segments.GSM.issuperset(value)
    return _Width(len(value) + extension, len(value) + astral, not is_gsm, extension > 0, astral > 0)


class Sizes:
    """Of one text with its last line."""

    def __init__(self, *, text: str, topic: str, ending: str) -> None:
        self._text, self._topic, self._ending = text, topic, ending
        #: What stands after the last placeholder.
        self._last = placeholders.Pattern.of(text).parts[-1].rstrip()
        self._times = Counter(use.key for use in placeholders.uses(text))
        #: By the sums of the values' widths; None where they do not tell it.
        self._known: dict[tuple[object, ...], int | None] = {}

    def segments(self, values: Mapping[str, str]) -> int:
        """For a client with these values of the placeholders; a missing one is empty."""
        key = self._key(values)
        if key in self._known and (found := self._known[key]) is not None:
            return found
        size, is_told = self._measured(values)
        self._known[key] = size.segments if is_told else None
        return size.segments

    def _key(self, values: Mapping[str, str]) -> tuple[object, ...]:
        septets = ucs2 = 0
        beyond = extension = astral = False
        missing = []
        for key, value in values.items():
            # Its fallback is another text, and may stand there in several forms.
            if not value:
                missing.append(key)
            width, times = _width(value), self._times[key]
            septets += width.septets * times
            ucs2 += width.ucs2 * times
            beyond, extension = beyond or width.has_beyond_gsm, extension or width.has_extension
            astral = astral or width.has_astral
        return septets, ucs2, beyond, extension, astral, *missing

    def _measured(self, values: Mapping[str, str]) -> tuple[SmsSize, bool]:
        """The size, and whether every text with as many units has as many segments."""
        filled = placeholders.values(topic=self._topic, **values)
        text = placeholders.sms(self._text, filled, ending=self._ending)
        size = sms_segments.measure(text)
        if self._may_end_otherwise(text, filled):
            return size, False
        alone, part = _UNITS[size.encoding]
        is_wide = any(
            char in sms_segments.EXTENSION if size.encoding == "GSM-7" else ord(char) > 0xFFFF for char in text
        )
        # Each segment but the last holds `part` units, or one fewer.
        is_told = (
            size.units <= alone or not is_wide or math.ceil(size.units / part) == math.ceil(size.units / (part - 1))
        )
        return size, is_told

    def _may_end_otherwise(self, text: str, values: Mapping[str, str]) -> bool:
        """Whether it ends with the last line already, and that may be so through a value."""
        is_ended = bool(self._ending) and text == placeholders.render(self._text, values)
        return is_ended and not self._last.endswith(self._ending)
