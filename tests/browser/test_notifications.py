"""Writing a notification in a real browser, live, and without JavaScript."""

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.urls import reverse
from playwright.sync_api import FrameLocator, Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from notifier.models import Notification
from tests.conftest import watch_console
from tests.support.factories import a_brand, a_client, a_notification, a_picture, a_user
from tests.support.pages.browsing import log_in

# The server answers from another thread, which must see the rows.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def staff(settings: Settings) -> User:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    mail.outbox = []
    user = a_user(username="root", password="secret", is_superuser=True)
    User.objects.filter(pk=user.pk).update(email="root@example.com")
    return user


def open_form(page: Page, live_server: LiveServer, notification: Notification) -> None:
    page.goto(f"{live_server.url}{reverse('admin:login')}")
    log_in(page)
    page.goto(f"{live_server.url}{reverse('admin:notifier_notification_change', args=[notification.pk])}")


def frame(page: Page) -> FrameLocator:
    return page.frame_locator("#preview iframe:not(.coming)")


def the_mail(page: Page, *, on: str) -> FrameLocator:
    return frame(page).frame_locator(f".{on} iframe")


def test_the_counter_and_the_preview_follow_what_is_typed(page: Page, live_server: LiveServer) -> None:
    a_client(name="Ann Example", listings="both")
    open_form(page, live_server, a_notification(email_body="Dear **{{ name }}**", sms_body="Hello"))
    expect(the_mail(page, on="desk").locator("strong")).to_have_text("Ann Example")
    expect(page.locator("#checks")).to_contain_text("5 of 160 characters, 1 segment")
    entries = page.evaluate("history.length")

    page.get_by_label("SMS text").fill("Hello…")
    page.get_by_label("E-mail text").fill("Dear *{{ first_name }}*, <b>look</b>")

    expect(page.locator("#checks")).to_contain_text("6 of 70 characters, 1 segment")
    expect(page.locator("#checks")).to_contain_text("“…” (horizontal ellipsis; use ... instead)")
    expect(page.locator("#checks")).to_contain_text("HTML is shown as plain text")
    for screen in ("desk", "phone"):
        expect(the_mail(page, on=screen).locator("em")).to_have_text("Ann")
        expect(the_mail(page, on=screen).locator("body")).to_contain_text("<b>look</b>")
    expect(frame(page).locator(".bubble")).to_have_text("Hello…")
    # A preview is no page to go back to.
    assert page.evaluate("history.length") == entries
    assert Notification.objects.get().sms_body == "Hello"


def test_the_e_mails_own_styles_are_seen_and_its_width_is_the_screens(page: Page, live_server: LiveServer) -> None:
    open_form(page, live_server, a_notification(email_body="Hello"))

    desk, phone = (the_mail(page, on=screen).locator("td.inside") for screen in ("desk", "phone"))
    expect(desk).to_contain_text("Hello")
    expect(phone).to_contain_text("Hello")

    assert desk.evaluate("cell => getComputedStyle(cell).padding") == "32px 36px"
    assert phone.evaluate("cell => getComputedStyle(cell).padding") == "24px 20px"


def test_pictures_are_seen_in_every_preview_and_nothing_else_is_loaded(
    page: Page, live_server: LiveServer, console_errors: list[str]
) -> None:
    watch_console(page, console_errors)
    a_client(listings="both")
    # Clients know another address than that at which staff have the pages open.
    text = f"{a_picture().markdown}\n\n![x](https://elsewhere.example/x.png)"
    notification = a_notification(email_body=text)
    a_brand(logo=a_picture(alt="Acme", size=(240, 72)))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    open_form(page, live_server, notification)
    shown = [the_mail(page, on=screen).locator("img") for screen in ("desk", "phone")]
    for pictures in shown:
        expect(pictures).to_have_count(2)
        for picture in pictures.all():
            picture.evaluate("picture => picture.decode()")
            assert picture.evaluate("picture => picture.naturalWidth") in (40, 240)
    page.goto(f"{live_server.url}{reverse('admin:notifier_notification_broadcast')}?ids={notification.pk}")
    framed = page.frame_locator("iframe.email").locator("img")
    expect(framed).to_have_count(2)
    for picture in framed.all():
        picture.evaluate("picture => picture.decode()")

    assert all(url.startswith((live_server.url, "about:")) for url in asked)
    assert console_errors == []


