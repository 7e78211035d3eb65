"""Whatever stands in an address or a form gets an answer, and never an error 500.

Every route that there is, every parameter that a page asks its address for, and every field that a page is posted, each
with values that no link or form of ours has.
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import quote, urlencode
from zlib import crc32

import pytest
from django.contrib import admin as registry
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.http import QueryDict
from django.test import Client as Browser
from django.urls import URLPattern, URLResolver, get_resolver, reverse

import notifier.admin.registry  # noqa: F401
from notifier.admin.lists.base import BackOfficeAdmin
from tests.notifier.admin.all_pages.test_access_matrix import log_in
from tests.support.database.undone import undone
from tests.support.datasets import everything
from tests.support.factories import a_user
from tests.support.forms import form_of
from tests.support.pages.page import NEVER, Kind, Page, Post, Rows
from tests.support.pages.registry import PAGES, SUBJECTS

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

#: A digit that Python's int() takes, numbers beyond 64 bits and beyond int()'s limit, and what is no number.
ODD = ("٣", "9" * 30, "9" * 5000, "abc", "é,x" * 100)
NUL = "\0"
#: A form has a token and files besides, and its fields are many: the worst of them.
ODD_FIELDS = (NUL, "٣", "9" * 30)
#: What a page of ours wrote into its form, with a moment that has no equal in another zone, or an id beyond 64 bits.
MOMENTS = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00")
ODD_SEEN = {
    "seen_at": MOMENTS,
    "seen": (*(f'{{"at":"{moment}"}}' for moment in MOMENTS), f"{'9' * 30}@2026-01-01T00:00:00+00:00"),
}
#: In an address besides: bytes that are no UTF-8, and what Django's admin quotes ids with.
ODD_BYTES = ("%FF", "_00", "_0", "..", "a%2Fb")
#: What the lists of Django's admin read themselves, before any of our code.
OF_LISTS = ("q", "p", "o", "e", "all", "_popup", "_to_field", "_changelist_filters", "_facets")
#: What their actions post.
OF_ACTIONS = ("action", "index", "select_across", "_selected_action")
SERVER_ERROR = 500
ENGINES = ("sqlite", "postgresql")
CAPTURED = re.compile(r"<(?:\w+:)?\w+>|\(\?P<\w+>[^)]*\)")


class Choice:
    """Of many odd values a few for each name, others for the next name; with --full all of them for each.

    The names are dealt out to the two engines, which refuse different values; with --full each has all of them. The
    first, which is a NUL, is tried with every name on PostgreSQL, which stores none.
    """

    def __init__(self, *, is_full: bool) -> None:
        self.is_full = is_full

    def __call__(self, values: Sequence[str], name: str, most: int = 2) -> Sequence[str]:
        """The first one always, for it is the worst."""
        if self.is_full:
            return values
        number = crc32(name.encode())
        if ENGINES[number % len(ENGINES)] != connection.vendor:
            return values[:1] if connection.vendor == "postgresql" else ()
        if len(values) <= most:
            return values
        turn = number // len(ENGINES) % (len(values) - 1)
        return (values[0], *((*values[1:], *values[1:])[turn : turn + most - 1]))


@pytest.fixture
def choose(request: pytest.FixtureRequest) -> Choice:
    return Choice(is_full=request.config.getoption("full"))


@pytest.fixture
def rows() -> Rows:
    return everything.build(staff=a_user(username="root", is_superuser=True)) | everything.links_of_clients(text="Ann")


@pytest.fixture
def root(rows: Rows) -> Browser:
    """Of somebody who may do everything; a fault comes as the page that visitors get."""
    cache.clear()
    browser = Browser(raise_request_exception=False)
    log_in(browser, rows, User.objects.get(pk=rows["user"]))
    return browser


def failed(browser: Browser, method: str, address: str, data: dict[str, Any] | None = None) -> str:
    """What went wrong, with the exception; "" where nothing did."""
    cache.clear()
    with undone():
        answer = getattr(browser, method)(address, data or {})
        answer.getvalue()
    if answer.status_code < SERVER_ERROR:
        return ""
    return f"{answer.status_code} {(getattr(answer, 'exc_info', None) or ('', ''))[1]!r}"[:300]


# --- Every route ------------------------------------------------------------------------------------------------------
def routes(patterns: Iterable[URLPattern | URLResolver], before: str = "/") -> Iterator[str]:
    """As texts, in which each part that is captured stands in pointed brackets."""
    for pattern in patterns:
        route = before + str(pattern.pattern).removeprefix("^").removesuffix(r"\Z").removesuffix("$")
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        else:
            yield route


def with_odd_parts(route: str, rows: Rows, choose: Choice) -> Iterator[str]:
    """The route with each odd value in each place, while a real row stands in the others."""
    places = CAPTURED.findall(route)
    values_of = choose((*map(quote, (NUL, *ODD)), *ODD_BYTES), route, most=4)
    for place, value in itertools.product(range(len(places)), values_of):
        # Any row's number will do.
        values = iter([value if number == place else str(rows["client"]) for number in range(len(places))])
        yield CAPTURED.sub(lambda _, values=values: next(values), route)  # type: ignore[misc]


def test_no_route_fails_for_what_stands_in_its_place(root: Browser, rows: Rows, choose: Choice) -> None:
    known = sorted({route for route in routes(get_resolver().url_patterns) if CAPTURED.search(route)})

    found = {
        f"{method} {address[:120]}": fault
        for route in known
        for address in with_odd_parts(route, rows, choose)
        for method in ("get", "post")
        if (fault := failed(root, method, address))
    }

    assert len(known) > 60
    assert found == {}


# --- Every parameter --------------------------------------------------------------------------------------------------
@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names that anything asks a form or an address for."""
    names: set[str] = set()

    def noting(method: str) -> None:
        original = getattr(QueryDict, method)

        def note(self: QueryDict, name: Any, *rest: Any) -> Any:
            names.add(str(name))
            return original(self, name, *rest)

        monkeypatch.setattr(QueryDict, method, note)

    for method in ("__getitem__", "__contains__", "get", "getlist"):
        noting(method)
    return names


