"""Writing a notification in a real browser, live, and without JavaScript."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.urls import reverse
from playwright.sync_api import FrameLocator, Locator, Page, Route, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from notifier.models import ClientValues, Notification
from tests.conftest import watch_console
from tests.support.factories import a_brand, a_client, a_field, a_notification, a_picture, a_topic, a_user
from tests.support.pages.browsing import enter

# The server answers from another thread, which must see the rows.
pytestmark = pytest.mark.django_db(transaction=True)
#: With their languages.
READERS = (("Ann", None), ("Ida", "de"), ("Cy", None))


@pytest.fixture(autouse=True)
def staff(settings: Settings) -> User:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    mail.outbox = []
    user = a_user(username="root", password="secret", is_superuser=True)
    User.objects.filter(pk=user.pk).update(email="root@example.com")
    return user


def open_form(page: Page, live_server: LiveServer, notification: Notification) -> None:
    enter(page)
    page.goto(f"{live_server.url}{reverse('admin:notifier_notification_change', args=[notification.pk])}")


def frame(page: Page) -> FrameLocator:
    return page.frame_locator("#preview iframe:not(.coming)")


def the_mail(page: Page, *, on: str) -> FrameLocator:
    return frame(page).frame_locator(f".{on} iframe")


def show_on(page: Page, screen: str) -> None:
    # The input itself lies invisible over its label.
    page.get_by_role("radio", name=screen).check(force=True)


def test_the_counter_and_the_preview_follow_what_is_typed(page: Page, live_server: LiveServer) -> None:
    a_client(first_name="Ann", last_name="Example", listings="both")
    open_form(page, live_server, a_notification(email_body="Dear **{{ name }}**", sms_body="Hello"))
    expect(the_mail(page, on="desk").locator("strong")).to_have_text("Ann Example")
    length = page.locator(".field-sms_body #sms-length")
    expect(length).to_contain_text("5 of 160 characters, 1 segment")
    entries = page.evaluate("history.length")

    page.get_by_label("SMS text:").fill("Hello {{ first_name }}…")
    expect(frame(page).locator(".bubble")).to_have_text("Hello Ann…")
    expect(length).to_contain_text("10 of 70 characters, 1 segment")
    expect(length).to_contain_text("“…” (horizontal ellipsis; use ... instead)")
    page.get_by_label("E-mail text:").fill("Dear *{{ first_name }}*, <b>look</b>")

    expect(page.locator("#checks")).to_contain_text("HTML is shown as plain text")
    for name, screen in (("Desktop", "desk"), ("Phone", "phone")):
        show_on(page, name)
        expect(the_mail(page, on=screen).locator("em")).to_have_text("Ann")
        expect(the_mail(page, on=screen).locator("body")).to_contain_text("<b>look</b>")
    # A preview is no page to go back to.
    assert page.evaluate("history.length") == entries
    assert Notification.objects.get().sms_body == "Hello"


def test_the_preview_shows_what_is_being_written_and_keeps_the_screen_of_the_e_mail(
    page: Page, live_server: LiveServer
) -> None:
    open_form(page, live_server, a_notification(email_body="Dear you", sms_body="Hello"))
    show_on(page, "Plain text")
    expect(frame(page).locator(".plain")).to_contain_text("Dear you")

    page.get_by_label("SMS text:").focus()
    expect(frame(page).locator(".bubble")).to_have_text("Hello")
    page.get_by_label("Preheader:").focus()

    expect(frame(page).locator(".plain")).to_contain_text("Dear you")
    expect(page.get_by_role("radio", name="Plain text")).to_be_checked()


def test_the_screens_are_changed_with_the_keys(page: Page, live_server: LiveServer) -> None:
    open_form(page, live_server, a_notification(sms_body="Hello"))

    page.get_by_role("radio", name="Desktop").focus()
    page.keyboard.press("ArrowLeft")

    expect(page.get_by_role("radio", name="SMS")).to_be_checked()
    expect(frame(page).locator(".bubble")).to_have_text("Hello")


def test_beside_the_text_the_preview_stays_in_sight_and_below_it_on_a_phone(
    new_page: Callable[..., Page], live_server: LiveServer
) -> None:
    notification = a_notification(email_body="Dear you", sms_body="Hello")
    page = new_page(1440, 900)
    open_form(page, live_server, notification)
    page.get_by_label("SMS text:").scroll_into_view_if_needed()
    page.mouse.wheel(0, 5000)
    text, preview = page.locator(".texts").bounding_box(), page.locator(".preview").bounding_box()
    assert text is not None
    assert preview is not None
    assert preview["x"] >= text["x"] + text["width"]
    assert 0 <= preview["y"] < preview["y"] + preview["height"] <= 900

    phone = new_page(390, 844)
    open_form(phone, live_server, notification)
    text, preview = phone.locator(".texts").bounding_box(), phone.locator(".preview").bounding_box()
    assert text is not None
    assert preview is not None
    assert preview["y"] >= text["y"] + text["height"]
    expect(phone.get_by_role("radio", name="Phone")).to_be_checked()


def test_the_e_mails_own_styles_are_seen_and_its_width_is_the_screens(page: Page, live_server: LiveServer) -> None:
    open_form(page, live_server, a_notification(email_body="Hello"))

    for name, screen, padding in (("Desktop", "desk", "32px 36px"), ("Phone", "phone", "24px 20px")):
        show_on(page, name)
        cell = the_mail(page, on=screen).locator("td.inside")
        expect(cell).to_contain_text("Hello")
        assert cell.evaluate("cell => getComputedStyle(cell).padding") == padding


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
    for name, screen in (("Desktop", "desk"), ("Phone", "phone")):
        show_on(page, name)
        pictures = the_mail(page, on=screen).locator("img")
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


def test_a_client_is_chosen_by_name_and_the_test_is_written_for_them(page: Page, live_server: LiveServer) -> None:
    a_client(first_name="Ann", last_name="Example", listings="both")
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


def test_a_field_is_put_in_and_the_preview_walks_through_the_hardest_readers(
    page: Page, live_server: LiveServer
) -> None:
    budget = a_field(kind="MONEY", key="budget", label="Budget", currency="GBP")
    ann, ida, _ = (a_client(name=name, listings="both", language=code) for name, code in READERS)
    for client, amount in ((ann, 9), (ida, 1_250_000)):
        ClientValues.objects.create(client=client, **{budget.column: amount * 10_000})
    open_form(page, live_server, a_notification(email_body="Hello", sms_body="Up to "))
    page.get_by_label("SMS text:").press("End")

    page.locator(".field-sms_body").get_by_role("button", name="Placeholder").click()
    page.locator(".field-sms_body").get_by_role("button", name="Budget, with its currency").click()

    expect(page.get_by_label("SMS text:")).to_have_value("Up to {{ budget }}")
    expect(page.locator("#sms-length")).to_contain_text("How long it gets depends on budget.")
    show_on(page, "SMS")
    page.get_by_role("button", name="Hardest readers").click()
    hardest = page.locator(".hard-readers li")
    expect(hardest).to_contain_text(["Ida", "Ann", "Cy", "Nobody who would get it reads or is called so."])
    for name, told in (("Longest", "Up to 1.250.000 £"), ("Shortest", "Up to £9"), ("Missing a value", "[no budget]")):
        page.get_by_role("button", name=name).click()
        expect(frame(page).locator(".bubble")).to_contain_text(told)
    expect(page.locator("#checks")).to_contain_text("Cy has no budget, and would be skipped.")


@pytest.mark.parametrize("has_script", [True, False], ids=["with JavaScript", "without"])
def test_a_test_goes_to_the_writer_and_to_a_colleague_who_is_ticked(
    new_page: Callable[..., Page], live_server: LiveServer, has_script: bool
) -> None:
    for name in ("bob", "cleo"):
        User.objects.filter(pk=a_user(username=name, group="Editors").pk).update(email=f"{name}@example.com")
    page = new_page(1440, 900, java_script_enabled=has_script)
    open_form(page, live_server, a_notification(subject="Spring"))

    page.get_by_label("Subject:").fill("Summer")
    page.get_by_text("Who gets the test").click()
    page.get_by_label("bob").check()
    page.get_by_role("button", name="Send a test e-mail").click()

    said = page.locator("#tested") if has_script else frame(page).locator("body")
    # A colleague's address is for those who may see it.
    for named in ("is on its way to", "root@example.com", "bob"):
        expect(said).to_contain_text(named)
    assert {(sent.to[0], sent.subject) for sent in mail.outbox} == {
        ("root@example.com", "[Test] Summer"),
        ("bob@example.com", "[Test] Summer"),
    }
    assert Notification.objects.get().subject == "Spring"


def test_a_new_one_begins_from_a_template_whose_gaps_are_named(page: Page, live_server: LiveServer) -> None:
    a_topic(slug="listings", name="Listings")
    enter(page)
    page.goto(f"{live_server.url}{reverse('admin:notifier_notification_add')}")

    page.get_by_role("link", name="Reminder").click()
    expect(page.locator(".beginnings summary")).to_contain_text("Start from something else")
    expect(page.get_by_label("Subject:")).to_have_value("Reminder: [event] on [date]")
    expect(page.locator("#checks")).to_contain_text("[event]")
    page.get_by_label("Topic").select_option("Listings")
    page.get_by_label("Subject:").fill("Reminder: the open day")
    page.get_by_label("Preheader:").fill("")
    page.get_by_label("E-mail text:").fill("Come and look.")
    page.get_by_label("SMS text:").fill("")
    expect(page.locator("#checks")).not_to_contain_text("[event]")
    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.get_by_text("was added successfully")).to_be_visible()
    assert Notification.objects.get().subject == "Reminder: the open day"


@pytest.mark.parametrize("screen", ["Desktop", "Phone", "Plain text"])
def test_the_preview_stays_where_somebody_has_scrolled_to(page: Page, live_server: LiveServer, screen: str) -> None:
    text = "\n\n".join(f"Paragraph {number}" for number in range(200))
    open_form(page, live_server, a_notification(email_body=text, sms_body="Hello"))
    show_on(page, screen)
    expect(scrolled(page, screen)).to_contain_text("Paragraph 199")

    scrolled(page, screen).evaluate("part => { part.scrollTop = 700; }")
    page.get_by_label("E-mail text:").fill(f"{text}\n\nThe end")

    expect(scrolled(page, screen)).to_contain_text("The end")
    assert scrolled(page, screen).evaluate("part => part.scrollTop") == 700

    # Each screen has a place of its own, which it keeps while another is looked at.
    show_on(page, "SMS")
    expect(frame(page).locator(".bubble")).to_be_visible()
    show_on(page, screen)
    expect(scrolled(page, screen)).to_contain_text("The end")
    assert scrolled(page, screen).evaluate("part => part.scrollTop") == 700


def scrolled(page: Page, screen: str) -> Locator:
    """What scrolls on that screen."""
    if screen == "Plain text":
        return frame(page).locator(".screen.text")
    return the_mail(page, on="desk" if screen == "Desktop" else "phone").locator("html")


def test_a_script_in_the_preview_would_not_run(page: Page, live_server: LiveServer, console_errors: list[str]) -> None:
    """Were one to get into it, past what takes it out: the frame has our origin, and can do nothing with it."""
    script = "<script>parent.document.title = 'taken'</script>"

    def smuggle(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.text().replace("</body>", f"{script}</body>"))

    page.route("**/notification/preview/**", smuggle)
    open_form(page, live_server, a_notification(sms_body="Hello"))
    show_on(page, "SMS")

    expect(frame(page).locator(".bubble")).to_have_text("Hello")
    assert frame(page).locator("script").count() == 1
    assert "taken" not in page.title()
    # The browser tells of each that it kept from running.
    assert console_errors
    assert all("script" in error for error in console_errors)
    console_errors.clear()


def test_enter_in_a_field_shows_the_preview_and_saves_nothing(page: Page, live_server: LiveServer) -> None:
    open_form(page, live_server, a_notification(subject="Homes"))
    expect(frame(page).locator(".desk .subject")).to_have_text("Homes")
    entries = page.evaluate("history.length")

    page.get_by_label("Subject:").fill("Houses")
    page.get_by_label("Subject:").press("Enter")

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
    a_client(first_name="Ann", last_name="Example", listings="both")
    open_form(page, live_server, a_notification(email_body="Dear {{ name }}", sms_body="Hello"))
    expect(the_mail(page, on="desk").locator("body")).to_contain_text("Dear Ann Example")
    page.get_by_text("Formatting and placeholders").click()
    expect(page.locator(".formatting-help code", has_text="{{ first_name }}")).to_be_visible()

    page.get_by_label("Topic").select_option("Listings")
    page.get_by_label("E-mail text:").fill("Good day **{{ first_name }}**")
    page.get_by_label("SMS text:").fill("я" * 71)
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


def test_whoever_writes_in_a_language_sees_the_preview_and_the_counter_in_it(
    page: Page, live_server: LiveServer
) -> None:
    a_client(first_name="Ann", last_name="Example", listings="both")
    open_form(page, live_server, a_notification(email_body="Dear **{{ name }}**", sms_body="Hello"))
    expect(the_mail(page, on="desk").locator("strong")).to_have_text("Ann Example")

    page.locator(".variant summary", has_text="German").click()
    page.get_by_label("Subject (German)").fill("Hallo")
    page.get_by_label("E-mail text (German)").fill("Guten Tag, *{{ first_name }}*")

    expect(page.get_by_role("radio", name="German")).to_be_checked()
    expect(the_mail(page, on="desk").locator("em")).to_have_text("Ann")
    page.get_by_label("SMS text (German)").fill("Servus")
    expect(frame(page).locator(".bubble")).to_have_text("Servus")
    expect(page.locator("#sms-length")).to_contain_text("6 of 160 characters")
    page.get_by_label("SMS text:").focus()
    expect(page.get_by_role("radio", name="English")).to_be_checked()
    expect(frame(page).locator(".bubble")).to_have_text("Hello")
