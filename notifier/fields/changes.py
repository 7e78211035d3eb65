"""What was changed in a client's fields and tags, by whom and when, in words. Read only."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from notifier.fields.definitions import Definition, Definitions
from notifier.models import ValueChange
from notifier.values.base import Stored

#: A message about who changed something names no more of them.
MAX_NAMED = 5
#: Of a field that was deleted since.
DELETED = "a deleted field"


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """Of one field or of the tags; None: nothing."""

    label: str
    before: str | None
    after: str | None


def of_client(client_id: int) -> QuerySet[ValueChange]:
    """Newest first."""
    return ValueChange.objects.filter(client=client_id).select_related("by").order_by("-at", "-pk")


def differences(change: ValueChange, definitions: Definitions) -> list[FieldDifference]:
    """In the order of the fields, then the tags."""
    fields: Mapping[str, list[Any]] = change.changes.get("fields", {})
    known = {str(one.id): one for one in definitions}
    found = []
    for field_id in sorted(fields, key=lambda one: list(known).index(one) if one in known else len(known)):
        definition = known.get(field_id)
        before, after = (_shown(stored, definition) for stored in fields[field_id])
        found.append(FieldDifference(definition.label if definition else DELETED, before, after))
    return found + list(_of_tags(change.changes.get("tags", {})))


def _shown(stored: Stored | None, definition: Definition | None) -> str | None:
    if stored is None:
        return None
    return definition.type.show(definition.type.load(stored)) if definition else str(stored)


def _of_tags(tags: Mapping[str, list[str]]) -> Iterator[FieldDifference]:
    added, removed = (", ".join(tags.get(what, ())) or None for what in ("added", "removed"))
    if added or removed:
        yield FieldDifference("Tags", removed, added)
