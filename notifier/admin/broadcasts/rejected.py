"""What the page of a rejected broadcast says: who rejected it and why, and how it is asked for again."""

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext

from notifier.broadcasts import rejections
from notifier.broadcasts.rejections import Remedy
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
    may, pk = request.user.has_perm, broadcast.notification_id
    edit = reverse("admin:notifier_notification_change", args=[pk])
    match rejections.remedy(broadcast=broadcast, may=may):
        case Remedy.FOLLOW_UP:
            first = broadcast.was_to_follow_id
            words = gettext("It was a follow-up to #%(first)s, which can be sent again to those who missed it.") % {
                "first": first
            }
            return f"View #{first}", reverse("admin:notifier_broadcast_progress", args=[first]), words
        case Remedy.SEND:
            send = reverse("admin:notifier_notification_broadcast", query={"ids": pk})
            return gettext("View and send…"), send, gettext("Its notification is ready to be sent again.")
        case Remedy.RESUBMIT:
            return gettext("Edit and resubmit…"), edit, gettext("Edit the text, then submit it again.")
        case Remedy.EDIT:
            return gettext("Edit the text…"), edit, gettext("Edit the text, then mark it as ready to send again.")
    if broadcast.was_to_follow_id is None and may(groups.VIEW_NOTIFICATION):
        return "View the notification", edit, _who_can(broadcast)
    return "", "", ""


def _who_can(broadcast: Broadcast) -> str:
    if broadcast.notification.is_marked_ready:
        return gettext("It is ready to send again. Anyone who may send it can do that.")
    found = rejections.with_editor(Broadcast.objects.filter(pk=broadcast.pk)).get()
    if not found.editor:
        return gettext("Ask an editor to edit the text and mark it as ready to send.")
    return gettext("Ask %(editor)s to edit the text and mark it as ready to send.") % {"editor": found.editor}
