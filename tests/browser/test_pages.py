"""Every page in a real browser, by day and by night, on a desk and on a phone: nothing complains or sticks out."""

from collections.abc import Callable, Iterator
from typing import Any, Literal
from unittest.mock import Mock

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, Page
from pytest_django.live_server_helper import LiveServer

from notifier.models import (
    Broadcast,
    Channel,
    Delivery,
    QueuedTicket,
    Resolution,
    ResolvedDelivery,
    Suppression,
    Worker,
)
from tests.conftest import watch_console
from tests.factories import a_broadcast, a_client, a_delivery, a_notification, a_user

# The server answers from another thread, which must see the rows.
pytestmark = pytest.mark.django_db(transaction=True)

#: One word, so that no line may break in it but where the style says so.
LONG = "Rindfleischetikettierung" * 5
SIZES = {"desk": (1440, 900), "phone": (390, 844), "small phone": (360, 640)}
LISTS = (
    "broadcast",
    "client",
    "clientimport",
    "delivery",
    "notification",
    "queuedticket",
    "resolution",
    "suppression",
    "topic",
    "worker",
)
Theme = Literal["light", "dark"]


@pytest.fixture
def staff() -> User:
    return a_user(username="root", password="secret", is_superuser=True)


@pytest.fixture
def visit(
    browser: Browser, live_server: LiveServer, console_errors: list[str]
) -> Iterator[Callable[[str, Theme], Page]]:
    """`visit("phone", "dark")`: a logged-in browser of that size and theme."""
    contexts = []

    def open_browser(size: str, theme: Theme) -> Page:
        width, height = SIZES[size]
        context = browser.new_context(
            base_url=live_server.url, color_scheme=theme, viewport={"width": width, "height": height}
        )
        contexts.append(context)
        page = context.new_page()
        watch_console(page, console_errors)
        return page

    yield open_browser
    for context in contexts:
        context.close()


def log_in(page: Page) -> None:
    page.goto(reverse("admin:login"))
    page.get_by_label("Username").fill("root")
    page.get_by_label("Password").fill("secret")
    page.get_by_role("button", name="Log in").click()


def fill_the_house(staff: User) -> dict[str, Any]:
    """A row of everything, with texts as long as they may get."""
    client = a_client(name=LONG, listings="both")
    notification = a_notification(subject=LONG, email_body=f"{LONG} {{{{ name }}}}", sms_body=LONG)
    tally = {"audience": 3, "rate": 2.0, "counts": {"email": {"SENT": 1, "FAILED": 1}, "sms": {"PENDING": 1}}}
    broadcast = a_broadcast(
        notification=notification, created_by=staff, tally=tally, tallied_at=timezone.now(), audience=3
    )
    delivery = a_delivery(broadcast=broadcast, client=client, state="UNKNOWN", detail=LONG)
    resolution = Resolution.objects.create(action="SENT_AGAIN", by=staff, at=timezone.now(), why=LONG, number=1)
    ResolvedDelivery.objects.create(
        resolution=resolution, delivery=delivery, state_before="UNKNOWN", detail_before=LONG
    )
    Suppression.objects.create(channel=Channel.EMAIL, address=f"{'x' * 200}@example.com", reason=LONG)
    now = timezone.now()
    Worker.objects.create(
        kind=Worker.Kind.DISPATCHER,
        host=LONG,
        pid=1,
        started_at=now,
        last_seen_at=now,
        state="WAITING",
        detail=LONG,
        depths={"dead": 12},
    )
    QueuedTicket.objects.create(channel=Channel.SMS, body=LONG.encode(), available_at=now)
    return {
        "client": client,
        "notification": notification,
        "broadcast": broadcast,
        "delivery": delivery,
        "resolution": resolution,
    }


