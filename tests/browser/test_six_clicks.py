"""From the log-in to a sent broadcast in six presses at most, which the test counts; with and without JavaScript."""

from collections.abc import Callable

import pytest
from django.conf import settings
from django.urls import reverse
from django.utils.module_loading import import_string
from playwright.sync_api import Locator, Page, expect

from consumers.sender import Sender
from consumers.worker import Consumer
from notifier.delivery.dispatcher import Dispatcher
from notifier.models import Broadcast, Channel, Delivery
from notifier.runtime.shutdown import StopFlag
from notifier.transport import selection
from tests.support.factories import a_client, a_notification, a_user

# The server answers from another thread, which must see the rows.
pytestmark = pytest.mark.django_db(transaction=True)

MAX_PRESSES = 6
#: Tells of each click, and of each key that presses something, that somebody has made on the page.
NOTE = """
    const note = event => { if (event.isTrusted) window.noted(event.type); };
    addEventListener("click", note, true);
    addEventListener("keydown", event => { if (["Enter", " "].includes(event.key)) note(event); }, true);
"""


class Hand:
    """Does on a page what a hand does, and counts what it presses. Letters, and Tab between two fields, are typing."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.presses = 0

    def type(self, *texts: str) -> None:
        for place, text in enumerate(texts):
            if place:
                self._page.keyboard.press("Tab")
            self._page.keyboard.type(text)

    def press(self, target: Locator) -> None:
        self.presses += 1
        target.click()


def send_all() -> None:
    """What a dispatcher and the consumers do, until nothing is left for them to do."""
    dispatcher = Dispatcher(transport=selection.get_transport(), stop=StopFlag())
    dispatcher.cycle()
    for channel in Channel:
        Consumer(
            channel=channel,
            transport=selection.get_transport(),
            sender=Sender(get_backend=import_string(settings.SEND_BACKENDS[channel.value]), threads=1),
            concurrency=1,
            stop=StopFlag(),
        ).run(until_idle=True)
    while dispatcher.cycle():
        pass


@pytest.mark.parametrize("has_script", [True, False], ids=["with JavaScript", "without"])
def test_from_the_log_in_to_a_sent_broadcast_it_takes_at_most_six_presses(
    new_page: Callable[..., Page], console_errors: list[str], has_script: bool
) -> None:
    a_user(username="root", is_superuser=True)
    client = a_client(listings="both")
    a_notification(subject="Spring")
    page = new_page(1440, 900, java_script_enabled=has_script)
    noted: list[str] = []

    def note(kind: str) -> None:
        noted.append(kind)

    page.expose_function("noted", note)
    page.add_init_script(NOTE)
    page.goto(reverse("admin:login"))
    hand = Hand(page)

    expect(page.get_by_label("Username")).to_be_focused()
    hand.type("root", "secret")
    hand.press(page.get_by_role("button", name="Log in"))
    hand.press(page.get_by_role("link", name="Broadcast…", exact=True))
    hand.press(page.get_by_role("link", name="Spring", exact=True))
    # What was typed by now is saved by the same press.
    hand.press(
        page.get_by_role("link", name="Broadcast…", exact=True)
        if has_script
        else page.get_by_role("button", name="Save and continue to send")
    )
    hand.press(page.get_by_role("button", name="Send 1 e-mail and 1 SMS"))
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    send_all()

    expect(page.locator("#live")).to_contain_text("Finished")
    expect(page.locator(".vitals")).to_contain_text("2 of 2 (100%)")
    expect(page.locator("#newest")).to_contain_text(client.name)
    assert set(Delivery.objects.values_list("channel", "state")) == {("email", "SENT"), ("sms", "SENT")}
    assert Broadcast.objects.get().state == Broadcast.State.FINISHED
    assert hand.presses <= MAX_PRESSES
    assert len(noted) == (hand.presses if has_script else 0)
    assert console_errors == []
