"""How a text reads for one of the clients who get it, an e-mail without its HTML."""

from dataclasses import dataclass

from notifier.admin.broadcasts import email_preview
from notifier.audience import readers
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


def sample_text(text: Notification | Broadcast, channel: Channel, sample: Client | None) -> SampleText:
    replacements = email_preview.values(text, sample)
    subject, body = placeholders.render(text.subject, replacements), text.body(channel).strip()
    if channel == Channel.EMAIL and body:
        preheader = placeholders.render(text.preheader, replacements)
        written, url = email_preview.as_text(text, sample), email_preview.url(text)
        return SampleText(subject, preheader, written, url, email_preview.size_warning(text, sample))
    return SampleText(subject, "", placeholders.sms(body, replacements), "")


def samples_of(broadcast: Broadcast, *, is_known: bool = True) -> list[SampleText]:
    """Its frozen texts, each as one client reads it; nobody is counted. Without `is_known` the client is invented."""
    found = readers.of(broadcast, now=clock.now()) if is_known else {}
    return [sample_text(broadcast, channel, found.get(channel)) for channel in broadcast.channels]
