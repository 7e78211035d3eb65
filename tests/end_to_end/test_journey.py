"""What a newcomer does, in a real browser: log in, choose, confirm, think again, watch, and see everyone reached."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.support.checks import books
from tests.support.fakes.rules import Rule
from tests.support.fakes.sms import SmsProcess
from tests.support.fakes.smtp import SmtpProcess
from tests.support.servers.processes import wait_until
from tests.support.servers.stack import Stack


def start(product: Callable[..., Stack], **settings: str) -> tuple[Stack, str]:
    """The whole product under way, and its address."""
    stack = product(DJANGO_SUPERUSER_PASSWORD="open sesame", **settings)
    stack.manage("createsuperuser", "--noinput", "--username", "staff", "--email", "staff@example.com")
    for command in (["run_dispatcher"], ["run_consumer", "email"], ["run_consumer", "sms"]):
        stack.start(*command)
    return stack, stack.serve()


def log_in(page: Page, address: str) -> None:
    page.goto(f"{address}/")
    page.get_by_label("Username").fill("staff")
    page.get_by_label("Password").fill("open sesame")
    page.get_by_role("button", name="Log in").click()


def choose_and_send(page: Page, address: str, notification: int) -> None:
    page.goto(f"{address}/admin/notifier/notification/")
    page.locator(f"input[name=_selected_action][value='{notification}']").check()
    page.locator("select[name=action]").select_option(label="Broadcast selected notifications…")
    page.locator("button[name=index]").first.click()
    press_send(page)


def press_send(page: Page) -> None:
    page.get_by_role("button", name=re.compile(r"^Send [\d,]+ e-mails? and [\d,]+ SMS")).click()
    expect(page).to_have_url(re.compile(r"/admin/notifier/broadcast/\d+/progress/$"))


def think_again(page: Page, stack: Stack) -> None:
    """Undo, and back on the confirm page."""
    expect(page.locator("#before-title")).to_contain_text("Starts in")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Undone: nothing was sent.")).to_be_visible()
    assert stack.states() == {}


def shows_all_reached(page: Page, stack: Stack, notification: int) -> None:
    number = sum(books.expected(stack, notification).values())
    expect(page.locator("#state-SENT dd")).to_have_text(f"{number:,}")
    expect(page.locator("#live")).to_contain_text("Finished")
    # The numbers add up.
    expect(page.locator("#balance")).to_have_count(0)
    bars = page.locator("#live svg.outcomes")
    expect(bars).to_have_count(2)
    for bar in bars.all():
        expect(bar).to_have_accessible_name(re.compile(r": ([\d,]+) of \1 sent$"))
    expect(page.locator("#newest tbody tr")).to_have_count(5)


@pytest.mark.parametrize("product", ["embedded"], indirect=True)
def test_a_newcomer_broadcasts_pauses_resumes_and_sees_everyone_reached(
    product: Callable[..., Stack], smtp_process: SmtpProcess, sms_process: SmsProcess, page: Page
) -> None:
    smtp_process.behave(Rule(phase="dot", delay=0.1))
    # Time enough to press Undo, on whatever machine.
    stack, address = start(product, UNDO_SECONDS="10")
    notification = books.a_notification_for_both(stack)
    log_in(page, address)

    choose_and_send(page, address, notification)
    think_again(page, stack)
    press_send(page)
    expect(page.locator("#feed tbody tr").first).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#live")).to_contain_text("Nothing is sent until it is resumed")
    wait_until(lambda: ("email", "SENDING") not in stack.states(), what="the window to end")
    mails_when_paused = len(smtp_process.accepted())
    # The page goes on by itself: two more tallies are two more seconds in which nothing may be sent.
    for _ in range(2):
        with page.expect_response(re.compile(r"/progress/")):
            pass
    assert len(smtp_process.accepted()) == mails_when_paused
    page.get_by_role("button", name="Resume").click()

    shows_all_reached(page, stack, notification)
    assert books.reached(smtp_process, sms_process) == books.expected(stack, notification)


def test_without_javascript_the_page_refreshes_itself_to_the_end(
    product: Callable[..., Stack],
    smtp_process: SmtpProcess,
    sms_process: SmsProcess,
    page_without_javascript: Page,
) -> None:
    page = page_without_javascript
    smtp_process.behave(Rule(phase="dot", delay=0.05))
    stack, address = start(product, UNDO_SECONDS="10")
    notification = books.a_notification_for_both(stack)
    log_in(page, address)

    choose_and_send(page, address, notification)
    think_again(page, stack)
    press_send(page)
    # In the seconds in which it can be undone, or after them.
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#live")).to_contain_text("Paused")
    page.get_by_role("button", name="Resume").click()

    shows_all_reached(page, stack, notification)
    assert books.reached(smtp_process, sms_process) == books.expected(stack, notification)
