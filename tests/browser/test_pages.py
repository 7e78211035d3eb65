"""Every page in a real browser, by day and by night, on a desk and on a phone: nothing complains or sticks out."""

from collections.abc import Callable
from typing import Any, Literal
from unittest.mock import Mock
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.conf import settings
from django.contrib.auth.models import User
from django.db import OperationalError
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from notifier.models import Broadcast, Delivery
from tests.notifier.admin.broadcasts.test_broadcast_admin import a_told_broadcast
from tests.support.datasets.everything import build_with_history
from tests.support.datasets.one_of_each import MAKE
from tests.support.factories import a_broadcast, a_client, a_delivery, a_user
from tests.support.pages.browsing import enter
from tests.support.pages.registry import shown_urls

# The server answers from another thread, which must see the rows.
pytestmark = pytest.mark.django_db(transaction=True)

SIZES = {"desk": (1440, 900), "phone": (390, 844), "small phone": (360, 640)}
Theme = Literal["light", "dark"]


@pytest.fixture
def staff() -> User:
    return a_user(username="root", password="secret", is_superuser=True)


@pytest.fixture
def visit(new_page: Callable[..., Page]) -> Callable[[str, Theme], Page]:
    """`visit("phone", "dark")`: a browser of that size and theme."""
    return lambda size, theme: new_page(*SIZES[size], color_scheme=theme)


def sticks_out(page: Page) -> bool:
    return bool(page.evaluate(STICKS_OUT))


#: All rules of WCAG 2.2 A and AA that a machine can check; and those that depend on the theme alone.
EVERY_RULE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast"]}, "resultTypes": ["violations"]}

#: The filters, the charts' tables, and whatever else is shown when it is asked for.
UNFOLD = "document.querySelectorAll('details').forEach(folded => { folded.open = true; })"
STICKS_OUT = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"
#: As the page comes, and unfolded, which it stays. Whoever asks for a width has the page laid out anew.
STICKS_OUT_FOLDED_OR_NOT = f"""() => {{
    const sticksOut = {STICKS_OUT};
    const all = [...document.querySelectorAll('details')];
    window.foldedAtFirst ??= all.filter(one => !one.open);
    window.foldedAtFirst.forEach(one => {{ one.open = false; }});
    const folded = sticksOut();
    all.forEach(one => {{ one.open = true; }});
    return folded || sticksOut();
}}"""


#: Whatever is on its way to another colour or place has arrived.
FADED = "document.getAnimations().filter(one => one instanceof CSSTransition).forEach(one => one.finish())"


