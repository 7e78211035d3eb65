"""Edits that are not saved, in a real browser: whoever leaves is asked, and whoever goes on saves."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse
from playwright.sync_api import Dialog, Page, expect

from notifier.models import Notification
from tests.browser.test_broadcasts import sticks_out
from tests.support.datasets.one_of_each import a_throttle
from tests.support.factories import a_brand, a_client, a_notification, a_picture, a_topic, a_user
from tests.support.pages.browsing import enter

# The server answers from another thread, which must see the rows.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def asked(page: Page) -> list[str]:
    """What the browser asked before a page was left; each time one stays."""
    seen: list[str] = []

    def stay(dialog: Dialog) -> None:
        seen.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    return seen


@pytest.fixture
def desk(page: Page, live_server: object, asked: list[str]) -> Callable[[str], Page]:
    """`desk(path)`: a browser on that page, in which somebody who may do everything is logged in."""
    a_user(username="root", is_superuser=True)

    def open_page(path: str) -> Page:
        enter(page)
        page.goto(f"{live_server}{path}")
        return page

    return open_page


def leave(page: Page) -> None:
    """By a link of the menu; where one is asked, and stays, nothing is loaded."""
    page.locator("#branding a").click(no_wait_after=True)


def page_of(kind: str, pk: int | None = None) -> str:
    name = f"admin:{kind}_{'add' if pk is None else 'change'}"
    return reverse(name, args=[] if pk is None else [pk])


#: Each form, the field that is written in, and what.
FORMS: dict[str, tuple[Callable[[], str], str, str]] = {
    "notification": (lambda: page_of("notifier_notification", a_notification().pk), "#id_sms_body", "Other"),
    "new notification": (lambda: page_of("notifier_notification"), "#id_email_body", "Text"),
    "client": (lambda: f"{page_of('notifier_client', a_client().pk)}?edit=1", "#id_name", "Bob"),
    "new client": (lambda: page_of("notifier_client"), "#id_name", "Bob"),
    "topic": (lambda: page_of("notifier_topic", a_topic().pk), "#id_name", "Other"),
    "suppression": (lambda: page_of("notifier_suppression"), "#id_address", "a@example.com"),
    "picture": (lambda: page_of("notifier_picture", a_picture().pk), "#id_alt", "Other"),
    "brand": (lambda: page_of("notifier_brand", a_brand().pk), "#id_name", "Other"),
    "throttle": (lambda: page_of("notifier_throttle", a_throttle().pk), "#id_rate", "7"),
    "user": (lambda: page_of("auth_user", a_user().pk), "#id_first_name", "Ann"),
    "group": (lambda: page_of("auth_group", Group.objects.get_or_create(name="Helpers")[0].pk), "#id_name", "Others"),
    "account": (lambda: reverse("admin:account"), "#id_first_name", "Ann"),
}


@pytest.mark.parametrize("form", FORMS)
def test_whoever_leaves_a_form_with_edits_is_asked_first(
    desk: Callable[[str], Page], asked: list[str], form: str
) -> None:
    make, field, text = FORMS[form]
    page = desk(make())
    path = page.url
    before = page.locator(field).input_value()

    page.locator(field).fill(text)
    leave(page)
    expect(page.locator(field)).to_have_value(text)
    assert asked == ["beforeunload"]
    assert page.url == path

    # Put back as it was, there is nothing to lose.
    page.locator(field).fill(before)
    leave(page)
    page.wait_for_url("**/admin/")
    assert asked == ["beforeunload"]


def test_ticks_and_choices_are_edits_too(desk: Callable[[str], Page], asked: list[str]) -> None:
    page = desk(f"{page_of('notifier_client', a_client(listings='email').pk)}?edit=1")

    page.get_by_label("Listings by SMS").check()
    leave(page)
    page.get_by_label("Listings by SMS").uncheck()
    page.get_by_label("Time zone").select_option(index=3)
    leave(page)

    expect(page.get_by_label("Time zone")).not_to_have_value("")
    assert asked == ["beforeunload"] * 2


def test_saved_edits_are_no_edits_and_one_stays_where_one_works(desk: Callable[[str], Page], asked: list[str]) -> None:
    notification = a_notification()
    page = desk(page_of("notifier_notification", notification.pk))
    path = page.url

    page.get_by_label("SMS text:").fill("Saved")
    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.get_by_text("was changed successfully")).to_be_visible()
    assert page.url == path
    leave(page)
    page.wait_for_url("**/admin/")
    assert asked == []


def test_a_preview_does_not_come_in_between_a_press_and_its_answer(
    desk: Callable[[str], Page], asked: list[str]
) -> None:
    page = desk(page_of("notifier_notification", a_notification().pk))
    page.get_by_label("SMS text:").fill("Saved")

    # Within one task: on a busy machine the pause of the preview ends before what was pressed has begun.
    save, phone = page.locator("[name=_save]").element_handle(), page.locator("#screens [value=phone]").element_handle()
    page.evaluate("([save, phone]) => { save.click(); phone.click(); }", [save, phone])

    expect(page.get_by_text("was changed successfully")).to_be_visible()
    assert Notification.objects.get().sms_body == "Saved"
    assert asked == []


def test_what_came_back_with_a_mistake_is_not_saved_either(desk: Callable[[str], Page], asked: list[str]) -> None:
    page = desk(page_of("notifier_notification", a_notification().pk))
    page.get_by_label("SMS text:").fill("Dear {{ nam }}")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#error-summary")).to_be_visible()

    # A browser asks only about a page that somebody has touched.
    page.get_by_label("SMS text:").click()
    leave(page)

    expect(page.locator("#error-summary")).to_be_visible()
    assert asked == ["beforeunload"]


def test_a_preview_and_a_test_are_no_save(desk: Callable[[str], Page], asked: list[str]) -> None:
    page = desk(page_of("notifier_notification", a_notification().pk))
    page.get_by_label("SMS text:").fill("Not saved")
    expect(page.frame_locator("#preview iframe:not(.coming)").locator(".bubble")).to_have_text("Not saved")

    leave(page)

    expect(page.get_by_label("SMS text:")).to_have_value("Not saved")
    assert asked == ["beforeunload"]


@pytest.mark.parametrize("width", [1440, 360])
def test_broadcast_saves_first_where_there_is_something_to_save(
    desk: Callable[[str], Page], asked: list[str], width: int
) -> None:
    a_client(listings="both")
    notification = a_notification()
    page = desk(page_of("notifier_notification", notification.pk))
    page.set_viewport_size({"width": width, "height": 800})
    link = page.locator("#broadcast")
    expect(link).to_have_text("Broadcast…")

    page.get_by_label("SMS text:").fill("Written just now")
    expect(link).to_have_text("Save and continue to send")
    assert not sticks_out(page)
    link.click()

    expect(page.get_by_role("button", name="Send 1 e-mail and 1 SMS")).to_be_visible()
    expect(page.locator(".sms")).to_contain_text("Written just now")
    assert Notification.objects.get().sms_body == "Written just now"
    assert asked == []


@pytest.mark.parametrize("has_script", [True, False], ids=["with JavaScript", "without"])
def test_an_editor_hands_over_and_a_sender_finds_it(
    new_page: Callable[..., Page], console_errors: list[str], has_script: bool
) -> None:
    for name, group in (("eve", "Editors"), ("sam", "Senders")):
        a_user(username=name, group=group)
    a_client(listings="both")
    notification = a_notification(subject="Spring")
    editor, sender = (new_page(*size, java_script_enabled=has_script) for size in ((1440, 900), (360, 740)))
    for page, name in ((editor, "eve"), (sender, "sam")):
        enter(page, name)

    editor.goto(page_of("notifier_notification", notification.pk))
    editor.get_by_label("SMS text:").fill("The last word")
    editor.get_by_role("button", name="Ready to send").click()
    expect(editor.locator("#status")).to_contain_text("Ready")

    sender.goto(reverse("admin:index"))
    sender.get_by_role("link", name="View and send").click()
    expect(sender.locator(".sms")).to_contain_text("The last word")
    sender.get_by_role("button", name="Send 1 e-mail and 1 SMS").click()
    sender.wait_for_url("**/progress/")

    editor.reload()
    expect(editor.locator("#status")).to_contain_text("Sent")
    assert console_errors == []


def test_without_javascript_what_is_gone_on_with_is_saved_first(
    page_without_javascript: Page, live_server: object
) -> None:
    page = page_without_javascript
    a_user(username="root", is_superuser=True)
    a_client(listings="both")
    enter(page)
    page.goto(f"{live_server}{page_of('notifier_notification', a_notification().pk)}")
    # What could not save is not there.
    expect(page.locator("#broadcast")).to_be_hidden()

    page.get_by_label("SMS text:").fill("Written just now")
    page.get_by_role("button", name="Save and continue to send").click()

    expect(page.locator(".sms")).to_contain_text("Written just now")
