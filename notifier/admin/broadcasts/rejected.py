"""What the page of a rejected broadcast says: who rejected it and why, and how it is asked for again."""

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest
from django.urls import reverse

from notifier.broadcasts import rejections
from notifier.models import Broadcast
from notifier.staff import groups


@dataclass(frozen=True, slots=True)
class Rejection:
    """A rejection, as this reader sees it."""

    by: str
    at: datetime | None
    why: str
    #: The broadcast that was asked for in its place, once there is one.
    resubmitted_as: Broadcast | None
    #: What the reader may do about it; no label where that is nothing.
    label: str = ""
    url: str = ""
    words: str = ""


def rejection(request: HttpRequest, broadcast: Broadcast) -> Rejection | None:
    """None for a broadcast that was not rejected."""
    if broadcast.state != Broadcast.State.REJECTED:
        return None
    by = broadcast.rejected_by.get_username() if broadcast.rejected_by else ""
    again = rejections.resubmitted_as(broadcast=broadcast)
    label, url, words = ("", "", "") if again else _next(request, broadcast)
    return Rejection(by, broadcast.finished_at, broadcast.ended_because, again, label, url, words)


def _next(request: HttpRequest, broadcast: Broadcast) -> tuple[str, str, str]:
    """The button, where it leads, and the sentence beside it."""
    may = request.user.has_perm
    if first := broadcast.was_to_follow_id:
        if not may(groups.SEND_BROADCAST):
            return "", "", ""
        words = f"It was a follow-up to #{first}, which can be sent again to those who missed it."
        return f"View #{first}", reverse("admin:notifier_broadcast_progress", args=[first]), words
    url = reverse("admin:notifier_notification_change", args=[broadcast.notification_id])
    if may(groups.CHANGE_NOTIFICATION):
        words = "Edit the text, then submit it again."
        return "Edit and resubmit…", url, words
    if may(groups.VIEW_NOTIFICATION):
        words = "Ask an editor to change the text, then resubmit it from there."
        return "View the notification", url, words
    return "", "", ""
