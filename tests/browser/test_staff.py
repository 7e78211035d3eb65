"""Logging in with a real browser: the log-in, the lock-out, and one's own account."""

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from tests.support.factories import a_user

# The server answers from another thread, which must see the rows.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ann() -> User:
    return a_user(username="ann", password="open sesame", group="Editors")


def try_password(page: Page, password: str) -> None:
    page.get_by_label("Username").fill("ann")
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Log in").click()


def test_the_page_that_was_asked_for_opens_after_the_log_in(page: Page, live_server: LiveServer, ann: User) -> None:
    wanted = live_server.url + reverse("admin:notifier_client_changelist")

    page.goto(wanted)
    password = page.get_by_label("Password", exact=True)
    page.get_by_label("Username").fill("ann")
    password.fill("open sesame")
    page.get_by_role("button", name="Show").click()
    shown = password.get_attribute("type")
    page.get_by_role("button", name="Log in").click()

    page.wait_for_url(wanted)
    assert shown == "text"
    assert "session" not in page.evaluate("document.cookie")


def test_a_wrong_password_is_told_and_five_of_them_lock_out(
    page: Page, live_server: LiveServer, ann: User, console_errors: list[str]
) -> None:
    page.goto(live_server.url + reverse("admin:login"))
    for _ in range(4):
        try_password(page, "open barley")
        page.get_by_role("alert").wait_for()
    name_was_kept = page.get_by_label("Username").input_value()
    try_password(page, "open barley")

    page.get_by_role("heading", name="Too many attempts").wait_for()
    text = page.locator("main").inner_text()
    page.get_by_role("link", name="Back to the log-in page").click()
    try_password(page, "open sesame")
    page.get_by_role("heading", name="Too many attempts").wait_for()

    assert name_was_kept == "ann"
    assert "Try again in 15 minutes" in text
    assert {error.partition(" (")[0] for error in console_errors} == {
        "Failed to load resource: the server responded with a status of 429"
    }
    console_errors.clear()


def test_one_chooses_the_zone_of_ones_computer(page: Page, live_server: LiveServer, ann: User) -> None:
    page.goto(live_server.url + reverse("admin:login"))
    try_password(page, "open sesame")
    page.get_by_role("link", name="ann").click()
    page.get_by_label("First name").fill("Ann")
    page.get_by_label("Time zone").select_option("Asia/Tokyo")
    page.get_by_role("button", name="Use it").click()
    here = page.evaluate("Intl.DateTimeFormat().resolvedOptions().timeZone")
    page.get_by_role("button", name="Save").click()

    page.get_by_text("Your account has been saved.").wait_for()
    ann.refresh_from_db()
    assert (ann.first_name, ann.profile.time_zone) == ("Ann", here)
    assert page.get_by_role("link", name="Ann").is_visible()


def test_log_in_and_account_work_without_javascript(
    page_without_javascript: Page, live_server: LiveServer, ann: User
) -> None:
    page = page_without_javascript
    page.goto(live_server.url + reverse("admin:account"))
    try_password(page, "open sesame")
    page.get_by_label("Phone").fill("12")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("heading", name="There is a problem").wait_for()
    page.get_by_label("Phone").fill("+44 20 7946 0018")
    page.get_by_label("Time zone").select_option("Europe/Vienna")
    page.get_by_role("button", name="Save").click()

    page.get_by_text("Your account has been saved.").wait_for()
    ann.refresh_from_db()
    assert (str(ann.profile.phone), ann.profile.time_zone) == ("+442079460018", "Europe/Vienna")
