"""The counts that follow a page, in a real browser: they come by themselves, and without JavaScript by a link."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import LazySettings
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, Route, expect

from notifier.admin.lists import base, deferred_counts
from notifier.models import Broadcast, Client, Delivery
from tests.browser.test_broadcasts import confirm_page, sticks_out
from tests.browser.test_pages import COLOURS, EVERY_RULE, violations
from tests.support.factories import a_broadcast, a_client, a_delivery, a_notification, a_user
from tests.support.pages import browsing

# The server answers from another thread, which must see the rows.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _many(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there is already too much to be counted while a page is made."""
    monkeypatch.setattr(deferred_counts, "AT_ONCE", 0)
    monkeypatch.setattr(base, "MAX_COUNTED", 1)


@pytest.fixture
def enter(new_page: Callable[..., Page], console_errors: list[str]) -> Iterator[Callable[..., Page]]:
    """`enter(width=360)`: a browser of that width in which somebody who may do everything is logged in."""

    def open_browser(*, width: int = 1440, **options: Any) -> Page:
        page = new_page(width, 800, reduced_motion="reduce", **options)
        a_user(username="root", is_superuser=True)
        browsing.enter(page)
        return page

    yield open_browser
    assert console_errors == []


def hold_back(page: Page) -> Callable[[], None]:
    """The counts wait until what is returned is called."""
    held: list[Route] | None = []

    def hold(route: Route) -> None:
        if held is None:
            route.continue_()
        else:
            held.append(route)

    def let_go() -> None:
        nonlocal held
        waiting, held = held or [], None
        for route in waiting:
            route.continue_()

    page.route("**/*counted=1*", hold)
    return let_go


def a_page_of_each() -> dict[str, str]:
    """Addresses, by what the button says once it is counted. Nobody but Ann is told of anything twice."""
    now = timezone.now()
    client = a_client(name="Ann Example", listings="both")
    waits = a_broadcast(
        state="AWAITING_APPROVAL", needs_approval=True, started_at=None, audience_upto=0, text_of=now, sms_body="Hi"
    )
    ended = a_broadcast(state="FINISHED", finished_at=now, sms_body="Hi")
    a_delivery(broadcast=ended, client=client, state="FAILED", settled_at=now)
    return {
        "Send 1 e-mail and 1 SMS": reverse("admin:notifier_broadcast_follow", args=[ended.pk]),
        "Approve and send 1 e-mail and 1 SMS": reverse("admin:notifier_broadcast_approve", args=[waits.pk]),
        "Send 1 again": reverse("admin:notifier_delivery_resolve", args=["send-again"], query={"list": ""}),
        "Archive 1 client": reverse("admin:notifier_client_decide", args=["archive"], query={"list": ""}),
    }


def test_the_counts_come_by_themselves_and_then_it_can_be_sent(
    enter: Callable[..., Page], settings: LazySettings
) -> None:
    settings.CONFIRM_ABOVE = 5
    for _ in range(3):
        a_client(listings="both")
    first, second = a_notification(sms_body="The gate is open"), a_notification(subject="A second one")
    page = enter()
    let_go = hold_back(page)

    page.goto(f"{confirm_page(first)},{second.pk}")

    # The page is there, with the texts; the numbers are not.
    expect(page.get_by_text("The gate is open")).to_be_visible()
    expect(page.locator("#in-short")).to_contain_text("Counting…")
    expect(page.locator("#send-it")).to_be_disabled()
    assert page.get_by_label("To confirm").count() == 0
    frame = page.locator("iframe").first.element_handle()

    let_go()

    page.get_by_label("To confirm, type the number of messages: 12").fill("12")
    expect(page.locator("#total")).to_have_text("12")
    expect(page.locator(".reach .recipients")).to_have_text(["3"] * 4)
    # What was there already stays as it is: nothing that is being read jumps or loads anew.
    assert frame is not None
    assert frame.evaluate("node => node.isConnected")
    page.get_by_role("button", name="Send 6 e-mails and 6 SMS").click()

    page.wait_for_url("**id__in=**")
    assert Broadcast.objects.count() == 2


