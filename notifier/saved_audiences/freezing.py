"""What a broadcast keeps of an audience: its conditions as they are stored, and in words."""

from datetime import datetime
from typing import Any

from notifier.models import Broadcast, SavedAudience
from notifier.saved_audiences import document as documents
from notifier.saved_audiences import known as knowing
from notifier.saved_audiences import saving, words
from notifier.saved_audiences.document import BrokenAudience, Document

COLUMNS = ("saved_audience_id", "audience_document", "audience_name", "audience_text", "audience_of")
#: What conditions are called that nobody saved under a name.
ONE_OFF = "A filtered list"


def columns(audience: SavedAudience) -> dict[str, Any]:
    """Of a saved audience, for a broadcast to it. Raises `BrokenAudience`."""
    document = documents.parse(audience.document)
    known = knowing.of(document)
    knowing.check(document, known)
    values = (audience.pk, documents.as_json(document), audience.name, words.of_document(document, known))
    return dict(zip(COLUMNS, (*values, audience.updated_at), strict=True))


def columns_of_list(document: Document, *, now: datetime) -> dict[str, Any]:
    """Of the conditions of a list of clients, within the transaction that makes the broadcast.

    Nobody can edit them later. Raises `BrokenAudience`.
    """
    saving.lock(document)
    known = knowing.of(document)
    knowing.check(document, known)
    values = (None, documents.as_json(document), ONE_OFF, words.of_document(document, known))
    return dict(zip(COLUMNS, (*values, now), strict=True))


def text_of(broadcast: Broadcast) -> str:
    """How its conditions read: by the names that tags and fields had when it started, and until then have now."""
    if broadcast.started_at is None:
        try:
            document = documents.parse(broadcast.audience_document)
        except BrokenAudience:
            return broadcast.audience_text
        return words.of_document(document, knowing.of(document))
    return broadcast.audience_text


def columns_of(broadcast: Broadcast) -> dict[str, Any]:
    """What a broadcast that follows this one takes over."""
    return {name: getattr(broadcast, name) for name in COLUMNS}
