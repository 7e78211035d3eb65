"""Sending again what failed of a broadcast: how many that would be, and the page that does it, with a reason.

What is unknown may have arrived, so it is decided on its own: see `notifier.admin.deliveries`.
"""

from datetime import datetime
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext

from notifier.admin.broadcasts import page_parts
from notifier.admin.deliveries.recovery import DECISIONS, SeenAtForm, obstacles_in_words
from notifier.admin.lists.base import BackOfficeAdmin
from notifier.delivery import claim_forecast, recovery
from notifier.delivery.claim_forecast import Forecast
from notifier.delivery.recovery import Resolved
from notifier.models import Broadcast, Delivery, Resolution
from notifier.progress import sheets
from notifier.progress.sheets import Sheet
from notifier.runtime import clock
from notifier.wording import numbers

FAILED = Delivery.State.FAILED
#: Up to so many failures a page looks at each, to say how many would be sent again, before it is shown.
AT_ONCE = 1_000


def retry_page(model_admin: BackOfficeAdmin, request: HttpRequest, broadcast: Broadcast) -> HttpResponse:
    """GET counts and asks, POST sends again."""
    form = SeenAtForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return _ask(model_admin, request, broadcast, form)
    # What failed later was not on the page.
    failed = _failed(broadcast).filter(settled_at__lte=form.cleaned_data["seen_at"])
    # Before it is done: afterwards nothing tells those that are skipped from others.
    seen = claim_forecast.of_broadcast(broadcast, deliveries=failed, now=clock.now())
    resolved = recovery.send_again(
        deliveries=failed,
        by=cast(User, request.user),
        why=form.cleaned_data["why"],
        now=clock.now(),
    )
    return page_parts.to_progress(model_admin, request, broadcast, *_done(resolved, seen))


def _done(resolved: Resolved, seen: Forecast) -> tuple[str, int]:
    """What is said afterwards, and its level."""
    left = obstacles_in_words(resolved.left)
    if not resolved.number:
        return f"Nothing was changed. {f'{left}.' if left else DECISIONS['send-again'].nothing}", messages.WARNING
    said = [f"To be sent again: {numbers.counted(max(0, resolved.number - seen.left_out), 'message')}."]
    if seen.left_out:
        said.append(
            gettext("%(left_out)s more will be skipped: %(why)s.") % {"left_out": f"{seen.left_out:,}", "why": seen.why}
        )
    if left:
        said.append(gettext("Unchanged: %(left)s.") % {"left": left})
    return " ".join(said), messages.WARNING if left else messages.SUCCESS


def forecast(broadcast: Broadcast, now: datetime) -> Forecast:
    """What would be sent again at this moment, and what would be skipped and why."""
    return claim_forecast.of_broadcast(broadcast, deliveries=_failed(broadcast), now=now)


def _ask(model_admin: BackOfficeAdmin, request: HttpRequest, broadcast: Broadcast, form: SeenAtForm) -> HttpResponse:
    sheet, now = sheets.sheet(broadcast), clock.now()
    context = {
        **page_parts.context(model_admin, request, broadcast, "Send failed messages again"),
        **_counted_now(broadcast, now),
        "seen_at": now.isoformat(),
        "sheet": sheet,
        "form": form,
        "sent": sheet.count(Delivery.State.SENT),
    }
    return TemplateResponse(request, "admin/notifier/broadcast/retry.html", context)


def _counted_now(broadcast: Broadcast, now: datetime) -> dict[str, Any]:
    """How many would be sent again, and why none of them can be; the tally's number may be old."""
    seen = recovery.count_resolvable(action=Resolution.Action.SENT_AGAIN, deliveries=_failed(broadcast), now=now)
    if not seen.number:
        return {"number": 0, "obstacle": obstacles_in_words(seen.left) or "nothing is left to send again"}
    then = forecast(broadcast, now)
    obstacle = "" if then.number else f"all {seen.number:,} would be skipped: {then.why}"
    return {"number": then.number, "failed": seen.number, "skipped": then, "obstacle": obstacle}


def _failed(broadcast: Broadcast) -> QuerySet[Delivery]:
    return broadcast.deliveries.filter(state=FAILED)


def has_failed(sheet: Sheet, now: datetime) -> bool:
    """Whether there is something to send again; of an expired broadcast nothing is."""
    return sheet.count(FAILED) > 0 and not sheet.broadcast.is_expired(now)
