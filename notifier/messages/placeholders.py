"""What a message says: placeholders from a fixed list, and how many segments an SMS takes."""

import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from django.conf import settings

#: What a last line of each SMS may say, where SMS_STOP_LINE says nothing yet.
STOP_LINE = "Reply STOP to end"

#: The placeholders that staff may use, each with what takes its place.
PLACEHOLDERS = {
    "name": "the client's full name",
    "first_name": "the first word of the client's name",
    "topic": "the topic's name",
}
# The blanks are stripped afterwards: `\s*` on either side took 8 s over an unclosed one with 2,000 blanks.
_PLACEHOLDER = re.compile(r"\{\{([^{}]*)\}\}")

#: Letters and symbols by their category, and yet blank: Hangul fillers, the empty Braille cell, variation selectors.
_UNSEEN = set("\u034f\u115f\u1160\u2800\u3164\uffa0\ufe0e\ufe0f")

# GSM 03.38: the basic set counts one septet, the extension two (3GPP TS 23.038, 6.2.1 and 6.2.1.1).
_GSM_BASIC = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENSION = set("\f^{}\\[~]|€")
# What word processors and phones put in by themselves, and what says the same within GSM-7.
_PLAINER = (
    dict.fromkeys("‘’‚‹›", "'")
    | dict.fromkeys("“”„«»", '"')
    | dict.fromkeys("‐‑–—−", "-")
    | dict.fromkeys("\u00a0\u2007\u2009\u202f", "a blank")
    | {"…": "...", "•": "-"}
)


def values(*, name: str, topic: str) -> dict[str, str]:
    """What takes the placeholders' place for one client."""
    return {"name": name, "first_name": name.split(maxsplit=1)[0] if name.strip() else name, "topic": topic}


def render(text: str, replacements: Mapping[str, str]) -> str:
    """`text` with every placeholder of the fixed list replaced; anything else stays as it stands.

    Values are put in once and never read again: a client whose name is `{{ topic }}` is called just that.
    """
    return _PLACEHOLDER.sub(lambda match: replacements.get(match[1].strip(), match[0]), text)


def sms(text: str, replacements: Mapping[str, str], *, stop_line: str | None = None) -> str:
    """An SMS as it goes out: the text for one client and, as its last line, how to end them.

    That is SMS_STOP_LINE where nothing else is said, and stands there once, also where the text ends with it already.
    """
    line = settings.SMS_STOP_LINE if stop_line is None else stop_line
    rendered = render(text, replacements)
    if not line or not rendered.strip() or rendered.rstrip().endswith(line):
        return rendered
    return f"{rendered.rstrip()}\n{line}"


def one_line(text: str) -> str:
    """For a header, where a line's end, such as in an imported name, would begin another one."""
    return " ".join(text.split()) if "\n" in text or "\r" in text else text


@dataclass(frozen=True, slots=True)
class Pattern:
    """A text cut up at its placeholders, to be filled many times: a tenth of the time of `render` for a long one."""

    #: What stands before each placeholder, and after the last.
    parts: tuple[str, ...]
    names: tuple[str, ...]

    @classmethod
    def of(cls, text: str, *, also: Collection[str] = ()) -> "Pattern":
        """Cut at the placeholders of the list, and at those of our own that the text has beside them."""
        known = {*PLACEHOLDERS, *also}
        parts, names, end = [], [], 0
        for match in _PLACEHOLDER.finditer(text):
            if match[1].strip() in known:
                parts.append(text[end : match.start()])
                names.append(match[1].strip())
                end = match.end()
        return cls((*parts, text[end:]), tuple(names))

    def fill(self, replacements: Mapping[str, str]) -> str:
        """The same as `render`, where every placeholder of the list has its value."""
        filled = [part + replacements[name] for part, name in zip(self.parts, self.names, strict=False)]
        return "".join((*filled, self.parts[-1]))


def is_blank(text: str) -> bool:
    """Whether nothing of it would be seen: blanks of every kind, and marks without width."""
    return all(unicodedata.category(char)[0] in "ZC" or char in _UNSEEN for char in text)


def tidied(text: str) -> str:
    """Without blanks around it, and with one character for each line's end, where browsers send two."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def mistakes(text: str) -> list[str]:
    """What is wrong with the placeholders in `text`, a sentence each."""
    known = ", ".join(f"{{{{ {name} }}}}" for name in PLACEHOLDERS)
    unknown = sorted({match[1].strip() for match in _PLACEHOLDER.finditer(text)} - PLACEHOLDERS.keys())
    found = [f"There is no placeholder {{{{ {name} }}}}. Use one of {known}." for name in unknown]
    rest = _PLACEHOLDER.sub("", text)
    if "{{" in rest or "}}" in rest or "{%" in rest:
        found.append(f"A placeholder is not closed, or not one: {{{{ and }}}} go in pairs, as in {known}.")
    return found


def subject_mistakes(text: str) -> list[str]:
    """A line's end in a header would begin another one; Python takes more characters for it than a keyboard has."""
    found = mistakes(text)
    if any(unicodedata.category(char) in ("Cc", "Zl", "Zp") for char in text):
        found.append("A subject is one line, without tabs and other control characters.")
    elif is_blank(text):
        found.append("Nothing of this subject would be seen. Write some words.")
    return found


def sms_mistakes(text: str) -> list[str]:
    found = mistakes(text)
    if text and is_blank(text):
        found.append("Nothing of this text would be seen. Write some words, or leave it empty to send no SMS.")
    return found


@dataclass(frozen=True)
class SmsSize:
    encoding: str
    units: int
    segments: int

    @property
    def room(self) -> int:
        """The units that so many segments hold, or one where there is none yet."""
        alone, part = (160, 153) if self.encoding == "GSM-7" else (70, 67)
        return alone if self.segments <= 1 else part * self.segments


def sms_size(text: str) -> SmsSize:
    """How `text` travels: GSM-7 in septets (160 alone, 153 in parts) or UCS-2 in 16-bit units (70 alone, 67 in parts).

    A segment never splits an escaped character or a surrogate pair, so a part may end one unit early.
    """
    if all(char in _GSM_BASIC or char in _GSM_EXTENSION for char in text):
        widths = [2 if char in _GSM_EXTENSION else 1 for char in text]
        return _sized("GSM-7", widths, alone=160, part=153)
    return _sized("UCS-2", [2 if ord(char) > 0xFFFF else 1 for char in text], alone=70, part=67)


def beyond_gsm(text: str) -> list[str]:
    """The characters that make an SMS UCS-2, each once, in the order of the text."""
    return list(dict.fromkeys(char for char in text if char not in _GSM_BASIC and char not in _GSM_EXTENSION))


def in_words(char: str) -> str:
    """“…” (horizontal ellipsis; write ... instead)"""
    name = unicodedata.name(char, f"U+{ord(char):04X}").lower()
    shown = char if unicodedata.category(char)[0] not in "CMZ" else ""
    plainer = f"; write {_PLAINER[char]} instead" if char in _PLAINER else ""
    return f"“{shown}” ({name}{plainer})" if shown else f"{name}{plainer}"


def sms_at_most(text: str, *, longest_name: int, topic: str) -> tuple[SmsSize, SmsSize]:
    """The sizes that `text` does not exceed for any client whose name has up to so many characters.

    The first is for names within GSM-7's basic set, the second for names beyond it, which take the whole text to UCS-2;
    they are the same where the text names nobody. A first name can be as long as the whole.
    """
    within, beyond = (
        sms_size(sms(text, {"name": name, "first_name": name, "topic": topic}))
        for name in ("n" * longest_name, "я" * longest_name)
    )
    return within, beyond


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
