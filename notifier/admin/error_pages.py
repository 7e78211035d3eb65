"""The pages for what is refused or not there: for members of staff with the menu, for all others without."""

import logging
from http import HTTPStatus

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from notifier.web import error_pages

logger = logging.getLogger(__name__)

NOTHING_CHANGED = _("Nothing was changed.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's `handler404`. An address outside the back office is most likely a client's link that was cut off."""
    if not _is_of_staff(request):
        return error_pages.public_page(request, status=HTTPStatus.NOT_FOUND, template="unknown")
    reason = gettext("The web address is wrong, or what it led to has been deleted.")
    return _page(request, HTTPStatus.NOT_FOUND, "Page not found", reason)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's `handler403`."""
    ask = gettext("You don’t have permission for it. Ask your administrator for it.")
    if request.method in ("GET", "HEAD"):
        return _page(request, HTTPStatus.FORBIDDEN, "You can’t open this page", ask)
    return _page(request, HTTPStatus.FORBIDDEN, "You can’t do this", f"{NOTHING_CHANGED} {ask}")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's CSRF_FAILURE_VIEW. Its own reason is for the log: it says nothing that somebody could act on."""
    words = gettext(
        "%(nothing_changed)s You have probably logged in or out since you opened the page, perhaps in "
        "another tab. Go back, reload the page and try again. If that doesn’t help, allow cookies for "
        "this site."
    ) % {"nothing_changed": NOTHING_CHANGED}
    return _page(request, HTTPStatus.FORBIDDEN, "This page was out of date", words)


def not_allowed(request: HttpRequest, refusal: HttpResponse) -> HttpResponse:
    """For an address that is only posted to, and was opened: by a bookmark, or by the log-in that leads back to it."""
    words = gettext(
        "%(nothing_changed)s This web address belongs to a button. Go to the page that has it and press it there."
    ) % {"nothing_changed": NOTHING_CHANGED}
    answer = _page(request, HTTPStatus.METHOD_NOT_ALLOWED, "This can’t be opened", words)
    answer["Allow"] = refusal["Allow"]
    return answer


def _page(request: HttpRequest, status: HTTPStatus, title: str, reason: str) -> HttpResponse:
    if error_pages.is_live(request) or not _is_staff(request):
        # What was refused was not done, so there is nothing to look up.
        return error_pages.page(request, status=status, title=title, reason=reason, is_change=False)
    context = {**admin.site.each_context(request), "title": title, "reason": reason}
    try:
        answer = render(request, "admin/error_page.html", context, status=status)
    except ValueError:
        # The list of static files has not got one: they were not collected.
        logger.exception("The page for an error can’t be rendered with the menu.")
        return error_pages.page(request, status=status, title=title, reason=reason, is_change=False)
    answer["Cache-Control"] = error_pages.HEADERS["Cache-Control"]
    return answer


def _is_of_staff(request: HttpRequest) -> bool:
    """Whether it is about the back office: an address there, or anything that a member of staff asks for."""
    if error_pages.is_public(request):
        return False
    return request.path_info.startswith(reverse("admin:index")) or _is_staff(request)


def _is_staff(request: HttpRequest) -> bool:
    # Nobody is known yet where a middleware before the log-in refuses.
    user = getattr(request, "user", None)
    return bool(user and user.is_active and user.is_staff)
