"""How the pages are laid out: the font, the menu, headings and buttons, and lists on a desk and on a phone."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import Locator, Page, expect

from notifier.models import Client, Profile, Suppression
from tests.browser.test_pages import SIZES
from tests.support.factories import a_client, a_delivery, a_user
from tests.support.pages.browsing import enter

# The server answers from another thread, which must see the rows.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def staff() -> User:
    return a_user(username="root", password="secret", is_superuser=True)


@pytest.fixture
def visit(new_page: Callable[..., Page], staff: User) -> Callable[[str], Page]:
    """`visit("phone")`: a browser of that size, logged in."""

    def open_page(size: str) -> Page:
        page = new_page(*SIZES[size])
        enter(page)
        return page

    return open_page


def middle(part: Locator) -> float:
    box = part.bounding_box()
    assert box is not None
    return box["y"] + box["height"] / 2


def test_pages_are_set_in_a_font_that_comes_from_our_own_host(
    visit: Callable[[str], Page], console_errors: list[str]
) -> None:
    page = visit("desk")
    page.goto(reverse("admin:notifier_client_changelist"))

    loaded = page.evaluate("document.fonts.ready.then(() => document.fonts.check('600 16px Inter'))")
    faces = page.evaluate("[...document.fonts].map(face => [face.family.replaceAll('\"', ''), face.status])")

    assert (loaded, faces) == (True, [["Inter", "loaded"]])
    assert page.evaluate("getComputedStyle(document.body).fontFamily").startswith("Inter")
    assert console_errors == []


def test_nothing_of_the_menu_is_cut_off_on_a_desk(visit: Callable[[str], Page], staff: User) -> None:
    # It takes a line of its own then.
    Profile.objects.update_or_create(user=staff, defaults={"time_zone": "Europe/Vienna"})
    page = visit("desk")
    page.goto(reverse("admin:notifier_client_changelist"))

    links = page.locator("#menu nav a")
    cut_off = page.locator("#menu").evaluate("menu => menu.scrollHeight - menu.clientHeight")
    last = page.locator("#logout-form").bounding_box()

    assert links.count() == 22
    assert cut_off <= 0
    assert last is not None
    assert last["y"] + last["height"] <= SIZES["desk"][1]


@pytest.mark.parametrize("name", ["notifier_client_changelist", "notifier_topic_changelist", "auth_group_changelist"])
def test_a_heading_and_the_buttons_beside_it_have_one_middle(visit: Callable[[str], Page], name: str) -> None:
    page = visit("desk")
    page.goto(reverse(f"admin:{name}"))

    heading, button = page.locator("#content > h1"), page.locator(".object-tools a").first

    assert abs(middle(heading) - middle(button)) <= 1


# --- Lists ------------------------------------------------------------------------------------------------------------
def a_long_row() -> Client:
    return a_client(
        name="Agnieszka Kowalska",
        email="agnieszka.kowalska@example.com",
        phone="+46701740605",
        listings="both",
        offerings="email",
    )


@pytest.mark.parametrize("name", ["notifier_client", "notifier_delivery"])
def test_a_row_takes_one_line_on_a_desk(visit: Callable[[str], Page], name: str) -> None:
    client = a_long_row()
    a_delivery(client=client, channel="sms", state="FAILED", detail="number not in service")
    page = visit("desk")
    page.goto(reverse(f"admin:{name}_changelist"))

    row = page.locator("#result_list tbody tr").bounding_box()

    assert row is not None
    assert row["height"] < 45


@pytest.mark.parametrize("has_script", [True, False], ids=["with JavaScript", "without"])
def test_acts_for_ticked_rows_are_shown_while_one_is_ticked(
    new_page: Callable[..., Page], staff: User, has_script: bool
) -> None:
    for _ in range(60):
        a_client()
    page = new_page(*SIZES["desk"], java_script_enabled=has_script)
    enter(page)
    page.goto(reverse("admin:notifier_client_changelist"))
    bar, box = page.locator("#changelist .actions"), page.locator(".action-select").first
    expect(bar).to_be_hidden()

    box.check()
    expect(bar).to_be_in_viewport()
    box.uncheck()
    expect(bar).to_be_hidden()

    box.check()
    bar.get_by_label("Action").select_option(label="Archive…")
    bar.get_by_role("button", name="Go").click()
    expect(page.get_by_role("button", name="Archive 1 client")).to_be_visible()


def test_on_a_phone_the_list_keeps_phone_consent_and_status(visit: Callable[[str], Page]) -> None:
    client = a_long_row()
    Suppression.objects.create(channel="sms", address=str(client.phone), reason="Asked us to.")
    page = visit("phone")
    page.goto(reverse("admin:notifier_client_changelist"))

    row = page.locator("#result_list tbody tr")

    for text in ("Agnieszka Kowalska", "+46 70 174 06 05", "Listings: e-mail, SMS", "SMS suppressed"):
        expect(row.get_by_text(text).first).to_be_in_viewport()


@pytest.mark.parametrize(
    ("name", "primary"), [("notifier_client_changelist", "Add client"), ("index", "Write a notification")]
)
@pytest.mark.parametrize("size", ["desk", "phone"])
def test_the_primary_button_comes_first(visit: Callable[[str], Page], size: str, name: str, primary: str) -> None:
    page = visit(size)
    page.goto(reverse(f"admin:{name}"))

    buttons = page.locator(".object-tools a")
    boxes = [button.bounding_box() for button in buttons.all()]

    assert buttons.first.inner_text() == primary
    assert boxes[0] is not None
    assert all(box is not None and (boxes[0]["y"], boxes[0]["x"]) <= (box["y"], box["x"]) for box in boxes)
