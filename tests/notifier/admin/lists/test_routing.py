"""The routes of pages that are plain functions."""

from collections.abc import Callable

import pytest
from django.contrib.admin import AdminSite
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.urls import URLPattern

from notifier.admin.lists.base import BackOfficeAdmin
from notifier.admin.lists.routing import page
from notifier.models import Topic

Seen = list[tuple[BackOfficeAdmin, int]]


@pytest.fixture
def model_admin() -> BackOfficeAdmin:
    return BackOfficeAdmin(Topic, AdminSite())


def ask(pattern: URLPattern, user: User | AnonymousUser) -> HttpResponse:
    request = RequestFactory().get("/")
    request.user = user
    response: HttpResponse = pattern.callback(request, topic_id=3)
    return response


def view_that_notes(seen: Seen) -> Callable[..., HttpResponse]:
    def view(model_admin: BackOfficeAdmin, request: HttpRequest, topic_id: int) -> HttpResponse:
        seen.append((model_admin, topic_id))
        return HttpResponse("here")

    return view


def test_the_view_gets_its_model_admin_and_what_the_route_captures(model_admin: BackOfficeAdmin) -> None:
    seen: Seen = []
    pattern = page(model_admin, view_that_notes(seen), name="merge", route="<int:topic_id>/merge/")

    response = ask(pattern, User(is_staff=True, is_active=True))

    assert response.content == b"here"
    assert seen == [(model_admin, 3)]


def test_it_has_the_name_that_page_url_asks_for(model_admin: BackOfficeAdmin) -> None:
    pattern = page(model_admin, view_that_notes([]), name="merge", route="<int:topic_id>/merge/")

    assert pattern.name == "notifier_topic_merge"
    assert str(pattern.pattern) == "<int:topic_id>/merge/"


def test_a_policy_replaces_the_sites_own(model_admin: BackOfficeAdmin) -> None:
    policy = {"default-src": ["'none'"]}
    pattern = page(model_admin, view_that_notes([]), name="merge", route="<int:topic_id>/merge/", policy=policy)

    response = ask(pattern, User(is_staff=True, is_active=True))

    assert getattr(response, "_csp_config", None) == policy


@pytest.mark.django_db
def test_nobody_but_staff_gets_to_the_view(model_admin: BackOfficeAdmin) -> None:
    seen: Seen = []
    pattern = page(model_admin, view_that_notes(seen), name="merge", route="<int:topic_id>/merge/")

    response = ask(pattern, AnonymousUser())

    assert response.status_code == 302
    assert not seen
