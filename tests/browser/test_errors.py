"""A form that is refused: the focus is on the first wrong field, with the message beside it and a link from the top."""

from collections.abc import Callable, Iterator

import pytest
from django.conf import LazySettings
from django.urls import reverse
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from notifier.models import Broadcast, Notification
from tests.conftest import watch_console
from tests.support.factories import a_broadcast, a_client, a_delivery, a_notification, a_topic, a_user
from tests.support.pages.browsing import enter, log_in

# The server answers from another thread, which must see the rows.
pytestmark = pytest.mark.django_db(transaction=True)

CSV = b"Name,E-mail,Other e-mail\nAnn Example,ann@example.com,ann@example.org\n"


@pytest.fixture(params=[True, False], ids=["with JavaScript", "without"])
def desk(
    browser: Browser, live_server: LiveServer, console_errors: list[str], request: pytest.FixtureRequest
) -> Iterator[Page]:
    context = browser.new_context(base_url=live_server.url, java_script_enabled=request.param)
    page = context.new_page()
    watch_console(page, console_errors)
    a_user(username="root", password="secret", is_superuser=True)
    a_topic(slug="listings")
    yield page
    context.close()
    assert console_errors == []


def press(page: Page, button: str) -> None:
    """Posts what a browser that checks nothing would post."""
    page.locator("form").evaluate_all("forms => forms.forEach(form => { form.noValidate = true; })")
    page.get_by_role("button", name=button, exact=True).click()
    page.locator("#error-summary").wait_for()


# --- Each opens a page, and makes a mistake on it; what comes back is the id of the wrong field and what is said of it.
def add_a_client(page: Page) -> tuple[str, str]:
    page.goto(reverse("admin:notifier_client_add"))
    page.get_by_label("First name").fill("Ann")
    page.get_by_label("Phone").fill("12")
    press(page, "Save")
    return "id_phone", "“12” is not a valid phone number."


def write(page: Page) -> tuple[str, str]:
    page.goto(reverse("admin:notifier_notification_add"))
    page.get_by_label("Topic").select_option(label="Listings")
    page.get_by_label("Subject:").fill("News")
    press(page, "Save")
    return "id_email_body", "Write an e-mail text, an SMS text, or both."


def change_a_profile(page: Page) -> tuple[str, str]:
    page.goto(reverse("admin:auth_user_change", args=[a_user(username="ann").pk]))
    page.locator("#id_profile-0-phone").fill("12")
    press(page, "Save")
    return "id_profile-0-phone", "“12” is not a valid phone number."


def change_ones_account(page: Page) -> tuple[str, str]:
    page.goto(reverse("admin:account"))
    page.get_by_label("E-mail").fill("ann@")
    press(page, "Save")
    return "id_email", "E-mail: Enter a valid e-mail address."


def change_ones_password(page: Page) -> tuple[str, str]:
    page.goto(reverse("admin:password_change"))
    page.get_by_label("Old password").fill("wrong")
    press(page, "Change password")
    return "id_old_password", "Your old password was entered incorrectly."


def set_a_password(page: Page) -> tuple[str, str]:
    page.goto(reverse("admin:auth_user_password_change", args=[a_user(username="ann").pk]))
    page.locator("#id_password1").fill("Zq8w-Yt5Rn")
    page.locator("#id_password2").fill("other")
    press(page, "Save password")
    return "id_password2", "The two password fields didn’t match."


def mistype_the_number(page: Page) -> tuple[str, str]:
    a_client(listings="both")
    page.goto(f"{reverse('admin:notifier_notification_broadcast')}?ids={a_notification().pk}")
    page.locator("#id_typed").fill("12345")
    press(page, "Send 1 e-mail and 1 SMS")
    return "id_typed", "Type the number of messages, 2, to send them."


