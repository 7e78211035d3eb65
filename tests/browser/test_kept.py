"""Unsaved changes in a real browser: kept while one types, offered when one comes back, gone with a save."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import Dialog, Page, expect

from notifier.models import Notification, UnsavedText
from tests.support.factories import a_kept_text, a_notification, a_user
from tests.support.pages.browsing import enter

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
    """`open_form(page)`: that page on the form of the notification, logged in."""

    def go(page: Page) -> None:
        enter(page)
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
