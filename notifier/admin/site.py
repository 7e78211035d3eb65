"""The site around the pages: its menu, its log-in, and the answer to a live page whose session has ended."""

from collections.abc import Callable, Mapping
from functools import wraps
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.admin.utils import unquote
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.cache import patch_vary_headers
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django_htmx.http import HttpResponseClientRedirect

from notifier.admin import error_pages, overview
from notifier.models.brands import ONLY
from notifier.overview import menu_numbers
from notifier.runtime import clock, this_machine
from notifier.staff import account, groups, login_throttle, published_passwords
from notifier.web.htmx import HtmxHttpRequest
from notifier.wording import numbers
from notifier.wording.model_names import LISTS, NAMES, NOTHING

#: The groups of the menu. A model that is not named here comes last, under "More".
MENU = (
    ("Send", ("Notification", "Picture", "Broadcast", "Delivery", "Resolution")),
    (
        "Clients",
        ("Client", "SavedAudience", "InboundMessage", "Topic", "ClientField", "Tag", "Suppression", "ClientImport"),
    ),
    ("System", ("Brand", "Process", "QueuedTicket", "Throttle")),
    ("Access", ("User", "Group", "AccessAttempt", "AccessLog")),
)
#: Pages that all may open and the menu shows only to those with one of these permissions: to others they say nothing.
ONLY_FOR = {"Resolution": (groups.RESOLVE_DELIVERY, groups.VIEW_RESOLVEDDELIVERY)}

#: What Django and simple-history call the ids that a URL may hold.
IDS = {"object_id", "version_id", "content_type_id", "id"}


def menu(
    app_list: list[dict[str, Any]], may: Callable[[str], bool], waiting: Mapping[str, int]
) -> list[dict[str, Any]]:
    """The pages that this user may open and has a use for, in the groups of MENU. Where there is one row, its own.

    `waiting`: how much waits for them, by the model.
    """
    models = {model["object_name"]: model for app in app_list for model in app["models"] if model["admin_url"]}
    unused = {name for name, needs in ONLY_FOR.items() if not any(map(may, needs))}
    if not settings.BROKER_URL.startswith("database:"):
        unused.add("QueuedTicket")  # always empty: RabbitMQ holds the tickets
    models = {name: model for name, model in models.items() if name not in unused}
    for name in (NAMES.keys() | LISTS.keys()) & models.keys():
        models[name] = {**models[name], "name": LISTS.get(name) or capfirst(NAMES[name][1])}
    if "Brand" in models:
        models["Brand"] = {**models["Brand"], "admin_url": reverse("admin:notifier_brand_change", args=[ONLY])}
    for name in waiting.keys() & models.keys():
        models[name] = {**models[name], "waiting": waiting[name]}
    shown = [{"name": name, "models": [models.pop(m) for m in names if m in models]} for name, names in MENU]
    shown.append({"name": "More", "models": list(models.values())})
    return [group for group in shown if group["models"]]


class LoginForm(AdminAuthenticationForm):
    """One message for a wrong name, a wrong password, and a user who is no member of staff."""

    error_messages = {
        **AdminAuthenticationForm.error_messages,
        "invalid_login": _("Enter the correct username and password of a staff account. Both are case-sensitive."),
        "published": _(
            "This password is published in the documentation, so it can’t be used here. Ask whoever runs the "
            "server to set another one."
        ),
    }

    def confirm_login_allowed(self, user: User) -> None:
        super().confirm_login_allowed(user)
        given = {name: str(self.cleaned_data.get(name, "")) for name in ("username", "password")}
        client = login_throttle.client_address(self.request) if self.request else None
        is_stranger = this_machine.is_stranger(client or "")
        if published_passwords.is_published(**given) and (is_stranger or not this_machine.is_tried_out()):
            raise ValidationError(self.error_messages["published"], code="published")


def _with_ids(view: Callable[..., Any]) -> Callable[..., Any]:
    """The view, and 404 for a URL that names a row by anything but the number that an id is.

    Django's own pages capture any text. Some fail over it, and Python reads the digits of every script as numbers, so
    that a row would have several URLs. Ours capture numbers, of which SQLite takes no more than 64 bits.
    """

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        ids = [unquote(str(value)) for name, value in kwargs.items() if name in IDS or isinstance(value, int)]
        if any(numbers.read_id(text) is None for text in ids):
            raise Http404
        return view(request, *args, **kwargs)

    return answer


class NotifierAdminSite(AdminSite):
    login_form = LoginForm
    site_header = _("Notifier")
    site_title = _("Notifier")
    index_title = _("Overview")
    site_url = None
    # The menu is our own, in the page's frame.
    enable_nav_sidebar = False
    empty_value_display = NOTHING

    def _build_app_dict(self, *args: Any, **options: Any) -> Any:
        """With names that are put into a language once: Django sorts by them, and would do it at every comparison."""
        found: Any = super()._build_app_dict(*args, **options)
        for app in found.values():
            app["models"] = [{**model, "name": str(model["name"])} for model in app["models"]]
        return found

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        context = super().each_context(request)
        apps = context["available_apps"]
        # Without a log-in there is no menu.
        waiting = menu_numbers.of_user(user=request.user, now=clock.now()) if apps else {}
        return {**context, "menu": menu(apps, request.user.has_perm, waiting)}

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Any:
        guarded = super().admin_view(_with_ids(view), cacheable)

        @wraps(guarded)
        def answer(request: HtmxHttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.htmx and not self.has_permission(request):
                # A plain redirect htmx would follow, and put the login page into the middle of the old one.
                return HttpResponseClientRedirect(self._login_url(request))
            response: HttpResponse = guarded(request, *args, **kwargs)
            if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
                response = error_pages.not_allowed(request, response)
            if request.htmx and isinstance(response, HttpResponseRedirect):
                # For the same reason: no part of another page belongs into this one.
                response = HttpResponseClientRedirect(response.url)
            patch_vary_headers(response, ("HX-Request",))
            return response

        return answer

    def _login_url(self, request: HtmxHttpRequest) -> str:
        back_to = request.htmx.current_url_abs_path or reverse("admin:index", current_app=self.name)
        return f"{reverse('admin:login', current_app=self.name)}?{urlencode({'next': back_to})}"

    def get_urls(self) -> list[URLPattern | URLResolver]:
        return [
            path("channels/<str:name>/try-again/", self.admin_view(overview.try_again_page), name="try_again"),
            path("account/", self.admin_view(self.account_view), name="account"),
            *super().get_urls(),
        ]

    def account_view(self, request: HttpRequest) -> HttpResponse:
        return account.account_page(request, context=self.each_context(request))

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """With wrong old passwords counted as at the log-in: an open session is no licence to guess."""
        is_sent = request.method == "POST"
        if is_sent and (refusal := login_throttle.refuse_guessing(request)):
            return refusal
        response = super().password_change(request, extra_context)
        form = getattr(response, "context_data", None) or {}
        if is_sent and "form" in form and form["form"].has_error("old_password", "password_incorrect"):
            login_throttle.note_failure(request)
        return response

    def app_index(self, request: HttpRequest, app_label: str, extra_context: dict[str, Any] | None = None) -> Any:
        """The front page: staff know the groups of the menu, and not the apps that the code is made of."""
        return redirect("admin:index")

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """How things stand; for htmx only the progress bars."""
        if cast(HtmxHttpRequest, request).htmx:
            return overview.progress_bars(request)
        return super().index(request, overview.overview_context(request) | (extra_context or {}))
