"""A notification while it is written: how it will read for one client, how long it is, and what is wrong with it.

Nothing of it is stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.db.models.functions import Length
from django.utils.translation import gettext

from notifier.addresses import phones
from notifier.admin.broadcasts import email_preview
from notifier.admin.broadcasts.email_preview import NOBODY
from notifier.admin.lists import search
from notifier.admin.notifications import forms
from notifier.audience import reachable
from notifier.languages import offered
from notifier.messages import email, fill_ins, lines, markdown, placeholders, sms_segments, variants
from notifier.messages.variants import Chosen, Completeness, Texts
from notifier.models import Brand, Channel, Client, Notification, Topic
from notifier.models.notifications import text_mistakes
from notifier.policies import client_values
from notifier.wording import numbers

#: Clients offered while a name is typed.
OFFERED = 8
#: The texts of a draft, as the form names its fields.
_TEXTS = {"subject": "Subject", "preheader": "Preheader", "email_body": "E-mail", "sms_body": "SMS"}
#: Stands for the topic until one is chosen.
NO_TOPIC = "Topic"


@dataclass(frozen=True, slots=True)
class Draft:
    topic: Topic | None
    subject: str
    preheader: str
    email_body: str
    sms_body: str
    #: In other languages, by language.
    variants: Mapping[str, Texts] = field(default_factory=dict)

    @classmethod
    def of(cls, notification: Notification) -> "Draft":
        return cls._of(notification.topic, notification.own_texts, _offered(notification.other_texts))

    @classmethod
    def read(cls, posted: Mapping[str, str]) -> "Draft":
        """What the form posts, valid or not."""
        topic_id = numbers.read_id(posted.get("topic", ""))
        topic = Topic.objects.filter(pk=topic_id).first() if topic_id is not None else None
        texts = [
            # One letter more than a text may have is enough to say that it is too long, each time that it is looked at.
            placeholders.tidied(posted.get(name, "")[: markdown.MAX_LETTERS + 1])
            for name in _TEXTS
        ]
        return cls._of(topic, Texts(*texts), forms.read_variants(posted, most=markdown.MAX_LETTERS + 1))

    @classmethod
    def _of(cls, topic: Topic | None, own: Texts, others: Mapping[str, Texts]) -> "Draft":
        return cls(topic, own.subject, own.preheader, own.email_body, own.sms_body, others)

    @classmethod
    def read_values(cls, values: Mapping[str, Any]) -> "Draft":
        """What the form of a new one begins with."""
        return cls.read({name: str(value) for name, value in values.items() if value is not None})

    @property
    def own_texts(self) -> Texts:
        return Texts(self.subject, self.preheader, self.email_body, self.sms_body)

    def chosen(self, channel: Channel, language: str | None) -> Chosen:
        """The text that a client of this language would get."""
        return variants.choose(own=self.own_texts, others=self.variants, channel=channel.value, language=language)

    @property
    def completeness(self) -> list[Completeness]:
        return variants.completeness(own=self.own_texts, others=self.variants)

    @property
    def texts(self) -> tuple[str, ...]:
        """All that some client would read of it."""
        others = (text for channel in Channel for text in variants.sent(self.variants, channel.value))
        return (self.subject, self.preheader, self.email_body, self.sms_body, *others)

    @property
    def topic_name(self) -> str:
        return self.topic.name if self.topic else NO_TOPIC

    @property
    def mistakes(self) -> dict[str, list[str]]:
        """What would be refused when it is saved, by the text's name; a text that is not written yet is no mistake."""
        found = text_mistakes(**{name: getattr(self, name) for name in _TEXTS})
        said = {_TEXTS[name]: sentences for name, sentences in found.items()}
        for code, texts in self.variants.items():
            theirs = text_mistakes(**{name: getattr(texts, name) for name in _TEXTS})
            if not texts.subject:
                theirs.pop("subject", None)
            said |= {f"{_TEXTS[name]} ({offered.name(code)})": sentences for name, sentences in theirs.items()}
        return said

    @property
    def warnings(self) -> dict[str, list[str]]:
        """What may go out and is hardly meant, by the text's name."""
        found = {name: fill_ins.warnings(getattr(self, name)) for name in _TEXTS}
        found["email_body"] = [*markdown.warnings(self.email_body), *found["email_body"]]
        said = {_TEXTS[name]: sentences for name, sentences in found.items() if sentences}
        for code, texts in self.variants.items():
            theirs = {name: fill_ins.warnings(getattr(texts, name)) for name in _TEXTS}
            theirs["email_body"] = [*markdown.warnings(texts.email_body), *theirs["email_body"]]
            name_of = f"({offered.name(code)})"
            said |= {f"{_TEXTS[name]} {name_of}": sentences for name, sentences in theirs.items() if sentences}
        return said


