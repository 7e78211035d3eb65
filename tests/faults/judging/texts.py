"""What a message must say, reckoned from what was frozen in its broadcast and what was on record of its client.

As `judge`, it shares no line with the product.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email import message_from_string, policy
from html import unescape
from typing import NamedTuple

_HOLE = re.compile(r"\{\{ (\w+)(?: \| \"([^\"]*)\")? \}\}")
#: What a text in another language must have to be sent on a channel.
NEEDED = {"email": ("subject", "email_body"), "sms": ("sms_body",)}
#: Which text a message is told by.
TOLD_BY = {"email": "subject", "sms": "sms_body"}


class Version(NamedTuple):
    """What was on record of a client from a moment on, until the next version."""

    #: Seconds since 1970, when it had been committed.
    since: float
    #: "" where there is none.
    language: str
    #: By placeholder, as a client of that language reads it in a mail; without those that are missing.
    values: Mapping[str, str]


@dataclass(frozen=True)
class Frozen:
    """The texts of a broadcast: the default one, and others by language."""

    default: Mapping[str, str]
    others: Mapping[str, Mapping[str, str]]

    def chosen(self, channel: str, language: str) -> Mapping[str, str]:
        """The text in the client's language, if it is complete; else the default one."""
        found = self.others.get(language, {})
        return found if _is_complete(found, channel) else self.default

    def is_told_by(self, told: str, channel: str, language: str) -> bool:
        """Whether it begins as the text of that language does, whatever stands in the place of its placeholders."""
        parts = re.split(r"\{\{[^{}]*\}\}", self.chosen(channel, language)[TOLD_BY[channel]])
        return re.match("[^\n]*?".join(map(re.escape, parts)), told) is not None

    def lacks(self, channel: str, version: Version) -> bool:
        """Whether there is no value for what the text has no fallback for, in whichever language."""
        complete = [self.default, *(one for one in self.others.values() if _is_complete(one, channel))]
        return any(filled(text[name], version.values) is None for text in complete for name in NEEDED[channel])

    def is_text_of(self, version: Version, channel: str, told: str, bodies: Sequence[str]) -> bool:
        """Whether that is, word for word, what a client of whom this is on record reads."""
        if self.lacks(channel, version):
            return False
        text = self.chosen(channel, version.language)
        values = version.values if channel == "email" else _plainer(version.values)
        if told != filled(text[TOLD_BY[channel]], values):
            return False
        return channel != "email" or _have(bodies, filled(text["email_body"], values) or "")


def _plainer(values: Mapping[str, str]) -> dict[str, str]:
    """As an SMS has them: a blank of another kind would more than halve its room."""
    return {key: value.replace("\u00a0", " ") for key, value in values.items()}


def _is_complete(texts: Mapping[str, str], channel: str) -> bool:
    return all(texts.get(name) for name in NEEDED[channel])


def filled(text: str, values: Mapping[str, str]) -> str | None:
    """None where a value is missing for which there is no fallback."""
    holes = list(_HOLE.finditer(text))
    if any(not (values.get(hole[1]) or hole[2]) for hole in holes):
        return None
    return _HOLE.sub(lambda hole: values.get(hole[1]) or hole[2], text)


def _have(bodies: Sequence[str], text: str) -> bool:
    """Whether a mail's plain text and its HTML both say it, wherever their lines end."""
    return len(bodies) == 2 and all(_words(text) in body for body in bodies)


def _words(text: str) -> str:
    return " ".join(text.split())


def of_mail(raw: str) -> tuple[str, tuple[str, ...]]:
    """Its subject, and what a reader sees of its parts."""
    mail = message_from_string(raw, policy=policy.default)
    plain, html = (mail.get_body((kind,)) for kind in ("plain", "html"))
    seen = (plain.get_content() if plain else "", _without_tags(html.get_content()) if html else "")
    # A long one may begin with a line’s end, of which a blank is left.
    return str(mail["subject"] or "").strip(), tuple(_words(one) for one in seen if one)


def _without_tags(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", " ", re.sub(r"(?s)<(style|head)\b.*?</\1>", " ", html)))
