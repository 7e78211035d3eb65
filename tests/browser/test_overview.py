"""The overview in a real browser: it moves by itself, works without JavaScript, and is read without seeing it."""

import re

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from notifier.models import Broadcast, ClientCounts, DailyStats
from tests.support.factories import a_broadcast, a_notification, a_topic, a_user, an_open_breaker
from tests.support.pages import browsing

# The server answers from another thread, which must see the rows.
pytestmark = pytest.mark.django_db(transaction=True)


def enter(page: Page, live_server: LiveServer, *permissions: str) -> None:
    a_user(*permissions, username="sam", is_superuser=not permissions)
    browsing.enter(page, "sam")
    page.goto(f"{live_server.url}{reverse('admin:index')}")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def a_tally(sent: int, waiting: int) -> dict[str, object]:
    return {"audience": sent + waiting, "rate": 1.0, "counts": {"email": {"SENT": sent, "PENDING": waiting}}}


def running(subject: str = "Three new homes") -> Broadcast:
    return a_broadcast(notification=a_notification(subject=subject), tally=a_tally(10, 90))


def test_the_bars_move_others_appear_and_the_polling_ends(page: Page, live_server: LiveServer) -> None:
    first = running()
    enter(page, live_server)
    bar = page.get_by_role("img", name="Three new homes: ")
    expect(bar).to_have_accessible_name("Three new homes: 10 of 100 sent")
    link = page.get_by_role("link", name="Three new homes")
    link.focus()

    Broadcast.objects.filter(pk=first.pk).update(tally=a_tally(60, 40))
    expect(bar).to_have_accessible_name("Three new homes: 60 of 100 sent")
    expect(link).to_be_focused()

    running("Garden flats")
    expect(page.get_by_role("link", name="Garden flats")).to_be_visible()
    expect(page.locator("#under-way-words")).to_have_text("Sending now: 2 broadcasts.")

    Broadcast.objects.update(state=Broadcast.State.FINISHED, finished_at=timezone.now(), tallied_at=timezone.now())
    expect(page.locator("#under-way-words")).to_have_text("Nothing is being sent.")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(5000)  # two polls long
    assert asked == []


def test_without_javascript_it_shows_the_same_and_looks_again_by_itself(
    page_without_javascript: Page, live_server: LiveServer
) -> None:
    broadcast = running()
    page = page_without_javascript
    enter(page, live_server)
    bar = page.get_by_role("img", name="Three new homes: ")
    expect(bar).to_have_accessible_name("Three new homes: 10 of 100 sent")

    Broadcast.objects.filter(pk=broadcast.pk).update(tally=a_tally(60, 40))

    expect(bar).to_have_accessible_name("Three new homes: 60 of 100 sent")


def test_a_paused_channel_is_tried_again_from_the_overview(
    page_without_javascript: Page, live_server: LiveServer
) -> None:
    an_open_breaker(now=timezone.now())
    page = page_without_javascript
    enter(page, live_server, "notifier.control_broadcast")

    page.get_by_role("button", name="Try again now").click()

    expect(page.get_by_text("Trying e-mail now, with a single message.")).to_be_visible()


def test_the_chart_says_what_it_shows_and_opens_as_a_table_by_keyboard(page: Page, live_server: LiveServer) -> None:
    ended = a_broadcast(state=Broadcast.State.FINISHED, finished_at=timezone.now(), tallied_at=timezone.now())
    for state, number in (("SENT", 1234), ("FAILED", 5)):
        DailyStats.objects.create(
            broadcast=ended, day=timezone.now().date(), channel="email", state=state, number=number
        )
    enter(page, live_server)
    expect(page.get_by_role("img", name="E-mail per day")).to_have_accessible_name(
        re.compile(r"E-mail per day From .* to .*: 1,234 sent, 5 failed\.")
    )

    page.locator("#chart-email summary").focus()
    page.keyboard.press("Enter")

    row = page.locator("#chart-email tbody tr")
    expect(row).to_have_count(1)
    expect(row.get_by_role("cell").first).to_have_text("1,234")
    expect(row.get_by_role("cell").last).to_have_text("5")


@pytest.mark.parametrize(("width", "theme"), [(360, "dark"), (1440, "light")])
def test_nothing_sticks_out_and_the_bars_stand_out_from_the_page(
    browser: Browser, live_server: LiveServer, width: int, theme: str, console_errors: list[str]
) -> None:
    topic = a_topic(slug="x" * 80, name="Rindfleischetikettierung" * 3)
    counts = {"clients": 9_999_999, "archived": 1, "consents": {str(topic.pk): {"email": 1_234_567, "sms": 7_654_321}}}
    ClientCounts.objects.create(pk=1, counts=counts, counted_at=timezone.now())
    broadcast = running("Rindfleischetikettierung" * 5)
    for state in ("SENT", "FAILED", "UNKNOWN", "SKIPPED", "CANCELLED"):
        DailyStats.objects.create(
            broadcast=broadcast, day=timezone.now().date(), channel="email", state=state, number=1_000_000
        )
    a_broadcast(state=Broadcast.State.SCHEDULED, scheduled_for=timezone.now())
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=theme)  # type: ignore[arg-type]
    page = context.new_page()
    enter(page, live_server)
    page.locator("#chart-email summary").click()

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    colours = page.locator("#chart-email .piece").evaluate_all("pieces => pieces.map(p => getComputedStyle(p).fill)")
    assert len(set(colours)) == 5
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert all(_contrast(colour, background) >= 3 for colour in colours)
    context.close()