def _offered(texts: Mapping[str, Texts]) -> dict[str, Texts]:
    return {code: one for code, one in texts.items() if code in offered.codes()}


EMPTY = Draft(None, "", "", "", "")


@dataclass(frozen=True, slots=True)
class Reader:
    """The client as whom a draft is shown."""

    name: str
    #: A sentence that says who that is and why.
    words: str
    client: Client | None = None
    #: In which they are written to.
    language: str | None = None

    def values(self, draft: Draft, channel: Channel = Channel.EMAIL) -> dict[str, str]:
        """What takes the place of the draft's placeholders, as this reader reads it."""
        return client_values.of_client(
            self.client or email_preview.nobody(),
            topic=draft.topic_name,
            keys=placeholders.used(*draft.texts),
            language=self.language,
            channel=channel,
        )


def in_language(reader: Reader, draft: Draft, language: str) -> Reader:
    """The same reader, as if they were written to in this language, with a sentence where there is no text in it."""
    name, default = offered.name(language), offered.name(offered.default())
    used = [channel for channel in Channel if draft.chosen(channel, None).texts.missing(channel.value) == []]
    instead = [one.in_words for one in used if draft.chosen(one, language).language != language]
    words = f" In {name}: {' and '.join(instead)} not complete, so the {default} text is sent." if instead else ""
    return replace(reader, language=language, words=f"{reader.words}{words}")


def find_reader(*, term: str, draft: Draft, may_see_clients: bool) -> Reader:
    """The first client that the term finds; if there is none, a client who would get it; else an invented one."""
    if not may_see_clients:
        return Reader(
            NOBODY,
            gettext("Shown for %(nobody)s, a made-up client, because you don’t have permission to see clients.")
            % {"nobody": NOBODY},
        )
    found = list(clients_found(term)) if term else []
    if found:
        first = found[0]
        others = " This is the first of several clients found." if len(found) > 1 else ""
        return Reader(first.name, f"Shown for {_called(first)}.{others}", first)
    missed = f"No client found for “{term}”. " if term else ""
    sample = _sample(draft) if draft.topic else None
    if sample is None:
        return Reader(
            NOBODY, gettext("%(missed)sShown for %(nobody)s, a made-up client.") % {"missed": missed, "nobody": NOBODY}
        )
    return Reader(
        sample.name,
        gettext("%(missed)sShown for %(sample)s, who would get it.") % {"missed": missed, "sample": _called(sample)},
        sample,
    )


def lacks(*, draft: Draft, reader: Reader) -> list[str]:
    """A sentence for each value that the draft needs and that this reader lacks."""
    values = reader.values(draft)
    return [
        f"{reader.name} has no {placeholders.in_words(key)}, and would be skipped. Clients without one get the text if "
        f"you add a fallback: {placeholders.with_example(key)}."
        for key in placeholders.needed(*draft.texts)
        if not values[key]
    ]


def clients_found(term: str) -> list[Client]:
    return search.first_by_name(term, most=OFFERED) if term.strip() else []


def _sample(draft: Draft) -> Client | None:
    """One who has a value for every placeholder, if there is one."""
    topic = draft.topic
    needed = client_values.missable(placeholders.needed(*draft.texts))
    if topic is None:
        return None
    found = (
        reachable.sample(topic=topic, channel=channel, needed=keys)
        for keys in ((needed, ()) if needed else ((),))
        for channel in Channel
    )
    return next(filter(None, found), None)


