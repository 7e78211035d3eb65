"""The site around the pages: its menu, its front page, and how it answers a live page whose session has ended."""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.cache import patch_vary_headers
from django.utils.text import capfirst
from django_htmx.http import HTMX_STOP_POLLING, HttpResponseClientRedirect

from notifier.broadcasts import progress
from notifier.models import Channel
from notifier.overview import chart, dashboard
from notifier.policies import breakers
from notifier.runtime import clock
from notifier.staff import account
from notifier.web.htmx import HtmxHttpRequest
from notifier.wording.model_names import LISTS, NAMES, NOTHING

#: The menu's groups. A model that is not named here comes last, under its app's own name.
MENU = (
    ("Send", ("Notification", "Broadcast", "Delivery", "Resolution")),
    ("Clients", ("Client", "InboundMessage", "Topic", "Suppression", "ClientImport")),
    ("Machinery", ("Process", "QueuedTicket", "Throttle")),
    ("Access", ("User", "Group", "AccessAttempt", "AccessLog")),
)
#: How long an overview without JavaScript shows the same bars.
REFRESH_SECONDS = 5
#: Who may have a channel that paused itself tried at once.
TRY_AGAIN = "notifier.control_broadcast"


def menu(app_list: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The pages that this user may open, in the groups of MENU."""
    models = {model["object_name"]: model for app in app_list for model in app["models"] if model["admin_url"]}
    for name in NAMES.keys() & models.keys():
        models[name] = {**models[name], "name": LISTS.get(name) or capfirst(NAMES[name][1])}
    groups = [{"name": name, "models": [models.pop(m) for m in names if m in models]} for name, names in MENU]
    groups.append({"name": "More", "models": list(models.values())})
    return [group for group in groups if group["models"]]


class LoginForm(AdminAuthenticationForm):
    """Says the same of a wrong name, a wrong password, and one who is no member of staff."""

    error_messages = {
        **AdminAuthenticationForm.error_messages,
        "invalid_login": "That is not the name and password of a member of staff. Capital and small letters differ.",
    }


class NotifierAdminSite(AdminSite):
    login_form = LoginForm
    site_header = "Notifier"
    site_title = "Notifier"
    index_title = "Overview"
    site_url = None
    # The menu is our own, in the page's frame.
    enable_nav_sidebar = False
    empty_value_display = NOTHING

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
            if request.htmx and isinstance(response, HttpResponseRedirect):
                # In the same way: of a page that is elsewhere by now there is no part to put into this one.
                response = HttpResponseClientRedirect(response.url)
            patch_vary_headers(response, ("HX-Request",))
            return response

        return answer

    def _login_url(self, request: HtmxHttpRequest) -> str:
        back_to = request.htmx.current_url_abs_path or reverse("admin:index", current_app=self.name)
        return f"{reverse('admin:login', current_app=self.name)}?{urlencode({'next': back_to})}"

    def get_urls(self) -> list[URLPattern | URLResolver]:
        try_again = self.admin_view(self.try_again_view)
        return [
            path("channels/<str:name>/try-again/", try_again, name="try_again"),
            path("account/", self.admin_view(self.account_view), name="account"),
            *super().get_urls(),
        ]

    def account_view(self, request: HttpRequest) -> HttpResponse:
        return account.page(request, context=self.each_context(request))

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
        """Where things stand; and for htmx the bars of what is under way."""
        if cast(HtmxHttpRequest, request).htmx:
            return self._bars(request)
        may, now = request.user.has_perm, clock.now()
        health = progress.health(channels=Channel, now=now)
        found: dict[str, Any] = {
            "concerns": dashboard.concerns(health=health, may=may, now=now),
            "health": health,
            "refresh_seconds": REFRESH_SECONDS,
        }
        if may("notifier.view_broadcast"):
            found |= {
                **_under_way(),
                "to_come": dashboard.to_come(),
                "charts": chart.charts(now=now),
                "outcomes": chart.OUTCOMES,
                "finished": dashboard.finished(),
            }
        if may("notifier.view_client"):
            found |= {"clients": dashboard.clients(now=now), "channels": Channel}
        return super().index(request, {**found, **(extra_context or {})})

    def _bars(self, request: HttpRequest) -> TemplateResponse:
        if not request.user.has_perm("notifier.view_broadcast"):
            raise PermissionDenied
        found = _under_way()
        # The rows themselves are sent again only when others are due: a click must not fall between two polls.
        found["swap_rows"] = request.GET.get("shown") != found["shown"]
        status = HTTPStatus.OK if found["under_way"] else HTMX_STOP_POLLING
        return TemplateResponse(request, "admin/includes/overview/under_way_poll.html", found, status=status)


def _under_way() -> dict[str, Any]:
    sheets = dashboard.under_way()
    return {"under_way": sheets, "shown": "-".join(f"{s.broadcast.pk}.{s.broadcast.state}" for s in sheets)}