#: What of a chart's words lies outside of its frame, and which dates touch the one before.
MISPLACED = """() => [...document.querySelectorAll('.chart')].flatMap(chart => {
    const frame = chart.getBoundingClientRect();
    const dates = [...chart.querySelectorAll('.dates text')].filter(date => date.getClientRects().length);
    const words = [...chart.querySelectorAll('.legend li, .axis span'), ...dates];
    const box = part => part.getBoundingClientRect();
    return [
        ...words.filter(part => box(part).left < frame.left || box(part).right > frame.right),
        ...dates.slice(1).filter((date, place) => box(date).left <= box(dates[place]).right),
    ].map(part => part.textContent);
})"""


def test_the_legend_and_the_axes_of_the_chart_fit_at_every_width(page: Page, live_server: LiveServer) -> None:
    ended = a_broadcast(state=Broadcast.State.FINISHED, finished_at=timezone.now(), tallied_at=timezone.now())
    for channel in ("email", "sms"):
        for state in ("SENT", "FAILED", "UNKNOWN", "SKIPPED", "CANCELLED"):
            DailyStats.objects.create(
                broadcast=ended, day=timezone.now().date(), channel=channel, state=state, number=1_234_567
            )
    enter(page, live_server)
    assert page.locator("#chart-email .axis span").all_inner_texts() == ["8,000,000", "4,000,000", "0"]
    assert page.locator("#chart-email .dates text").count() == 5

    for width in (360, 390, 640, 860, 1024, 1100, 1280, 1440, 1920):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(MISPLACED) == [], width


#: What of the rows is cut off, with or without an ellipsis.
CUT_OFF = """() => [...document.querySelectorAll('#content-main :is(td, th, li, a, p, span, dd)')].filter(part => {
    const hides = getComputedStyle(part).overflowX !== 'visible' && !part.closest('.visually-hidden, .scroller');
    return hides && part.scrollWidth > part.clientWidth + 1;
}).map(part => part.textContent.trim())"""
LONG_TITLE = "Open house on Saturday at 14 Mill Lane, with coffee, cake and the architect of the whole estate"


def test_a_usual_row_of_what_was_sent_takes_a_line_on_a_desk(page: Page, live_server: LiveServer) -> None:
    tally = {"audience": 2, "rate": 0.0, "counts": {"email": {"SENT": 484, "FAILED": 3}, "sms": {"SENT": 431}}}
    now = timezone.now()
    a_broadcast(state="FINISHED", finished_at=now, tallied_at=now, tally=tally)
    enter(page, live_server)

    page.set_viewport_size({"width": 1440, "height": 900})

    line = page.locator(".recent tbody tr").bounding_box()
    assert line is not None
    assert line["height"] < 45
    assert page.locator(".recent .by").inner_text() == "Command line"


def test_what_was_sent_loses_nothing_at_any_width(page: Page, live_server: LiveServer) -> None:
    counts = {"SENT": 12_045, "FAILED": 304, "UNKNOWN": 1}
    tally = {"audience": 2, "rate": 0.0, "counts": {"email": counts, "sms": counts}}
    now = timezone.now()
    notification = a_notification(subject=LONG_TITLE)
    a_broadcast(notification=notification, state="CANCELLED", finished_at=now, tallied_at=now, tally=tally)
    enter(page, live_server)
    row = page.locator(".recent tbody tr")
    title = row.get_by_role("link", name=LONG_TITLE)

    for width in (1440, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        link = title.bounding_box()
        assert link is not None
        assert link["width"] > 100
        assert page.locator(".recent-frame").evaluate("frame => frame.scrollWidth <= frame.clientWidth")
    for width in (390, 1024, 1279, 1280, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(CUT_OFF) == [], width

    for width in (390, 1024, 1279):
        page.set_viewport_size({"width": width, "height": 900})
        card = page.locator("section", has=page.locator("#recent")).bounding_box()
        assert card is not None
        for part in (title, *row.locator(".numbers, .badge, time, .outcomes").all()):
            box = part.bounding_box()
            assert box is not None
            assert card["x"] <= box["x"]
            assert box["x"] + box["width"] <= card["x"] + card["width"]


def _contrast(one: str, other: str) -> float:
    """WCAG's, of two colours as the browser tells them: `rgb(1, 2, 3)`."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")[:3]]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