def test_a_placeholder_goes_in_at_the_cursor(page: Page, live_server: LiveServer) -> None:
    open_form(page, live_server, a_notification(sms_body="Dear , look"))
    text = page.get_by_label("SMS text")
    text.focus()
    text.evaluate("field => field.setSelectionRange(5, 5)")

    page.get_by_role("button", name="{{ first_name }}").click()
    page.keyboard.type("!")

    expect(text).to_have_value("Dear {{ first_name }}!, look")


def test_a_client_is_chosen_by_name_and_the_test_is_written_for_them(page: Page, live_server: LiveServer) -> None:
    a_client(name="Ann Example", listings="both")
    bob = a_client(name="Bob Baker")
    open_form(page, live_server, a_notification(subject="For {{ name }}"))

    page.get_by_label("Preview as").press_sequentially("bob")
    expect(page.locator("#readers option")).to_have_attribute("value", str(bob.email))
    expect(frame(page).locator(".reader")).to_contain_text("Shown for Bob Baker")
    page.get_by_role("button", name="Send me a test e-mail").click()

    expect(page.locator("#tested")).to_contain_text("on its way to root@example.com, as Bob Baker would read it")
    assert [(sent.to, sent.subject) for sent in mail.outbox] == [(["root@example.com"], "[Test] For Bob Baker")]
    page.get_by_role("button", name="Send me a test SMS").click()
    expect(page.locator("#tested")).to_contain_text("your account has no phone number")


def test_enter_in_a_field_shows_the_preview_and_saves_nothing(page: Page, live_server: LiveServer) -> None:
    open_form(page, live_server, a_notification(subject="Homes"))
    expect(frame(page).locator(".desk .subject")).to_have_text("Homes")
    entries = page.evaluate("history.length")

    page.get_by_label("Subject").fill("Houses")
    page.get_by_label("Subject").press("Enter")

    expect(frame(page).locator(".desk .subject")).to_have_text("Houses")
    assert page.evaluate("history.length") == entries
    assert Notification.objects.get().subject == "Homes"


def test_a_copy_is_a_press_away(page: Page, live_server: LiveServer) -> None:
    open_form(page, live_server, a_notification())

    page.get_by_role("button", name="Duplicate").click()

    expect(page.get_by_text("This is the copy")).to_be_visible()
    assert Notification.objects.count() == 2


def test_without_javascript_the_buttons_do_the_same_and_the_draft_stays(
    page_without_javascript: Page, live_server: LiveServer
) -> None:
    page = page_without_javascript
    a_client(name="Ann Example", listings="both")
    open_form(page, live_server, a_notification(email_body="Dear {{ name }}", sms_body="Hello"))
    expect(the_mail(page, on="desk").locator("body")).to_contain_text("Dear Ann Example")
    expect(page.locator("code", has_text="{{ first_name }}")).to_be_visible()

    page.get_by_label("Topic").select_option("Listings")
    page.get_by_label("E-mail text").fill("Good day **{{ first_name }}**")
    page.get_by_label("SMS text").fill("я" * 71)
    page.get_by_role("button", name="Preview").click()

    expect(the_mail(page, on="phone").locator("strong")).to_have_text("Ann")
    expect(frame(page).locator(".checks")).to_contain_text("71 of 134 characters, 2 segments")
    page.get_by_role("button", name="Send me a test e-mail").click()
    expect(frame(page).locator("body")).to_contain_text("on its way to root@example.com")
    assert "Good day Ann" in mail.outbox[0].body

    page.get_by_role("button", name="Save", exact=True).click()
    # One stays where one works.
    page.get_by_text("was changed successfully").wait_for()
    page.wait_for_url("**" + reverse("admin:notifier_notification_change", args=[Notification.objects.get().pk]))
    assert Notification.objects.get().email_body == "Good day **{{ first_name }}**"
