"""What the pages of one broadcast have in common."""

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext

from notifier.admin.broadcasts import offers, stopped
from notifier.admin.lists import deferred_counts
from notifier.admin.lists.base import BackOfficeAdmin
from notifier.broadcasts import acts
from notifier.models import Broadcast
from notifier.runtime import clock
from notifier.saved_audiences.document import BrokenAudience

#: What a page shows of a broadcast besides its own columns.
_RELATED = ("topic", "created_by", "text_by", "approved_by", "rejected_by", "notification")


def find(model_admin: BackOfficeAdmin, request: HttpRequest, broadcast_id: int, *also: str) -> Broadcast:
    """The broadcast for whoever may see it, read together with `also`; raises PermissionDenied or Http404."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    broadcast: Broadcast | None = Broadcast.objects.select_related(*_RELATED, *also).filter(pk=broadcast_id).first()
    if broadcast is None:
        raise Http404(gettext("There is no broadcast %(broadcast_id)s.") % {"broadcast_id": broadcast_id})
    return broadcast


def telling_who_is_missing(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """The page of a broadcast; where nobody can say who is in its audience, its progress page, which says why."""

    @wraps(view)
    def answer(model_admin: BackOfficeAdmin, request: HttpRequest, broadcast_id: int, *args: Any, **kwargs: Any) -> Any:
        try:
            return view(model_admin, request, broadcast_id, *args, **kwargs)
        except BrokenAudience as broken:
            text = gettext("Nobody can say who would get it. %(broken)s") % {"broken": broken}
            model_admin.message_user(request, text, messages.ERROR)
            return redirect(model_admin.page_url("progress", broadcast_id))

    return answer


def context(model_admin: BackOfficeAdmin, request: HttpRequest, broadcast: Broadcast, label: str) -> dict[str, Any]:
    """Of a page that asks before something is done to the broadcast."""
    page = {
        "title": f"{label}: {broadcast.title}",
        "label": label,
        "broadcast": broadcast,
        # Posted back, so that it is done to exactly this: see `NotAsShown`.
        "version": acts.version(broadcast),
    }
    return model_admin.page_context(request, page)


def reach_now(
    request: HttpRequest, broadcast: Broadcast, *, is_critical: bool | None = None, at: datetime | None = None
) -> dict[str, Any]:
    """Who would get it now, in numbers, which come later where there are many clients.

    `is_critical` and `at`: see `offers.of_broadcast`.
    """
    later = deferred_counts.counted_url(request, is_long=deferred_counts.is_long())
    offer = offers.of_broadcast(broadcast, counted=not later, is_critical=is_critical, at=at)
    standing_still = stopped.find(channels=broadcast.channels, now=clock.now())
    summary = None if later else offers.summary([offer], stopped=standing_still)
    return {"counting": later, "offers": [offer], "summary": summary}


def not_as_shown(model_admin: BackOfficeAdmin, request: HttpRequest) -> HttpResponse:
    """The page that asked, as it is now."""
    text = gettext("Nothing was done: this broadcast has changed since you opened the page. Please check it again.")
    model_admin.message_user(request, text, messages.ERROR)
    return redirect(request.path)


def sends_now(broadcast: Broadcast, *, is_critical: bool | None = None) -> int:
    """How many messages it would be at this moment."""
    return offers.of_broadcast(broadcast, is_critical=is_critical).sends


def to_progress(
    model_admin: BackOfficeAdmin,
    request: HttpRequest,
    broadcast: Broadcast,
    text: str,
    level: int = messages.SUCCESS,
) -> HttpResponse:
    """Back to the broadcast's own page, which says what came of it."""
    model_admin.message_user(request, text, level)
    return redirect(model_admin.page_url("progress", broadcast.pk))


def refused(model_admin: BackOfficeAdmin, request: HttpRequest, broadcast: Broadcast, why: object) -> HttpResponse:
    """Back to the broadcast's own page, which says why nothing was done."""
    return to_progress(model_admin, request, broadcast, str(why), messages.ERROR)
