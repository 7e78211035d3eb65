"""From the confirm page to a broadcast, in a real browser: at a time, with a number typed, and with a second person."""

import re
from collections.abc import Callable, Iterator
from datetime import time, timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from notifier.models import Broadcast, Notification
from tests.support.factories import a_brand, a_broadcast, a_client, a_delivery, a_notification, a_user
from tests.support.pages import browsing

# The server answers from another thread, which must see the rows.
pytestmark = pytest.mark.django_db(transaction=True)

State = Broadcast.State
WIDTHS = {"desk": 1440, "phone": 360}


@pytest.fixture
def enter(new_page: Callable[..., Page], console_errors: list[str]) -> Iterator[Callable[..., Page]]:
    """`enter("ann", "phone")`: a browser of that width in which Ann is logged in."""

    def open_browser(username: str, size: str = "desk", **options: Any) -> Page:
        page = new_page(WIDTHS[size], 800, **options)
        browsing.enter(page, username)
        return page

    yield open_browser
    assert console_errors == []


@pytest.fixture
def notification() -> Notification:
    a_user(username="ann", is_superuser=True)
    a_user(username="bob", is_superuser=True)
    for _ in range(3):
        a_client(listings="both")
    return a_notification(sms_body="The gate is open")


def confirm_page(notification: Notification) -> str:
    return f"{reverse('admin:notifier_notification_broadcast')}?ids={notification.pk}"


