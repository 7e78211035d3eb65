"""What clients see, in a real browser: by day and by night, on the smallest phone, with and without JavaScript."""

import os
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest
from django.core.cache import cache
from django.db import OperationalError
from playwright.sync_api import Page

from notifier.messages import signed_links
from notifier.messages.signed_links import Link
from notifier.models import Client, ConsentChange, Preference
from notifier.public import rate_limits
from tests.browser.test_pages import EVERY_RULE, sticks_out, violations
from tests.support.datasets.everything import LONG, links_of_clients
from tests.support.factories import a_client, a_topic
from tests.support.pages.subjects import public

# The server answers from another thread, which must see the rows.
pytestmark = pytest.mark.django_db(transaction=True)

SIZES = {"desk": (1280, 900), "small phone": (360, 640)}
#: Where to put pictures of the pages, for whoever wants to look at them.
PICTURES = os.environ.get("PUBLIC_PICTURES", "")


@pytest.fixture(autouse=True)
def fresh_limits() -> None:
    cache.clear()


def token_of(client: Client) -> str:
    return signed_links.token(Link(client.pk, a_topic().pk, 42))


@pytest.fixture
def pages() -> dict[str, str]:
    """The path of every public page, in each shape that it has, with texts as long as they may get."""
    rows = links_of_clients(text=LONG)
    return {f"{page.name} {view.label}".strip(): page.url(view, rows) for page in public.PAGES for view in page.looks}


@pytest.fixture
def visit(new_page: Callable[..., Page]) -> Callable[..., Page]:
    """`visit("small phone", "dark", javascript=False)`: a browser that knows nobody."""

    def open_browser(size: str = "desk", theme: str = "light", *, javascript: bool = True) -> Page:
        return new_page(*SIZES[size], color_scheme=theme, java_script_enabled=javascript)

    return open_browser


def look_at(page: Page, name: str, size: str, theme: str) -> list[str]:
    """What is wrong with the page as it stands."""
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}-{size}-{theme}.png".replace(" ", "-"), full_page=True)
    found = [f"{name}: {one}" for one in violations(page, EVERY_RULE)]
    return found + [f"{name} scrolls sideways"] * sticks_out(page)


@pytest.mark.parametrize("size", list(SIZES))
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_public_page_is_accessible_obeys_its_policy_and_fits_its_screen(
    visit: Callable[..., Page],
    pages: dict[str, str],
    console_errors: list[str],
    monkeypatch: pytest.MonkeyPatch,
    size: str,
    theme: str,
) -> None:
    page = visit(size, theme)
    wrong: list[str] = []
    for name, path in pages.items():
        page.goto(path)
        wrong += look_at(page, name, size, theme)
        if name.startswith("unsubscribe") and name != "unsubscribe unknown":
            page.get_by_role("button", name="Unsubscribe").click()
            page.get_by_role("heading", name="You are unsubscribed").wait_for()
            wrong += look_at(page, f"{name}-done", size, theme)
    with monkeypatch.context() as often:
        often.setattr(rate_limits, "MAX_LOOKS", 0)
        page.goto(pages["preferences"])
        wrong += look_at(page, "too-many", size, theme)
    with monkeypatch.context() as outage:
        outage.setattr(
            "notifier.public.preferences.preference_center.current_consent",
            Mock(side_effect=OperationalError("connection refused")),
        )
        page.goto(pages["preferences"])
        wrong += look_at(page, "outage", size, theme)

    assert not wrong, "\n".join(wrong)
    # Those that are meant; whatever the policy refused would be told here too.
    expected = [f"Failed to load resource: the server responded with a status of {code}" for code in (404, 429, 503)]
    assert [error.partition(" (")[0] for error in console_errors] == expected


@pytest.mark.parametrize("javascript", [True, False])
def test_a_client_ends_one_topic_with_one_press_and_comes_back_to_choose(
    visit: Callable[..., Page], console_errors: list[str], javascript: bool
) -> None:
    client = a_client(listings="both", offerings="email")
    page = visit("small phone", javascript=javascript)

    page.goto(f"/u/{token_of(client)}")
    page.get_by_role("button", name="Unsubscribe").click()
    page.get_by_role("heading", name="You are unsubscribed").wait_for()
    page.reload()
    page.get_by_role("heading", name="You are unsubscribed").wait_for()
    assert not Preference.objects.get(client=client, topic=a_topic()).email

    page.get_by_role("link", name="Manage your preferences").click()
    listings = page.get_by_role("group", name="Listings")
    assert not listings.get_by_role("switch", name="E-mail").is_checked()
    assert listings.get_by_role("switch", name="SMS").is_checked()
    listings.get_by_text("SMS").click()
    page.get_by_role("group", name="Offerings").get_by_role("switch", name="SMS").check()
    page.get_by_role("button", name="Save").click()

    page.get_by_role("status").get_by_text("Your preferences have been saved.").wait_for()
    assert page.get_by_role("group", name="Offerings").get_by_role("switch", name="SMS").is_checked()
    assert not listings.get_by_role("switch", name="SMS").is_checked()
    offerings = Preference.objects.get(client=client, topic__slug="offerings")
    assert (offerings.email, offerings.sms) == (True, True)
    assert set(ConsentChange.objects.values_list("source", "ip")) == {("LINK", "127.0.0.1"), ("PAGE", "127.0.0.1")}
    assert page.context.cookies() == []
    assert console_errors == []


@pytest.mark.parametrize("javascript", [True, False])
def test_stop_everything_is_one_press_and_the_back_button_brings_nothing_back(
    visit: Callable[..., Page], console_errors: list[str], javascript: bool
) -> None:
    client = a_client(listings="both", offerings="both")
    page = visit("small phone", "dark", javascript=javascript)
    page.goto(f"/p/{token_of(client)}")

    page.get_by_role("button", name="Unsubscribe from everything").click()
    page.get_by_role("status").get_by_text("You have unsubscribed from everything.").wait_for()
    assert page.get_by_role("switch", checked=True).count() == 0
    page.go_back()
    page.get_by_role("button", name="Save").click()

    page.get_by_role("status").wait_for()
    assert not Preference.objects.filter(client=client, email=True).exists()
    assert not Preference.objects.filter(client=client, sms=True).exists()
    assert console_errors == []


def test_it_is_used_by_keyboard_alone(visit: Callable[..., Page]) -> None:
    client = a_client(listings="email")
    page = visit()
    page.goto(f"/p/{token_of(client)}")

    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")

    page.get_by_role("status").get_by_text("Your preferences have been saved.").wait_for()
    assert not Preference.objects.get(client=client, topic=a_topic()).email


@pytest.mark.parametrize("language", ["de", "fr", "es"])
def test_a_clients_own_language_fits_the_smallest_phone_too(
    visit: Callable[..., Page], console_errors: list[str], language: str
) -> None:
    client = a_client(name=LONG, listings="both", phone=None, language=language)
    token = token_of(client)
    page = visit("small phone")
    wrong: list[str] = []

    for path in (f"/u/{token}", f"/p/{token}", "/u/forged"):
        page.goto(path)
        wrong += look_at(page, f"{path[1]} {language}", "small phone", "light")
        if path != "/u/forged":
            assert page.locator("html").get_attribute("lang") == language

    assert wrong == []
    # The forged link is answered with 404.
    assert [error for error in console_errors if "404" not in error] == []
    console_errors.clear()
