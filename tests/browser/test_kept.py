"""Unsaved changes in a real browser: kept while one types, offered when one comes back, gone with a save."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import Dialog, Page, expect

from notifier.models import Notification, UnsavedText
from tests.support.factories import a_kept_text, a_notification, a_user
from tests.support.pages.browsing import log_in

# The server answers from another thread, which must see the rows.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def root() -> User:
    return a_user(username="root", is_superuser=True)


@pytest.fixture
def notification(root: User) -> Notification:
    return a_notification(subject="Homes", sms_body="Hello")


@pytest.fixture
def open_form(live_server: object, notification: Notification) -> Callable[[Page], None]:
    """`open_form(page)`: that page on the form of the notification, after a log-in."""

    def go(page: Page) -> None:
        page.goto(f"{live_server}{reverse('admin:login')}")
        log_in(page)
        page.goto(f"{live_server}{reverse('admin:notifier_notification_change', args=[notification.pk])}")

    return go


def test_what_was_typed_comes_back_after_the_window_was_closed(
    new_page: Callable[..., Page], open_form: Callable[[Page], None]
) -> None:
    first = new_page(1440, 900)
    open_form(first)
    first.get_by_label("SMS text:").fill("Hello you")
    expect(first.locator("#kept")).to_contain_text("Autosaved")
    first.context.close()

    page = new_page(1440, 900)
    open_form(page)
    expect(page.locator("#unsaved")).to_contain_text("You have unsaved changes from")
    expect(page.get_by_label("SMS text:")).to_have_value("Hello")
    page.get_by_role("link", name="Restore").click()
    expect(page.get_by_label("SMS text:")).to_have_value("Hello you")
    expect(page.locator(".field-sms_body #sms-length")).to_contain_text("9 of 160")
    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.get_by_text("was changed successfully")).to_be_visible()
    assert Notification.objects.get().sms_body == "Hello you"
    assert not UnsavedText.objects.exists()
    expect(page.locator("#unsaved")).to_have_count(0)


def test_whoever_leaves_what_was_restored_is_asked_and_whoever_discards_it_is_not(
    page: Page, open_form: Callable[[Page], None], root: User, notification: Notification
) -> None:
    a_kept_text(
        user=root,
        notification_id=notification.pk,
        topic=str(notification.topic_id),
        email_body=notification.email_body,
        sms_body="Hello you",
    )
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    open_form(page)
    page.get_by_role("link", name="Restore").click()
    page.get_by_label("SMS text:").click()

    page.locator("#branding a").click(no_wait_after=True)
    expect(page.get_by_label("SMS text:")).to_have_value("Hello you")
    assert asked == ["beforeunload"]
    page.get_by_role("button", name="Discard").click()

    expect(page.get_by_text("Your unsaved changes have been discarded.")).to_be_visible()
    expect(page.get_by_label("SMS text:")).to_have_value("Hello")
    assert asked == ["beforeunload"]


def test_without_javascript_what_was_kept_is_restored_as_well(
    page_without_javascript: Page, open_form: Callable[[Page], None], root: User, notification: Notification
) -> None:
    a_kept_text(user=root, notification_id=notification.pk, sms_body="Hello you")
    page = page_without_javascript
    open_form(page)

    page.get_by_role("link", name="Restore").click()

    expect(page.get_by_label("SMS text:")).to_have_value("Hello you")


# --- The log-in ends meanwhile ----------------------------------------------------------------------------------------
@pytest.fixture
def logged_out(page: Page, open_form: Callable[[Page], None]) -> Page:
    """The form with a text that was typed after the log-in had ended."""
    page.on("dialog", lambda dialog: pytest.fail(f"asked: {dialog.type}"))
    open_form(page)
    page.context.clear_cookies(name="sessionid")
    page.get_by_label("SMS text:").fill("Hello you")
    expect(page.locator("#logged-out")).to_contain_text("You are logged out, so what you type is no longer autosaved.")
    return page


def log_in_again(page: Page, live_server: object, username: str) -> None:
    """In another tab of the same browser."""
    tab = page.context.new_page()
    tab.goto(f"{live_server}{reverse('admin:login')}")
    log_in(tab, username)
    expect(tab.get_by_role("heading", name="Overview")).to_be_visible()
    tab.close()
    # A headless browser gives no page the focus that a closed tab leaves.
    page.evaluate("window.dispatchEvent(new Event('focus'))")


def test_what_is_typed_after_a_log_out_stays_and_goes_on_after_another_log_in(
    logged_out: Page, live_server: object
) -> None:
    page = logged_out
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_label("SMS text:")).to_have_value("Hello you")
    assert not UnsavedText.objects.exists()

    log_in_again(page, live_server, "root")

    expect(page.locator("#logged-out")).to_be_hidden()
    expect(page.locator("#kept")).to_contain_text("Autosaved")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was changed successfully")).to_be_visible()
    assert Notification.objects.get().sms_body == "Hello you"


def test_another_user_in_the_same_browser_gets_nothing_of_it(logged_out: Page, live_server: object) -> None:
    a_user(username="ann", is_superuser=True)

    log_in_again(logged_out, live_server, "ann")
    logged_out.get_by_role("button", name="Save", exact=True).click()

    expect(logged_out.locator("#logged-out")).to_be_visible()
    expect(logged_out.get_by_label("SMS text:")).to_have_value("Hello you")
    assert not UnsavedText.objects.exists()
    assert Notification.objects.get().sms_body == "Hello"


def test_a_log_in_in_another_tab_needs_no_reload(
    page: Page, open_form: Callable[[Page], None], live_server: object
) -> None:
    open_form(page)
    page.context.clear_cookies()
    log_in_again(page, live_server, "root")

    page.get_by_label("SMS text:").fill("Hello you")

    expect(page.locator("#kept")).to_contain_text("Autosaved")
    assert UnsavedText.objects.get().sms_body == "Hello you"