def violations(page: Page, options: dict[str, Any]) -> list[str]:
    """What axe-core finds wrong with the page as it stands."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    # It can't answer from within the preview, where nothing may run, and would be waited for.
    found = page.evaluate(
        "options => axe.run(options).then(results => results.violations)",
        options | {"iframes": False, "preload": False},
    )
    path = urlsplit(page.url).path
    return [f"{path}: {one['id']}: {one['help']}: {node['html'][:150]}" for one in found for node in one["nodes"][:3]]


#: Each part of the pages is a test of its own, so that all workers have something to do.
PARTS = 8
in_parts = pytest.mark.parametrize("part", range(PARTS))
#: What the pages are looked at in, every size and theme among them. Each differs from the one before in as little as
#: can be: a page that is laid out and painted anew takes as long as a search for what has too little contrast.
LOOKS: list[tuple[str, Theme]] = [("desk", "light"), ("phone", "light"), ("small phone", "dark"), ("desk", "dark")]


@in_parts
def test_every_page_is_accessible_obeys_its_policy_and_fits_its_screen(
    visit: Callable[[str, Theme], Page], console_errors: list[str], staff: User, part: int
) -> None:
    """Loaded once: under every rule on a light desk, and then in the other looks under what a look can break."""
    pages = [reverse("admin:login"), *shown_urls(build_with_history(staff=staff))][part::PARTS]
    page = visit("desk", "light")
    wrong = []

    for address in pages:
        _look_like(page, *LOOKS[0])
        _open(page, address)
        for size, theme in LOOKS:
            _look_like(page, size, theme)
            if page.evaluate(STICKS_OUT_FOLDED_OR_NOT):
                wrong.append(f"{address} scrolls sideways on a {size}")
            wrong += violations(page, EVERY_RULE if (size, theme) == LOOKS[0] else COLOURS)

    assert not wrong, "\n".join(wrong)
    # Whatever the policy refused is told here too.
    assert console_errors == []


@pytest.mark.full
@in_parts
@pytest.mark.parametrize(
    ("size", "theme", "rules"),
    [
        ("desk", "light", EVERY_RULE),
        ("desk", "dark", EVERY_RULE),
        ("phone", "light", EVERY_RULE),
        ("small phone", "dark", COLOURS),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_page_is_so_too_when_it_is_loaded_in_a_look(
    visit: Callable[[str, Theme], Page],
    console_errors: list[str],
    staff: User,
    size: str,
    theme: Theme,
    rules: dict[str, Any],
    part: int,
) -> None:
    pages = [reverse("admin:login"), *shown_urls(build_with_history(staff=staff))][part::PARTS]
    page = visit(size, theme)
    wrong = []

    for address in pages:
        _open(page, address)
        sideways = sticks_out(page)
        page.evaluate(UNFOLD)
        if sideways or sticks_out(page):
            wrong.append(f"{address} scrolls sideways")
        wrong += violations(page, rules)

    assert not wrong, "\n".join(wrong)
    assert console_errors == []


def _open(page: Page, address: str) -> None:
    """Everything but the log-in page as somebody who has logged in."""
    if address == reverse("admin:login"):
        page.context.clear_cookies()
    elif settings.SESSION_COOKIE_NAME not in {cookie.get("name") for cookie in page.context.cookies()}:
        enter(page)
    response = page.goto(address)
    assert response is not None
    assert response.status == 200, f"{address} answered {response.status}"


def _look_like(page: Page, size: str, theme: Theme) -> None:
    width, height = SIZES[size]
    if page.viewport_size != {"width": width, "height": height}:
        page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme=theme)
    # Links fade into their new colour, and half-way there they have too little contrast.
    page.evaluate(FADED)


#: Every property that a rule of the sheets sets for the whole page.
PROPERTIES = """() => {
    const names = new Set();
    for (const sheet of document.styleSheets) for (const rule of sheet.cssRules)
        for (const one of [rule, ...(rule.cssRules ?? [])])
            for (const name of one.style ?? []) if (name.startsWith("--")) names.add(name);
    const style = getComputedStyle(document.documentElement);
    return Object.fromEntries([...names].map(name => [name, style.getPropertyValue(name)]));
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_theme_that_was_chosen_looks_as_one_that_the_system_asks_for(
    visit: Callable[[str, Theme], Page], staff: User, theme: Theme
) -> None:
    asked, chosen = visit("desk", theme), visit("desk", "dark" if theme == "light" else "light")
    for page in (asked, chosen):
        page.goto(reverse("admin:login"))

    chosen.evaluate(f"document.documentElement.dataset.theme = '{theme}'")

    assert chosen.evaluate(PROPERTIES) == asked.evaluate(PROPERTIES)


@pytest.mark.parametrize("size", ["desk", "small phone"])
def test_no_list_is_wider_than_its_frame(visit: Callable[[str, Theme], Page], staff: User, size: str) -> None:
    """What can't be seen without moving the table sideways is seen by nobody."""
    a_broadcast(
        subject="The price of 14 Mill Lane has changed", state="AWAITING_APPROVAL", started_at=None, created_by=staff
    )
    a_told_broadcast(subject="Three new listings this week, {{ first_name }}", state="FINISHED")
    client = a_client(name="Agnieszka Kowalska", email="agnieszka.kowalska.105@example.com", listings="both")
    a_delivery(client=client, state="FAILED", detail="550 5.1.1 no such mailbox")
    for make in MAKE.values():
        make()
    page = visit(size, "light")
    enter(page)

    wide = []
    for name in MAKE:
        page.goto(reverse(f"admin:{name}_changelist"))
        if page.locator(".results").evaluate("list => list.scrollWidth > list.clientWidth"):
            wide.append(name)

    assert wide == []


def test_on_a_phone_the_menu_is_a_drawer(visit: Callable[[str, Theme], Page], staff: User) -> None:
    page = visit("phone", "light")
    enter(page)
    page.goto(reverse("admin:index"))
    clients = page.locator("#menu").get_by_role("link", name="Clients")
    assert not clients.is_visible()

    page.get_by_role("button", name="Menu").click()
    clients.click()

    page.wait_for_url("**" + reverse("admin:notifier_client_changelist"))


def test_the_live_page_follows_the_tally_keeps_the_focus_and_stops_at_the_end(
    visit: Callable[[str, Theme], Page], console_errors: list[str], staff: User
) -> None:
    broadcast = Broadcast.objects.get(pk=build_with_history(staff=staff)["broadcast"])
    page = visit("desk", "light")
    enter(page)
    page.goto(reverse("admin:notifier_broadcast_progress", args=[broadcast.pk]))
    pause = page.get_by_role("button", name="Pause")
    pause.focus()

    tally = {"audience": 3, "rate": 1.0, "counts": {"email": {"SENT": 1, "FAILED": 2}}}
    Broadcast.objects.update(tally=tally)
    page.locator("#act-retry").wait_for()

    assert page.locator("#live").inner_text().split("Sent", 1)[1].split()[:3] == ["1", "of", "3"]
    assert page.evaluate("document.activeElement.id") == "act-pause"

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
    url = reverse("admin:notifier_broadcast_progress", args=[build_with_history(staff=staff)["broadcast"]])
    page, other = visit("desk", "light"), visit("phone", "dark")
    enter(page)
    enter(other)
    page.goto(url)

    with monkeypatch.context() as outage:
        outage.setattr("notifier.progress.sheets.sheet", Mock(side_effect=OperationalError("connection refused")))
        page.locator("#live", has_text="The database can’t be reached.").wait_for()
        other.goto(url)
    page.locator("#live", has_text="of 3").wait_for()

    assert (other.title(), sticks_out(other)) == ("Not available right now | Notifier", False)
    assert console_errors
    assert all("503" in error for error in console_errors)
    console_errors.clear()


def test_pressing_pause_and_resume_works_while_the_page_moves(
    visit: Callable[[str, Theme], Page], console_errors: list[str], staff: User
) -> None:
    broadcast = Broadcast.objects.get(pk=build_with_history(staff=staff)["broadcast"])
    page = visit("phone", "dark")
    enter(page)
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
    enter(page)
    page.goto(f"{reverse('admin:notifier_delivery_changelist')}?state__exact=UNKNOWN")
    page.locator(f"input[name=_selected_action][value='{unknown.pk}']").check()
    page.locator("select[name=action]").select_option(label="Send again…")
    page.get_by_role("button", name="Go").first.click()

    page.get_by_label("Reason").fill("she says that nothing came")
    page.get_by_role("button", name="Send 1 again").click()
    assert page.locator("#id_twice:invalid").count() == 1  # the browser does not even send it
    unknown.refresh_from_db()
    assert unknown.state == "UNKNOWN"
    page.get_by_label("Send them again, even though some may arrive twice").check()
    page.get_by_role("button", name="Send 1 again").click()

    page.get_by_text("To be sent again: 1 message.").wait_for()
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
    enter(page)
    page.goto(f"{reverse('admin:notifier_delivery_changelist')}?state__exact=UNKNOWN")
    page.locator("#action-toggle").check()
    page.get_by_text("Select all 51 messages").click()
    page.locator("select[name=action]").select_option(label="Mark as sent…")
    page.get_by_role("button", name="Go").first.click()

    page.get_by_label("Reason").fill("all of them are in the log")
    page.get_by_role("button", name="Mark 51 as sent").click()

    page.get_by_text("Marked as sent: 51 messages.").wait_for()
    assert Delivery.objects.filter(state="SENT").count() == 51
    assert Delivery.objects.filter(state="FAILED").count() == 1
    assert console_errors == []


def test_without_javascript_an_unknown_is_marked_as_sent_from_its_own_page(
    page_without_javascript: Page, live_server: LiveServer, staff: User
) -> None:
    row = a_delivery(state="UNKNOWN")
    page = page_without_javascript
    enter(page)

    page.goto(f"{live_server.url}{reverse('admin:notifier_delivery_change', args=[row.pk])}")
    page.get_by_role("link", name="Mark as sent…").click()
    page.get_by_label("Reason").fill("in their log, ticket 4711")
    page.get_by_role("button", name="Mark 1 as sent").click()

    page.get_by_text("Marked as sent: 1 message.").wait_for()
    story = page.get_by_role("region", name="Manual decisions")
    assert "in their log, ticket 4711" in story.inner_text()
    assert "Unknown" in story.inner_text()
    row.refresh_from_db()
    assert row.state == "SENT"
