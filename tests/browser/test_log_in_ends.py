"""A log-in that ends while somebody writes, in a real browser: what was typed stays, and is saved after the next."""

import re
from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.urls import reverse
from playwright.sync_api import Dialog, Page, expect

from notifier.models import Client, Notification, SavedAudience, UnsavedText
from notifier.saved_audiences.document import Line
from tests.support.factories import a_client, a_notification, a_saved_audience, a_user
from tests.support.pages.browsing import log_in

# The server answers from another thread, which must see the rows.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _users() -> None:
    for name in ("root", "ann"):
        a_user(username=name, is_superuser=True)


@pytest.fixture(autouse=True)
def _expected(page: Page, console_errors: list[str]) -> Iterator[None]:
    """The browser tells of each 403, and that the log-in may not stand in the frame of the preview."""
    yield
    console_errors[:] = [said for said in console_errors if "403" not in said and "frame-ancestors" not in said]


@pytest.fixture
def notification() -> Notification:
    return a_notification(subject="Homes", sms_body="Hello")


@pytest.fixture
def go(live_server: object) -> Callable[[Page, str], None]:
    """`go(page, path)`: that page on that path, after a log-in."""

    def open_page(page: Page, path: str) -> None:
        page.goto(f"{live_server}{reverse('admin:login')}")
        log_in(page)
        expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        page.goto(f"{live_server}{path}")

    return open_page


def form_of(notification: Notification) -> str:
    return reverse("admin:notifier_notification_change", args=[notification.pk])


def log_out(page: Page) -> None:
    """In another tab of the same browser."""
    tab = page.context.new_page()
    tab.goto(page.url.partition("/admin/")[0] + reverse("admin:index"))
    tab.get_by_role("button", name="Log out").click()
    expect(tab.get_by_role("heading", name="You are logged out")).to_be_visible()
    tab.close()


def log_in_again(page: Page, username: str = "root") -> None:
    """By the link that the page shows."""
    with page.expect_popup() as opened:
        page.get_by_role("link", name="in a new tab").click()
    log_in(opened.value, username)
    expect(opened.value.get_by_role("heading", name="Overview")).to_be_visible()
    opened.value.close()


def come_back(page: Page) -> None:
    # A headless browser gives no page the focus that a closed tab leaves.
    page.evaluate("window.dispatchEvent(new Event('focus'))")


def expire(page: Page) -> None:
    Session.objects.all().delete()


def set_another_password(page: Page) -> None:
    user = User.objects.get(username="root")
    user.set_password("secret")
    user.save()


@pytest.fixture
def no_questions(page: Page) -> Iterator[None]:
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    yield
    assert asked == []


@pytest.mark.parametrize("end", [log_out, expire, set_another_password])
@pytest.mark.usefixtures("no_questions")
def test_whoever_goes_on_writing_is_told_and_saves_after_the_next_log_in(
    page: Page, go: Callable[[Page, str], None], notification: Notification, end: Callable[[Page], None]
) -> None:
    go(page, form_of(notification))
    end(page)

    page.get_by_label("SMS text:").fill("Hello you")
    expect(page.get_by_text("You are logged out. What you have typed stays on this page")).to_be_visible()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_label("SMS text:")).to_have_value("Hello you")
    assert page.url.endswith(form_of(notification))

    log_in_again(page)
    come_back(page)
    expect(page.locator("#logged-out")).to_be_hidden()
    expect(page.locator("#kept")).to_contain_text("Autosaved")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was changed successfully")).to_be_visible()
    assert Notification.objects.get().sms_body == "Hello you"
    assert not UnsavedText.objects.exists()


@pytest.mark.usefixtures("no_questions")
def test_save_works_without_waiting_for_the_page_to_notice_the_next_log_in(
    page: Page, go: Callable[[Page, str], None], notification: Notification
) -> None:
    go(page, form_of(notification))
    log_out(page)
    page.get_by_label("SMS text:").fill("Hello you")
    expect(page.locator("#logged-out")).to_be_visible()

    log_in_again(page)
    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.get_by_text("was changed successfully")).to_be_visible()
    assert Notification.objects.get().sms_body == "Hello you"


