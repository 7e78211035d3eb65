"""What a notification says in other languages than the default one, and which text a client gets.

All of it is kept as one text of JSON beside the notification's own texts. So it is saved, versioned, frozen into a
broadcast, compared and approved together with them, in one row, and no part of it can be missed.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from types import MappingProxyType

import msgspec

from notifier.languages import offered

#: The parts of an e-mail, and of an SMS: a variant is complete for a channel once it has all that are needed.
NEEDED = {"email": ("subject", "email_body"), "sms": ("sms_body",)}


@dataclass(frozen=True, slots=True)
class Texts:
    """What is said in one language; a part that is not written is empty."""

    subject: str = ""
    preheader: str = ""
    email_body: str = ""
    sms_body: str = ""

    def missing(self, channel: str) -> list[str]:
        """The parts that an e-mail, or an SMS, still needs."""
        return [name for name in NEEDED[channel] if not getattr(self, name).strip()]

    def __bool__(self) -> bool:
        return any(asdict(self).values())


NONE: Mapping[str, Texts] = MappingProxyType({})


@lru_cache(maxsize=128)
def read(kept: str) -> Mapping[str, Texts]:
    """By language. "" where there are none; a part that a later release adds is passed over."""
    return MappingProxyType(msgspec.json.decode(kept, type=dict[str, Texts])) if kept else NONE


def write(texts: Mapping[str, Texts]) -> str:
    """The same for the same texts, and "" for none, so that two can be compared as they are."""
    kept = {code: texts[code] for code in sorted(texts) if texts[code]}
    return msgspec.json.encode(kept).decode() if kept else ""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The text that a client gets on one channel."""

    #: In which language it is written.
    language: str
    texts: Texts


def choose(*, own: Texts, others: Mapping[str, Texts], channel: str, language: str | None) -> Chosen:
    """In the client's language, where there is all that this channel needs in it; else the notification's own."""
    code = offered.of(language)
    found = others.get(code) if code != offered.default() else None
    if found is None or found.missing(channel):
        return Chosen(offered.default(), own)
    return Chosen(code, found)


def sent(others: Mapping[str, Texts], channel: str) -> tuple[str, ...]:
    """What some clients may read of these on one channel: of each language that is offered and complete for it."""
    parts = ("subject", "preheader", "email_body") if channel == "email" else ("sms_body",)
    complete = (others[code] for code in offered.codes()[1:] if code in others and not others[code].missing(channel))
    return tuple(getattr(texts, part) for texts in complete for part in parts)


@dataclass(frozen=True, slots=True)
class Completeness:
    """How far a notification is written in one of the other languages."""

    code: str
    #: The channels that are complete in it, and the parts that are missing of the others, both by channel.
    complete: tuple[str, ...] = ()
    missing: Mapping[str, list[str]] = field(default_factory=dict)
    is_begun: bool = False

    @property
    def name(self) -> str:
        return offered.name(self.code)

    @property
    def is_complete(self) -> bool:
        return not self.missing

    @property
    def words(self) -> str:
        """As in "SMS missing", behind the language's name."""
        if self.is_complete:
            return "complete"
        if not self.is_begun:
            return "not written"
        names = {"subject": "subject", "email_body": "e-mail text", "sms_body": "SMS"}
        return f"{' and '.join(names[part] for parts in self.missing.values() for part in parts)} missing"


def completeness(*, own: Texts, others: Mapping[str, Texts]) -> list[Completeness]:
    """Of each other language that is offered: what of the channels that the notification has a text for is missing."""
    used = [channel for channel, parts in NEEDED.items() if getattr(own, parts[-1]).strip()]
    found = []
    for code in offered.codes()[1:]:
        texts = others.get(code, Texts())
        missing = {channel: parts for channel in used if (parts := texts.missing(channel))}
        complete = tuple(channel for channel in used if channel not in missing)
        found.append(Completeness(code, complete, missing, bool(texts)))
    return found
