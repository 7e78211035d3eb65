"""The front page of the back office, its progress bars, and the button that tries a paused channel again."""

from datetime import datetime
from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext
from django_htmx.http import HTMX_STOP_POLLING

from notifier.models import Channel
from notifier.overview import chart, concerns, dashboard, figures, process_health
from notifier.overview.process_health import Health
from notifier.policies import breakers
from notifier.runtime import clock
from notifier.staff import groups

#: Without JavaScript the page loads itself again after so long.
REFRESH_SECONDS = 5


def overview_context(request: HttpRequest) -> dict[str, Any]:
    """What the front page shows to this user."""
    may, now = request.user.has_perm, clock.now()
    health = process_health.for_reader(process_health.health(channels=Channel, now=now), may=may)
    found = concerns.find(health=health, may=may, now=now, user_id=request.user.pk)
    context: dict[str, Any] = {
        "held_up": [concern for concern in found if concern.holds_up],
        "to_decide": [concern for concern in found if not concern.holds_up],
        "health": health,
        "channels": Channel,
        "figures": [],
        "refresh_seconds": REFRESH_SECONDS,
    }
    if may(groups.VIEW_BROADCAST):
        context |= _of_broadcasts(health, now)
    if may(groups.VIEW_CLIENT):
        clients = dashboard.clients(now=now)
        context |= {"clients": clients, "figures": [*context["figures"], figures.of_clients(clients)]}
    return context


def _of_broadcasts(health: list[Health], now: datetime) -> dict[str, Any]:
    charts, to_come, number = chart.charts(now=now), dashboard.to_come(), dashboard.number_to_come()
    moving = _under_way(health)
    return {
        **moving,
        "to_come": to_come,
        "charts": charts,
        "outcomes": chart.OUTCOMES,
        "is_charted": any(one.busy_days for one in charts),
        "finished": dashboard.finished(),
        "figures": figures.of_broadcasts(
            charts=charts,
            to_come=to_come,
            number_to_come=number,
            now=now,
            under_way=moving["under_way"],
            stalled=process_health.stalled(health),
        ),
    }


def progress_bars(request: HttpRequest) -> TemplateResponse:
    """For htmx: the bars of the broadcasts that are under way."""
    if not request.user.has_perm(groups.VIEW_BROADCAST):
        raise PermissionDenied
    found = _under_way(process_health.health(channels=Channel, now=clock.now()))
    # The rows are sent again only when other broadcasts are due: a click must not fall between two polls.
    found["swap_rows"] = request.GET.get("shown") != found["shown"]
    status = HTTPStatus.OK if found["under_way"] else HTMX_STOP_POLLING
    return TemplateResponse(request, "admin/includes/overview/under_way_poll.html", found, status=status)


def _under_way(health: list[Health]) -> dict[str, Any]:
    sheets = dashboard.under_way(stalled=process_health.stalled(health))
    return {
        "under_way": sheets,
        "moving": dashboard.by_state(sheets),
        "shown": "-".join(f"{s.broadcast.pk}.{s.broadcast.state}" for s in sheets),
    }


def try_again_page(request: HttpRequest, name: str) -> HttpResponse:
    """POST only: lets a channel that paused itself try a single delivery now, before its next probe is due."""
    if not request.user.has_perm(groups.CONTROL_BROADCAST):
        raise PermissionDenied
    if name not in Channel.values:
        raise Http404
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    channel = Channel(name)
    if breakers.probe_now(channel=channel, now=clock.now()):
        messages.success(
            request, gettext("Trying %(in_words)s now, with a single message.") % {"in_words": channel.in_words}
        )
    else:
        messages.info(request, gettext("%(channel_label)s is no longer paused.") % {"channel_label": channel.label})
    return redirect("admin:index")