def parameters_of_list(page: Page) -> Iterator[str]:
    """What the page's list may be filtered by."""
    for model, model_admin in registry.site._registry.items():
        if page.name == f"{model._meta.app_label}_{model._meta.model_name}_changelist":
            assert isinstance(model_admin, BackOfficeAdmin)
            yield from (*OF_LISTS, *model_admin.linked_by)
            for item in model_admin.list_filter:
                yield from model_admin._parameters(item)


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.__name__.rpartition(".")[2])
def test_no_page_fails_for_what_a_parameter_says(
    subject: Any, root: Browser, rows: Rows, asked: set[str], choose: Choice
) -> None:
    found = {}
    for page in subject.PAGES:
        tried: set[str] = set()
        for view in dict.fromkeys((*page.opens, *page.looks)):
            path, _, query = page.url(view, rows).partition("?")
            asked.clear()
            assert not failed(root, "get", f"{path}?{query}")
            # Once a page: its views differ in their rows.
            names = {*asked, *parameters_of_list(page), *QueryDict(query)} - tried
            tried |= names
            odd_ones = [(name, value) for name in sorted(names) for value in choose((NUL, *ODD), f"{page.name}{name}")]
            for name, value in ((NUL, ""), *odd_ones):
                odd = QueryDict(query, mutable=True)
                odd[name] = value
                if fault := failed(root, "get", f"{path}?{odd.urlencode()}"):
                    found[f"{path}?{name}={value[:20]!r}"] = fault

    assert found == {}


def test_nor_for_a_list_that_is_named_in_its_url(root: Browser, rows: Rows) -> None:
    """The pages about all that a list finds read that list's own URL out of theirs."""
    found = {}
    for name, parameter in {
        "notifier_client_export": "state",
        "notifier_client_export_": "reach",
        "notifier_suppression_lift": "channel__exact",
        "notifier_delivery_resolve": "reason",
    }.items():
        path = reverse(f"admin:{name.rstrip('_')}", args=["send-again"] if "resolve" in name else [])
        for value in (NUL, *ODD):
            for inner in ({parameter: value}, {"q": value}, {"p": value}):
                url = f"{path}?{urlencode({'list': urlencode(inner)})}"
                if fault := failed(root, "get", url):
                    found[url[:200]] = fault

    assert found == {}


# --- Every field ------------------------------------------------------------------------------------------------------
def fields_of(browser: Browser, page: Page, post: Post, rows: Rows) -> dict[str, Any]:
    """What is posted there, as it should be."""
    with undone():
        shown = browser.get(page.url(post.at, rows))
        form = form_of(shown.content.decode()) if not shown.streaming and shown.status_code == 200 else {}
    form.pop("csrfmiddlewaretoken", None)
    return {**form, **post.filled(rows)}


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.__name__.rpartition(".")[2])
def test_no_page_fails_for_what_it_is_posted(subject: Any, root: Browser, rows: Rows, choose: Choice) -> None:
    found = {}
    for page in subject.PAGES:
        tried: set[str] = set()
        for post in [post for post in page.posts if page.needed(post) != NEVER]:
            address, fields = page.url(post.at, rows), fields_of(root, page, post, rows)
            names = {*fields, *(OF_ACTIONS if post.is_action else ())} - tried
            tried |= names
            odd_ones = [(name, value) for name in sorted(names) for value in choose(ODD_FIELDS, f"{page.name}{name}")]
            odd_ones += [(name, value) for name in sorted(names) for value in ODD_SEEN.get(name, ())]
            for name, value in odd_ones:
                if fault := failed(root, "post", address, {**fields, name: value}):
                    found[f"{address} {post.label} {name}={value[:20]!r}"] = fault

    assert found == {}


def test_no_cookie_has_a_nul_when_it_is_read(root: Browser) -> None:
    escaped = "; ".join(
        f'{name}="\\000abcdefghijk"' for name in ("sessionid", "__Host-sessionid", "csrftoken", "messages")
    )
    visitor = Browser(raise_request_exception=False)

    found = [visitor.generic(method, "/admin/login/", HTTP_COOKIE=escaped).status_code for method in ("GET", "POST")]

    assert found == [200, 200]


def test_the_pages_of_clients_take_whatever_is_posted_to_them(root: Browser, rows: Rows) -> None:
    found = {}
    for page in [page for page in PAGES if page.kind == Kind.PUBLIC]:
        for address in {page.url(view, rows).partition("?")[0] for view in page.looks}:
            names = {*form_of(root.get(address).content.decode()), "List-Unsubscribe"}
            for name, value in itertools.product(sorted(names), ODD_FIELDS):
                if fault := failed(root, "post", address, {name: value}):
                    found[f"{page.name} {name}={value[:20]!r}"] = fault

    assert found == {}
