"""The rights, by direct requests: every page and button, as a member of each group, of none, and as nobody."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from http import HTTPStatus
from http.cookies import SimpleCookie
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client as Browser
from django.urls import resolve, reverse
from pytest_django.plugin import DjangoDbBlocker

from notifier.admin import error_pages
from notifier.models import ClientImport, Profile, UnsavedText
from notifier.overview import menu_numbers
from notifier.staff import groups
from tests.support.database.undone import undone
from tests.support.datasets import everything
from tests.support.factories import a_kept_text, a_user
from tests.support.forms import form_of
from tests.support.pages.page import NEVER, Needs, Page, Post, Rows, View, permissions
from tests.support.pages.registry import OPENED, POSTED

# Rights are asked before any row: that pages open and acts work on both engines others see.
pytestmark = [pytest.mark.django_db, pytest.mark.both_engines(only_full=True)]

#: Who comes: nobody, a member of staff without a right, one of each group, and who may do everything.
VISITORS: dict[str, Callable[[], User | None]] = {
    "nobody": lambda: None,
    "no right": a_user,
    **{group: lambda group=group: a_user(group=group) for group in groups.GROUPS},  # type: ignore[misc]
    "superuser": lambda: a_user(is_superuser=True),
}


def named(one: Page | View | Post) -> str:
    return one.name if isinstance(one, Page) else one.label


def may(visitor: str, needs: Needs) -> bool:
    """By the matrix, and by nothing else."""
    if visitor == "nobody" or needs == NEVER:
        return False
    if visitor == "superuser":
        return True
    held = groups.permissions_of(visitor) if visitor in groups.GROUPS else set()
    return permissions(needs) <= held


@dataclass(frozen=True)
class Office:
    """The rows that pages are about, and the visitors, each logged in."""

    rows: Rows
    users: dict[str, User | None]
    cookies: dict[str, SimpleCookie]

    def browser(self, visitor: str) -> Browser:
        """The visitor's own, with what belongs to each member of staff: an upload, and addresses for tests."""
        own(self.rows, self.users[visitor])
        return self.visit(visitor)

    def visit(self, visitor: str) -> Browser:
        """Of somebody who comes by and owns nothing."""
        browser = Browser()
        browser.cookies = SimpleCookie(self.cookies[visitor])
        return browser


@pytest.fixture(scope="module")
def office(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Office]:
    """Made once: a test undoes what it did there, and making it takes as long as a test."""
    whole = undone()
    with django_db_blocker.unblock():
        whole.__enter__()
        rows = everything.build(staff=a_user(username="somebody"))
        users = {visitor: make() for visitor, make in VISITORS.items()}
        cookies = {}
        for visitor, user in users.items():
            browser = Browser()
            log_in(browser, rows, user)
            cookies[visitor] = browser.cookies
    yield Office(rows, users, cookies)
    with django_db_blocker.unblock():
        whole.__exit__(None, None, None)


@pytest.fixture(scope="module")
def numbers() -> dict[int, dict[str, int]]:
    """In the menu of each visitor, by their key."""
    return {}


