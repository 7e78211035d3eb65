"""What is offered about a broadcast that has ended: resolve, retry, follow up, export."""

from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse

from notifier.admin.broadcasts import totals
from notifier.admin.deliveries import results
from notifier.audience import unreached
from notifier.broadcasts import acts
from notifier.broadcasts.acts import Act
from notifier.models import Broadcast, Delivery
from notifier.progress import sheets
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


def may_follow_up(request: HttpRequest, broadcast: Broadcast, follower: Broadcast | None) -> bool:
    """Whether this reader may send it to those who did not get it, if there are any."""
    may = request.user.has_perm(groups.SEND_BROADCAST)
    return may and not follower and acts.is_allowed(Act.FOLLOW_UP, broadcast)


def next_steps(request: HttpRequest, sheet: sheets.Sheet, retry: str, follow: NextStep | None) -> list[NextStep]:
    """For whoever may take them. `retry` is the URL of sending again what failed; empty where nobody can. `follow`
    comes later where many clients have to be counted for it: see `follow_up`.
    """
    broadcast, may = sheet.broadcast, request.user.has_perm
    failed, unknown = sheet.count(Delivery.State.FAILED), sheet.count(Delivery.State.UNKNOWN)
    steps = []
    if unknown and may(groups.RESOLVE_DELIVERY) and may(groups.VIEW_DELIVERY):
        words = "These may or may not have arrived. Check the provider’s log, then decide."
        url = results.list_of(broadcast, state__exact=Delivery.State.UNKNOWN)
        steps.append(NextStep("resolve", f"Resolve {unknown:,} unknown…", words, url))
    if failed and retry:
        words = f"{failed:,} failed. The next page counts those that can still be sent, and asks for a reason."
        steps.append(NextStep("retry", "Send failed again…", words, retry, tone="primary"))
    if follow:
        steps.append(follow)
    if sheet.total and may(groups.EXPORT_DELIVERY) and may(groups.VIEW_DELIVERY):
        words = "Who got it and when, and why others did not, as CSV or XLSX."
        steps.append(NextStep("export", f"Export {sheet.total:,} messages", words, results.list_of(broadcast)))
    return steps


def follow_up(request: HttpRequest, sheet: sheets.Sheet) -> NextStep | None:
    """The way to those who did not get it, with how many they are now; None where nobody is left for this reader."""
    going = totals.of_follow_up(sheet.broadcast, unreached.missing(broadcast=sheet.broadcast))
    url = reverse("admin:notifier_broadcast_follow", args=[sheet.broadcast.pk])
    has_started = sheet.broadcast.started_at is not None
    who = "to those who missed it" if sheet.missed else "to those who joined since" if has_started else "after all"
    if not going.total:
        if not going.critical_total or not request.user.has_perm(groups.SEND_CRITICAL):
            return None
        words = "They have all reached the frequency cap, so only a critical broadcast would reach them."
        return NextStep("follow", f"Send {who}…", words, url)
    words = "Nobody missed it. This sends the same text to clients who have agreed since."
    if not has_started:
        words = "Nothing was sent before it was cancelled. This sends the same text as a new broadcast."
    if sheet.missed:
        words = (
            "These can get it now. The others who missed it can’t, or no longer want it. The next page counts again, "
            "and asks before it sends them the same text."
        )
    return NextStep("follow", f"Send {going.in_words} {who}…", words, url)
