"""What is offered about a broadcast that has ended: resolve, retry, follow up, export."""

from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse

from notifier.admin.deliveries import results
from notifier.broadcasts import acts, progress
from notifier.broadcasts.acts import Act
from notifier.models import Broadcast, Delivery
from notifier.staff import groups


@dataclass(frozen=True, slots=True)
class NextStep:
    """Something to do about a broadcast that has ended."""

    name: str
    #: What the button says, and the sentence beside it.
    label: str
    words: str
    url: str
    tone: str = "secondary"


def next_steps(request: HttpRequest, sheet: progress.Sheet, follower: Broadcast | None, retry: str) -> list[NextStep]:
    """For whoever may take them. `retry` is the URL of sending again what failed; empty where nobody can."""
    broadcast, may = sheet.broadcast, request.user.has_perm
    failed, unknown = sheet.count(Delivery.State.FAILED), sheet.count(Delivery.State.UNKNOWN)
    steps = []
    if unknown and may(groups.RESOLVE_DELIVERY) and may(groups.VIEW_DELIVERY):
        words = "These may or may not have arrived. Check the provider’s log, then decide."
        url = results.list_of(broadcast, state__exact=Delivery.State.UNKNOWN)
        steps.append(NextStep("resolve", f"Resolve {unknown:,} unknown…", words, url))
    if failed and retry:
        words = "Sends the same messages again, with all attempts. You will be asked for a reason."
        steps.append(NextStep("retry", f"Retry {failed:,} failed…", words, retry))
    if may(groups.SEND_BROADCAST) and not follower and acts.is_allowed(Act.FOLLOW_UP, broadcast):
        steps.append(_follow_up(sheet))
    if may(groups.EXPORT_DELIVERY) and may(groups.VIEW_DELIVERY):
        words = "Who got it and when, and why others did not, as CSV or XLSX."
        steps.append(NextStep("export", f"Export {sheet.total:,} deliveries", words, results.list_of(broadcast)))
    return steps


def _follow_up(sheet: progress.Sheet) -> NextStep:
    url = reverse("admin:notifier_broadcast_follow", args=[sheet.broadcast.pk])
    if not sheet.missed:
        words = "Nobody missed it. This sends the same text to clients who have agreed since."
        return NextStep("follow", "Send to those who joined since…", words, url)
    words = "The next page counts those who want it and can get it now, and asks before it sends them the same text."
    # Whoever was skipped would most likely be skipped again.
    tone = "primary" if sheet.count(Delivery.State.FAILED) else "secondary"
    return NextStep("follow", "Send to those who missed it…", words, url, tone=tone)