def test_every_page_gets_its_counts_and_they_are_said(enter: Callable[..., Page]) -> None:
    page = enter()

    for button, address in a_page_of_each().items():
        let_go = hold_back(page)
        page.goto(address)
        expect(page.get_by_text("Counting…").first).to_be_visible()
        assert page.get_by_role("button", name=button).count() == 0
        spoken = page.locator('[aria-live="polite"], [role="status"]').filter(has_text="Counting…").element_handle()
        let_go()

        expect(page.get_by_role("button", name=button)).to_be_enabled()
        assert page.get_by_text("Counting…").count() == 0
        # It is the same element, or a screen reader would keep silent about what is new in it.
        assert spoken is not None
        assert spoken.evaluate("said => said.isConnected && said.innerText.length > 10"), address


def test_a_decision_about_a_long_list_is_taken(enter: Callable[..., Page]) -> None:
    urls = a_page_of_each()
    page = enter()

    page.goto(urls["Send 1 again"])
    page.get_by_label("Reason").fill("the mailbox was full")
    page.get_by_role("button", name="Send 1 again").click()
    page.get_by_text("To be sent again: 1 message.").wait_for()
    page.goto(urls["Archive 1 client"])
    page.get_by_role("button", name="Archive 1 client").click()
    page.get_by_text("1 client archived").wait_for()

    assert Delivery.objects.get().state == "PENDING"
    assert not Client.objects.filter(is_active=True).exists()


def test_without_javascript_a_link_leads_to_the_page_with_the_counts(enter: Callable[..., Page]) -> None:
    page = enter(java_script_enabled=False)

    for button, address in a_page_of_each().items():
        page.goto(address)
        assert page.get_by_role("button", name=button).count() == 0
        page.get_by_role("link", name="load the page with the counts").click()
        expect(page.get_by_role("button", name=button)).to_be_enabled()

    page.goto(confirm_page(a_notification(sms_body="The gate is open")))
    page.get_by_role("link", name="load the page with the counts").click()
    page.get_by_role("button", name="Send 1 e-mail and 1 SMS").click()
    page.wait_for_url("**/progress/")


def test_where_the_counts_do_not_come_the_link_stays(enter: Callable[..., Page], console_errors: list[str]) -> None:
    a_client(listings="both")
    page = enter()
    page.route("**/*counted=1*", lambda route: route.fulfill(status=500, body="broken"))

    with page.expect_response("**/*counted=1*"):
        page.goto(confirm_page(a_notification()))
    expect(page.locator("#send-it")).to_be_disabled()
    page.unroute_all()
    page.get_by_role("link", name="load the page with the counts").click()

    expect(page.locator("#send-it")).to_be_enabled()
    console_errors.clear()  # the browser tells of the 500


@pytest.mark.parametrize(("width", "theme", "rules"), [(1440, "light", EVERY_RULE), (360, "dark", COLOURS)])
def test_they_are_accessible_and_fit_before_and_after(
    enter: Callable[..., Page], width: int, theme: str, rules: dict[str, Any]
) -> None:
    page = enter(width=width, color_scheme=theme)
    wrong = []

    for address in [*a_page_of_each().values(), confirm_page(a_notification(sms_body="The gate is open"))]:
        let_go = hold_back(page)
        page.goto(address)
        expect(page.get_by_text("Counting…").first).to_be_visible()
        wrong += violations(page, rules) + ([f"{address} scrolls sideways"] if sticks_out(page) else [])
        let_go()
        expect(page.get_by_text("Counting…")).to_have_count(0)
        wrong += violations(page, rules) + ([f"{address} scrolls sideways, counted"] if sticks_out(page) else [])

    assert not wrong, "\n".join(wrong)