def send_once_more(page: Page) -> tuple[str, str]:
    a_client(listings="email")
    notification = a_notification(sms_body="")
    a_broadcast(notification=notification)
    page.goto(f"{reverse('admin:notifier_notification_broadcast')}?ids={notification.pk}")
    page.locator("#id_typed").fill("1")
    press(page, "Send 1 e-mail")
    return "again", "Tick “Send again” to send it anyway."


def reject(page: Page) -> tuple[str, str]:
    broadcast = a_broadcast(state=Broadcast.State.AWAITING_APPROVAL, started_at=None, needs_approval=True)
    page.goto(reverse("admin:notifier_broadcast_approve", args=[broadcast.pk]))
    press(page, "Reject")
    return "id_why", "Give a reason. It is recorded."


def retry(page: Page) -> tuple[str, str]:
    broadcast = a_broadcast(state="FINISHED")
    a_delivery(broadcast=broadcast, state="FAILED")
    page.goto(reverse("admin:notifier_broadcast_act", args=[broadcast.pk, "retry"]))
    press(page, "Send 1 again")
    return "id_why", "Give a reason. It is recorded."


def upload_nothing(page: Page) -> tuple[str, str]:
    page.goto(reverse("admin:notifier_clientimport_upload"))
    press(page, "Upload and continue")
    return "id_file", "Choose a file."


def take_one_column_twice(page: Page) -> tuple[str, str]:
    page.goto(reverse("admin:notifier_clientimport_upload"))
    page.locator("#id_file").set_input_files({"name": "clients.csv", "mimeType": "text/csv", "buffer": CSV})
    page.get_by_role("button", name="Upload and continue").click()
    page.locator("#column-2").select_option(value="email")
    press(page, "Review")
    return "column-2", "Two columns are matched to “E-mail address”."


MISTAKES = (
    add_a_client,
    write,
    change_a_profile,
    change_ones_account,
    change_ones_password,
    set_a_password,
    mistype_the_number,
    send_once_more,
    reject,
    retry,
    upload_nothing,
    take_one_column_twice,
)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.__name__)
def test_the_first_wrong_field_has_the_focus_and_is_linked_from_the_top(
    desk: Page, settings: LazySettings, mistake: Callable[[Page], tuple[str, str]]
) -> None:
    settings.CONFIRM_ABOVE = 0
    enter(desk)

    field_id, text = mistake(desk)

    field, summary = desk.locator(f'[id="{field_id}"]'), desk.locator("#error-summary")
    expect(field).to_be_focused()
    expect(desk.get_by_role("alert")).to_have_count(1)
    link = summary.get_by_role("link").first
    expect(link).to_contain_text(text)
    assert desk.title().split()[0] == "Error:"
    beside = field.get_attribute("aria-describedby") or ""
    assert any(desk.locator(f'[id="{name}"]:is(.errorlist, .mistake, #typed-error)').count() for name in beside.split())
    assert field.get_attribute("aria-invalid") == "true"
    assert desk.locator("[autofocus]").count() == 1

    field.blur()
    link.click()

    expect(field).to_be_focused()


def test_a_wrong_password_is_told_beside_its_field_and_above(desk: Page) -> None:
    desk.goto(reverse("admin:login"))
    log_in(desk, password="wrong")

    password = desk.locator("#id_password")
    expect(password).to_be_focused()
    expect(password).to_have_accessible_description(
        "Enter the correct username and password of a staff account. Both are case-sensitive."
    )
    desk.locator("#error-summary").get_by_role("link").click()
    expect(password).to_be_focused()
    assert desk.title() == "Error: Log in | Notifier"


def test_what_is_about_no_field_has_the_focus_itself(desk: Page) -> None:
    enter(desk)
    notification = a_notification()
    desk.goto(reverse("admin:notifier_notification_change", args=[notification.pk]))
    Notification.objects.update(sms_body="Changed meanwhile")

    press(desk, "Save")

    expect(desk.locator("#error-summary")).to_be_focused()
    expect(desk.locator("#error-summary")).to_contain_text("Nothing was saved.")