@pytest.fixture(autouse=True)
def counted_once(numbers: dict[int, dict[str, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    """For each visitor by their own rights, but not anew for each of a few thousand pages."""
    count = menu_numbers.of_user

    def of_user(*, user: User, now: datetime) -> dict[str, int]:
        if user.pk not in numbers:
            numbers[user.pk] = count(user=user, now=now)
        return numbers[user.pk]

    monkeypatch.setattr(menu_numbers, "of_user", of_user)


@pytest.fixture(scope="module")
def refused() -> set[tuple[int | None, str]]:
    """Who has seen that they may not, and what it was called."""
    return set()


@pytest.fixture(autouse=True)
def refused_in_full_once(refused: set[tuple[int | None, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """The page that says so is the same for each of a visitor's hundreds of refusals; the first shows it."""
    whole = error_pages._page

    def page(request: HttpRequest, status: HTTPStatus, title: str, reason: str) -> HttpResponse:
        key = (request.user.pk, title)
        if key in refused:
            return HttpResponse(status=status)
        refused.add(key)
        return whole(request, status, title, reason)

    monkeypatch.setattr(error_pages, "_page", page)


def log_in(browser: Browser, rows: Rows, user: User | None) -> None:
    """With what belongs to each member of staff: an upload, unsaved changes, and addresses for tests."""
    own(rows, user)
    if user:
        browser.force_login(user)


def own(rows: Rows, user: User | None) -> None:
    if user:
        ClientImport.objects.filter(pk=rows["upload"]).update(created_by=user)
        if not UnsavedText.objects.filter(user=user).exists():
            a_kept_text(user=user, notification_id=rows["spare_notification"])
        User.objects.filter(pk=user.pk).update(email="staff@example.com")
        Profile.objects.update_or_create(user=user, defaults={"phone": "+12025550199"})


#: Their rows come without any of Django's making: they are read before and after each of a few thousand requests.
_COLUMNS = {
    model._meta.label: (
        ", ".join(
            connection.ops.quote_name(str(field.column))
            for field in model._meta.concrete_fields
            if field.name != "last_login"
        ),
        connection.ops.quote_name(model._meta.db_table),
    )
    for app in ("notifier", "auth", "admin", "axes")
    for model in apps.get_app_config(app).get_models()
    if model._meta.label != "axes.AccessLog"
}


def everything_of_ours() -> dict[str, list[Any]]:
    """Each row, to tell whether anything has changed. Log-ins leave their own traces."""
    found = {}
    with connection.cursor() as cursor:
        for label, (columns, table) in _COLUMNS.items():
            cursor.execute(f"SELECT {columns} FROM {table} ORDER BY 1")
            found[label] = cursor.fetchall()
    return found


@pytest.mark.parametrize(("opened", "view"), OPENED, ids=named)
def test_a_page_opens_for_those_who_may_and_for_nobody_else(opened: Page, view: View, office: Office) -> None:
    found = {}
    for visitor in VISITORS:
        answer = office.browser(visitor).get(opened.url(view, office.rows), follow=True)
        answer.getvalue()  # a file is made while it is read, and closed at its end
        asked_to_log_in = answer.request["PATH_INFO"] == reverse("admin:login")
        found[visitor] = "log in" if asked_to_log_in else HTTPStatus(answer.status_code).phrase

    expected = {visitor: "OK" if may(visitor, opened.needed(view)) else "Forbidden" for visitor in VISITORS}
    assert found == expected | {"nobody": "log in"}


@pytest.mark.parametrize(("posted", "post"), POSTED, ids=named)
def test_what_is_done_is_done_for_those_who_may_and_refused_to_everybody_else(
    posted: Page, post: Post, office: Office
) -> None:
    found = {}
    forms = Forms(office, posted.url(post.at, office.rows))
    for visitor in VISITORS:
        with undone():
            found[visitor] = _done(posted, post, office, visitor, forms)

    expected = {visitor: "done" if may(visitor, posted.needed(post)) else "refused" for visitor in VISITORS}
    assert found == expected | {"nobody": "asked to log in"}


class Forms:
    """Whoever may do it has the form of their own page. All others have that of somebody who may do everything, as it
    is shown first: whether one is shown it is not what protects the page."""

    def __init__(self, office: Office, address: str) -> None:
        self._office = office
        self._address = address

    def of(self, browser: Browser, *, may_do: bool) -> dict[str, list[str]]:
        page = browser.get(self._address) if may_do else None
        if page and page.status_code == HTTPStatus.OK:
            return form_of(page.content.decode())
        return self._whole

    @cached_property
    def _whole(self) -> dict[str, list[str]]:
        return form_of(self._office.visit("superuser").get(self._address).content.decode())


def _done(page: Page, post: Post, office: Office, visitor: str, forms: Forms) -> str:
    """ "done", "refused", "asked to log in", or what else came of it."""
    rows = office.rows
    url = page.url(post.at, rows)
    browser = office.browser(visitor)
    data = forms.of(browser, may_do=may(visitor, page.needed(post))) if post.has_form else {}
    before = everything_of_ours()
    answer = browser.post(url, data | post.filled(rows))
    answer.getvalue()
    changed = sorted(label for label, rows in everything_of_ours().items() if rows != before[label])
    location = answer.get("Location", "")
    # Django passes over an action that one may not use, and shows the list.
    refusals = (HTTPStatus.FORBIDDEN, HTTPStatus.OK, HTTPStatus.FOUND) if post.is_action else (HTTPStatus.FORBIDDEN,)
    if answer.status_code == HTTPStatus.FOUND and location.startswith(reverse("admin:login")) and not changed:
        return "asked to log in"
    if post.leads_to:
        led = location and resolve(location.partition("?")[0]).url_name == post.leads_to
        return "done" if led else "refused" if answer.status_code in refusals else f"{answer.status_code}"
    if bool(changed) == post.changes and answer.status_code == (HTTPStatus.OK if post.answers else HTTPStatus.FOUND):
        return "done"
    if not changed and answer.status_code in refusals:
        return "refused"
    return f"{answer.status_code}, changed {changed}"
