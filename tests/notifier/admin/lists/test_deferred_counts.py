"""Pages that come without their counts, which follow, and what is decided by the count that is made in the end."""

import html
import re
from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from django.conf import LazySettings
from django.test import Client as Browser
from django.urls import reverse

from notifier.admin.clients import bulk_acts
from notifier.admin.lists import base, deferred_counts
from notifier.audience import topic_counts, unreached
from notifier.delivery import recovery
from notifier.models import Broadcast, Client, Delivery
from tests.notifier.admin.broadcasts.acts.test_approve import page_of as approve_page
from tests.notifier.admin.broadcasts.acts.test_approve import waiting, word
from tests.notifier.admin.broadcasts.acts.test_follow_up import an_ended, follow_page, pressed
from tests.notifier.admin.clients.test_bulk_acts import decide_url
from tests.notifier.admin.deliveries.test_resolve_page import answer, asking
from tests.notifier.admin.notifications.test_notification_admin import confirm_page, send_form_of, text_of
from tests.support.factories import a_broadcast, a_client, a_delivery, a_notification, a_topic
from tests.support.forms import agree_to

pytestmark = pytest.mark.both_engines

HTMX = {"HX-Request": "true"}
PLACE = re.compile(r'hx-get="([^"]+)"\s+hx-trigger="load"')


