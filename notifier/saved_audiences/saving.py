"""Saving an audience, and which name a field, a tag or a topic. What that does to broadcasts: `audience_edits`."""

from collections.abc import Iterator
from dataclasses import replace

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext

from notifier.fields import usage
from notifier.models import Broadcast, ClientField, SavedAudience, Tag, Topic
from notifier.saved_audiences import document as documents
from notifier.saved_audiences import known as knowing
from notifier.saved_audiences.document import BrokenAudience, Document, Group, Line
from notifier.values.texts import folded

#: A page offers them all.
MAX_AUDIENCES = 500


def check_name(name: str, *, besides: int | None = None) -> None:
    """Raises `ValidationError` where no audience can be called so."""
    if found := SavedAudience.objects.exclude(pk=besides or 0).filter(folded=folded(name)).first():
        raise ValidationError(gettext("There is an audience “%(found)s” already.") % {"found": found})


@transaction.atomic
def create(*, name: str, description: str, document: Document, by: User | None) -> SavedAudience:
    """Raises `ValidationError` for the name, and `BrokenAudience` for conditions that nobody can read."""
    check_name(name)
    if SavedAudience.objects.count() >= MAX_AUDIENCES:
        raise ValidationError(
            gettext("There are %(max_audiences)s audiences already. Delete those that you don’t need.")
            % {"max_audiences": MAX_AUDIENCES}
        )
    return SavedAudience.objects.create(
        name=name, folded=folded(name), description=description, document=_checked(document), created_by=by
    )


def change(audience: SavedAudience, *, name: str, description: str, document: Document) -> bool:
    """Returns whether the conditions are others now. Call it with the row locked. Raises as `create` does."""
    check_name(name, besides=audience.pk)
    before, after = audience.document, _checked(document)
    audience.name, audience.folded, audience.description = name, folded(name), description
    audience.document = after
    audience.save()
    return bool(before != after)


def _checked(document: Document) -> dict[str, object]:
    stored = documents.as_json(document)
    read = documents.parse(stored)
    lock(read)
    knowing.check(read, knowing.of(read))
    return stored


def lock(document: Document) -> None:
    """What it names, against being deleted before it is named: whoever deletes one locks it, and asks `uses`."""
    for model, about in ((ClientField, documents.FIELD), (Tag, documents.TAG)):
        rows = model.objects.select_for_update(no_key=True).filter(pk__in=document.named(about)).order_by("pk")
        list(rows.values_list("pk", flat=True))


def reason_to_keep(audience: SavedAudience) -> str:
    """Why it can't be deleted, in a sentence; empty where it can."""
    waiting = Broadcast.objects.before_start().filter(saved_audience=audience).order_by("pk").first()
    return f"“{audience}” can’t be deleted: {waiting} is still to go to it. Cancel that first." if waiting else ""


def uses(thing: ClientField | Tag | Topic) -> Iterator[str]:
    """The audiences, and the broadcasts that have not ended, whose conditions name a field, a tag or a topic."""
    abouts = {Tag: documents.TAG, Topic: documents.CONSENT}
    found = _uses(abouts.get(type(thing), documents.FIELD), thing.pk)
    return (use for _, use in zip(range(usage.MAX_NAMED + 1), found, strict=False))


def _uses(about: str, row_id: int) -> Iterator[str]:
    for audience in SavedAudience.objects.order_by("folded"):
        if names(audience.document, about, row_id):
            yield f"the audience “{audience}”"
    going = Broadcast.objects.exclude(audience_of=None).filter(finished_at=None).order_by("pk")
    for broadcast in going:
        if names(broadcast.audience_document, about, row_id):
            yield f"the broadcast {broadcast}"


def names(stored: object, about: str, row_id: int) -> bool:
    """What can't be read names nothing: nobody is in it until it is saved anew."""
    try:
        return row_id in documents.parse(stored).named(about)
    except BrokenAudience:
        return False


def put_tag(stored: object, tag: Tag, into: Tag) -> dict[str, object]:
    """The conditions with another tag in the place of this one. Raises `BrokenAudience`."""

    def put(line: Line) -> Line:
        return replace(line, id=into.pk) if (line.about, line.id) == (documents.TAG, tag.pk) else line

    document = documents.parse(stored)
    parts = [
        replace(part, lines=tuple(put(line) for line in part.lines)) if isinstance(part, Group) else put(part)
        for part in document.parts
    ]
    return documents.as_json(replace(document, parts=tuple(parts)))
