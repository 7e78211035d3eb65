"""What a broadcast keeps of an audience: its conditions as they are stored, and in words."""

from typing import Any

from notifier.models import Broadcast, SavedAudience
from notifier.saved_audiences import document as documents
from notifier.saved_audiences import known as knowing
from notifier.saved_audiences import words

COLUMNS = ("saved_audience_id", "audience_document", "audience_name", "audience_text", "audience_of")


def columns(audience: SavedAudience) -> dict[str, Any]:
    """Of a saved audience, for a broadcast to it. Raises `BrokenAudience`."""
    document = documents.parse(audience.document)
    known = knowing.of(document)
    knowing.check(document, known)
    values = (audience.pk, documents.as_json(document), audience.name, words.of_document(document, known))
    return dict(zip(COLUMNS, (*values, audience.updated_at), strict=True))


def columns_of(broadcast: Broadcast) -> dict[str, Any]:
    """What a broadcast that follows this one takes over."""
    return {name: getattr(broadcast, name) for name in COLUMNS}
