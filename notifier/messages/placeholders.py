"""Placeholders in what staff write: reading them, filling them in, and what is wrong with a text.

Some are built in; each field of clients that staff defined is one more, by its key. This module does not know which
there are: whatever is written like a placeholder is one, and what no field stands behind has no value for anybody.

`{{ first_name | "there" }}` has a fallback: what those read who have no first name. Without one a client with no value
gets no message at all (`notifier.delivery.claims`); `render` shows staff the gap, as in "Dear [no first name]".
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape, unescape
from typing import NamedTuple

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from notifier.languages import offered
from notifier.messages import lines

#: What a last line of each SMS may say, where SMS_STOP_LINE says nothing yet.
STOP_LINE = "Reply STOP to end"

#: The placeholders that are built in, each with what takes its place.
PLACEHOLDERS = {
    "name": "the client’s full name",
    "first_name": "the client’s first name",
    "last_name": "the client’s last name",
    "topic": "the topic’s name",
}
#: Those that every message has a value for. All others are the client's: `notifier.policies.client_values`.
NEVER_MISSING = frozenset({"topic"})
#: Examples of a fallback, for the sentences that ask for one: for a name, and for anything else.
FALLBACK, OTHER_FALLBACK = "there", "not known yet"
#: As `models.ClientField` has it. Anything else between the braces is a mistake, and stays as it stands.
_KEY = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
# Blanks are stripped afterwards: with `\s*` on both sides, an unclosed placeholder with 2,000 blanks took 8 s.
_PLACEHOLDER = re.compile(r"\{\{([^{}]*)\}\}")
#: Of either kind, since word processors and phones put in the curly ones by themselves.
_QUOTES = '"“”„‟«»'
_FALLBACK = re.compile(f"[{_QUOTES}]([^{_QUOTES}]*)[{_QUOTES}]")

#: The most letters of an SMS: providers take no more, as Twilio says (https://www.twilio.com/docs/api/errors/21617).
MAX_SMS_LETTERS = 1_600
#: No more unknown placeholders are named: a page that names thousands helps nobody. Nor more of those that there are.
MAX_NAMED = 5
MAX_OFFERED = 8
#: How many texts a process remembers the placeholders of: more broadcasts than that seldom run at once.
KEPT = 64


class Use(NamedTuple):
    """A placeholder as it stands in a text."""

    key: str
    #: What takes its place where the client has no value; empty where the text has none.
    fallback: str = ""

    @property
    def otherwise(self) -> str:
        """What stands in the place of a value that is missing: the fallback, or a gap that only staff see."""
        return self.fallback or f"[no {in_words(self.key)}]"

    def __str__(self) -> str:
        return f'{{{{ {self.key} | "{self.fallback}" }}}}' if self.fallback else f"{{{{ {self.key} }}}}"


def with_example(key: str) -> Use:
    """With a fallback, as an example."""
    return Use(key, FALLBACK if key in PLACEHOLDERS else OTHER_FALLBACK)


def in_words(key: str) -> str:
    return key.replace("_", " ")


@dataclass(frozen=True, slots=True)
class Fields:
    """The keys of the fields that staff defined, in their order."""

    active: Sequence[str] = ()
    #: Texts that are written now can't use these any more.
    retired: Sequence[str] = ()


NO_FIELDS = Fields()


def as_written(meanings: Mapping[str, str] = PLACEHOLDERS) -> list[tuple[str, str, str]]:
    """The name of each, how it stands in a text, and what takes its place."""
    return [(name, str(Use(name)), meaning) for name, meaning in meanings.items()]


def values(*, topic: str, **of_client: str) -> dict[str, str]:
    """The values of the placeholders for one client, empty where there is none or nobody would see it."""
    found = {key: "" if lines.is_blank(value) else value for key, value in of_client.items()}
    return {**dict.fromkeys(PLACEHOLDERS, ""), **found, "topic": topic}


def render(text: str, replacements: Mapping[str, str]) -> str:
    """`text` with every placeholder filled in; what is none, because nobody can read it, stays as it stands.

    Placeholders in a value are not replaced: a client whose name is `{{ topic }}` is called just that.
    """
    return replace(text, lambda use: replacements.get(use.key) or use.otherwise)


def replace(text: str, by: Callable[[Use], str]) -> str:
    """`text` with whatever `by` makes of each placeholder; anything else stays as it stands."""

    def one(match: re.Match[str]) -> str:
        return by(use) if (use := _read(match[1])) else match[0]

    return _PLACEHOLDER.sub(one, text)


def _read(inside: str, also: Collection[str] = ()) -> Use | None:
    """What stands between the braces; None for what can be no placeholder's key, or has no proper fallback."""
    name, bar, rest = inside.partition("|")
    key = name.strip()
    if not _KEY.fullmatch(key) and key not in also:
        return None
    if not bar:
        return Use(key)
    found = _FALLBACK.fullmatch(rest.strip())
    fallback = found[1].strip() if found else ""
    return Use(key, fallback) if fallback and lines.is_one_line(fallback) and not lines.is_blank(fallback) else None


@lru_cache(maxsize=KEPT)
def used(*texts: str) -> tuple[str, ...]:
    """The placeholders of the client that stand in any of these texts: those built in first, as the list has them."""
    return _in_order(use.key for text in texts for use in uses(text))


