"""How the pages are laid out: the font, the menu, headings and buttons, and lists on a desk and on a phone."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import Locator, Page

from tests.browser.test_pages import SIZES, enter
from tests.support.factories import a_user

# The server answers from another thread, which must see the rows.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def staff() -> User:
    return a_user(username="root", password="secret", is_superuser=True)


@pytest.fixture
def visit(new_page: Callable[..., Page], staff: User) -> Callable[[str], Page]:
    """`visit("phone")`: a browser of that size, logged in."""

    def open_page(size: str) -> Page:
        page = new_page(*SIZES[size])
        enter(page)
        return page

    return open_page


def middle(part: Locator) -> float:
    box = part.bounding_box()
    assert box is not None
    return box["y"] + box["height"] / 2


def test_pages_are_set_in_a_font_that_comes_from_our_own_host(
    visit: Callable[[str], Page], console_errors: list[str]
) -> None:
    page = visit("desk")
    page.goto(reverse("admin:notifier_client_changelist"))

    loaded = page.evaluate("document.fonts.ready.then(() => document.fonts.check('600 16px Inter'))")
    faces = page.evaluate("[...document.fonts].map(face => [face.family.replaceAll('\"', ''), face.status])")

    assert (loaded, faces) == (True, [["Inter", "loaded"]])
    assert page.evaluate("getComputedStyle(document.body).fontFamily").startswith("Inter")
    assert console_errors == []


def test_nothing_of_the_menu_is_cut_off_on_a_desk(visit: Callable[[str], Page]) -> None:
    page = visit("desk")
    page.goto(reverse("admin:notifier_client_changelist"))

    links = page.locator("#menu nav a")
    cut_off = page.locator("#menu").evaluate("menu => menu.scrollHeight - menu.clientHeight")
    last = page.locator("#logout-form").bounding_box()

    assert links.count() == 17
    assert cut_off <= 0
    assert last is not None
    assert last["y"] + last["height"] <= SIZES["desk"][1]


@pytest.mark.parametrize("name", ["notifier_client_changelist", "notifier_topic_changelist", "auth_group_changelist"])
def test_a_heading_and_the_buttons_beside_it_have_one_middle(visit: Callable[[str], Page], name: str) -> None:
    page = visit("desk")
    page.goto(reverse(f"admin:{name}"))

    heading, button = page.locator("#content > h1"), page.locator(".object-tools a").first

    assert abs(middle(heading) - middle(button)) <= 1