def sticks_out(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


@pytest.mark.parametrize("size", WIDTHS)
def test_the_whole_e_mail_is_seen_with_its_footer(
    enter: Callable[..., Page], notification: Notification, size: str
) -> None:
    a_brand(name="Harbour Homes", postal_address="1 Quay Street\nBristol BS1 4RB\nUnited Kingdom")
    Notification.objects.update(email_body="The new homes at the harbour are for sale.\n\n" * 20)
    page = enter("ann", size)

    page.goto(confirm_page(notification))

    page.locator("iframe.email").scroll_into_view_if_needed()
    page.frame_locator("iframe.email").get_by_text("Bristol BS1 4RB").wait_for()
    page.wait_for_function(
        """() => {
            const frame = document.querySelector("iframe.email");
            return frame.contentDocument.scrollingElement.scrollHeight <= frame.clientHeight;
        }"""
    )


@pytest.mark.parametrize("size", WIDTHS)
def test_it_is_scheduled_with_the_button_that_says_so(
    enter: Callable[..., Page], notification: Notification, size: str
) -> None:
    page = enter("ann", size)
    page.goto(confirm_page(notification))
    assert not page.get_by_label("Starts").is_visible()
    page.get_by_role("button", name="Send 3 e-mails and 3 SMS").wait_for()

    page.get_by_label("At a date and time").check()
    page.get_by_label("Starts").fill("2099-01-02T16:00")
    page.get_by_label("Expires").fill("2099-01-02T18:00")
    assert not sticks_out(page)
    page.get_by_role("button", name="Schedule 3 e-mails and 3 SMS").click()

    page.get_by_role("heading", name="Starts at 2 Jan 2099, 16:00 UTC").wait_for()
    assert not sticks_out(page)
    assert Broadcast.objects.get().state == State.SCHEDULED

    page.get_by_role("link", name="Change the time…").click()
    assert page.get_by_label("Starts").input_value() == "2099-01-02T16:00"
    assert not sticks_out(page)
    page.get_by_label("Now").check()
    page.get_by_role("button", name="Start now").click()

    page.get_by_text("Changed: it is being sent.").wait_for()
    assert Broadcast.objects.get().state == State.RUNNING


def schedule(page: Page, notification: Notification) -> None:
    page.goto(confirm_page(notification))
    page.get_by_label("At a date and time").check()
    page.get_by_label("Starts").fill("2099-01-02T16:00")
    page.get_by_role("button", name="Schedule").click()


def test_a_scheduled_one_starts_before_its_time_once_it_was_asked_for(
    enter: Callable[..., Page], notification: Notification
) -> None:
    page = enter("ann")
    schedule(page, notification)

    page.get_by_role("link", name="Start now…").click()
    page.get_by_role("button", name="Start now and send 3 e-mails and 3 SMS").wait_for()
    assert Broadcast.objects.get().state == State.SCHEDULED
    assert not sticks_out(page)
    page.locator("#do-it").click()

    page.get_by_text("Started.").wait_for()
    assert Broadcast.objects.get().state == State.RUNNING


def test_a_waiting_page_turns_into_the_progress_page_by_itself(
    enter: Callable[..., Page], notification: Notification
) -> None:
    page = enter("ann")
    schedule(page, notification)
    page.get_by_role("link", name="Start now…").wait_for()

    Broadcast.objects.update(state=State.RUNNING, started_at=timezone.now())

    page.locator("#live", has_text="sent").wait_for()
    page.get_by_role("button", name="Pause").wait_for()
    assert page.locator("#before").count() == 0


def test_many_are_sent_only_after_their_number_is_typed(
    enter: Callable[..., Page], notification: Notification, settings: LazySettings
) -> None:
    settings.CONFIRM_ABOVE = 5
    page = enter("ann")
    page.goto(confirm_page(notification))
    field = page.get_by_label("To confirm, type the number of messages: 6")

    page.get_by_role("button", name="Send 3 e-mails and 3 SMS").click()
    assert page.locator("#id_typed:invalid").count() == 1  # the browser does not even send it
    field.fill("7")
    page.get_by_role("button", name="Send 3 e-mails and 3 SMS").click()
    assert page.locator("#id_typed:invalid").count() == 1
    assert not Broadcast.objects.exists()
    field.fill("6")
    page.get_by_role("button", name="Send 3 e-mails and 3 SMS").click()

    page.wait_for_url("**/progress/")
    assert Broadcast.objects.get().state == State.RUNNING


def test_who_is_in_quiet_hours_now_is_told_only_of_a_start_now(
    enter: Callable[..., Page], notification: Notification, settings: LazySettings
) -> None:
    settings.QUIET_HOURS = {"email": (time(21), time(8)), "sms": None}
    ann = enter("ann")
    ann.goto(confirm_page(notification))
    held_back = ann.locator(".held-back")
    expect(held_back).to_be_visible()

    ann.get_by_label("At a date and time").check()

    expect(held_back).to_be_hidden()


def test_two_people_send_what_is_too_much_for_one(
    enter: Callable[..., Page], notification: Notification, settings: LazySettings
) -> None:
    settings.APPROVAL_ABOVE = 5
    ann, bob = enter("ann"), enter("bob", "phone")
    ann.goto(confirm_page(notification))
    ann.get_by_role("button", name="Submit 3 e-mails and 3 SMS for approval").click()
    ann.get_by_text("You created it, so someone else has to approve it").wait_for()
    assert ann.get_by_role("link", name="Review and decide…").count() == 0

    bob.goto(reverse("admin:index"))
    bob.get_by_role("region", name="Scheduled").get_by_role("link", name="Three new homes").click()
    bob.get_by_role("link", name="Review and decide…").click()
    bob.get_by_text("The gate is open").wait_for()
    assert not sticks_out(bob)

    # Edited while he reads: his word is for what he has read.
    ann.goto(reverse("admin:notifier_notification_change", args=[notification.pk]))
    ann.locator("#id_sms_body").fill("The gate is shut")
    ann.locator("input[name=_save]").click()
    ann.get_by_text("has to be approved").wait_for()
    bob.get_by_role("button", name="Approve and send").click()
    bob.get_by_text("Check it again before you approve it.").wait_for()
    assert Broadcast.objects.get().state == State.AWAITING_APPROVAL

    bob.get_by_text("The gate is shut").wait_for()
    bob.get_by_role("button", name="Approve and send").click()

    bob.get_by_text("Approved: it is being sent.").wait_for()
    sent = Broadcast.objects.get()
    assert (sent.state, sent.sms_body, str(sent.approved_by)) == (State.RUNNING, "The gate is shut", "bob")


@pytest.mark.parametrize("has_script", [True, False], ids=["with JavaScript", "without"])
def test_what_was_rejected_is_edited_and_asked_for_again(
    enter: Callable[..., Page], notification: Notification, settings: LazySettings, has_script: bool
) -> None:
    settings.APPROVAL_ABOVE = 5
    ann, bob = (enter(name, size, java_script_enabled=has_script) for name, size in (("ann", "phone"), ("bob", "desk")))
    ann.goto(confirm_page(notification))
    ann.get_by_role("button", name="for approval").click()
    ann.wait_for_url("**/progress/")
    bob.goto(reverse("admin:notifier_broadcast_approve", args=[Broadcast.objects.get().pk]))

    bob.get_by_label("Or reject it and give a reason").fill("the gate stays shut")
    bob.get_by_role("button", name="Reject").click()
    bob.get_by_text("Rejected. Nothing will be sent.").wait_for()

    # Her page tells it by itself.
    rejected = ann.locator("#rejected")
    expect(rejected).to_contain_text("Rejected by bob")
    expect(rejected).to_contain_text("the gate stays shut")
    assert Broadcast.objects.get().state == State.REJECTED
    ann.get_by_role("link", name="Edit and resubmit…").click()
    ann.get_by_label("SMS text:").fill("The gate stays shut")
    role = "link" if has_script else "button"
    ann.get_by_role(role, name="Save and continue to send").click()  # type: ignore[arg-type]
    ann.get_by_role("button", name="for approval").click()
    ann.wait_for_url("**/progress/")

    bob.goto(ann.url)
    bob.get_by_role("link", name="Review and decide…").click()
    bob.get_by_role("button", name="Approve and send").click()
    bob.get_by_text("Approved: it is being sent.").wait_for()
    first, second = Broadcast.objects.order_by("pk")
    assert (first.state, second.state, second.sms_body) == (State.REJECTED, State.RUNNING, "The gate stays shut")


def test_without_javascript_it_is_scheduled_approved_and_cancelled(
    enter: Callable[..., Page], notification: Notification, settings: LazySettings
) -> None:
    settings.APPROVAL_ABOVE, settings.CONFIRM_ABOVE = 5, 5
    ann, bob = (enter(name, java_script_enabled=False) for name in ("ann", "bob"))
    ann.goto(confirm_page(notification))
    ann.get_by_label("At a date and time").check()
    moment = timezone.now() + timedelta(days=2, minutes=1)
    ann.get_by_label("Starts").fill(f"{moment:%Y-%m-%dT%H:%M}")
    ann.get_by_label("To confirm, type the number of messages").fill("6")
    ann.get_by_role("button", name="for approval").click()
    ann.wait_for_url("**/progress/")

    bob.goto(ann.url)
    bob.get_by_role("link", name="Review and decide…").click()
    bob.get_by_role("button", name=f"Approve 3 e-mails and 3 SMS for {moment:%-d %b %Y, %H:%M} UTC").click()
    bob.get_by_role("heading", name="Starts at").wait_for()
    assert Broadcast.objects.get().state == State.SCHEDULED

    bob.get_by_role("link", name="Cancel…").click()
    bob.get_by_role("button", name="Cancel the broadcast").click()

    bob.get_by_text("Cancelled. Messages that had not been sent will not be sent.").wait_for()
    assert Broadcast.objects.get().state == State.CANCELLED


def test_a_count_leads_to_its_clients(enter: Callable[..., Page], notification: Notification) -> None:
    a_client(name="Nobody Example", listings="neither")
    page = enter("ann")
    page.goto(confirm_page(notification))

    page.get_by_role("link", name="SMS, no consent: 1").click()

    page.get_by_role("link", name="Nobody Example").wait_for()
    assert page.locator("#result_list tbody tr").count() == 1


def test_what_changes_with_the_state_changes_without_a_reload_and_what_was_counted_stays(
    enter: Callable[..., Page], notification: Notification
) -> None:
    soon = timezone.now() + timedelta(hours=1)
    broadcast = a_broadcast(notification=notification, state=State.SCHEDULED, started_at=None, scheduled_for=soon)
    page = enter("ann")
    page.goto(reverse("admin:notifier_broadcast_progress", args=[broadcast.pk]))
    counted = page.locator("#messages-now")

    for _ in range(2):
        with page.expect_response(re.compile(r"/progress/")):
            pass
        expect(counted).to_contain_text("3 e-mails and 3 SMS, counted just now.")
    expect(page.locator("#lead")).to_contain_text("created")

    Broadcast.objects.update(state=State.RUNNING, started_at=timezone.now())
    expect(page.locator("#lead")).to_contain_text("started")
    expect(counted).to_have_count(0)

    # An edit of the text while it awaits approval changes the heading too.
    Broadcast.objects.update(state=State.AWAITING_APPROVAL, started_at=None, subject="The gate is shut")
    expect(page.get_by_role("heading", level=1)).to_have_text("The gate is shut")


@pytest.mark.parametrize("size", WIDTHS)
def test_the_next_steps_are_as_wide_as_each_other_and_stay_in_their_column(
    enter: Callable[..., Page], notification: Notification, size: str
) -> None:
    ended: dict[str, Any] = {"state": State.FINISHED, "finished_at": timezone.now(), "tallied_at": timezone.now()}
    tally = {"audience": 5, "counts": {"email": {"SENT": 3, "FAILED": 1, "UNKNOWN": 1}}}
    broadcast = a_broadcast(notification=notification, tally=tally, **ended)
    a_delivery(broadcast=broadcast, state="FAILED")
    page = enter("ann", size)
    page.goto(reverse("admin:notifier_broadcast_progress", args=[broadcast.pk]))

    steps = page.locator(".steps li")
    expect(steps).to_have_count(4)
    boxes = [button.bounding_box() for button in steps.locator(".button").all()]
    sentences = [sentence.bounding_box() for sentence in steps.locator(".quiet").all()]

    assert len({(round(box["x"]), round(box["width"])) for box in boxes if box}) == 1
    assert all(
        box and said and (box["x"] + box["width"] <= said["x"] or box["y"] < said["y"])
        for box, said in zip(boxes, sentences, strict=True)
    )
    assert not sticks_out(page)
    # What stands out comes first.
    expect(page.locator("main .button").first).to_have_id("step-retry")
