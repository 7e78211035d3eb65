"""Pages by keyboard alone: few stops before the first field, and a key that goes to the search."""

from collections.abc import Callable

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import Page, expect

from tests.browser.test_pages import PARTS, SIZES, in_parts
from tests.support.datasets.everything import build_with_history
from tests.support.factories import a_client, a_topic, a_user
from tests.support.pages.browsing import enter
from tests.support.pages.registry import shown_urls

# The server answers from another thread, which must see the rows.
pytestmark = pytest.mark.django_db(transaction=True)

#: From the loaded page to the first field of its form.
MAX_TABS = 10


@pytest.fixture
def staff() -> User:
    return a_user(username="root", password="secret", is_superuser=True)


@pytest.fixture
def desk(new_page: Callable[..., Page], staff: User) -> Page:
    page = new_page(*SIZES["desk"])
    enter(page)
    return page


#: Marks the first field of each form in the main part, as somebody sees it; ticks of rows are not what a list is about.
MARK = """() => {
    const none = "[type=hidden], [type=submit], [type=button], .action-select, #action-toggle";
    const asked = `input:not(${none}), select, textarea`;
    let marked = 0;
    for (const form of document.querySelectorAll("main form")) {
        const field = [...form.querySelectorAll(asked)].find(one => one.checkVisibility() && !one.disabled);
        if (!field) continue;
        // Of several to choose from the one that is chosen has the focus.
        const group = field.type === "radio" ? form.querySelectorAll(`[name="${field.name}"]`) : [field];
        group.forEach(one => { one.dataset.first = ""; });
        marked += 1;
    }
    return marked;
}"""
#: What has the focus: whether it is such a field, or a link that skips to one or to the content, and is outlined.
STOP = """() => {
    const stop = document.activeElement, target = stop.getAttribute("href") || "";
    const outline = getComputedStyle(stop);
    return {
        isFirst: "first" in stop.dataset,
        isField: stop.matches("main form :is(input, select, textarea)"),
        skips: stop.classList.contains("skip-to-content-link") ? target : "",
        isSeen: outline.outlineStyle !== "none" || outline.boxShadow !== "none" || stop.tagName === "IFRAME",
        told: stop.outerHTML.slice(0, 100),
    };
}"""


def tabs_to_a_field(page: Page) -> tuple[int, list[str]]:
    """How often Tab is pressed, by the last link that skips something; and the stops that nobody would see."""
    unseen: list[str] = []
    if page.evaluate(STOP)["isField"]:
        # The page gave the focus to the field that is most often filled in.
        return 0, unseen
    links = page.locator(".skip-to-content-link").count()
    for tab in range(1, 4 * MAX_TABS):
        page.keyboard.press("Tab")
        stop = page.evaluate(STOP)
        if not stop["isSeen"]:
            unseen.append(stop["told"])
        if stop["isFirst"]:
            return tab, unseen
        if stop["skips"] and tab == links:
            page.keyboard.press("Enter")
    return 4 * MAX_TABS, unseen


@in_parts
def test_the_first_field_of_every_form_is_a_few_stops_away(desk: Page, staff: User, part: int) -> None:
    wrong = []
    for address in shown_urls(build_with_history(staff=staff))[part::PARTS]:
        desk.goto(address)
        if not desk.evaluate(MARK):
            continue
        tabs, unseen = tabs_to_a_field(desk)
        if tabs > MAX_TABS:
            wrong.append(f"{address}: {tabs}")
        wrong += [f"{address}: no outline: {told}" for told in unseen]

    assert not wrong, "\n".join(wrong)


def test_a_link_skips_to_the_form(desk: Page) -> None:
    desk.goto(reverse("admin:notifier_topic_change", args=[a_topic().pk]))

    desk.keyboard.press("Tab")
    desk.keyboard.press("Tab")
    expect(desk.get_by_role("link", name="Skip to the form")).to_be_in_viewport()
    desk.keyboard.press("Enter")
    desk.keyboard.press("Tab")

    expect(desk.get_by_label("Name")).to_be_focused()


def test_a_slash_goes_to_the_search(desk: Page, console_errors: list[str]) -> None:
    desk.goto(f"{reverse('admin:notifier_client_changelist')}?q=Ann")
    search = desk.get_by_role("searchbox")

    desk.keyboard.press("/")
    expect(search).to_be_focused()
    expect(search).to_have_value("Ann")
    # What was there is selected, so that the next word takes its place; and there a slash is a letter.
    desk.keyboard.type("a/b")
    expect(search).to_have_value("a/b")
    assert console_errors == []


@pytest.mark.parametrize("term", ["asa.svensson", "070-174 06", "+46 (70) 1740605", "svensson asa", "hamalainen"])
def test_a_client_is_found_by_the_keys_alone_however_they_are_written(
    desk: Page, settings: LazySettings, term: str
) -> None:
    settings.PHONE_DEFAULT_REGION = "SE"
    a_client(name="Åsa Svensson Hämäläinen", email="asa.svensson@example.com", phone="+46701740605")
    a_client(name="Ann Example", email="ann@example.com", phone="+12025550123")
    desk.goto(reverse("admin:notifier_client_changelist"))
    expect(desk.locator("#result_list tbody tr")).to_have_count(2)

    desk.keyboard.press("/")
    desk.keyboard.type(term)
    desk.keyboard.press("Enter")

    expect(desk.locator("#result_list tbody tr")).to_have_count(1)
    expect(desk.locator("#result_list tbody tr")).to_contain_text("Åsa Svensson Hämäläinen")


def test_a_slash_is_a_letter_wherever_somebody_writes(desk: Page) -> None:
    client = a_client(name="Ann")
    desk.goto(f"{reverse('admin:notifier_client_change', args=[client.pk])}?edit=1")

    desk.get_by_label("Full name").press("End")
    desk.keyboard.type("/B")

    expect(desk.get_by_label("Full name")).to_have_value("Ann/B")


def test_the_key_is_switched_off_on_the_account_page(desk: Page) -> None:
    desk.goto(reverse("admin:account"))
    desk.get_by_label("Press / to search").uncheck()

    desk.goto(reverse("admin:notifier_client_changelist"))
    desk.keyboard.press("/")
    expect(desk.get_by_role("searchbox")).not_to_be_focused()
    expect(desk.get_by_role("searchbox")).to_have_attribute("placeholder", "Search")

    desk.goto(reverse("admin:account"))
    desk.get_by_label("Press / to search").check()
    desk.goto(reverse("admin:notifier_client_changelist"))
    desk.keyboard.press("/")
    expect(desk.get_by_role("searchbox")).to_be_focused()
