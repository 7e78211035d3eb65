"""A form that was posted after its log-in had ended: nothing is saved, and the answer keeps what was typed.

It goes with the page alone, and is saved by whoever presses *Save* there after a log-in: the page names them. Only what
a page of this site posted is shown in this way. Otherwise another site could fill a form, and a member of staff would
send it off with a token that this page gave to it.
"""

import logging
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.template.response import TemplateResponse
from django.urls import reverse

from notifier.web import error_pages

logger = logging.getLogger(__name__)

#: What else is written in, beside the forms that add and change something, and what their button says.
LABELS = {"account": "Save", "notifier_broadcast_approve": "Reject"}
#: Typed again instead: none of them should stand in a page.
_PASSWORDS = "password"
_CSRF_FIELD = "csrfmiddlewaretoken"


def answer(request: HttpRequest) -> HttpResponse | None:
    """None where this is no such form, and where the request may be another site's."""
    if error_pages.is_live(request) or not _is_of_this_site(request):
        return None
    try:
        return _page(request, label) if (label := _label(request)) else None
    except (UnreadablePostError, ValueError):
        # The form did not arrive; or the list of static files has not got one, as they were not collected.
        logger.exception("The page with an unsent form can’t be shown.")
        return None


def _page(request: HttpRequest, label: str) -> HttpResponse:
    fields = [
        (name, value)
        for name, values in request.POST.lists()
        if name != _CSRF_FIELD and _PASSWORDS not in name
        for value in values
    ]
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Not saved yet",
        "fields": fields,
        "label": label,
        "is_logged_in": request.user.is_authenticated,
        "is_incomplete": bool(request.FILES) or any(_PASSWORDS in name for name in request.POST),
        "action": request.get_full_path(),
        "login": reverse("admin:login"),
    }
    page = TemplateResponse(request, "admin/unsent_form.html", context, status=HTTPStatus.FORBIDDEN)
    page["Cache-Control"] = error_pages.HEADERS["Cache-Control"]
    return page.render()


def _label(request: HttpRequest) -> str:
    """Of the button; empty where this is no form that somebody writes in."""
    name = (request.resolver_match and request.resolver_match.url_name) or ""
    if request.method != "POST" or _PASSWORDS in name or not request.path_info.startswith(reverse("admin:index")):
        return ""
    if name == "notifier_broadcast_approve" and request.POST.get("word") != "reject":
        return ""
    return LABELS.get(name) or ("Save" if name.endswith(("_add", "_change")) else "")


def _is_of_this_site(request: HttpRequest) -> bool:
    """Browsers tell, and no page can make them tell otherwise: the first header on HTTPS, the second on all POSTs."""
    if site := request.headers.get("Sec-Fetch-Site"):
        return site == "same-origin"
    return urlsplit(request.headers.get("Origin", "")).netloc == request.get_host()
