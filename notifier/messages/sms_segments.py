"""How many segments an SMS takes, and which characters make it take more (3GPP TS 23.038 and 23.040)."""

import itertools
import unicodedata
from dataclasses import dataclass

from notifier.messages import placeholders

# GSM 03.38: the basic set counts one septet, the extension two (3GPP TS 23.038, 6.2.1 and 6.2.1.1).
_GSM_BASIC = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENSION = set("\f^{}\\[~]|€")
#: Each of these takes one septet, and each of these one or two; every other letter makes a text UCS-2.
BASIC, GSM = frozenset(_GSM_BASIC), frozenset(_GSM_BASIC | _GSM_EXTENSION)
#: Each of these takes two septets in GSM-7.
EXTENSION = frozenset(_GSM_EXTENSION)
# What word processors and phones put in by themselves, and the same in GSM-7.
_PLAINER = (
    dict.fromkeys("‘’‚‹›", "'")
    | dict.fromkeys("“”„«»", '"')
    | dict.fromkeys("‐‑–—−", "-")
    | dict.fromkeys("\u00a0\u2007\u2009\u202f", "a space")
    | {"…": "...", "•": "-"}
)

#: Of no more placeholders it is tried with and without a value: each one doubles the texts.
MAX_LACKED = 6


@dataclass(frozen=True)
class SmsSize:
    encoding: str
    units: int
    segments: int

    @property
    def room(self) -> int:
        """How many units these segments hold; of one segment while the text is empty."""
        alone, part = (160, 153) if self.encoding == "GSM-7" else (70, 67)
        return alone if self.segments <= 1 else part * self.segments


def measure(text: str) -> SmsSize:
    """How `text` travels: GSM-7 in septets (160 alone, 153 in parts) or UCS-2 in 16-bit units (70 alone, 67 in parts).

    A segment never splits an escaped character or a surrogate pair, so a part may end one unit early.
    """
    if all(char in _GSM_BASIC or char in _GSM_EXTENSION for char in text):
        widths = [2 if char in _GSM_EXTENSION else 1 for char in text]
        return _sized("GSM-7", widths, alone=160, part=153)
    return _sized("UCS-2", [2 if ord(char) > 0xFFFF else 1 for char in text], alone=70, part=67)


def beyond_gsm(text: str) -> list[str]:
    """The characters that GSM-7 lacks, each once, in the order of the text: they make an SMS UCS-2."""
    return list(dict.fromkeys(char for char in text if char not in _GSM_BASIC and char not in _GSM_EXTENSION))


def describe(char: str) -> str:
    """The character for staff to read, as “…” (horizontal ellipsis; write ... instead)."""
    name = unicodedata.name(char, f"U+{ord(char):04X}").lower()
    shown = char if unicodedata.category(char)[0] not in "CMZ" else ""
    plainer = f"; use {_PLAINER[char]} instead" if char in _PLAINER else ""
    return f"“{shown}” ({name}{plainer})" if shown else f"{name}{plainer}"


def upper_bounds(text: str, *, longest_name: int, topic: str, reader: str | None = None) -> tuple[SmsSize, SmsSize]:
    """The largest sizes of `text` for clients whose names have up to so many characters.

    The first is for names within GSM-7's basic set, the second for names beyond it, which make the whole text UCS-2.
    They are the same where the text has no name in it. A part of a name can be as long as the whole, and where it is
    missing its fallback can be longer. An emoji takes two units, and how a segment ends may depend on whether their
    number is even.
    """
    within, *beyond = (
        _largest(text, name, topic, reader)
        for name in ("n" * longest_name, "😀" * longest_name, ("я" + "😀" * longest_name)[:longest_name])
    )
    return within, max(beyond, key=_weight)


def _largest(text: str, name: str, topic: str, reader: str | None) -> SmsSize:
    """Of the text for a client with this name in each place, and for who lacks one that has a fallback."""
    needed = placeholders.needed(text)
    may_lack = [key for key in placeholders.used(text) if key not in needed][:MAX_LACKED]
    named = {**dict.fromkeys(placeholders.PLACEHOLDERS, name), "topic": topic}
    sizes = (
        measure(placeholders.sms(text, named | dict.fromkeys(lacked, ""), reader=reader))
        for number in range(len(may_lack) + 1)
        for lacked in itertools.combinations(may_lack, number)
    )
    return max(sizes, key=_weight)


def _weight(size: SmsSize) -> tuple[int, int]:
    return size.segments, size.units


def _sized(encoding: str, widths: list[int], *, alone: int, part: int) -> SmsSize:
    units = sum(widths)
    if units <= alone:
        return SmsSize(encoding, units, 1 if units else 0)
    segments, used = 1, 0
    for width in widths:
        if used + width > part:
            segments, used = segments + 1, 0
        used += width
    return SmsSize(encoding, units, segments)
