"""A broadcast's own page: how far it is, what became of it, and what may be done about it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django_htmx.http import HTMX_STOP_POLLING

from notifier.admin.broadcasts import about, email_preview, offers, page_parts, rejected, totals, waiting
from notifier.admin.broadcasts.acts import buttons, next_steps, retry_failed, undo
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
from notifier.receipts import standing
from notifier.runtime import clock, versions
from notifier.saved_audiences.document import BrokenAudience
from notifier.staff import groups
from notifier.web.htmx import HtmxHttpRequest

#: How long a page without JavaScript shows the same numbers.
REFRESH_SECONDS = 3
#: A tally is written each second. While it is no older than this, the page is about its moment alone, so that no line
#: of the feed contradicts a figure.
TALLY_IS_FRESH = timedelta(seconds=10)


def progress_page(model_admin: BackOfficeAdmin, request: HtmxHttpRequest, broadcast_id: int) -> HttpResponse:
    """The page, and for htmx the parts of it that move. One view of it costs the same whatever the audience."""
    broadcast = page_parts.find(model_admin, request, broadcast_id)
    is_under_way = broadcast.state == Broadcast.State.RUNNING
    # What works at this moment says nothing about a broadcast that has ended.
    health = [] if _is_settled(broadcast) else process_health.health(channels=broadcast.channels, now=clock.now())
    limits = throttles.rates() if is_under_way else None
    sheet = sheets.sheet(broadcast, limits=limits, stalled=process_health.stalled(health))
    told = process_health.troubled(process_health.for_reader(health, may=request.user.has_perm))
    context = _context(model_admin, request, sheet) | {"health": told}
    context["feed"] = _feed(request, broadcast, is_ill=bool(told))
    # What takes a count is counted when the page is opened, and not with each poll.
    context |= _messages_now(request, sheet)
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
    context["is_poll"] = True
    response = TemplateResponse(request, "admin/notifier/broadcast/poll.html", context)
    response.status_code = HTMX_STOP_POLLING if context["settled"] else HTTPStatus.OK
    if request.GET.get("text", context["text_version"]) != context["text_version"]:
        # Somebody has edited what it will send, the heading with it: nothing of the page is as it was.
        response["HX-Refresh"] = "true"
    return response


def _context(model_admin: BackOfficeAdmin, request: HttpRequest, sheet: sheets.Sheet) -> dict[str, Any]:
    broadcast, now = sheet.broadcast, clock.now()
    settled = _is_settled(broadcast)
    follower = followups.follower_of(broadcast_id=broadcast.pk) if broadcast.finished_at else None
    shown = buttons.shown_to(request, sheet, follower, now)
    wait = waiting.wait(broadcast=broadcast, user=request.user, now=now)
    retry = model_admin.page_url("act", broadcast.pk, "retry") if BUTTONS["retry"] in shown else ""
    if settled:
        # It is among the next steps, with its number.
        shown = [button for button in shown if button is not BUTTONS["retry"]]
    return {
        "broadcast": broadcast,
        "sheet": sheet,
        "wall": _is_wall(request),
        "said": sheets.announcement(sheet),
        "text_version": versions.digest(getattr(broadcast, name) for name in Broadcast.FROZEN),
        "follower": follower,
        **(_steps(model_admin, request, sheet, follower, retry) if settled else {"steps": []}),
        "wait": wait,
        "about": about.about(broadcast),
        "rejection": rejected.rejection(request, broadcast),
        "sender": lifecycle.requester(broadcast),
        "is_expired": broadcast.is_expired(now),
        "fault": broadcast.fault if broadcast.fault_at and broadcast.fault_at > now - faults.SHOWN_FOR else "",
        "may_see_clients": request.user.has_perm(groups.VIEW_CLIENT),
        "may_see_deliveries": request.user.has_perm(groups.VIEW_DELIVERY),
        "settled": settled,
        **_controls(request, sheet, shown, wait),
        **_numbers(request, sheet),
    }


def _feed(request: HttpRequest, broadcast: Broadcast, *, is_ill: bool) -> dict[str, Any]:
    """Its lines, each with what is said of it and the list of all that are like it. On a wall all fits one screen."""
    sizes = {"length": 2 if is_ill else 4, "max_problems": 1 if is_ill else 2} if _is_wall(request) else {}
    names = request.user.has_perm(groups.VIEW_CLIENT)
    found = feeds.feed(broadcast, with_names=names, until=_counted_until(broadcast, clock.now()), **sizes)
    newest = found.newest[: feeds.LENGTH_ENDED] if _is_settled(broadcast) else found.newest
    has_links = _has_links(request)
    return {
        name: [(line, _words(line), _list_behind(broadcast, line) if has_links else "") for line in lines]
        for name, lines in (("problems", found.problems), ("newest", newest))
    }


def _counted_until(broadcast: Broadcast, now: datetime) -> datetime | None:
    """The moment that the figures are about; None where nobody counts, so that they say nothing of what goes on."""
    at = broadcast.tallied_at
    return at if at and not broadcast.finished_at and now - at <= TALLY_IS_FRESH else None


def _words(line: FeedLine) -> str:
    """48 more: number not in service"""
    return ": ".join(filter(None, [line.more, line.reason_in_words]))


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
    """What is next. How many would be sent again, or sent to, is counted first: at once where that is quick."""
    if _is_wall(request):
        return {"steps": []}
    again, later = _retry(request, sheet, retry)
    counted: dict[str, Any] = {"count_retry": later}
    follow = None
    if next_steps.may_follow_up(request, sheet.broadcast, follower):
        if deferred_counts.is_long():
            counted["count_follow_up"] = model_admin.page_url("follow_count", sheet.broadcast.pk)
        else:
            follow = next_steps.follow_up(request, sheet)
            counted["nobody_left"] = follow is None
    return {"steps": next_steps.next_steps(request, sheet, again, follow)} | counted


def _retry(request: HttpRequest, sheet: sheets.Sheet, url: str) -> tuple[next_steps.NextStep | None, str]:
    """The step, or the URL of this page with it where there is much to count."""
    if not url:
        return None, ""
    is_long = sheet.count(Delivery.State.FAILED) > retry_failed.AT_ONCE
    if later := deferred_counts.counted_url(request, is_long=is_long):
        return None, later
    return next_steps.retry(url, retry_failed.forecast(sheet.broadcast, clock.now())), ""


def _messages_now(request: HtmxHttpRequest, sheet: sheets.Sheet) -> dict[str, Any]:
    """How many messages it would be at this moment, of one that has not begun or was rejected.

    Where there are many clients to count it is the URL of this page with that number.
    """
    broadcast = sheet.broadcast
    is_open = broadcast.state in (*Broadcast.BEFORE_START, Broadcast.State.REJECTED)
    is_asked = not request.htmx or deferred_counts.PARAMETER in request.GET
    if not is_open or not is_asked or _is_wall(request):
        return {"may_count": is_open}
    if later := deferred_counts.counted_url(request, is_long=deferred_counts.is_long()):
        return {"may_count": True, "count_messages": later}
    try:
        offer = offers.of_broadcast(broadcast, at=broadcast.scheduled_for)
    except BrokenAudience:
        # The page says what is wrong with it beside its conditions.
        return {"may_count": True, "is_unknown": True}
    sends = {channel.channel: channel.sends for channel in offer.channels}
    return {"may_count": True, "messages_now": totals.in_words(sends) or "none"}


def _is_settled(broadcast: Broadcast) -> bool:
    return broadcast.finished_at is not None and broadcast.tallied_at is not None


def _controls(
    request: HttpRequest, sheet: sheets.Sheet, shown: Sequence[Button], wait: waiting.Wait | None
) -> dict[str, Any]:
    """The buttons, each with its number; and a word that changes when others are due."""
    broadcast = sheet.broadcast
    may_undo = broadcast.can_be_undone and undo.may_undo(request.user, broadcast)
    numbered = [(button, button.number(sheet)) for button in shown]
    # A number that comes later has no place yet on the button that is there.
    names = [button.name if number is None else f"{button.name}+" for button, number in numbered]
    return {
        "buttons": numbered,
        "undo_url": undo.url_of([broadcast]) if may_undo else "",
        "controls": ".".join(
            [
                broadcast.state,
                *(["undo"] if may_undo else []),
                *(["decide"] if wait and wait.may_decide else []),
                *(["reschedule"] if wait and wait.may_reschedule else []),
                *names,
            ]
        ),
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
        "receipts": [
            (
                channel,
                [
                    (
                        found,
                        channel.count(found),
                        list_of(broadcast, channel__exact=channel.channel, receipt=found) if has_links else "",
                    )
                    for found in standing.Standing
                ],
            )
            for channel in standing.of_broadcast(broadcast)
        ],
        "balance": [(state, number) for state, number in states if number],
        "to_send_in_words": totals.in_words({one.channel: one.bar.to_send for one in sheet.channels}),
        "sent": sheet.count(Delivery.State.SENT),
        "cancelled": sheet.count(Delivery.State.CANCELLED),
        "skipped": sheet.count(skipped),
        "deliveries": list_of(broadcast),
        "spared": skip_reasons.spared(broadcast.pk) if sheet.count(skipped) else None,
        "spared_url": list_of(broadcast, state__exact=skipped, reason=Reason.CONSENT_GONE),
    }
