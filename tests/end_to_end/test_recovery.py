"""What only staff can settle, in a real browser, with everything real behind it."""

import re
from collections import Counter
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from notifier.models import Channel
from tests.end_to_end.test_journey import log_in, start
from tests.notifier.transport.carriers import RabbitCarrier
from tests.support.checks import books
from tests.support.fakes.rules import Rule
from tests.support.fakes.sms import SmsProcess
from tests.support.fakes.smtp import SmtpProcess
from tests.support.servers.processes import wait_until
from tests.support.servers.stack import Stack

DROPPED = 3


def unknown(stack: Stack) -> dict[int, str]:
    """The address of each delivery that is UNKNOWN, by its id."""
    return dict(stack.query("SELECT id, address FROM notifier_delivery WHERE state = 'UNKNOWN' ORDER BY id"))


def decide(page: Page, button: str, said: str) -> None:
    page.get_by_label("Reason").fill("looked it up in their log")
    page.get_by_role("button", name=button).click()
    expect(page.locator(".messagelist")).to_contain_text(said)


def test_staff_settle_what_nobody_knows_and_each_message_is_where_they_say(
    product: Callable[..., Stack], smtp_process: SmtpProcess, sms_process: SmsProcess, page: Page
) -> None:
    # The provider takes these and its answers are lost.
    smtp_process.behave(Rule(phase="dot", then="drop", taken=True, times=DROPPED))
    stack, address = start(product)
    notification = books.a_notification_for_both(stack)
    broadcast = books.press(stack, notification)
    books.wait_for(stack, broadcast, "FINISHED")
    (marked, _), *again = unknown(stack).items()
    assert len(again) == DROPPED - 1
    log_in(page, address)

    page.goto(f"{address}/admin/notifier/delivery/{marked}/change/")
    page.get_by_role("link", name="Mark as sent…").click()
    decide(page, "Mark 1 as sent", "Marked as sent: 1 message.")
    page.goto(f"{address}/admin/notifier/delivery/?broadcast__id__exact={broadcast}&state__exact=UNKNOWN")
    for delivery, _ in again:
        page.locator(f"input[name=_selected_action][value='{delivery}']").check()
    page.locator("select[name=action]").select_option(label="Send again…")
    page.locator("button[name=index]").first.click()
    page.get_by_label("Send them again, even though some may arrive twice").check()
    decide(page, "Send 2 again", "To be sent again: 2 messages.")

    # Reopened, sent, and finished once more; a mark asks for a new count all the same.
    books.wait_for(stack, broadcast, "FINISHED")
    wait_until(lambda: set(stack.states()) <= {(c, s) for c in ("email", "sms") for s in ("SENT", "SKIPPED")})
    page.goto(f"{address}/admin/notifier/broadcast/{broadcast}/progress/")
    expect(page.locator("#state-UNKNOWN dd")).to_have_text("0")
    # The numbers add up.
    expect(page.locator("#balance")).to_have_count(0)
    # Only those whom staff sent it again have it twice.
    twice = Counter(("email", recipient) for _, recipient in again)
    assert books.reached(smtp_process, sms_process) == books.expected(stack, notification) + twice
    kept = stack.query("SELECT action, number, why FROM notifier_resolution ORDER BY id")
    assert kept == [
        ("MARKED_SENT", 1, "looked it up in their log"),
        ("SENT_AGAIN", 2, "looked it up in their log"),
    ]


@pytest.mark.parametrize("product", ["scaled out"], indirect=True)
def test_a_ticket_that_nobody_can_read_is_told_on_the_overview_until_it_is_discarded(
    product: Callable[..., Stack], amqp_url: str, page: Page
) -> None:
    stack, address = start(product)
    log_in(page, address)
    RabbitCarrier(amqp_url).put(b"no ticket at all", Channel.EMAIL)

    def overview_shows(dead: int) -> bool:
        page.goto(f"{address}/admin/")
        return page.locator("#concern-dead-letters").count() == bool(dead)

    wait_until(lambda: overview_shows(1), what="the overview to tell the dead letter")
    expect(page.locator("#concern-dead-letters")).to_contain_text(re.compile(r"1 dead letter:"))
    said = stack.manage("purge_dead_letters", "--yes").stdout

    assert "1. e-mail, 16 bytes: JSON is malformed" in said
    assert "Discarded: 1 dead letter." in said
    wait_until(lambda: overview_shows(0), what="the overview to tell of none")