@pytest.mark.usefixtures("no_questions")
def test_a_page_whose_log_in_was_renewed_meanwhile_goes_on_as_if_nothing_had_been(
    page: Page, go: Callable[[Page, str], None], notification: Notification, live_server: object
) -> None:
    go(page, form_of(notification))
    log_out(page)
    tab = page.context.new_page()
    tab.goto(f"{live_server}{reverse('admin:login')}")
    log_in(tab)
    expect(tab.get_by_role("heading", name="Overview")).to_be_visible()

    page.get_by_label("SMS text:").fill("Hello you")

    expect(page.locator("#kept")).to_contain_text("Autosaved")
    expect(page.locator("#logged-out")).to_be_hidden()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was changed successfully")).to_be_visible()


def test_another_user_in_the_same_browser_saves_nothing_in_passing(
    page: Page, go: Callable[[Page, str], None], notification: Notification
) -> None:
    go(page, form_of(notification))
    log_out(page)
    page.get_by_label("SMS text:").fill("Hello you")
    expect(page.locator("#logged-out")).to_be_visible()

    log_in_again(page, "ann")
    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.locator("#logged-out")).to_contain_text(
        "ann is logged in now, and can’t save what root has typed here."
    )
    expect(page.get_by_label("SMS text:")).to_have_value("Hello you")
    assert not UnsavedText.objects.exists()
    assert Notification.objects.get().sms_body == "Hello"


@pytest.mark.parametrize("has_script", [True, False], ids=["with JavaScript", "without"])
def test_a_save_that_nobody_was_logged_in_for_is_pressed_again_and_saves_all_of_it(
    new_page: Callable[..., Page], go: Callable[[Page, str], None], notification: Notification, has_script: bool
) -> None:
    text = 'Dear you,\n\n"quoted" & <b>bold</b>\n  indented'
    page = new_page(1440, 900, java_script_enabled=has_script)
    go(page, form_of(notification))
    page.get_by_label("E-mail text:").fill(text)
    log_out(page)

    # Pressed before anything had noticed it.
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", name="Not saved yet")).to_be_visible()
    log_in_again(page)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("press Save to send it as root")).to_be_visible()
    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.get_by_text("was changed successfully")).to_be_visible()
    assert Notification.objects.get().email_body.replace("\r\n", "\n") == text


def test_every_form_that_is_written_in_is_kept_not_that_of_notifications_alone(
    page: Page, go: Callable[[Page, str], None]
) -> None:
    client = a_client(name="Ada")
    go(page, f"{reverse('admin:notifier_client_change', args=[client.pk])}?edit=1")
    page.locator("#id_name").fill("Ada King")
    log_out(page)

    page.get_by_role("button", name="Save", exact=True).click()
    log_in_again(page)
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.get_by_text("was changed successfully")).to_be_visible()
    assert Client.objects.get().name == "Ada King"


def test_an_audience_that_is_built_stays_too(page: Page, go: Callable[[Page, str], None]) -> None:
    go(page, reverse("admin:notifier_savedaudience_add"))
    page.locator("#id_name").fill("Buyers")
    log_out(page)

    page.locator("#id_name").press("Enter")
    expect(page.locator("#logged-out")).to_be_visible()
    expect(page.locator("#id_name")).to_have_value("Buyers")
    assert not SavedAudience.objects.exists()


def test_where_nothing_was_typed_the_page_leads_to_the_log_in_as_ever(
    page: Page, go: Callable[[Page, str], None]
) -> None:
    audience = a_saved_audience(Line("time_zone", "known"), name="Buyers")
    go(page, reverse("admin:notifier_savedaudience_change", args=[audience.pk]))
    log_out(page)

    page.locator("#id_name").press("Enter")

    page.wait_for_url(re.compile(r"/login/\?next="))
