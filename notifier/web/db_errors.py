"""The pages for a database that can’t be used, and for other errors. They need no query."""

import logging
import sqlite3
import sys
from collections.abc import Callable
from http import HTTPStatus

from django import db
from django.http import HttpRequest, HttpResponse

from notifier.web import error_pages

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
    "40": "The database is busy: two changes were made at once. Try again.",
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
    return _outage(request, exception.__context__) or _page(
        request,
        status=HTTPStatus.BAD_REQUEST,
        title="We can’t process this request",
        reason="The web address or the form is wrong or incomplete. Go back and try again.",
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's `handler500`."""
    return _outage(request, sys.exc_info()[1]) or _page(
        request,
        status=HTTPStatus.INTERNAL_SERVER_ERROR,
        title="Something went wrong",
        reason="We couldn’t show this page because of a problem on our side. If it happens again, tell your "
        "administrator: the server’s log has the details.",
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
    status = HTTPStatus.SERVICE_UNAVAILABLE
    answer = _page(request, status=status, title="Not available right now", reason=reason(error))
    answer["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return answer


def _page(request: HttpRequest, *, status: int, title: str, reason: str) -> HttpResponse:
    if error_pages.is_public(request):
        is_change = request.method not in ("GET", "HEAD")
        return error_pages.public_page(request, status=status, template="outage", is_change=is_change)
    return error_pages.page(
        request, status=status, title=title, reason=reason, is_outage=status == HTTPStatus.SERVICE_UNAVAILABLE
    )
