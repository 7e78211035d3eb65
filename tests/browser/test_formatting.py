"""The buttons over the texts of a notification, in a real browser: with the mouse, with the keys, and taken back."""

import io
from collections.abc import Callable

import pytest
from django.urls import reverse
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from notifier.models import Picture
from tests.support.factories import a_notification, a_picture, a_user
from tests.support.pages.browsing import enter

# The server answers from another thread, which must see the rows.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def write(page: Page, live_server: object) -> Callable[[str], Locator]:
    """`write("a |bold| word")`: the e-mail text of a form, with what stands between the bars selected."""
    a_user(username="root", is_superuser=True)
    notification = a_notification(email_body="Hello", sms_body="Hello")
    enter(page)
    page.goto(f"{live_server}{reverse('admin:notifier_notification_change', args=[notification.pk])}")
    expect(page.get_by_role("toolbar")).to_be_visible()

    def put(text: str) -> Locator:
        field = page.get_by_label("E-mail text:")
        start, end = text.index("|"), text.rindex("|") - 1
        field.fill(text.replace("|", ""))
        field.evaluate("(field, [start, end]) => field.setSelectionRange(start, end)", [start, max(start, end)])
        return field

    return put


def reads(field: Locator) -> str:
    """The text with bars around what is selected."""
    value, start, end = field.evaluate("field => [field.value, field.selectionStart, field.selectionEnd]")
    return f"{value[:start]}|{value[start:end]}|{value[end:]}"


@pytest.mark.parametrize(
    ("button", "before", "after"),
    [
        ("Bold", "a |new| home", "a **|new|** home"),
        ("Bold", "a **|new|** home", "a |new| home"),
        ("Bold", "a |new |home", "a **|new|** home"),
        ("Bold", "see ||", "see **|bold|**"),
        ("Link", "see |our page| now", "see [our page](|https://|) now"),
        ("Link", "see ||", "see [|words|](https://)"),
        ("Link", "see |https://e.example/a|", "see [|words|](https://e.example/a)"),
        ("List", "one|\ntwo\n\nthree|", "|- one\n- two\n\n- three|"),
        ("List", "|- one\n- two|", "|one\ntwo|"),
        ("List", "|1. one\n2. two|\nthree", "|- one\n- two|\nthree"),
        ("List", "one\n||", "one\n- ||"),
        ("Heading", "our ||news\nmore", "# our news||\nmore"),
        ("Heading", "# our ||news\nmore", "our news||\nmore"),
        ("Heading", "### our ||news", "# our news||"),
        ("Button", "Dear you|| and me", "Dear you\n\n[|Book now|](https://){.button}\n\n and me"),
        ("Button", "Dear you\n|Reserve|", "Dear you\n\n[Reserve](|https://|){.button}"),
    ],
)
def test_a_button_writes_markdown_which_can_be_taken_back(
    page: Page, write: Callable[[str], Locator], button: str, before: str, after: str
) -> None:
    field = write(before)

    page.get_by_role("button", name=button, exact=True).click()

    expect(field).to_be_focused()
    assert reads(field) == after
    page.keyboard.press("Control+z")
    expect(field).to_have_value(before.replace("|", ""))
    page.keyboard.press("Control+Shift+z")
    expect(field).to_have_value(after.replace("|", ""))


def test_a_placeholder_goes_in_at_the_cursor_of_its_field(page: Page, write: Callable[[str], Locator]) -> None:
    write("||")
    field = page.get_by_label("SMS text:")
    field.fill("Dear , look")
    field.evaluate("field => field.setSelectionRange(5, 5)")

    page.locator(".field-sms_body").get_by_role("button", name="Placeholder").click()
    page.locator(".field-sms_body").get_by_role("button", name="{{ first_name }}").click()
    page.keyboard.type("!")

    expect(field).to_have_value("Dear {{ first_name }}!, look")
    expect(page.locator(".insert-menu:popover-open")).to_have_count(0)
    expect(page.frame_locator("#preview iframe:not(.coming)").locator(".bubble")).to_have_text("Dear Alex!, look")


def test_the_menu_is_within_the_window_of_a_phone(page: Page, write: Callable[[str], Locator]) -> None:
    write("||")
    page.set_viewport_size({"width": 360, "height": 640})

    page.locator(".field-email_body .insert").click()

    box = page.locator(".insert-menu:popover-open").bounding_box()
    assert box is not None
    assert 0 <= box["x"] < box["x"] + box["width"] <= 360


def test_the_toolbar_is_one_stop_and_is_used_with_the_keys(page: Page, write: Callable[[str], Locator]) -> None:
    field = write("a |new| home")

    page.keyboard.press("Control+b")
    assert reads(field) == "a **|new|** home"
    page.keyboard.press("Shift+Tab")
    expect(page.get_by_role("button", name="Bold", exact=True)).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("button", name="Link", exact=True)).to_be_focused()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="{{ name }}")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".insert-menu:popover-open")).to_have_count(0)
    expect(page.locator(".field-email_body .insert")).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")

    assert reads(field) == "a |new| home"


def test_a_picture_is_chosen_from_those_that_were_uploaded(page: Page, write: Callable[[str], Locator]) -> None:
    a_picture(alt="The old mill")
    homes = a_picture(alt="The new homes")
    field = write("Dear you,||")

    page.get_by_role("button", name="Picture…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="The old mill")).to_be_visible()
    expect(dialog.get_by_label("Search by description")).to_be_focused()
    page.keyboard.type("homes")
    expect(dialog.get_by_role("button", name="The old mill")).to_have_count(0)
    dialog.get_by_role("button", name="The new homes").click()

    expect(dialog).to_be_hidden()
    expect(field).to_have_value(f"Dear you,\n\n{homes.markdown}")
    page.keyboard.press("Control+z")
    expect(field).to_have_value("Dear you,")


def test_a_picture_that_is_missing_is_uploaded_and_chosen(page: Page, write: Callable[[str], Locator]) -> None:
    field = write("Dear you,||")
    page.get_by_role("button", name="Picture…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("There are no pictures yet.")

    with page.expect_popup() as opened:
        dialog.get_by_role("link", name="Upload a picture").click()
    other = opened.value
    drawn = io.BytesIO()
    Image.new("RGB", (40, 20), "green").save(drawn, "PNG")
    other.locator("#id_file").set_input_files({"name": "mill.png", "mimeType": "image/png", "buffer": drawn.getvalue()})
    other.get_by_label("Description").fill("The old mill")
    other.get_by_role("button", name="Save", exact=True).click()
    expect(other.get_by_text("was added successfully")).to_be_visible()
    other.close()
    dialog.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Picture…").click()
    dialog.get_by_role("button", name="The old mill").click()

    expect(field).to_have_value(f"Dear you,\n\n{Picture.objects.get().markdown}")
    picture = page.frame_locator("#preview iframe:not(.coming)").frame_locator(".desk iframe").locator("img")
    expect(picture).to_have_attribute("alt", "The old mill")


def test_without_javascript_there_is_no_toolbar(page_without_javascript: Page, live_server: object) -> None:
    page = page_without_javascript
    a_user(username="root", is_superuser=True)
    enter(page)

    page.goto(f"{live_server}{reverse('admin:notifier_notification_add')}")

    expect(page.get_by_label("E-mail text:")).to_be_visible()
    expect(page.get_by_role("toolbar")).to_have_count(0)
    expect(page.get_by_role("button", name="Placeholder")).to_have_count(0)