def addresses(rows: dict[str, Any]) -> list[str]:
    broadcast = rows["broadcast"].pk
    return [
        reverse("admin:index"),
        *(reverse(f"admin:notifier_{name}_changelist") for name in LISTS),
        f"{reverse('admin:notifier_client_changelist')}?state=active&q=zzz",
        *(reverse(f"admin:notifier_{name}_add") for name in ("client", "notification", "suppression", "topic")),
        *(reverse(f"admin:notifier_{name}_change", args=[row.pk]) for name, row in rows.items()),
        reverse("admin:notifier_client_history", args=[rows["client"].pk]),
        reverse("admin:notifier_topic_delete", args=[rows["notification"].topic_id]),
        f"{reverse('admin:notifier_notification_broadcast')}?ids={rows['notification'].pk}",
        reverse("admin:notifier_broadcast_order", args=[broadcast, "cancel"]),
        reverse("admin:notifier_broadcast_order", args=[broadcast, "retry-unknown"]),
        reverse("admin:notifier_delivery_resolve", args=["send-again"], query={"list": ""}),
        reverse("admin:notifier_delivery_resolve", args=["mark-as-sent"], query={"ids": rows["delivery"].pk}),
        reverse("admin:notifier_clientimport_upload"),
        reverse("admin:notifier_client_export", query={"list": ""}),
        reverse("admin:auth_user_changelist"),
        reverse("admin:auth_user_change", args=[rows["broadcast"].created_by_id]),
        reverse("admin:auth_group_add"),
        reverse("admin:password_change"),
    ]


