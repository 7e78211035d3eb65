"""How a text reads for one of the clients who get it, an e-mail without its HTML."""

from dataclasses import dataclass

from notifier.admin.broadcasts import email_preview
from notifier.audience import readers
from notifier.audience.readers import Readers
from notifier.messages import placeholders
from notifier.models import Broadcast, Channel, Client, Notification
from notifier.runtime import clock


@dataclass(frozen=True, slots=True)
class SampleText:
    """A text as one client reads it."""

    subject: str
    #: Of an e-mail: what stands after the subject in the inbox.
    preheader: str
    #: An e-mail without its HTML.
    text: str
    #: The URL of the page that shows the e-mail, for a frame; empty for an SMS.
    email_url: str
    #: What Gmail would not show of it, in a sentence; empty where it shows all.
    warning: str = ""


def sample_text(
    text: Notification | Broadcast,
    channel: Channel,
    sample: Client | None,
    language: str | None = None,
    audience: str = "",
) -> SampleText:
    """As a client of this language reads it. `audience`: to whom it would go, for the URL of the e-mail."""
    replacements = email_preview.values(text, channel, sample, language)
    texts = text.chosen(channel, language).texts
    subject, body = placeholders.render(texts.subject, replacements), getattr(texts, channel.body_field).strip()
    if channel == Channel.EMAIL and body:
        preheader = placeholders.render(texts.preheader, replacements)
        written, url = email_preview.as_text(text, replacements, language), email_preview.url(text, language, audience)
        return SampleText(subject, preheader, written, url, email_preview.size_warning(text, replacements, language))
    return SampleText(subject, "", placeholders.sms(body, replacements, reader=language), "")


@dataclass(frozen=True, slots=True)
class SampleVariant:
    """A text in another language, as one client reads it on each channel for which it is complete."""

    name: str
    shown: list[SampleText]
    #: Names of the channels that it has no complete text for, and on which the default one is sent.
    instead: str


def variants_of(text: Notification | Broadcast, found: Readers, audience: str = "") -> list[SampleVariant]:
    """Of each other language in which something is complete, as one who reads it gets it. `audience`: see `To.query`"""
    made = []
    for one in text.completeness:
        if one.complete:
            samples, channels = found.of(one.code), [Channel(kind) for kind in one.complete]
            shown = [sample_text(text, each, samples.get(each), one.code, audience) for each in channels]
            made.append(SampleVariant(one.name, shown, " and ".join(Channel(kind).in_words for kind in one.missing)))
    return made


def samples_of(broadcast: Broadcast, *, is_known: bool = True) -> list[SampleText]:
    """Its frozen texts, each as one client reads it; nobody is counted. Without `is_known` the client is invented."""
    samples = _readers(broadcast, is_known=is_known).of()
    return [sample_text(broadcast, channel, samples.get(channel)) for channel in broadcast.channels]


def frozen_variants(broadcast: Broadcast, *, is_known: bool = True) -> list[SampleVariant]:
    """Likewise, those in other languages."""
    if not broadcast.variants:
        return []
    return variants_of(broadcast, _readers(broadcast, is_known=is_known))


def _readers(broadcast: Broadcast, *, is_known: bool) -> Readers:
    return readers.find(broadcast, now=clock.now()) if is_known else readers.NOBODY
