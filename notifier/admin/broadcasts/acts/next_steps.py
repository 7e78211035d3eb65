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
        words = "Nobody knows whether these arrived. Look them up in the provider’s log, then say."
        url = results.list_of(broadcast, state__exact=Delivery.State.UNKNOWN)
        steps.append(NextStep("resolve", f"Resolve {unknown:,} unknown…", words, url))
    if failed and retry:
        words = f"{failed:,} failed. The next page counts those that can still be sent, and asks for a reason."
        steps.append(NextStep("retry", "Retry failed…", words, retry))
    if may(groups.SEND_BROADCAST) and not follower and acts.is_allowed(Act.FOLLOW_UP, broadcast):
        steps.append(_follow_up(sheet))
    if may(groups.EXPORT_DELIVERY) and may(groups.VIEW_DELIVERY):
        words = "Who got what, when, and why somebody did not, as CSV or XLSX."
        steps.append(NextStep("export", f"Export {sheet.total:,} deliveries", words, results.list_of(broadcast)))
    return steps


def _follow_up(sheet: progress.Sheet) -> NextStep:
    url = reverse("admin:notifier_broadcast_follow", args=[sheet.broadcast.pk])
    if not sheet.missed:
        words = "Nobody was missed. This sends the same text to those who have agreed to it since."
        return NextStep("follow", "Send to those who joined since…", words, url)
    words = (
        "Whoever did not get it may have no address, or not want it: the next page counts those who can get it now, "
        "and asks before it sends them the same text."
    )
    # Whoever was skipped would most likely be skipped again.
    tone = "primary" if sheet.count(Delivery.State.FAILED) else "secondary"
    whom = "whether the one" if sheet.missed == 1 else f"who of the {sheet.missed:,}"
    return NextStep("follow", f"Look {whom} can still get it…", words, url, tone=tone)