def sticks_out(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


@pytest.mark.parametrize(
    ("size", "theme"),
    [("desk", "light"), ("desk", "dark"), ("phone", "light"), ("phone", "dark"), ("small phone", "light")],
)
def test_no_page_complains_or_scrolls_sideways(
    visit: Callable[[str, Theme], Page], console_errors: list[str], staff: User, size: str, theme: Theme
) -> None:
    pages = addresses(fill_the_house(staff))
    page = visit(size, theme)
    page.goto(reverse("admin:login"))
    wrong = [f"{page.url} scrolls sideways"] if sticks_out(page) else []
    log_in(page)

    for address in pages:
        response = page.goto(address)
        assert response is not None
        if response.status != 200:
            wrong.append(f"{address} answered {response.status}")
        if sticks_out(page):
            wrong.append(f"{address} scrolls sideways")

    assert wrong == []
    assert console_errors == []


def test_on_a_phone_the_menu_is_a_drawer(visit: Callable[[str, Theme], Page], staff: User) -> None:
    page = visit("phone", "light")
    log_in(page)
    clients = page.locator("#menu").get_by_role("link", name="Clients")
    assert not clients.is_visible()

    page.get_by_role("button", name="Menu").click()
    clients.click()

    page.wait_for_url("**" + reverse("admin:notifier_client_changelist"))


def test_the_live_page_follows_the_tally_keeps_the_focus_and_stops_at_the_end(
    visit: Callable[[str, Theme], Page], console_errors: list[str], staff: User
) -> None:
    broadcast = fill_the_house(staff)["broadcast"]
    page = visit("desk", "light")
    log_in(page)
    page.goto(reverse("admin:notifier_broadcast_progress", args=[broadcast.pk]))
    pause = page.get_by_role("button", name="Pause")
    pause.focus()

    tally = {"audience": 3, "rate": 1.0, "counts": {"email": {"SENT": 1, "FAILED": 2}}}
    Broadcast.objects.update(tally=tally)
    page.locator("#number-retry", has_text="2").wait_for()

    assert "3 of 3" in page.locator("#live").inner_text()
    assert page.evaluate("document.activeElement.id") == "order-pause"

    Broadcast.objects.update(state="FINISHED", finished_at=timezone.now())
    page.locator("#live", has_text="Finished").wait_for()
    pause.wait_for(state="detached")
    polls: list[str] = []
    page.on("request", lambda request: polls.append(request.url))
    page.wait_for_timeout(2500)  # long enough for two more, had it not stopped

    assert polls == []
    assert console_errors == []


def test_the_live_page_says_that_the_database_is_away_and_goes_on_once_it_is_back(
    visit: Callable[[str, Theme], Page], console_errors: list[str], staff: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = reverse("admin:notifier_broadcast_progress", args=[fill_the_house(staff)["broadcast"].pk])
    page, other = visit("desk", "light"), visit("phone", "dark")
    log_in(page)
    log_in(other)
    page.goto(address)

    with monkeypatch.context() as outage:
        outage.setattr("notifier.progress.sheet", Mock(side_effect=OperationalError("connection refused")))
        page.locator("#live", has_text="The database can't be reached.").wait_for()
        other.goto(address)
    page.locator("#live", has_text="of 3").wait_for()

    assert (other.title(), sticks_out(other)) == ("Not just now | Notifier", False)
    assert {error.partition(" (")[0] for error in console_errors} == {
        "Failed to load resource: the server responded with a status of 503"
    }
    console_errors.clear()


def test_pressing_pause_and_resume_works_while_the_page_moves(
    visit: Callable[[str, Theme], Page], console_errors: list[str], staff: User
) -> None:
    broadcast = fill_the_house(staff)["broadcast"]
    page = visit("phone", "dark")
    log_in(page)
    page.goto(reverse("admin:notifier_broadcast_progress", args=[broadcast.pk]))

    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Resume").wait_for()
    broadcast.refresh_from_db()
    paused = broadcast.state
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("button", name="Pause").wait_for()
    broadcast.refresh_from_db()

    assert (paused, broadcast.state) == ("PAUSED", "RUNNING")
    assert console_errors == []


def test_an_unknown_is_sent_again_from_the_list_after_the_word_and_the_reason(
    visit: Callable[[str, Theme], Page], console_errors: list[str], staff: User
) -> None:
    unknown, other = (a_delivery(state="UNKNOWN", broadcast=a_broadcast(state="FINISHED")) for _ in range(2))
    page = visit("phone", "light")
    log_in(page)
    page.goto(f"{reverse('admin:notifier_delivery_changelist')}?state__exact=UNKNOWN")
    page.locator(f"input[name=_selected_action][value='{unknown.pk}']").check()
    page.locator("select[name=action]").select_option(label="Send again…")
    page.get_by_role("button", name="Go").first.click()

    page.get_by_label("Why").fill("she says that nothing came")
    page.get_by_role("button", name="Send 1 again").click()
    assert page.locator("#id_twice:invalid").count() == 1  # the browser does not even send it
    unknown.refresh_from_db()
    assert unknown.state == "UNKNOWN"
    page.get_by_label("Send them again although they may arrive twice").check()
    page.get_by_role("button", name="Send 1 again").click()

    page.get_by_text("To be sent again: 1 delivery.").wait_for()
    assert page.url.endswith("?state__exact=UNKNOWN")
    unknown.refresh_from_db()
    other.refresh_from_db()
    assert (unknown.state, unknown.broadcast.state, other.state) == ("PENDING", "RUNNING", "UNKNOWN")
    assert console_errors == []


def test_all_that_the_list_finds_are_marked_as_sent_on_every_page_of_it(
    visit: Callable[[str, Theme], Page], console_errors: list[str], staff: User
) -> None:
    broadcast = a_broadcast()
    for state in ["UNKNOWN"] * 51 + ["FAILED"]:
        a_delivery(broadcast=broadcast, state=state)
    page = visit("desk", "dark")
    log_in(page)
    page.goto(f"{reverse('admin:notifier_delivery_changelist')}?state__exact=UNKNOWN")
    page.locator("#action-toggle").check()
    page.get_by_text("Select all 51 deliveries").click()
    page.locator("select[name=action]").select_option(label="Mark as sent…")
    page.get_by_role("button", name="Go").first.click()

    page.get_by_label("Why").fill("all of them are in the log")
    page.get_by_role("button", name="Mark 51 as sent").click()

    page.get_by_text("Marked as sent: 51 deliveries.").wait_for()
    assert Delivery.objects.filter(state="SENT").count() == 51
    assert Delivery.objects.filter(state="FAILED").count() == 1
    assert console_errors == []


def test_without_javascript_an_unknown_is_marked_as_sent_from_its_own_page(
    page_without_javascript: Page, live_server: LiveServer, staff: User
) -> None:
    row = a_delivery(state="UNKNOWN")
    page = page_without_javascript
    page.goto(f"{live_server.url}{reverse('admin:login')}")
    page.get_by_label("Username").fill("root")
    page.get_by_label("Password").fill("secret")
    page.get_by_role("button", name="Log in").click()

    page.goto(f"{live_server.url}{reverse('admin:notifier_delivery_change', args=[row.pk])}")
    page.get_by_role("link", name="Mark as sent…").click()
    page.get_by_label("Why").fill("in their log, ticket 4711")
    page.get_by_role("button", name="Mark 1 as sent").click()

    page.get_by_text("Marked as sent: 1 delivery.").wait_for()
    story = page.get_by_role("region", name="What staff decided")
    assert "in their log, ticket 4711" in story.inner_text()
    assert "Unknown" in story.inner_text()
    row.refresh_from_db()
    assert row.state == "SENT"
