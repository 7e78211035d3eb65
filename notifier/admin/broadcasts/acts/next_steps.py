"""What is offered about a broadcast that has ended: resolve, retry, follow up, export."""

from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse

from notifier.admin.broadcasts import totals
from notifier.admin.deliveries import results
from notifier.audience import unreached
from notifier.broadcasts import acts
from notifier.broadcasts.acts import Act
from notifier.delivery.claim_forecast import Forecast
from notifier.models import Broadcast, Delivery
from notifier.progress import sheets
from notifier.runtime import clock
from notifier.saved_audiences.document import BrokenAudience
from notifier.staff import groups
from notifier.wording import numbers


@dataclass(frozen=True, slots=True)
class NextStep:
    """Something to do about a broadcast that has ended."""

    name: str
    #: What the button says, and the sentence beside it; no label where only that sentence is to be said.
    label: str
    words: str
    url: str
    tone: str = "secondary"


def may_follow_up(request: HttpRequest, broadcast: Broadcast, follower: Broadcast | None) -> bool:
    """Whether this reader may send it to those who did not get it, if there are any."""
    may = request.user.has_perm(groups.SEND_BROADCAST)
    return may and not follower and acts.is_allowed(Act.FOLLOW_UP, broadcast)


def next_steps(
    request: HttpRequest, sheet: sheets.Sheet, retry: NextStep | None, follow: NextStep | None
) -> list[NextStep]:
    """For whoever may take them. `retry` and `follow` are left out where they can't be, and come later where many have
    to be counted for them: see `retry` and `follow_up`.
    """
    broadcast, may = sheet.broadcast, request.user.has_perm
    unknown = sheet.count(Delivery.State.UNKNOWN)
    steps = [retry] if retry else []
    if unknown and may(groups.RESOLVE_DELIVERY) and may(groups.VIEW_DELIVERY):
        words = "These may or may not have arrived. Check the provider’s log, then decide."
        url = results.list_of(broadcast, state__exact=Delivery.State.UNKNOWN)
        is_first = not any(step.label for step in steps)
        steps.append(NextStep("resolve", f"Resolve {unknown:,} unknown…", words, url, _tone(is_first=is_first)))
    if follow:
        steps.append(follow)
    if sheet.total and may(groups.EXPORT_DELIVERY) and may(groups.VIEW_DELIVERY):
        words = "Who got it and when, and why others did not, as CSV or XLSX."
        steps.append(NextStep("export", f"Export {sheet.total:,} messages", words, results.list_of(broadcast)))
    return steps


def _tone(*, is_first: bool) -> str:
    return "primary" if is_first else "secondary"


def retry(url: str, seen: Forecast) -> NextStep | None:
    """The way to send again what failed, with how many that would be; None where nothing is left to send."""
    skipped = f"{seen.left_out:,} failed and can’t be sent again: {seen.why}." if seen.left_out else ""
    if not seen.number:
        return NextStep("retry", "", skipped, url) if skipped else None
    words = skipped or "The next page asks for a reason first."
    label = f"Send {numbers.counted(seen.number, 'failed message')} again…"
    return NextStep("retry", label, words, url, _tone(is_first=True))


def follow_up(request: HttpRequest, sheet: sheets.Sheet) -> NextStep | None:
    """The way to those who did not get it, with how many they are now; None where nobody is left for this reader."""
    try:
        counted = unreached.missing(broadcast=sheet.broadcast, now=clock.now())
        going = totals.of_follow_up(sheet.broadcast, counted)
    except BrokenAudience:
        # What its conditions name was deleted since: nobody can say who is left.
        return None
    url = reverse("admin:notifier_broadcast_follow", args=[sheet.broadcast.pk])
    has_started = sheet.broadcast.started_at is not None
    is_missed = sheet.missed or any(missing.undelivered for missing in counted)
    who = " to those who missed it" if is_missed else " to those who have agreed since" if has_started else ""
    if not going.total:
        if not going.critical_total or not request.user.has_perm(groups.SEND_CRITICAL):
            return None
        words = "They have all reached the frequency cap, so only a critical broadcast would reach them."
        return NextStep("follow", f"Send{who}…", words, url)
    words = "Nobody missed it. This sends the same text to clients who have agreed since."
    if not has_started:
        words = "Nothing was sent before it was cancelled. This sends the same text as a new broadcast."
    if is_missed:
        words = "Sends the same text to everyone who missed it and can get it now. The next page asks first."
    return NextStep("follow", f"Send {going.in_words}{who}…", words, url)
