"""Who may not log in for a while: django-axes, with a second limit, our own page, and the real IP address.

What is locked is a user *from an address*, so that nobody can keep staff out by failing in their name from elsewhere.
An address alone is stopped only after ten times as many failures, under whatever names: that many are no misprints.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from ipaddress import IPv6Network, ip_address
from math import ceil
from typing import Any

from axes.attempts import get_cool_off_threshold
from axes.handlers.database import AxesDatabaseHandler
from axes.handlers.proxy import AxesProxyHandler
from axes.helpers import get_client_username
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

#: An address may fail so many times as often as one user at it: a whole office may share an address.
ADDRESS_FACTOR = 10
#: One customer has all IPv6 addresses with the same beginning.
IPV6_PREFIX = 64
TOO_MANY_REQUESTS = 429


def client_address(request: HttpRequest) -> str | None:
    """Where a request comes from; None where that can't be told.

    A proxy of ours appends the address that it saw to whatever the client wrote: only the last one is true. Without a
    proxy the header is the client's own invention.
    """
    text = str(request.META.get("REMOTE_ADDR", ""))
    if settings.BEHIND_PROXY:
        text = str(request.META.get("HTTP_X_FORWARDED_FOR", "")).rpartition(",")[2] or text
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    if address.version == 4:
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(IPv6Network((int(address), IPV6_PREFIX), strict=False).network_address)


class LockoutHandler(AxesDatabaseHandler):
    """Axes' own, and a limit of the address alone."""

    def is_locked(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> bool:
        return open_again_at(request, get_client_username(request, credentials)) is not None


def open_again_at(request: HttpRequest, username: str | None) -> datetime | None:
    """When this user may try again from this address; None where that is now."""
    AxesProxyHandler.update_request(request)
    failures = _failures(request)
    limits = (
        (failures.filter(username=username), settings.LOGIN_FAILURES),
        (failures, settings.LOGIN_FAILURES * ADDRESS_FACTOR),
    )
    ends = [_end(attempts.values_list("attempt_time", "failures_since_start"), most) for attempts, most in limits]
    return max((end for end in ends if end), default=None)


def _failures(request: Any) -> QuerySet:
    recent: QuerySet = AccessAttempt.objects.filter(attempt_time__gte=get_cool_off_threshold(request))
    return recent.filter(ip_address=request.axes_ip_address).order_by("attempt_time")


def _end(attempts: Iterable[tuple[datetime, int]], most: int) -> datetime | None:
    """When enough of the oldest failures are forgotten that fewer than `most` are left."""
    rows = list(attempts)
    left = sum(failures for _, failures in rows)
    if left < most:
        return None
    for moment, failures in rows:
        left -= failures
        if left < most:
            return moment + timedelta(minutes=settings.LOGIN_COOLOFF_MINUTES)
    return None


def locked_out(
    request: Any, original_response: HttpResponse | None = None, credentials: dict[str, Any] | None = None
) -> HttpResponse:
    """The page that a locked out log-in gets. It does not tell whether there is such a user."""
    until = open_again_at(request, get_client_username(request, credentials))
    now: datetime = request.axes_attempt_time
    wait = max(1, ceil((until - now).total_seconds())) if until else 1
    context = {
        **admin.site.each_context(request),
        "title": "Too many attempts",
        "minutes": ceil(wait / 60),
        "until": until or now,
    }
    page = render(request, "admin/staff/locked_out.html", context, status=TOO_MANY_REQUESTS)
    page["Retry-After"] = str(wait)
    page["Cache-Control"] = "no-store"
    return page