def _called(client: Client) -> str:
    return f"{client.name} ({client.email or phones.spaced(str(client.phone))})"


@dataclass(frozen=True, slots=True)
class Shown:
    """A draft as one reader will see it."""

    subject: str
    preheader: str
    html: str
    text: str
    sms: str
    link_token: str
    list_id: str

    @property
    def html_to_look_at(self) -> str:
        return email_preview.for_a_frame(self.html)


def show(*, draft: Draft, reader: Reader) -> Shown:
    values = reader.values(draft)
    chosen = draft.chosen(Channel.EMAIL, reader.language)
    texts, sms = chosen.texts, draft.chosen(Channel.SMS, reader.language).texts
    rendered = email.render(
        subject=texts.subject,
        preheader=texts.preheader,
        body=texts.email_body,
        brand=Brand.objects.look(),
        language=chosen.language,
        reader=reader.language,
    )
    link_token = email_preview.test_token(draft.topic)
    return Shown(
        subject=lines.one_line(placeholders.render(texts.subject, values)),
        preheader=lines.one_line(placeholders.render(texts.preheader, values)),
        html=rendered.html_for(values, link_token) if texts.email_body else "",
        text=rendered.text_for(values, link_token) if texts.email_body else "",
        sms=placeholders.sms(sms.sms_body, reader.values(draft, Channel.SMS), reader=reader.language),
        link_token=link_token,
        list_id=draft.topic.slug if draft.topic else "",
    )


@dataclass(frozen=True, slots=True)
class EmailSize:
    """How large an e-mail is for one reader: its HTML, without its pictures."""

    kilobytes: int
    #: A sentence where Gmail would cut it off.
    warning: str


def email_size(*, draft: Draft, reader: Reader) -> EmailSize | None:
    """None without an e-mail text."""
    html = show(draft=draft, reader=reader).html
    return EmailSize(max(1, round(email.size_of(html) / 1000)), email.size_warning(html)) if html else None


@dataclass(frozen=True, slots=True)
class SmsLength:
    """How long an SMS is for one reader, why, and how long it can get for any client."""

    size: sms_segments.SmsSize
    #: The characters that make it UCS-2, in words: those of the text, which staff can change, and of the reader's name.
    forced_by_text: list[str]
    forced_by_name: list[str]
    #: The longest name of all clients, and the largest size of the SMS for a name of that length: where all characters
    #: are in GSM-7, and where some are not.
    longest_name: str
    #: Its placeholders that are fields: how long their values get, this page does not ask of all clients.
    fields: tuple[str, ...]
    within: sms_segments.SmsSize
    beyond: sms_segments.SmsSize

    @property
    def names_someone(self) -> bool:
        return not self.fields and (self.within != self.beyond or self.within != self.size)

    @property
    def fields_in_words(self) -> str:
        return " and ".join(map(placeholders.in_words, self.fields))


def sms_length(*, draft: Draft, reader: Reader) -> SmsLength:
    body, nobody = (
        draft.chosen(Channel.SMS, reader.language).texts.sms_body,
        placeholders.values(topic=draft.topic_name),
    )
    text = sms_segments.beyond_gsm(placeholders.sms(body, nobody, reader=reader.language))
    values = reader.values(draft, Channel.SMS)
    shown = placeholders.sms(body, values, reader=reader.language)
    longest = _longest_name()
    within, beyond = sms_segments.upper_bounds(
        body, longest_name=len(longest), topic=draft.topic_name, reader=reader.language
    )
    return SmsLength(
        size=sms_segments.measure(shown),
        forced_by_text=[sms_segments.describe(char) for char in text],
        forced_by_name=[sms_segments.describe(char) for char in sms_segments.beyond_gsm(shown) if char not in text],
        longest_name=longest,
        fields=tuple(key for key in placeholders.used(body) if key not in placeholders.PLACEHOLDERS),
        within=within,
        beyond=beyond,
    )


def _longest_name() -> str:
    """Found by an index on the length."""
    return Client.objects.order_by(Length("name").desc()).values_list("name", flat=True).first() or NOBODY
