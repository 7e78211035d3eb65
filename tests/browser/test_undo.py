"""The seconds after Send, in a real browser: counted down, undone, paused; with and without JavaScript."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.conf import LazySettings
from django.utils import timezone
from playwright.sync_api import Page, expect

from notifier.broadcasts import schedules
from notifier.models import Broadcast, Notification
from tests.browser.test_broadcasts import confirm_page, sticks_out
from tests.support.factories import a_client, a_notification, a_user
from tests.support.pages import browsing

# The server answers from another thread, which must see the rows.
pytestmark = pytest.mark.django_db(transaction=True)

State = Broadcast.State


@pytest.fixture
def notification(settings: LazySettings) -> Notification:
    settings.UNDO_SECONDS = 600
    a_user(username="ann", is_superuser=True)
    a_client(listings="both")
    return a_notification()


@pytest.fixture(params=[(1440, True), (360, True), (360, False)], ids=["desk", "phone", "without JavaScript"])
def ann(
    new_page: Callable[..., Page], console_errors: list[str], request: pytest.FixtureRequest
) -> Iterator[Callable[[], Page]]:
    """Ann's browser, once she has logged in."""

    def enter() -> Page:
        width, has_script = request.param
        page = new_page(width, 800, java_script_enabled=has_script)
        browsing.enter(page, "ann")
        return page

    yield enter
    assert console_errors == []


def test_undo_leads_back_to_the_confirm_page_with_what_was_chosen(
    ann: Callable[[], Page], notification: Notification
) -> None:
    page = ann()
    page.goto(confirm_page(notification))
    page.get_by_label("Expires").fill("2099-01-02T18:00")
    page.get_by_role("button", name="Send 1 e-mail and 1 SMS").click()
    expect(page.get_by_role("heading", name="Starts in 10 minutes")).to_be_visible()

    page.get_by_role("button", name="Undo").click()

    expect(page.get_by_text("Undone: nothing was sent.")).to_be_visible()
    expect(page.get_by_label("Expires")).to_have_value("2099-01-02T18:00")
    assert schedules.start_due(now=timezone.now() + timedelta(days=1)) == 0
    page.get_by_role("button", name="Send 1 e-mail and 1 SMS").click()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()


def test_it_counts_down_and_turns_into_the_progress_page_by_itself(
    ann: Callable[[], Page], notification: Notification
) -> None:
    page = ann()
    page.goto(confirm_page(notification))
    page.get_by_role("button", name="Send 1 e-mail and 1 SMS").click()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()

    soon = timezone.now() + timedelta(seconds=90)
    Broadcast.objects.update(scheduled_for=soon, undo_until=soon)
    expect(page.locator("#before-title")).to_contain_text("seconds")
    schedules.start_due(now=soon)

    expect(page.get_by_role("button", name="Undo")).to_have_count(0)
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    expect(page.locator("#live")).to_contain_text("Sending")


def test_paused_in_these_seconds_it_waits_for_resume(ann: Callable[[], Page], notification: Notification) -> None:
    page = ann()
    page.goto(confirm_page(notification))
    page.get_by_role("button", name="Send 1 e-mail and 1 SMS").click()

    page.get_by_role("button", name="Pause").click()

    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    assert Broadcast.objects.get().state == State.PAUSED


def test_several_are_undone_on_a_page_of_their_own(ann: Callable[[], Page], notification: Notification) -> None:
    other = a_notification(subject="Two more homes")
    page = ann()
    page.goto(f"{confirm_page(notification)},{other.pk}")
    page.get_by_role("button", name="Send 2 e-mails and 2 SMS").click()
    expect(page.locator(".just-sent")).to_contain_text("starts in 10 minutes")
    assert not sticks_out(page)
    soon = timezone.now() + timedelta(seconds=90)
    Broadcast.objects.update(scheduled_for=soon, undo_until=soon)
    expect(page.locator(".just-sent")).to_contain_text("seconds")

    page.get_by_role("button", name="Undo").click()

    expect(page.get_by_text("Undone: nothing was sent.")).to_be_visible()
    assert set(Broadcast.objects.values_list("state", flat=True)) == {State.CANCELLED}
