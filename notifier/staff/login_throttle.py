"""Who may not try a password for a while: django-axes, with a second limit, our own page, and the real IP address.

What is locked is a user *from an address*, so that nobody can keep staff out by failing in their name from elsewhere.
An address alone is stopped only after ten times as many failures, under whatever names: that many are no misprints.
The old password that a new one asks for is counted like the one of a log-in.
"""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from ipaddress import IPv6Network, ip_address
from math import ceil
from typing import Any, cast

from axes.attempts import get_cool_off_threshold
from axes.handlers.database import AxesDatabaseHandler
from axes.handlers.proxy import AxesProxyHandler
from axes.helpers import get_client_username
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_login_failed
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

#: An address may fail so many times as often as one user at it: a whole office may share an address.
ADDRESS_FACTOR = 10
#: One customer has all IPv6 addresses with the same beginning.
IPV6_PREFIX = 64
TOO_MANY_REQUESTS = 429
#: No user's name is longer. What is longer is counted by so much of it, and PostgreSQL keeps no more than 255.
NAME_LENGTH = cast(int, User._meta.get_field("username").max_length)
#: Some proxies write the port behind the address: 192.0.2.7:4711, [2001:db8::1]:4711.
_WITH_PORT = re.compile(r"\[(?P<v6>[^\]]*)\](?::\d+)?|(?P<v4>[\d.]+):\d+", re.ASCII)


def client_address(request: HttpRequest) -> str | None:
    """Where a request comes from; None where that can't be told.

    A proxy of ours appends the address that it saw to whatever the client wrote: only the last one is true. Without a
    proxy the header is the client's own invention.
    """
    text = str(request.META.get("REMOTE_ADDR", ""))
    if settings.BEHIND_PROXY:
        text = str(request.META.get("HTTP_X_FORWARDED_FOR", "")).rpartition(",")[2] or text
    text = text.strip()
    if found := _WITH_PORT.fullmatch(text):
        text = found["v6"] or found["v4"] or ""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if address.version == 4:
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(IPv6Network((int(address), IPV6_PREFIX), strict=False).network_address)


def client_name(request: Any, credentials: dict[str, Any] | None = None) -> str | None:
    """The name that was tried, as failures are counted by it; None where none was given."""
    given = credentials.get("username") if credentials else request.POST.get("username")
    # A NUL can't be stored; the form refuses it before any password is compared.
    return None if given is None else str(given).replace("\0", "")[:NAME_LENGTH]


class LockoutHandler(AxesDatabaseHandler):
    """Axes' own, and a limit of the address alone."""

    def is_locked(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> bool:
        return open_again_at(request, get_client_username(request, credentials)) is not None


def open_again_at(request: HttpRequest, username: str | None) -> datetime | None:
    """When this user may try again from this address; None where that is now."""
    AxesProxyHandler.update_request(request)
    failures = _failures(request)
    limits = [(failures.filter(username=username), settings.LOGIN_FAILURES)]
    if request.axes_ip_address is not None:  # type: ignore[attr-defined]
        # Those whose address can't be told are not one visitor: together they would lock everybody out.
        limits.append((failures, settings.LOGIN_FAILURES * ADDRESS_FACTOR))
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


def refuse_guessing(request: HttpRequest) -> HttpResponse | None:
    """The page for a logged-in user who gave a wrong password too often lately; None for everybody else."""
    username = cast(User, request.user).get_username()
    if open_again_at(request, username) is None:
        return None
    return locked_out(request, credentials={"username": username})


def note_failure(request: HttpRequest) -> None:
    """Counts a wrong password of the logged-in user. With the one too many, axes answers the request with our page."""
    credentials = {"username": cast(User, request.user).get_username()}
    user_login_failed.send(sender=__name__, credentials=credentials, request=request)


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
