"""A file of clients in a real browser: with JavaScript, without it, and out again."""

from pathlib import Path

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from notifier.clients.imports import uploads
from notifier.consent import consents
from notifier.models import Channel, Client, ConsentChange, Preference
from tests.support.factories import a_client, a_topic, a_user
from tests.support.pages import browsing

# The server answers from another thread, which must see the rows.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def staff() -> User:
    a_topic(slug="listings")
    return a_user(username="root", password="secret", is_superuser=True)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "spring.csv"
    path.write_text(
        "Name;E-Mail;Mobile;Wants\nAnn;ann@example.com;+1 202 555 0123;both\nBob;bob@;;sms\nEve;eve@example.com;;both\n"
    )
    return path


def enter(page: Page, live_server: LiveServer) -> None:
    browsing.enter(page)
    page.goto(f"{live_server.url}{reverse('admin:notifier_client_changelist')}")


def go_the_way(page: Page, file: Path) -> None:
    """From the list to the page that asks, on which the last column's meaning has been said by hand."""
    page.get_by_role("link", name="Import…").click()
    page.get_by_label("File", exact=True).set_input_files(file)
    page.get_by_role("button", name="Upload and continue").click()
    page.get_by_label("Wants").select_option("listings.both")
    page.get_by_role("button", name="Review").click()
    page.get_by_role("heading", name="Import spring.csv?").wait_for()


def test_a_file_is_imported_and_what_was_wrong_is_mended_and_imported_too(
    page: Page, live_server: LiveServer, file: Path, tmp_path: Path
) -> None:
    enter(page, live_server)
    go_the_way(page, file)
    assert "“bob@” is not an e-mail address." in page.locator("td.wrong").inner_text()
    page.get_by_role("button", name="Import 2 clients").click()
    expect(page.get_by_label("How do we know?")).to_be_focused()
    page.get_by_label("How do we know?").fill("signed the form")
    page.get_by_role("button", name="Import 2 clients").click()

    page.get_by_text("Imported: 2 added").wait_for()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the rejected rows").click()
    mended = tmp_path / "mended.csv"
    mended.write_text(download.value.path().read_text("utf-8-sig").replace("bob@", "bob@example.com"))
    page.get_by_role("link", name="Import another file").click()
    page.get_by_label("File", exact=True).set_input_files(mended)
    page.get_by_role("button", name="Upload and continue").click()
    page.get_by_role("button", name="Review").click()
    page.get_by_role("button", name="Import 1 client").click()

    page.get_by_text("Imported: 1 added").wait_for()
    assert set(Client.objects.values_list("name", flat=True)) == {"Ann", "Bob", "Eve"}


def test_columns_are_recognised_by_contents_and_the_country_of_numbers_is_asked_and_remembered(
    page: Page, live_server: LiveServer, tmp_path: Path, settings: LazySettings
) -> None:
    settings.PHONE_DEFAULT_REGION = None
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text(
        "Kontakt;Ruf;Name\nann@example.at;0664 1234567;Ann Archer\nbob@example.at;0664 7654321;Bob Baker\n"
    )
    second.write_text("Erreichbar;Unter;Name\ncleo@example.at;0664 1112223;Cleo Carter\n")
    enter(page, live_server)

    page.get_by_role("link", name="Import…").click()
    page.get_by_label("File", exact=True).set_input_files(first)
    page.get_by_role("button", name="Upload and continue").click()
    expect(page.get_by_role("row", name="Kontakt")).to_contain_text("Recognised by its values")
    expect(page.get_by_label("Kontakt")).to_have_value("email")
    # Whose numbers these are nobody knows yet.
    country = page.get_by_label("Phone numbers without a country code are numbers in")
    expect(country).to_have_value("")
    country.select_option("AT")
    page.get_by_label("Ruf").select_option("phone")
    page.get_by_role("button", name="Review").click()
    page.get_by_role("button", name="Import 2 clients").click()
    page.get_by_text("Imported: 2 added").wait_for()

    page.get_by_role("link", name="Import another file").click()
    page.get_by_label("File", exact=True).set_input_files(second)
    page.get_by_role("button", name="Upload and continue").click()
    expect(country).to_have_value("AT")
    expect(page.get_by_label("Unter")).to_have_value("phone")
    page.get_by_role("button", name="Review").click()
    page.get_by_role("button", name="Import 1 client").click()
    page.get_by_text("Imported: 1 added").wait_for()
    assert set(Client.objects.values_list("name", "phone")) == {
        ("Ann Archer", "+436641234567"),
        ("Bob Baker", "+436647654321"),
        ("Cleo Carter", "+436641112223"),
    }


def test_without_javascript_a_file_is_imported_and_who_opted_out_comes_back_with_a_reason(
    page_without_javascript: Page, live_server: LiveServer, file: Path
) -> None:
    client, topic = a_client(name="Eve", email="eve@example.com", phone=None), a_topic()
    for wish in (True, False):
        wants = {Channel.EMAIL: wish}
        origin = consents.Origin(ConsentChange.Source.STAFF)
        consents.change(client=client, topic=topic, wants=wants, origin=origin, now=timezone.now())
    page = page_without_javascript
    enter(page, live_server)
    go_the_way(page, file)
    page.get_by_text("1 client opted out before.").wait_for()

    page.get_by_label("Subscribe this client again").check()
    page.get_by_role("button", name="Import 2 clients").click()
    page.get_by_role("link", name="Say why they are subscribed again").wait_for()
    assert not Preference.objects.filter(client=client, email=True).exists()
    page.get_by_label("Reason").fill("signed the form")
    page.get_by_label("How do we know?").fill("signed the form")
    page.get_by_role("button", name="Import 2 clients").click()

    page.get_by_text("Imported: 1 added, 1 changed").wait_for()
    assert Preference.objects.get(client=client).email


def test_a_file_that_is_too_large_is_told_before_it_travels(
    page: Page, live_server: LiveServer, tmp_path: Path
) -> None:
    large = tmp_path / "large.csv"
    large.write_bytes(b"x" * (uploads.MAX_BYTES + 1))
    enter(page, live_server)
    page.goto(f"{live_server.url}{reverse('admin:notifier_clientimport_upload')}")

    page.get_by_label("File", exact=True).set_input_files(large)
    page.get_by_role("button", name="Upload and continue").click()

    assert page.locator("#id_file:invalid").count() == 1


def test_the_list_is_exported_as_its_filters_have_it(page: Page, live_server: LiveServer) -> None:
    a_client(name="Ann", email="ann@example.com")
    a_client(name="Bob", is_active=False)
    enter(page, live_server)
    page.goto(f"{live_server.url}{reverse('admin:notifier_client_changelist')}?state=active")

    page.get_by_role("link", name="Export…").click()
    page.get_by_text("1 client: everyone in this list.").wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()

    text = download.value.path().read_text("utf-8-sig")
    assert "ann@example.com" in text
    assert "Bob" not in text
