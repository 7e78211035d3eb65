"""Saving an audience to which broadcasts wait to go: they take the new conditions, and are approved anew.

So they do when a tag that its conditions name is merged into another: see `fields.usage.FOLLOWERS`.
"""

from collections.abc import Iterator
from datetime import datetime

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext

from notifier.broadcasts import lifecycle, staff_mails
from notifier.models import Broadcast, BroadcastChange, SavedAudience, Tag
from notifier.runtime.versions import NotAsShown
from notifier.saved_audiences import document as documents
from notifier.saved_audiences import freezing, saving
from notifier.saved_audiences.document import BrokenAudience, Document

State = Broadcast.State


def save(
    *, audience_id: int, name: str, description: str, document: Document, by: User, seen: datetime, now: datetime
) -> int:
    """Change the audience; returns how many broadcasts that have not begun go to the new conditions.

    `seen`: its `updated_at` as the page showed it. Raises `NotAsShown`, `ValidationError` and `BrokenAudience`. What
    has begun keeps the conditions that it began with.
    """
    with transaction.atomic():
        audience = SavedAudience.objects.select_for_update().filter(pk=audience_id).first()
        if audience is None or audience.updated_at != seen:
            raise NotAsShown
        is_other = saving.change(audience, name=name, description=description, document=document)
        return _take_edit(audience, by, now) if is_other else 0


def _take_edit(audience: SavedAudience, by: User | None, now: datetime) -> int:
    """An approval was for the old conditions, so it is asked for again. Whoever edits them can't give it."""
    to_it = Broadcast.objects.before_start().filter(saved_audience=audience, follows=None)
    found = list(to_it.order_by("pk").select_for_update(of=("self",)))
    waiting = Broadcast.objects.filter(pk__in=[broadcast.pk for broadcast in found])
    waiting.update(**freezing.columns(audience))
    waiting.filter(needs_approval=True).update(
        state=State.AWAITING_APPROVAL, scheduled_for=lifecycle.chosen_time(), approved_by=None, approved_at=None
    )
    if by:
        what = BroadcastChange.What.AUDIENCE
        BroadcastChange.objects.bulk_create(BroadcastChange(broadcast=one, by=by, what=what, at=now) for one in found)
    # Those that waited already have been told of.
    for broadcast in (one for one in found if one.needs_approval and one.state != State.AWAITING_APPROVAL):
        staff_mails.ask_approvers(broadcast=broadcast, now=now)
    return len(found)


def delete(*, audience_id: int) -> str:
    """Returns why it was kept; empty where it is gone. What was sent to it keeps its conditions."""
    with transaction.atomic():
        audience = SavedAudience.objects.select_for_update().filter(pk=audience_id).first()
        if audience is None:
            return ""
        if reason := saving.reason_to_keep(audience):
            return reason
        audience.delete()
        return ""


# --- Merging a tag into another ---------------------------------------------------------------------------------------
def names_tag(tag: Tag) -> bool:
    """Whether the conditions of an audience do."""
    return any(saving.names(one.document, documents.TAG, tag.pk) for one in SavedAudience.objects.all())


def reason_not_to_merge(*, tag: Tag, into: Tag) -> str:
    """What has begun keeps its conditions, so the tag must stay until it ends; a sentence, empty if nothing is so."""
    for audience in SavedAudience.objects.order_by("folded"):
        if all(saving.names(audience.document, documents.TAG, one.pk) for one in (tag, into)):
            return (
                f"The audience “{audience}” has conditions about both “{tag}” and “{into}”, and would choose other "
                "clients. Change it first."
            )
    if broadcast := next(_keeping(tag), None):
        return (
            f"“{tag}” can’t be merged yet: {broadcast} goes to clients that are chosen by it. Wait until it has ended, "
            "or cancel it."
        )
    return ""


def _keeping(tag: Tag) -> Iterator[Broadcast]:
    """Those that have not ended, name it, and don't follow an edit of their audience."""
    following = Broadcast.objects.before_start().filter(follows=None).exclude(saved_audience=None)
    going = Broadcast.objects.exclude(audience_of=None).filter(finished_at=None).exclude(pk__in=following.values("pk"))
    for broadcast in going.order_by("pk"):
        if saving.names(broadcast.audience_document, documents.TAG, tag.pk):
            yield broadcast


def take_merge(*, tag: Tag, into: Tag, by: User | None, now: datetime) -> None:
    """See `fields.usage.TagFollower`. An approval was for the old conditions, as with any edit."""
    # In the order in which an edit locks them: the audiences, then the tag.
    list(SavedAudience.objects.select_for_update().order_by("pk").values_list("pk", flat=True))
    Tag.objects.select_for_update().filter(pk=tag.pk).first()
    if reason := reason_not_to_merge(tag=tag, into=into):
        raise ValidationError(reason)
    for audience in SavedAudience.objects.order_by("pk"):
        if saving.names(audience.document, documents.TAG, tag.pk):
            audience.document = saving.put_tag(audience.document, tag, into)
            audience.save(update_fields=["document", "updated_at"])
            try:
                _take_edit(audience, by, now)
            except BrokenAudience as error:
                raise ValidationError(
                    gettext("The audience “%(audience)s” can’t be read. %(error)s")
                    % {"audience": audience, "error": error}
                ) from error
