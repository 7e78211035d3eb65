"""Building an audience in a real browser, live."""

from threading import Event
from time import monotonic
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from notifier.admin.audiences import builder_page
from notifier.models import ClientTag, SavedAudience
from tests.support.factories import a_client, a_tag, a_user
from tests.support.pages.browsing import log_in

# The server answers from another thread, which must see the rows.
pytestmark = pytest.mark.django_db(transaction=True)


def test_counts_follow_what_is_chosen_and_no_button_acts_by_itself(page: Page, live_server: LiveServer) -> None:
    a_user(username="root", password="secret", is_superuser=True)
    tag = a_tag("VIP")
    for number in range(5):
        client = a_client(time_zone="Europe/Berlin" if number < 2 else "")
        if number:
            ClientTag.objects.create(client=client, tag=tag)
    page.goto(f"{live_server.url}{reverse('admin:login')}")
    log_in(page)
    page.goto(f"{live_server.url}{reverse('admin:notifier_savedaudience_add')}")
    page.get_by_label("Name", exact=True).fill("Berliners")

    page.get_by_label("Add a condition about").select_option(label="Tag")
    page.locator("#add-0").click()
    page.get_by_label("Tag: which one").select_option(label="VIP")
    expect(page.locator("#exact")).to_contain_text("4 active clients")
    page.get_by_label("Tag: what must hold").select_option(label="does not have")
    expect(page.locator("#exact")).to_contain_text("1 active client")
    expect(page.locator("#count-0-0")).to_have_text("1 client")

    page.get_by_label("Add a condition about").select_option(label="Time zone")
    page.locator("#add-0").click()
    zone = page.get_by_label("Time zone: value")
    zone.fill("Europe/Berlin")
    # The focus goes to Remove, which is not pressed.
    zone.press("Tab")
    expect(page.locator("#count-0-1")).to_have_text("2 clients")
    page.locator("#id_who").fill(f"#{client.pk}")
    page.locator("#id_who").press("Tab")
    expect(page.locator("#answer")).to_contain_text("is not in this audience")

    page.locator("#save-it").click()
    page.wait_for_url("**/change/**")
    assert SavedAudience.objects.get().name == "Berliners"


def at_the_builder(page: Page, live_server: LiveServer) -> None:
    """With two conditions: the tag VIP, and a time zone that is not entered yet."""
    a_user(username="root", password="secret", is_superuser=True)
    tag = a_tag("VIP")
    for number in range(5):
        client = a_client(time_zone="Europe/Berlin" if number < 2 else "")
        if number:
            ClientTag.objects.create(client=client, tag=tag)
    page.goto(f"{live_server.url}{reverse('admin:login')}")
    log_in(page)
    page.goto(f"{live_server.url}{reverse('admin:notifier_savedaudience_add')}")
    for about, lines in (("Tag", 1), ("Time zone", 2)):
        page.get_by_label("Add a condition about").select_option(label=about)
        page.locator("#add-0").click()
        expect(page.locator(".condition")).to_have_count(lines)


class SlowAnswers:
    """Holds back what the builder answers, from now on until `let_go`: to what was entered when it was asked."""

    def __init__(self, page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
        self._page, self._asked, self._may_go = page, Event(), Event()
        answer = builder_page.page

        def hold(admin: Any, request: HttpRequest, audience: SavedAudience | None) -> HttpResponse:
            if request.method == "POST":
                self._asked.set()
                self._may_go.wait(20)
            return answer(admin, request, audience)

        monkeypatch.setattr(builder_page, "page", hold)

    def wait_for_question(self) -> None:
        deadline = monotonic() + 10
        while not self._asked.is_set() and monotonic() < deadline:
            self._page.wait_for_timeout(20)
        assert self._asked.is_set()

    def let_go(self) -> None:
        self._may_go.set()


def test_an_answer_takes_nothing_back_that_was_chosen_since(
    page: Page, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_the_builder(page, live_server)
    slow = SlowAnswers(page, monkeypatch)

    page.get_by_label("Tag: which one").select_option(label="VIP")
    slow.wait_for_question()
    zone = page.get_by_label("Time zone: value")
    zone.press_sequentially("Europe/Berlin")
    slow.let_go()
    page.wait_for_timeout(300)

    expect(zone).to_have_value("Europe/Berlin")
    zone.press("Tab")
    page.get_by_label("Add a condition about").select_option(label="Language")
    expect(page.locator("#exact")).to_contain_text("1 active client")
    expect(page.locator("#count-0-1")).to_have_text("2 clients")
    expect(page.get_by_label("Add a condition about")).to_have_value("language")


def test_a_button_is_not_overtaken_by_the_count_of_what_was_typed(
    page: Page, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_the_builder(page, live_server)
    page.get_by_label("Tag: which one").select_option(label="VIP")
    expect(page.locator("#count-0-0")).to_have_text("4 clients")
    page.get_by_label("Add a condition about").select_option(label="Language")
    page.get_by_label("Time zone: value").fill("Europe/Berlin")
    slow = SlowAnswers(page, monkeypatch)

    page.locator("#add-0").click()
    # Longer than what was chosen waits to be counted.
    page.wait_for_timeout(500)
    slow.wait_for_question()
    slow.let_go()

    expect(page.locator(".condition")).to_have_count(3)
    expect(page.get_by_label("Time zone: value")).to_have_value("Europe/Berlin")


def test_what_is_entered_while_a_button_is_answered_stays_and_the_button_does_its_work(
    page: Page, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_the_builder(page, live_server)
    slow = SlowAnswers(page, monkeypatch)

    page.locator("#add-group").click()
    slow.wait_for_question()
    page.get_by_label("Tag: which one").select_option(label="VIP")
    page.wait_for_timeout(400)
    slow.let_go()

    expect(page.get_by_text("And a group, of which")).to_be_visible()
    expect(page.locator("#count-0-0")).to_have_text("4 clients")
    expect(page.get_by_label("Tag: which one").locator("option:checked")).to_have_text("VIP")
