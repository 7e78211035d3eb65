"""The pages for a database that can’t be used, and for other errors. They need no query."""

import logging
import sqlite3
import sys
from collections.abc import Callable

from django import db
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views import defaults

from notifier.messages import signed_links

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 10
#: The primary codes of https://www.sqlite.org/rescode.html; the extended ones add to them in higher bits.
_SQLITE = {
    sqlite3.SQLITE_BUSY: "The database is busy: another program has locked it for too long.",
    sqlite3.SQLITE_LOCKED: "The database is busy: another program has locked it for too long.",
    sqlite3.SQLITE_FULL: "The disk that holds the database is full.",
    sqlite3.SQLITE_IOERR: "The disk that holds the database is full, or is faulty.",
    sqlite3.SQLITE_READONLY: "The database can’t be written: its file or its folder is read-only.",
    sqlite3.SQLITE_CANTOPEN: "The database’s file can’t be opened.",
}
#: The classes of https://www.postgresql.org/docs/current/errcodes-appendix.html
_POSTGRESQL = {
    "40": "The database is busy: two changes met. Try again.",
    "53100": "The disk that holds the database is full.",
    "53": "The database is out of connections or memory.",
    "55": "The database is busy: something has locked it for too long.",
}
AWAY = "The database can’t be reached."


class OutageMiddleware:
    """Answers with 503 and a plain page where the database was unreachable, busy or full in a view."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return _outage(request, error)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's `handler400`. A session that can’t be saved after the view arrives here, as a bad request."""
    return _outage(request, exception.__context__) or defaults.bad_request(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's `handler500`."""
    return _outage(request, sys.exc_info()[1]) or _page(
        request,
        status=500,
        title="Something went wrong",
        reason="We couldn’t show this page because of a problem on our side. The server’s log has the details.",
    )


def reason(error: BaseException) -> str:
    """Why the database can’t be used, for people to read; "" for any other error.

    On SQLite a missing table is an `OperationalError`, like a full disk. But it is no outage, since it would not pass.
    """
    if not isinstance(error, db.OperationalError | db.InterfaceError):
        return ""
    cause = error.__cause__
    if isinstance(cause, sqlite3.Error):
        return _SQLITE.get(getattr(cause, "sqlite_errorcode", 0) & 0xFF, "")
    # psycopg's errors have a state, unless no server has answered.
    state = getattr(cause, "sqlstate", None) or ""
    return _POSTGRESQL.get(state) or _POSTGRESQL.get(state[:2]) or AWAY


def _outage(request: HttpRequest, error: BaseException | None) -> HttpResponse | None:
    while error and not reason(error):
        error = error.__context__
    if not error:
        return None
    # The first line is enough; with PostgreSQL the others quote the statement.
    logger.error("%s %s can’t be answered: %s", request.method, request.path, str(error).partition("\n")[0])
    answer = _page(request, status=503, title="Not available right now", reason=reason(error))
    answer["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return answer


def _page(request: HttpRequest, *, status: int, title: str, reason: str) -> HttpResponse:
    # htmx puts a piece into the middle of a live page. The header is asked: its middleware may not have run yet.
    is_live = "HX-Request" in request.headers
    context = {
        "title": title,
        "reason": reason,
        "is_outage": status == 503,
        "is_change": request.method not in ("GET", "HEAD"),
        "is_live": is_live,
    }
    if signed_links.is_public(request.path_info):
        # Clients read this: neither the reason nor anything about broadcasts is for them.
        text = render_to_string("public/outage.html", context)
    else:
        text = render_to_string("outage_piece.html" if is_live else "outage.html", context)
    return HttpResponse(text, status=status, headers={"Cache-Control": "no-store"})
