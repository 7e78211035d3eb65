"""Placeholders in what staff write: the fixed list of them, filling them in, and what is wrong with a text."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from notifier.languages import offered
from notifier.messages import lines

#: What a last line of each SMS may say, where SMS_STOP_LINE says nothing yet.
STOP_LINE = "Reply STOP to end"

#: The placeholders that staff may use, each with what takes its place.
PLACEHOLDERS = {
    "name": "the client’s full name",
    "first_name": "the first word of the client’s name",
    "topic": "the topic’s name",
}
# Blanks are stripped afterwards: with `\s*` on both sides, an unclosed placeholder with 2,000 blanks took 8 s.
_PLACEHOLDER = re.compile(r"\{\{([^{}]*)\}\}")

#: The most letters of an SMS: providers take no more, as Twilio says (https://www.twilio.com/docs/api/errors/21617).
MAX_SMS_LETTERS = 1_600
#: No more unknown placeholders are named: a page that names thousands helps nobody.
MAX_NAMED = 5


def as_written() -> list[tuple[str, str, str]]:
    """The name of each, how it stands in a text, and what takes its place."""
    return [(name, f"{{{{ {name} }}}}", meaning) for name, meaning in PLACEHOLDERS.items()]


def values(*, name: str, topic: str) -> dict[str, str]:
    """The values of the placeholders for one client."""
    return {"name": name, "first_name": name.split(maxsplit=1)[0] if name.strip() else name, "topic": topic}


def render(text: str, replacements: Mapping[str, str]) -> str:
    """`text` with every placeholder of the fixed list replaced; anything else stays as it stands.

    Placeholders in a value are not replaced: a client whose name is `{{ topic }}` is called just that.
    """
    return _PLACEHOLDER.sub(lambda match: replacements.get(match[1].strip(), match[0]), text)


def named(text: str) -> str:
    """`text` with the name of each placeholder in its place, for staff: "Hi [first name], spring is here"."""
    return render(text, {name: f"[{name.replace('_', ' ')}]" for name in PLACEHOLDERS})


@lru_cache(maxsize=64)
def our_stop_line(language: str) -> str:
    """`STOP_LINE` in this language."""
    with translation.override(language):
        return _("Reply STOP to end")


def stop_line(language: str | None = None) -> str:
    """The last line of each SMS to a client of this language; empty where there is none.

    What SMS_STOP_LINE says is for everyone, unless SMS_STOP_LINE_DE says it in German, or it is a line of ours, which
    is translated.
    """
    code, line = offered.of(language), settings.SMS_STOP_LINE
    own: str = settings.SMS_STOP_LINES.get(code, "")
    return own or (our_stop_line(code) if line == STOP_LINE else line)


def sms(text: str, replacements: Mapping[str, str], *, ending: str | None = None, reader: str | None = None) -> str:
    """An SMS as it goes out: the text for one client and, as its last line, how to stop these messages.

    That line is `ending`, or else that of the language of whoever reads it. It is not added where the text ends with it
    already.
    """
    line = stop_line(reader) if ending is None else ending
    rendered = render(text, replacements)
    if not line or not rendered.strip() or rendered.rstrip().endswith(line):
        return rendered
    return f"{rendered.rstrip()}\n{line}"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A text cut at its placeholders, to be filled many times. For a long text it takes a tenth of `render`'s time."""

    #: The text before each placeholder, and after the last.
    parts: tuple[str, ...]
    names: tuple[str, ...]

    @classmethod
    def of(cls, text: str, *, also: Collection[str] = ()) -> "Pattern":
        """Cut at the placeholders of the list, and at those in `also`."""
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


def tidied(text: str) -> str:
    """`text` without blanks around it, and with one character at each line's end, where browsers send two."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def mistakes(text: str) -> list[str]:
    """A sentence for each thing that is wrong with the placeholders in `text`."""
    known = ", ".join(f"{{{{ {name} }}}}" for name in PLACEHOLDERS)
    unknown = sorted({match[1].strip() for match in _PLACEHOLDER.finditer(text)} - PLACEHOLDERS.keys())
    found = [f"There is no placeholder {{{{ {name} }}}}. Use one of {known}." for name in unknown[:MAX_NAMED]]
    rest = _PLACEHOLDER.sub("", text)
    if "{{" in rest or "}}" in rest or "{%" in rest:
        found.append(f"A placeholder is incomplete: {{{{ and }}}} go in pairs, as in {known}.")
    return found


def subject_mistakes(text: str) -> list[str]:
    """A sentence for each thing that is wrong with the subject of an e-mail."""
    found = mistakes(text)
    if not lines.is_one_line(text):
        found.append("A subject must be one line, without tabs or other control characters.")
    elif lines.is_blank(text):
        found.append("Nothing in this subject would be visible. Write some text.")
    return found


def preheader_mistakes(text: str) -> list[str]:
    """A sentence for each thing that is wrong with what stands after the subject in the inbox; it may be empty."""
    found = mistakes(text)
    if not lines.is_one_line(text):
        found.append("A preheader must be one line, without tabs or other control characters.")
    return found


def sms_mistakes(text: str) -> list[str]:
    """A sentence for each thing that is wrong with the text of an SMS."""
    found = mistakes(text)
    if len(text) > MAX_SMS_LETTERS:
        found.append(f"The text is longer than {MAX_SMS_LETTERS:,} characters, which is too long for one SMS.")
    elif text and lines.is_blank(text):
        found.append("Nothing in this text would be visible. Write some text, or leave it empty to send no SMS.")
    return found