@lru_cache(maxsize=KEPT)
def needed(*texts: str) -> tuple[str, ...]:
    """Those of `used` that stand somewhere without a fallback: who has no value for one of them gets no message."""
    return _in_order(use.key for text in texts for use in uses(text) if not use.fallback)


def _in_order(keys: Iterable[str]) -> tuple[str, ...]:
    found = set(keys) - NEVER_MISSING
    return (*(key for key in PLACEHOLDERS if key in found), *sorted(found - PLACEHOLDERS.keys()))


def uses(text: str) -> list[Use]:
    """Every placeholder of the text, as often as it stands there."""
    return [use for match in _PLACEHOLDER.finditer(text) if (use := _read(match[1]))]


def names_fields(text: str) -> bool:
    """Whether one of its placeholders is not built in."""
    return any(use.key not in PLACEHOLDERS for use in uses(text))


def named(text: str) -> str:
    """`text` with the name of each placeholder in its place, for staff: "Hi [first name], spring is here"."""
    return replace(text, lambda use: f"[{in_words(use.key)}]")


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
    #: For each placeholder, what stands there where its value is missing.
    otherwise: tuple[str, ...]

    @classmethod
    def of(cls, text: str, *, also: Collection[str] = (), is_html: bool = False) -> "Pattern":
        """Cut at the placeholders, and at those in `also`.

        In HTML a placeholder is escaped like the rest of what staff wrote, and so is its fallback.
        """
        parts, names, otherwise, end = [], [], [], 0
        for match in _PLACEHOLDER.finditer(text):
            if use := _read(unescape(match[1]) if is_html else match[1], also):
                parts.append(text[end : match.start()])
                names.append(use.key)
                otherwise.append(escape(use.otherwise) if is_html else use.otherwise)
                end = match.end()
        return cls((*parts, text[end:]), tuple(names), tuple(otherwise))

    def fill(self, replacements: Mapping[str, str]) -> str:
        """The same as `render`."""
        each = zip(self.parts, self.names, self.otherwise, strict=False)
        filled = [part + (replacements.get(name) or otherwise) for part, name, otherwise in each]
        return "".join((*filled, self.parts[-1]))


def tidied(text: str) -> str:
    """`text` without blanks around it, and with one character at each line's end, where browsers send two."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def mistakes(text: str, fields: Fields = NO_FIELDS) -> list[str]:
    """A sentence for each thing that is wrong with the placeholders in `text`, where there are these fields."""
    there = (*PLACEHOLDERS, *fields.active)
    known = _offered(there)
    unreadable = {_name(match[1]) for match in _PLACEHOLDER.finditer(text) if not _read(match[1])}
    found = unusable(text, fields)
    found += [
        f"The fallback of {{{{ {key} }}}} can’t be read. Write it in quotation marks and in one line: "
        f"{with_example(key)}."
        for key in there
        if key in unreadable
    ]
    rest = _PLACEHOLDER.sub("", text)
    if "{{" in rest or "}}" in rest or "{%" in rest:
        found.append(f"A placeholder is incomplete: {{{{ and }}}} go in pairs, as in {known}.")
    return found


def unusable(text: str, fields: Fields) -> list[str]:
    """A sentence for each placeholder that there is not, or not any more."""
    there = (*PLACEHOLDERS, *fields.active)
    keys = {_name(match[1]) for match in _PLACEHOLDER.finditer(text)}
    retired = sorted(keys.intersection(fields.retired))
    unknown = sorted(keys.difference(there, retired))
    found = [f"There is no placeholder {{{{ {name} }}}}. Use one of {_offered(there)}." for name in unknown[:MAX_NAMED]]
    return found + [
        f"{Use(key)} can’t be used any more, because the field was retired. Take it out of the text, or restore the "
        "field."
        for key in retired[:MAX_NAMED]
    ]


def _name(inside: str) -> str:
    return inside.partition("|")[0].strip()


def _offered(keys: Sequence[str]) -> str:
    """As in "{{ name }}, {{ town }} and 12 more"."""
    some, rest = keys[:MAX_OFFERED], len(keys) - MAX_OFFERED
    return ", ".join(str(Use(key)) for key in some) + (f" and {rest} more" if rest > 0 else "")


def subject_mistakes(text: str, fields: Fields = NO_FIELDS) -> list[str]:
    """A sentence for each thing that is wrong with the subject of an e-mail."""
    found = mistakes(text, fields)
    if not lines.is_one_line(text):
        found.append("A subject must be one line, without tabs or other control characters.")
    elif lines.is_blank(text):
        found.append("Nothing in this subject would be visible. Write some text.")
    return found


def preheader_mistakes(text: str, fields: Fields = NO_FIELDS) -> list[str]:
    """A sentence for each thing that is wrong with what stands after the subject in the inbox; it may be empty."""
    found = mistakes(text, fields)
    if not lines.is_one_line(text):
        found.append("A preheader must be one line, without tabs or other control characters.")
    return found


def sms_mistakes(text: str, fields: Fields = NO_FIELDS) -> list[str]:
    """A sentence for each thing that is wrong with the text of an SMS."""
    found = mistakes(text, fields)
    if len(text) > MAX_SMS_LETTERS:
        found.append(f"The text is longer than {MAX_SMS_LETTERS:,} characters, which is too long for one SMS.")
    elif text and lines.is_blank(text):
        found.append("Nothing in this text would be visible. Write some text, or leave it empty to send no SMS.")
    return found
