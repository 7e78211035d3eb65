"""The fields that staff defined, and tags, as one request of the client list needs them: read once."""

from django.http import HttpRequest

from notifier.fields import definitions
from notifier.fields.definitions import Definitions
from notifier.models import Tag

_FIELDS, _TAGS = "_notifier_fields", "_notifier_tags"


def fields_of(request: HttpRequest) -> Definitions:
    """Retired ones too."""
    found: Definitions | None = getattr(request, _FIELDS, None)
    if found is None:
        found = definitions.every()
        setattr(request, _FIELDS, found)
    return found


def tags_of(request: HttpRequest) -> list[Tag]:
    """By their names."""
    found: list[Tag] | None = getattr(request, _TAGS, None)
    if found is None:
        found = list(Tag.objects.order_by("folded"))
        setattr(request, _TAGS, found)
    return found
