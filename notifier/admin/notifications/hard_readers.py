"""The readers whom a draft is hardest on: the longest and the shortest values, a missing one, and right to left."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from notifier.admin.lists.base import BackOfficeAdmin
from notifier.admin.notifications import draft_pages, drafts
from notifier.admin.notifications.drafts import Draft, Reader, Shown
from notifier.audience import hard_readers
from notifier.audience.hard_readers import Extreme
from notifier.languages import offered
from notifier.messages import placeholders, sms_segments
from notifier.models import Channel, Client
from notifier.staff import groups

#: What each is called, and who it is where there is nobody.
KINDS = {
    Extreme.LONGEST: ("Longest", "Nobody: the text has no placeholder, or nobody would get it."),
    Extreme.SHORTEST: ("Shortest", "Nobody: the text has no placeholder, or nobody would get it."),
    Extreme.MISSING: ("Missing a value", "Nobody who would get it lacks a value."),
    Extreme.RIGHT_TO_LEFT: ("Right to left", "Nobody who would get it reads or is called so."),
}


@dataclass(frozen=True, slots=True)
class HardReader:
    label: str
    nobody: str
    #: None where there is none of the kind.
    reader: Reader | None = None
    shown: Shown | None = None
    lacks: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """By which the page finds the client."""
        client = self.reader.client if self.reader else None
        return str(client.email or client.phone) if client else ""

    @property
    def size(self) -> sms_segments.SmsSize | None:
        return sms_segments.measure(self.shown.sms) if self.shown and self.shown.sms else None


def hard_readers_page(model_admin: BackOfficeAdmin, request: HttpRequest) -> HttpResponse:
    """One of each kind, for the draft that was posted, or for a notification as it was saved."""
    if not request.user.has_perm(groups.VIEW_CLIENT):
        raise PermissionDenied
    draft = draft_pages.draft_of(model_admin, request)
    language = _language(request, draft)
    return draft_pages.in_frame(
        request,
        draft_pages.part_or_page(request, "hard_readers"),
        found=of(draft, language),
        language=offered.name(language) if language else "",
    )


def _language(request: HttpRequest, draft: Draft) -> str | None:
    """The one that the preview is in; None where the draft is in one language, which everybody reads."""
    asked = draft_pages.asked_language(request)
    return asked if draft.variants else None


def of(draft: Draft, language: str | None = None) -> list[HardReader]:
    """In the order of `KINDS`; of one without a topic nobody. `language`: only those who are written to in it."""
    channel = Channel.EMAIL if draft.email_body.strip() else Channel.SMS
    keys, needed = placeholders.used(*draft.texts), placeholders.needed(*draft.texts)
    found: Mapping[Extreme, Client] = {}
    if draft.topic:
        found = hard_readers.find(topic=draft.topic, channel=channel, keys=keys, needed=needed, language=language)
    made = []
    for kind, (label, nobody) in KINDS.items():
        client = found.get(kind)
        if client is None:
            made.append(HardReader(label, nobody))
            continue
        reader = Reader(client.name, "", client, client.language)
        shown, lacks = drafts.show(draft=draft, reader=reader), drafts.lacks(draft=draft, reader=reader)
        made.append(HardReader(label, nobody, reader, shown, tuple(lacks)))
    return made
