"""How a text reads for one of the clients who get it, an e-mail without its HTML."""

from collections.abc import Mapping
from dataclasses import dataclass

from notifier.admin.broadcasts import email_preview
from notifier.audience import reachable
from notifier.messages import placeholders
from notifier.models import Broadcast, Channel, Client, Delivery, Notification
from notifier.policies import client_values
from notifier.runtime import clock
from notifier.saved_audiences import compiling
from notifier.saved_audiences.document import BrokenAudience


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
    text: Notification | Broadcast, channel: Channel, sample: Client | None, language: str | None = None
) -> SampleText:
    """As a client of this language reads it."""
    replacements = email_preview.values(text, channel, sample, language)
    texts = text.chosen(channel, language).texts
    subject, body = placeholders.render(texts.subject, replacements), getattr(texts, channel.body_field).strip()
    if channel == Channel.EMAIL and body:
        preheader = placeholders.render(texts.preheader, replacements)
        written, url = email_preview.as_text(text, replacements, language), email_preview.url(text, language)
        return SampleText(subject, preheader, written, url, email_preview.size_warning(text, replacements, language))
    return SampleText(subject, "", placeholders.sms(body, replacements, reader=language), "")


@dataclass(frozen=True, slots=True)
class SampleVariant:
    """A text in another language, as one client reads it on each channel for which it is complete."""

    name: str
    shown: list[SampleText]
    #: Names of the channels that it has no complete text for, and on which the default one is sent.
    instead: str


def variants_of(text: Notification | Broadcast, samples: Mapping[Channel, Client | None]) -> list[SampleVariant]:
    """Of each other language in which something is complete."""
    return [
        SampleVariant(
            one.name,
            [sample_text(text, Channel(kind), samples.get(Channel(kind)), one.code) for kind in one.complete],
            " and ".join(Channel(kind).in_words for kind in one.missing),
        )
        for one in text.completeness
        if one.complete
    ]


def samples_of(broadcast: Broadcast, *, is_known: bool = True) -> list[SampleText]:
    """Its frozen texts, each as one client reads it; nobody is counted. Without `is_known` the client is invented."""
    found = _readers(broadcast, is_known=is_known)
    return [sample_text(broadcast, channel, found[channel]) for channel in broadcast.channels]


def frozen_variants(broadcast: Broadcast, *, is_known: bool = True) -> list[SampleVariant]:
    """Likewise, those in other languages."""
    if not broadcast.variants:
        return []
    return variants_of(broadcast, _readers(broadcast, is_known=is_known))


def _readers(broadcast: Broadcast, *, is_known: bool) -> dict[Channel, Client | None]:
    """Clients of its audience; without `is_known`, or where nobody can say who is in it, none."""
    try:
        within = compiling.of_broadcast(broadcast, now=clock.now()) if is_known else None
    except BrokenAudience:
        is_known = False

    def sample(channel: Channel) -> Client | None:
        needed = client_values.needed(broadcast, channel)
        found = reachable.sample(topic=broadcast.topic, channel=channel, needed=needed, within=within)
        return found or (_recipient(broadcast, channel) if within else None)

    return {channel: sample(channel) if is_known else None for channel in broadcast.channels}


def _recipient(broadcast: Broadcast, channel: Channel) -> Client | None:
    """Whoever got it may not be in its audience any more: of clients who had nothing for a month they are the first."""
    rows = Delivery.objects.filter(broadcast=broadcast.pk, channel=channel).order_by("client_id")
    found = rows.values_list("client_id", flat=True).first()
    return Client.objects.filter(pk=found, erased_at=None).first() if found else None
