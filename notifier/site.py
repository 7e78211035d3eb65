"""The site around the pages: its menu, its front page, and how it answers a live page whose session has ended."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.cache import patch_vary_headers
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from notifier import clock, progress
from notifier.models import Broadcast, Channel
from notifier.services import breakers

#: The menu's groups. A model that is not named here comes last, under its app's own name.
MENU = (
    ("Send", ("Notification", "Broadcast", "Delivery", "Resolution")),
    ("Clients", ("Client", "Topic", "Suppression")),
    ("Machinery", ("Worker", "QueuedTicket")),
    ("Access", ("User", "Group")),
)
#: Broadcasts on the front page.
SHOWN = 8
#: Who may have a channel that paused itself tried at once.
TRY_AGAIN = "notifier.control_broadcast"


class HtmxHttpRequest(HttpRequest):
    htmx: HtmxDetails


def menu(app_list: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The pages that this user may open, in the groups of MENU."""
    models = {model["object_name"]: model for app in app_list for model in app["models"] if model["admin_url"]}
    groups = [{"name": name, "models": [models.pop(m) for m in names if m in models]} for name, names in MENU]
    groups.append({"name": "More", "models": list(models.values())})
    return [group for group in groups if group["models"]]


class NotifierAdminSite(AdminSite):
    site_header = "Notifier"
    site_title = "Notifier"
    index_title = "Overview"
    site_url = None
    # The menu is our own, in the page's frame.
    enable_nav_sidebar = False

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        context = super().each_context(request)
        return {**context, "menu": menu(context["available_apps"])}

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Any:
        guarded = super().admin_view(view, cacheable)

        @wraps(guarded)
        def answer(request: HtmxHttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.htmx and not self.has_permission(request):
                # Otherwise htmx follows the redirect and puts the login page into the middle of the old one.
                return HttpResponseClientRedirect(self._login_url(request))
            response: HttpResponse = guarded(request, *args, **kwargs)
            patch_vary_headers(response, ("HX-Request",))
            return response

        return answer

    def _login_url(self, request: HtmxHttpRequest) -> str:
        back_to = request.htmx.current_url_abs_path or reverse("admin:index", current_app=self.name)
        return f"{reverse('admin:login', current_app=self.name)}?{urlencode({'next': back_to})}"

    def get_urls(self) -> list[URLPattern | URLResolver]:
        try_again = self.admin_view(self.try_again_view)
        return [path("channels/<str:name>/try-again/", try_again, name="try_again"), *super().get_urls()]

    def try_again_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """Does not wait for the next single delivery's time, in a channel that paused itself."""
        if not request.user.has_perm(TRY_AGAIN):
            raise PermissionDenied
        if name not in Channel.values:
            raise Http404
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        channel = Channel(name)
        if breakers.probe_now(channel=channel, now=clock.now()):
            messages.success(request, f"{channel.label} is tried now, with a single delivery.")
        else:
            messages.info(request, f"{channel.label} is not paused any more.")
        return redirect("admin:index")

    def app_index(self, request: HttpRequest, app_label: str, extra_context: dict[str, Any] | None = None) -> Any:
        """An app is no place that staff know: what the menu groups is not what the code does."""
        return redirect("admin:index")

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """What is going on, from the broadcasts' own rows and the heartbeats."""
        found: dict[str, Any] = {
            "health": progress.health(channels=Channel, now=clock.now()),
            "may_try_again": request.user.has_perm(TRY_AGAIN),
            "dead_tickets": progress.dead_tickets(now=clock.now()),
        }
        if request.user.has_perm("notifier.view_broadcast"):
            newest = Broadcast.objects.select_related("created_by", "topic").order_by("-created_at")
            under_way = newest.to_sweep()[:SHOWN]
            found["under_way"] = [progress.sheet(broadcast) for broadcast in under_way]
            found["to_come"] = newest.before_start()[:SHOWN]
            found["recent"] = [progress.sheet(broadcast) for broadcast in newest.exclude(finished_at=None)[:SHOWN]]
        return super().index(request, {**found, **(extra_context or {})})
