"""A broadcast's own page: how far it is, what became of it, and what may be done about it."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django_htmx.http import HTMX_STOP_POLLING

from notifier.admin.broadcasts import about, email_preview, page_parts, rejected, waiting
from notifier.admin.broadcasts.acts import buttons, next_steps, undo
from notifier.admin.broadcasts.acts.buttons import BUTTONS, Button
from notifier.admin.deliveries.results import list_of
from notifier.admin.lists import deferred_counts
from notifier.admin.lists.base import BackOfficeAdmin
from notifier.broadcasts import faults, followups, lifecycle
from notifier.models import Broadcast, Delivery, Reason
from notifier.overview import process_health
from notifier.policies import throttles
from notifier.progress import feeds, sheets, skip_reasons
from notifier.progress.feeds import FeedLine
from notifier.runtime import clock
from notifier.staff import groups
from notifier.web.htmx import HtmxHttpRequest

#: How long a page without JavaScript shows the same numbers.
REFRESH_SECONDS = 3


def progress_page(model_admin: BackOfficeAdmin, request: HtmxHttpRequest, broadcast_id: int) -> HttpResponse:
    """The page, and for htmx the parts of it that move. One view of it costs the same whatever the audience."""
    broadcast = page_parts.find(model_admin, request, broadcast_id)
    is_under_way = broadcast.state == Broadcast.State.RUNNING
    # What works at this moment says nothing about a broadcast that has ended.
    health = [] if _is_settled(broadcast) else process_health.health(channels=broadcast.channels, now=clock.now())
    limits = throttles.rates() if is_under_way else None
    sheet = sheets.sheet(broadcast, limits=limits, stalled=process_health.stalled(health))
    context = _context(model_admin, request, sheet) | {"health": health}
    context["feed"] = _feed(request, broadcast, is_ill=not all(part.ok for part in health))
    if request.htmx:
        return _moving_parts(request, context)
    shown = [] if context["wall"] else about.texts(request, broadcast)
    variants = [] if context["wall"] else about.variants(request, broadcast)
    texts = {"shown": shown, "variants": variants}
    page = {"title": broadcast.title, "refresh_seconds": REFRESH_SECONDS} | texts | context
    return TemplateResponse(request, "admin/notifier/broadcast/progress.html", model_admin.page_context(request, page))


def email_preview_page(model_admin: BackOfficeAdmin, request: HttpRequest, broadcast_id: int) -> HttpResponse:
    """The e-mail as it was frozen, whatever the notification says today, for the pages that frame it."""
    return email_preview.page(request, page_parts.find(model_admin, request, broadcast_id))


def _moving_parts(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    # Buttons are sent again only where others are due: a click must not fall between two polls.
    context["swap_controls"] = not context["wall"] and request.GET.get("controls") != context["controls"]
    # Said aloud only where it is news.
    context["swap_said"] = request.GET.get("said") != context["said"]
    response = TemplateResponse(request, "admin/notifier/broadcast/poll.html", context)
    response.status_code = HTMX_STOP_POLLING if context["settled"] else HTTPStatus.OK
    return response


def _context(model_admin: BackOfficeAdmin, request: HttpRequest, sheet: sheets.Sheet) -> dict[str, Any]:
    broadcast, now = sheet.broadcast, clock.now()
    settled = _is_settled(broadcast)
    follower = followups.follower_of(broadcast_id=broadcast.pk) if broadcast.finished_at else None
    shown = buttons.shown_to(request, sheet, follower, now)
    retry = model_admin.page_url("act", broadcast.pk, "retry") if BUTTONS["retry"] in shown else ""
    return {
        "broadcast": broadcast,
        "sheet": sheet,
        "wall": _is_wall(request),
        "said": sheets.announcement(sheet),
        "follower": follower,
        **(_steps(model_admin, request, sheet, follower, retry) if settled else {"steps": []}),
        "wait": waiting.wait(broadcast=broadcast, user=request.user, now=now),
        "about": about.about(broadcast),
        "rejection": rejected.rejection(request, broadcast),
        "sender": lifecycle.requester(broadcast),
        "is_expired": broadcast.is_expired(now),
        "fault": broadcast.fault if broadcast.fault_at and broadcast.fault_at > now - faults.SHOWN_FOR else "",
        "may_see_clients": request.user.has_perm(groups.VIEW_CLIENT),
        "may_see_deliveries": request.user.has_perm(groups.VIEW_DELIVERY),
        "settled": settled,
        **_controls(request, sheet, shown),
        **_numbers(request, sheet),
    }


def _feed(request: HttpRequest, broadcast: Broadcast, *, is_ill: bool) -> dict[str, Any]:
    """Its lines, each with what is said of it and the list of all that are like it. On a wall all fits one screen."""
    sizes = {"length": 2 if is_ill else 4, "max_problems": 1 if is_ill else 2} if _is_wall(request) else {}
    found = feeds.feed(broadcast, with_names=request.user.has_perm(groups.VIEW_CLIENT), **sizes)
    has_links = _has_links(request)
    return {
        name: [(line, _words(line), _list_behind(broadcast, line) if has_links else "") for line in lines]
        for name, lines in (("problems", found.problems), ("newest", found.newest))
    }


def _words(line: FeedLine) -> str:
    """48 more: number not in service"""
    return ": ".join(filter(None, [line.more, line.reason]))


def _list_behind(broadcast: Broadcast, line: FeedLine) -> str:
    """The list of the deliveries that a line is about, where it names some of them only."""
    if not line.more or line.state not in Delivery.UNSENT:
        return ""
    return list_of(broadcast, state__exact=line.state, channel__exact=line.channel, reason=line.reason)


def _has_links(request: HttpRequest) -> bool:
    return request.user.has_perm(groups.VIEW_DELIVERY) and not _is_wall(request)


def _is_wall(request: HttpRequest) -> bool:
    return request.GET.get("wall") == "1"


def _steps(
    model_admin: BackOfficeAdmin, request: HttpRequest, sheet: sheets.Sheet, follower: Broadcast | None, retry: str
) -> dict[str, Any]:
    """What next. Whom a follow-up would go to is counted before it is offered: at once where there are few clients."""
    broadcast = sheet.broadcast
    if _is_wall(request) or not next_steps.may_follow_up(request, broadcast, follower):
        return {"steps": next_steps.next_steps(request, sheet, retry, None)}
    if deferred_counts.is_long():
        later = model_admin.page_url("follow_count", broadcast.pk)
        return {"steps": next_steps.next_steps(request, sheet, retry, None), "count_follow_up": later}
    follow = next_steps.follow_up(request, sheet)
    return {"steps": next_steps.next_steps(request, sheet, retry, follow), "nobody_left": follow is None}


def _is_settled(broadcast: Broadcast) -> bool:
    return broadcast.finished_at is not None and broadcast.tallied_at is not None


def _controls(request: HttpRequest, sheet: sheets.Sheet, shown: Sequence[Button]) -> dict[str, Any]:
    """The buttons, each with its number; and a word that changes when others are due."""
    broadcast = sheet.broadcast
    may_undo = broadcast.can_be_undone and undo.may_undo(request.user, broadcast)
    numbered = [(button, button.number(sheet)) for button in shown]
    # A number that comes later has no place yet on the button that is there.
    names = [button.name if number is None else f"{button.name}+" for button, number in numbered]
    return {
        "buttons": numbered,
        "undo_url": undo.url_of([broadcast]) if may_undo else "",
        "controls": ".".join([broadcast.state, *(["undo"] if may_undo else []), *names]),
    }


def _numbers(request: HttpRequest, sheet: sheets.Sheet) -> dict[str, Any]:
    """What became of its deliveries, by the last tally, and the lists behind the numbers."""
    broadcast = sheet.broadcast
    states = [(state, sheet.count(state)) for state in Delivery.State]
    skipped = Delivery.State.SKIPPED
    has_links = _has_links(request)
    return {
        "problem_parts": [
            (
                state.value,
                f"{number:,} {state.label.lower()}",
                list_of(broadcast, state__exact=state) if has_links else "",
            )
            for state in Delivery.PROBLEMS
            if (number := sheet.count(state))
        ],
        "states": states,
        "balance": [(state, number) for state, number in states if number],
        "sent": sheet.count(Delivery.State.SENT),
        "cancelled": sheet.count(Delivery.State.CANCELLED),
        "deliveries": list_of(broadcast),
        "spared": skip_reasons.spared(broadcast.pk) if sheet.count(skipped) else None,
        "spared_url": list_of(broadcast, state__exact=skipped, reason=Reason.CONSENT_GONE),
    }