@pytest.fixture
def _many(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there is already too much to be counted while a page is made."""
    monkeypatch.setattr(deferred_counts, "AT_ONCE", 0)
    monkeypatch.setattr(base, "MAX_COUNTED", 1)


def a_confirm_page() -> str:
    a_client(listings="both")
    return confirm_page(a_notification())


def an_approve_page() -> str:
    a_client(listings="both")
    return approve_page(waiting())


def a_follow_page() -> str:
    broadcast = an_ended()
    a_delivery(broadcast=broadcast, state="FAILED", client=a_client(listings="email"))
    a_client(listings="sms")
    return follow_page(broadcast)


def a_resolve_page() -> str:
    a_delivery(state="FAILED")
    return asking("send-again", list="")


def a_decide_page() -> str:
    a_client()
    return decide_url("archive", listed="")


#: Each with what its button says once it is counted.
PAGES: dict[Callable[[], str], str] = {
    a_confirm_page: "Send 1 e-mail and 1 SMS",
    an_approve_page: "Approve and send 1 e-mail and 1 SMS",
    a_follow_page: "Send 1 e-mail and 1 SMS",
    a_resolve_page: "Send 1 again",
    a_decide_page: "Archive 1 client",
}
each_page = pytest.mark.parametrize("make", PAGES, ids=lambda make: make.__name__)


def place_of(page: Any) -> str:
    """Where the counts of a page come from; empty where it has them."""
    found = PLACE.search(page.content.decode())
    return html.unescape(found[1]) if found else ""


def never(*args: Any, **kwargs: Any) -> NoReturn:
    raise AssertionError("counted")


@each_page
def test_with_few_clients_the_counts_are_on_the_page(admin: Browser, make: Callable[[], str]) -> None:
    page = admin.get(make())

    assert place_of(page) == ""
    assert PAGES[make] in text_of(page)


@pytest.mark.usefixtures("_many")
@each_page
def test_with_many_the_page_counts_nothing_and_nothing_can_be_pressed(
    admin: Browser, make: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make()
    for module, name in (
        (topic_counts, "reaches"),
        (topic_counts, "agreement"),
        (unreached, "missing"),
        (recovery, "count_resolvable"),
        (bulk_acts, "preview"),
    ):
        monkeypatch.setattr(module, name, never)

    page = admin.get(url)

    text = text_of(page)
    assert page.status_code == 200
    assert "Counting…" in text
    assert PAGES[make] not in text
    assert not re.search(r'<button type="submit" class="button (default|primary)"(?![^>]*disabled)[^>]*>', text)
    # Without JavaScript it is a link.
    assert f'<a href="{html.escape(place_of(page))}">' in text


@pytest.mark.usefixtures("_many")
@each_page
def test_the_same_page_with_its_counts_has_every_part_that_was_left_out(
    admin: Browser, make: Callable[[], str]
) -> None:
    page = admin.get(make())

    counted = admin.get(place_of(page), headers=HTMX)

    assert place_of(counted) == ""
    assert PAGES[make] in text_of(counted)
    source = page.content.decode()
    part = re.search(r'hx-select="#([^"]+)"', source)
    more = re.search(r'hx-select-oob="([^"]*)"', source)
    assert part
    assert more
    others = [name.split(":")[0].strip().removeprefix("#") for name in more[1].split(",")]
    for name in (part[1], *others):
        for each in (page, counted):
            assert each.content.decode().count(f'id="{name}"') == 1, name


@pytest.mark.usefixtures("_many")
def test_what_was_chosen_one_by_one_is_counted_at_once(admin: Browser) -> None:
    for url in (asking("send-again", a_delivery(state="FAILED")), decide_url("archive", a_client())):
        assert place_of(admin.get(url)) == ""


@pytest.mark.usefixtures("_many")
def test_each_topic_is_a_count_of_its_own(admin: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = a_notification(), a_notification(topic=a_topic(slug="offerings"))
    monkeypatch.setattr(deferred_counts, "AT_ONCE", a_client().pk)

    assert place_of(admin.get(confirm_page(first))) == ""
    assert place_of(admin.get(confirm_page(first, a_notification()))) == ""
    assert place_of(admin.get(confirm_page(first, second)))


# --- What is decided --------------------------------------------------------------------------------------------------
@pytest.mark.usefixtures("_many")
def test_who_presses_before_the_counts_came_has_to_type_the_number_all_the_same(
    admin: Browser, settings: LazySettings
) -> None:
    settings.CONFIRM_ABOVE = 1
    url = a_confirm_page()

    refused = admin.post(url, send_form_of(admin.get(url)))

    assert "It would now be 2 messages." in text_of(refused)
    assert not Broadcast.objects.exists()
    admin.post(url, send_form_of(refused, counted="2", typed="2"))
    assert Broadcast.objects.count() == 1


@pytest.mark.usefixtures("_many")
def test_the_threshold_of_approval_holds_whether_or_not_the_page_had_counted(
    admin: Browser, settings: LazySettings
) -> None:
    settings.APPROVAL_ABOVE = 1
    confirm, follow = a_confirm_page(), a_follow_page()

    admin.post(confirm, send_form_of(admin.get(confirm), counted="9"))
    admin.post(follow, pressed())

    assert (
        list(Broadcast.objects.exclude(state="FINISHED").values_list("state", flat=True)) == ["AWAITING_APPROVAL"] * 2
    )


@pytest.mark.usefixtures("_many")
def test_an_edit_while_it_counts_is_not_approved_unread(admin: Browser) -> None:
    broadcast = waiting()
    a_client(listings="both")
    page = admin.get(approve_page(broadcast))
    Broadcast.objects.update(text_of=a_notification().updated_at)

    # The parts that come later leave the form alone, which holds the version that was shown.
    assert 'hx-select-oob="#approve-it,' in page.content.decode()
    admin.post(approve_page(broadcast), word(page))

    assert Broadcast.objects.get().state == Broadcast.State.AWAITING_APPROVAL


@pytest.mark.usefixtures("_many")
def test_decisions_about_a_long_list_are_carried_out(admin: Browser) -> None:
    resolve, decide = a_resolve_page(), a_decide_page()

    admin.post(resolve, answer())
    agree_to(admin, f"{decide}&{deferred_counts.PARAMETER}=1")

    assert Delivery.objects.get().state == Delivery.State.PENDING
    assert not Client.objects.filter(is_active=True).exists()


# --- When the page is elsewhere by then -------------------------------------------------------------------------------
@pytest.mark.usefixtures("_many")
def test_where_the_counts_would_be_of_another_page_the_browser_goes_there(admin: Browser) -> None:
    broadcast = a_broadcast(state="FINISHED", finished_at=None)

    answered = admin.get(follow_page(broadcast), {"counted": "1"}, headers=HTMX)

    assert answered.status_code == 200
    assert answered["HX-Redirect"] == reverse("admin:notifier_broadcast_progress", args=[broadcast.pk])
