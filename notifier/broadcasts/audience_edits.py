"""Saving an audience to which broadcasts wait to go: they take the new conditions, and are approved anew."""

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from notifier.broadcasts import lifecycle, staff_mails
from notifier.models import Broadcast, BroadcastChange, SavedAudience
from notifier.runtime.versions import NotAsShown
from notifier.saved_audiences import freezing, saving
from notifier.saved_audiences.document import Document

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


def _take_edit(audience: SavedAudience, by: User, now: datetime) -> int:
    """An approval was for the old conditions, so it is asked for again. Whoever edits them can't give it."""
    to_it = Broadcast.objects.before_start().filter(saved_audience=audience, follows=None)
    found = list(to_it.order_by("pk").select_for_update(of=("self",)))
    waiting = Broadcast.objects.filter(pk__in=[broadcast.pk for broadcast in found])
    waiting.update(**freezing.columns(audience))
    waiting.filter(needs_approval=True).update(
        state=State.AWAITING_APPROVAL, scheduled_for=lifecycle.chosen_time(), approved_by=None, approved_at=None
    )
    BroadcastChange.objects.bulk_create(
        BroadcastChange(broadcast=broadcast, by=by, what=BroadcastChange.What.AUDIENCE, at=now) for broadcast in found
    )
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
