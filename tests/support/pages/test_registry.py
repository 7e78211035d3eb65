"""The registry knows every page, button and permission that there is."""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.urls import URLPattern, URLResolver, get_resolver

import notifier.admin.registry  # noqa: F401
from notifier.admin.broadcasts.acts.buttons import BUTTONS
from notifier.admin.clients.acts import ACTS
from notifier.admin.deliveries.recovery import DECISIONS
from notifier.admin.lists.downloads import KINDS
from notifier.staff import groups
from tests.support.pages.page import NEVER, Kind, permissions
from tests.support.pages.registry import MODELS, OF_STAFF, OPENED, PAGES, POSTED
from tests.support.servers.stack import PROJECT

#: Asked for by machines, or a part of other pages.
NO_PAGES = {"brand_styles", "csp_report", "healthz", "mail_hook", "picture", "sms_hook"}


def url_names(patterns: Iterable[URLPattern | URLResolver]) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from url_names(pattern.url_patterns)
        elif pattern.name:
            yield pattern.name


def test_every_address_of_the_back_office_is_in_the_registry_once() -> None:
    assert sorted(set(url_names(admin.site.get_urls()))) == sorted(page.name for page in OF_STAFF)


def test_every_page_for_clients_is_in_the_registry() -> None:
    there_are = {one.name for one in get_resolver().url_patterns if isinstance(one, URLPattern) and one.name}

    assert there_are - NO_PAGES == {page.name for page in PAGES if page.kind == Kind.PUBLIC}


def test_every_picture_has_a_name_of_its_own() -> None:
    names = [picture.name for page in PAGES for picture in page.pictures]

    assert sorted(names) == sorted(set(names))


def test_every_page_says_how_it_is_opened_or_what_is_posted_to_it() -> None:
    unsaid = {page.name for page in OF_STAFF if page.kind != Kind.STOCK and not (page.opens or page.posts)}

    assert unsaid == set()


def test_every_picture_of_the_documentation_is_taken() -> None:
    there_are = {path.stem for path in (PROJECT / "docs" / "images").iterdir()}

    assert there_are == {picture.docs for page in PAGES for picture in page.pictures if picture.docs}


def test_every_model_of_the_back_office_is_in_the_registry() -> None:
    registered = {f"{model._meta.app_label}_{model._meta.model_name}" for model in admin.site._registry}

    assert registered == set(MODELS)


def test_every_action_of_a_list_is_in_the_registry() -> None:
    there_are = {
        (f"{model._meta.app_label}_{model._meta.model_name}_changelist", getattr(action, "__name__", action))
        for model, page in admin.site._registry.items()
        for action in page.actions or ()
    }

    assert there_are == {(page.name, post.label) for page, post in POSTED if post.is_action}


@pytest.mark.parametrize(
    ("name", "there_are"),
    [
        ("notifier_broadcast_act", BUTTONS),
        ("notifier_client_decide", ACTS),
        ("notifier_delivery_resolve", DECISIONS),
        ("notifier_delivery_export", KINDS),
    ],
)
def test_every_act_and_decision_is_in_the_registry(name: str, there_are: dict[str, Any]) -> None:
    page = next(page for page in OF_STAFF if page.name == name)

    assert {view.label for view in page.opens} | {post.label for post in page.posts} == set(there_are)


def test_every_act_that_asks_first_has_its_page_in_the_registry() -> None:
    page = next(page for page in OF_STAFF if page.name == "notifier_broadcast_act")

    assert {view.label for view in page.opens} == {button.name for button in BUTTONS.values() if button.asks}


def test_every_permission_that_a_page_asks_for_is_in_the_matrix() -> None:
    needs = {page.needed(view) for page, view in OPENED} | {page.needed(post) for page, post in POSTED}

    assert {permission for some in needs - {NEVER} for permission in permissions(some)} <= set(groups.RIGHTS)
