"""Building an audience in a real browser, live."""

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from notifier.models import ClientTag, SavedAudience
from tests.support.factories import a_client, a_tag, a_user
from tests.support.pages.browsing import enter

# The server answers from another thread, which must see the rows.
pytestmark = pytest.mark.django_db(transaction=True)


def test_counts_follow_what_is_chosen_and_no_button_acts_by_itself(page: Page, live_server: LiveServer) -> None:
    a_user(username="root", password="secret", is_superuser=True)
    tag = a_tag("VIP")
    for number in range(5):
        client = a_client(time_zone="Europe/Berlin" if number < 2 else "")
        if number:
            ClientTag.objects.create(client=client, tag=tag)
    enter(page)
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
    expect(page.locator("#answer")).to_contain_text("is not in it")

    page.locator("#save-it").click()
    page.wait_for_url("**/change/**")
    assert SavedAudience.objects.get().name == "Berliners"
