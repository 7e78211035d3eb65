"""One text from the editor to the sender to the approver and back, each in a browser of their own."""

from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import Locator, Page, expect
from pytest_django.fixtures import Settings

from tests.support.factories import a_client, a_topic, a_user
from tests.support.pages.browsing import enter

# The server answers from another thread, which must see the rows.
pytestmark = pytest.mark.django_db(transaction=True)


def attention(page: Page, label: str) -> Locator:
    """The line of *Needs attention*, on the overview."""
    page.goto(reverse("admin:index"))
    return page.locator(".concern", has=page.locator(".badge", has_text=label))


def test_a_rejected_text_is_edited_sent_again_and_approved(
    new_page: Callable[..., Page], console_errors: list[str], settings: Settings
) -> None:
    settings.APPROVAL_ABOVE = 1
    a_client(listings="both")
    a_topic(slug="listings")
    pages = []
    for name, group in (("eve", "Editors"), ("sam", "Senders"), ("ada", "Approvers")):
        a_user(username=name, group=group)
        page = new_page(1440, 900)
        enter(page, name)
        page.goto(reverse("admin:index"))
        expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        pages.append(page)
    editor, sender, approver = pages

    editor.get_by_role("link", name="Write a notification").first.click()
    editor.locator("#id_topic").select_option(label="Listings")
    editor.locator("#id_subject").fill("Spring at 100")
    editor.locator("#id_email_body").fill("Hello {{ name }}")
    # Two messages are more than one person may send.
    editor.locator("#id_sms_body").fill("Hello")
    editor.get_by_role("button", name="Ready to send").click()
    expect(editor.locator("#status")).to_contain_text("Marked as ready to send by eve")

    attention(sender, "Ready to send").get_by_role("link", name="View and send").click()
    sender.get_by_role("button", name="for approval").click()
    sender.wait_for_url("**/progress/")

    line = attention(approver, "Approval")
    expect(approver.locator(".waiting")).to_contain_text("1")
    line.get_by_role("link", name="Review and decide").click()
    approver.get_by_label("Or reject it and give a reason").fill("The price is wrong")
    approver.locator("#reject-it").click()
    expect(approver.locator("#rejected-why")).to_have_text("The price is wrong")

    line = attention(sender, "Rejected")
    expect(sender.locator(".waiting")).to_contain_text("1")
    expect(line).to_contain_text("eve can edit the text")
    expect(line.get_by_role("link")).to_have_text("View")
    attention(editor, "Rejected").get_by_role("link", name="Edit").click()
    editor.locator("#id_subject").fill("Spring at 200")
    editor.get_by_role("button", name="Ready to send").click()
    expect(editor.locator("#status")).to_contain_text("Marked as ready to send by eve")
    expect(attention(editor, "Rejected")).to_have_count(0)

    attention(sender, "Rejected").get_by_role("link", name="View and send").click()
    sender.get_by_role("button", name="for approval").click()
    sender.wait_for_url("**/progress/")
    attention(approver, "Approval").get_by_role("link", name="Review and decide").click()
    expect(approver.get_by_role("heading", level=1)).to_contain_text("Spring at 200")
    approver.locator("#approve-it").click()
    approver.wait_for_url("**/progress/")

    for page in pages:
        expect(attention(page, "")).to_have_count(0)
        expect(page.locator(".waiting")).to_have_count(0)
        expect(page.get_by_role("link", name="Spring at 200").first).to_be_visible()
    assert console_errors == []
