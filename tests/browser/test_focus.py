"""Whoever goes through a page by Tab sees where they are: nothing that stays in place covers it (WCAG 2.2, 2.4.11)."""

from collections.abc import Callable

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import Group, User
from django.urls import reverse
from playwright.sync_api import Page

from notifier.models import Client, Notification
from tests.support.factories import a_broadcast, a_client, a_delivery, a_notification, a_topic, a_user
from tests.support.pages import browsing

# The server answers from another thread, which must see the rows.
pytestmark = pytest.mark.django_db(transaction=True)

SIZES = {"desk": (1440, 700), "tablet": (700, 700), "phone": (360, 640)}
#: No page of these has as many stops.
MAX_STOPS = 250
ADDRESSES: dict[str, Callable[[], str]] = {
    "confirm": lambda: f"{reverse('admin:notifier_notification_broadcast')}?ids={Notification.objects.get().pk}",
    "notification": lambda: reverse("admin:notifier_notification_change", args=[Notification.objects.get().pk]),
    "client": lambda: reverse("admin:notifier_client_change", args=[Client.objects.earliest("pk").pk]),
    "client's form": lambda: f"{ADDRESSES['client']()}?edit=1",
    "group": lambda: reverse("admin:auth_group_change", args=[Group.objects.get().pk]),
}
#: What has the focus, and which of its upper, middle and lower part another thing is seen in the place of.
LOOK = """() => {
    const stop = document.activeElement;
    if (!stop || stop === document.body || stop === document.documentElement) return null;
    const told = stop.outerHTML.slice(0, 120);
    // Within a frame the page does not know what has it.
    if (stop.tagName === "IFRAME") return [told, ""];
    // What is shown of a tall one begins at its upper end; a link may go over two lines.
    const box = stop.getClientRects()[0];
    if (!box) return [told, "nowhere"];
    const x = box.left + Math.min(box.width, innerWidth) / 2;
    const low = [box.top + box.height / 2, box.bottom - 2];
    const places = [box.top + 2, ...(box.height > innerHeight / 4 ? [] : low)];
    const covered = places.filter(y => {
        const seen = document.elementFromPoint(x, y);
        return !seen || !(stop.contains(seen) || seen.contains(stop) && seen.tagName === "LABEL");
    });
    return [told, covered.map(y => {
        const seen = document.elementFromPoint(x, y);
        return `at ${Math.round(y)}: ${seen ? seen.outerHTML.slice(0, 80) : "out of sight"}`;
    }).join("; ")];
}"""


@pytest.fixture
def staff(db: None) -> User:
    root = a_user(username="root", is_superuser=True)
    a_topic(slug="offerings")
    notification = a_notification()
    broadcast = a_broadcast(notification=notification, state="FINISHED")
    for _ in range(3):
        a_delivery(broadcast=broadcast, client=a_client(listings="both", offerings="email"), state="SENT")
    Group.objects.all().delete()
    a_user(group="Editors")
    Group.objects.exclude(name="Editors").delete()
    return root


@pytest.fixture
def enter(new_page: Callable[..., Page], staff: User) -> Callable[[str], Page]:
    def open_browser(size: str) -> Page:
        page = new_page(*SIZES[size])
        browsing.enter(page)
        return page

    return open_browser


def covered(page: Page, key: str) -> tuple[int, list[str]]:
    """How many stops there are by this key, and what is wrong with some of them."""
    wrong, stops = [], 0
    for _ in range(MAX_STOPS):
        page.keyboard.press(key)
        look = page.evaluate(LOOK)
        if look is None:
            break
        stops += 1
        told, by = look
        if by:
            wrong.append(f"{told}: {by}")
    return stops, wrong


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ADDRESSES)
def test_nothing_covers_what_has_the_focus(enter: Callable[[str], Page], name: str, size: str) -> None:
    page = enter(size)
    page.goto(ADDRESSES[name]())

    forwards, wrong = covered(page, "Tab")
    backwards, also_wrong = covered(page, "Shift+Tab")

    assert not wrong + also_wrong, "\n".join(wrong + also_wrong)
    assert min(forwards, backwards) > 8


@pytest.mark.parametrize("size", SIZES)
def test_the_browsers_complaint_points_at_a_field_that_is_seen(
    enter: Callable[[str], Page], settings: LazySettings, size: str
) -> None:
    settings.CONFIRM_ABOVE = 1
    page = enter(size)
    page.goto(ADDRESSES["confirm"]())
    for again in page.locator("#again").all():
        again.check()
    page.evaluate("scrollTo(0, 0)")

    page.locator("#send-it").evaluate("button => button.click()")

    assert page.evaluate("document.activeElement.id") == "id_typed"
    told, by = page.evaluate(LOOK)
    assert not by, f"{told}: {by}"
