"""A client's record, the answer to “why?”, and what staff do to clients: in a real browser, with and without script."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from notifier.consent import consents
from notifier.consent.consents import Origin
from notifier.models import Channel, Client, ConsentChange, Suppression
from tests.conftest import watch_console
from tests.support.factories import a_broadcast, a_client, a_delivery, a_topic, a_user
from tests.support.pages.browsing import enter

# The server answers from another thread, which must see the rows.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def staff() -> User:
    return a_user(username="root", password="secret", is_superuser=True)


@pytest.fixture(params=[True, False], ids=["with JavaScript", "without"])
def desk(
    browser: Browser, live_server: LiveServer, staff: User, console_errors: list[str], request: pytest.FixtureRequest
) -> Iterator[Page]:
    context = browser.new_context(base_url=live_server.url, java_script_enabled=request.param, accept_downloads=True)
    page = context.new_page()
    watch_console(page, console_errors)
    enter(page)
    yield page
    context.close()
    assert console_errors == []


def a_story(staff: User) -> dict[str, Any]:
    """A client who agreed, got one message, withdrew, and did not get the next."""
    client, topic, now = a_client(), a_topic(name="Listings"), timezone.now()
    client.history.update(history_date=now - timedelta(days=9))
    origin = Origin(ConsentChange.Source.STAFF, by=staff, detail="asked by phone")
    for agreed, days in ((True, 5), (False, 3)):
        at = now - timedelta(days=days)
        consents.change(client=client, topic=topic, wants={Channel.EMAIL: agreed}, origin=origin, now=at)
    first, second = (
        a_broadcast(
            subject=subject,
            state="FINISHED",
            cursor=client.pk,
            started_at=now - timedelta(days=days),
            finished_at=now - timedelta(days=days),
            tallied_at=now,
        )
        for subject, days in (("Three homes", 4), ("Two more homes", 2))
    )
    sent_at = now - timedelta(days=4)
    delivery = a_delivery(broadcast=first, client=client, state="SENT", settled_at=sent_at, detail="")
    Suppression.objects.create(channel="sms", address=str(client.phone), reason="Asked us to.")
    return {"client": client, "first": first, "second": second, "delivery": delivery}


@pytest.mark.parametrize("width", [1440, 360])
def test_an_error_begins_where_its_field_does(desk: Page, width: int) -> None:
    desk.set_viewport_size({"width": width, "height": 800})
    desk.goto(reverse("admin:notifier_client_add"))
    desk.get_by_role("button", name="Save", exact=True).click()

    row = desk.locator(".form-row.field-first_name")
    error, field = row.locator(".errorlist li").bounding_box(), row.locator("input").bounding_box()
    assert error is not None
    assert field is not None
    assert abs(error["x"] - field["x"]) < 2


#: The letters on either side of each line's end.
LINE_ENDS = """cell => {
    const found = [], range = document.createRange(), walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    let last = null;
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        for (let at = 0; at < node.length; at += 1) {
            range.setStart(node, at);
            range.setEnd(node, at + 1);
            const top = range.getBoundingClientRect().top, letter = node.data[at];
            if (last && top > last.top + 4) found.push(last.letter + letter);
            last = {top, letter};
        }
    }
    return found;
}"""


def test_an_address_in_a_narrow_list_is_not_broken_in_the_middle_of_a_word(desk: Page) -> None:
    for name, email in (
        ("Christopher Wolfeschlegel", "christopher.wolfeschlegel@international.example.com"),
        ("Ann", "ann.example@example.com"),
        ("Bartholomew Featherstonehaugh", "b@featherstone.example.org"),
    ):
        a_client(name=name, email=email)
    desk.set_viewport_size({"width": 360, "height": 640})
    desk.goto(reverse("admin:notifier_client_changelist"))

    ends = [end for cell in desk.locator("td.field-shown_email").all() for end in cell.evaluate(LINE_ENDS)]

    assert ends
    assert all(end[0] == "@" or end[1] == "." for end in ends), ends
    assert desk.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def page_of(client: Client, kind: str = "change") -> str:
    return reverse(f"admin:notifier_client_{kind}", args=[client.pk])


def test_a_complaint_is_answered_from_the_client_s_page(desk: Page, staff: User) -> None:
    story = a_story(staff)
    desk.goto(page_of(story["client"]))
    expect(desk.get_by_role("region", name="Consent history")).to_contain_text("Staff, root: asked by phone")
    expect(desk.get_by_role("region", name="Suppressed")).to_contain_text("Asked us to.")

    desk.get_by_role("region", name="Messages").get_by_role("link", name="Why? Three homes").click()
    expect(desk.locator("#why-email")).to_contain_text("Ann Example got the e-mail at")
    expect(desk.locator("#why-email")).to_contain_text("they had agreed to Listings by e-mail")

    desk.get_by_label("Search by number or subject").fill("two more")
    desk.get_by_role("button", name="Search").click()
    desk.get_by_role("link", name="Two more homes").click()
    expect(desk.locator("#why-email")).to_contain_text("did not get the e-mail: no consent to Listings by e-mail")


def test_consent_is_ticked_with_where_it_comes_from(desk: Page, staff: User) -> None:
    client = a_client()
    a_topic(slug="listings")
    desk.goto(page_of(client))

    desk.get_by_role("link", name="Edit").click()
    desk.get_by_label("Listings by SMS").check()
    desk.get_by_role("button", name="Save", exact=True).click()
    expect(desk.get_by_label("How do we know?")).to_be_focused()
    expect(desk.get_by_label("Listings by SMS")).to_be_checked()
    assert not client.preferences.filter(sms=True).exists()
    desk.get_by_label("How do we know?").fill("signed form")
    desk.get_by_role("button", name="Save", exact=True).click()

    expect(desk.get_by_role("region", name="Consent history")).to_contain_text("Staff, root: signed form")


def test_the_profile_comes_first_and_the_form_when_it_is_asked_for(desk: Page, staff: User) -> None:
    client = a_story(staff)["client"]
    desk.goto(page_of(client))

    profile = desk.get_by_role("region", name="Profile")
    expect(profile.get_by_role("link", name=client.email)).to_be_visible()
    expect(profile).to_contain_text("Active")
    expect(profile).to_contain_text("Three homes by e-mail")
    expect(desk.get_by_role("region", name="Agreed to hear about")).to_be_visible()
    expect(desk.locator("#suppressed")).to_be_in_viewport()
    expect(desk.get_by_label("First name")).to_have_count(0)

    desk.get_by_role("link", name="Edit").click()
    expect(desk.get_by_label("First name")).to_be_focused()
    expect(desk.locator("#suppressed")).to_be_in_viewport()
    desk.get_by_role("link", name="Back").click()
    expect(profile).to_be_visible()

    desk.get_by_role("link", name="Edit").click()
    for label in ("First name", "Last name", "Full name"):
        desk.get_by_label(label).fill("")
    desk.get_by_role("button", name="Save", exact=True).click()
    expect(desk.get_by_label("First name")).to_be_focused()
    desk.get_by_label("First name").fill("Ann")
    desk.get_by_label("Last name").fill("Archer")
    desk.get_by_role("button", name="Save", exact=True).click()
    expect(desk.get_by_role("heading", name="Ann Archer")).to_be_visible()
    expect(profile).to_be_visible()


def test_a_client_is_archived_and_returns(desk: Page, staff: User) -> None:
    client = a_story(staff)["client"]
    desk.goto(page_of(client))

    desk.get_by_role("link", name="Archive…").click()
    desk.get_by_role("button", name="Archive 1 client").click()
    expect(desk.get_by_text("1 client archived. Nothing will be sent to them.")).to_be_visible()

    desk.get_by_role("link", name="Restore…").click()
    desk.get_by_role("button", name="Restore 1 client").click()
    expect(desk.get_by_role("link", name="Archive…")).to_be_visible()

    desk.get_by_role("link", name="History").click()
    expect(desk.get_by_role("region", name="All versions, newest first").get_by_role("row")).to_have_count(4)


def test_what_is_kept_is_downloaded_and_then_erased(desk: Page, staff: User, tmp_path: Path) -> None:
    client = a_story(staff)["client"]
    desk.goto(page_of(client))
    desk.get_by_role("link", name="Export data…").click()
    with desk.expect_download() as download:
        desk.get_by_role("button", name="Download as JSON").click()
    download.value.save_as(tmp_path / "kept.json")
    assert "Ann Example" in (tmp_path / "kept.json").read_text()

    desk.goto(page_of(client))
    desk.get_by_role("link", name="Erase personal data…").click()
    desk.get_by_label("Reason", exact=True).fill("ticket 4711")
    desk.get_by_label("Erase permanently").check()
    desk.get_by_role("button", name="Erase the personal data of 1 client").click()

    expect(desk.get_by_text("The personal data was erased on")).to_be_visible()
    expect(desk.get_by_role("button", name="Save")).to_have_count(0)
    assert "Ann Example" not in desk.locator("main").inner_text()


def test_a_landline_is_told_below_its_field_while_it_is_entered(desk: Page, request: pytest.FixtureRequest) -> None:
    desk.goto(reverse("admin:notifier_client_add"))
    phone = desk.get_by_label("Phone")

    phone.fill("+44 20 7946 0018")
    if "with JavaScript" in request.node.name:
        phone.blur()
        expect(phone).to_have_accessible_description(re.compile("No SMS is sent to this number."))
        phone.fill("+44 7400 123456")
        phone.blur()
        expect(desk.locator("#phone-note")).to_have_text("")
        phone.fill("+44 20 7946 0018")
    # Something else is wrong: there is no name.
    desk.locator("form").evaluate_all("forms => forms.forEach(form => { form.noValidate = true; })")
    desk.get_by_role("button", name="Save", exact=True).click()

    expect(desk.locator("#error-summary")).to_be_visible()
    expect(phone).to_have_accessible_description(re.compile("No SMS is sent to this number."))
