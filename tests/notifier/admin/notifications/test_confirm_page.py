"""The confirm page's when, how long and how much; the number that is typed; and what an edit means for what waits."""

import uuid
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags

from notifier.admin.broadcasts.forms import SendForm
from notifier.audience import readers
from notifier.messages import brands
from notifier.models import Broadcast, Notification, Profile
from tests.notifier.admin.conftest import LogIn
from tests.notifier.admin.notifications.test_notification_admin import confirm_page, send, send_form_of, text_of
from tests.support.factories import (
    a_brand,
    a_broadcast,
    a_client,
    a_notification,
    a_topic,
    a_user,
    processes_at_work,
)
from tests.support.forms import agree_to

pytestmark = pytest.mark.both_engines(only_full=True)

State = Broadcast.State
HOUR = timedelta(hours=1)


def later(**fields: Any) -> dict[str, Any]:
    return {"when": "later", "scheduled_for": "2099-01-02T16:00", **fields}


def made() -> Broadcast:
    return Broadcast.objects.get()


# --- What speaks against it -------------------------------------------------------------------------------------------
def test_the_page_warns_of_an_e_mail_that_gmail_would_cut_off(admin: Browser) -> None:
    a_client(listings="both")
    long, short = a_notification(email_body="Hello\n\n" * 2_500), a_notification()

    assert "kB of HTML, and Gmail cuts it off after 102 kB" in text_of(admin.get(confirm_page(long)))
    assert "Gmail" not in text_of(admin.get(confirm_page(short)))


def test_nobody_sends_with_a_brand_that_they_have_not_seen(admin: Browser) -> None:
    a_client(listings="both")
    a_brand(name="Acme")
    url = confirm_page(a_notification())
    posted = send_form_of(admin.get(url))
    a_brand(name="Other")

    page = admin.post(url, posted)

    assert "The brand has been changed since you opened the page." in text_of(page)
    assert not Broadcast.objects.exists()
    # Once they have seen it they may.
    admin.post(url, send_form_of(page))
    assert brands.of(made().brand).name == "Other"


# --- When -------------------------------------------------------------------------------------------------------------
def test_a_time_schedules_it(admin: Browser) -> None:
    a_client(listings="both")

    response = send(admin, a_notification(), **later(expires_at="2099-01-02T18:00"))

    assert response["Location"] == reverse("admin:notifier_broadcast_progress", args=[made().pk])
    assert made().state == State.SCHEDULED
    assert f"{made().scheduled_for:%F %R} {made().expires_at:%F %R}" == "2099-01-02 16:00 2099-01-02 18:00"


def test_times_are_read_and_shown_in_the_zone_of_the_staff_member(admin: Browser, superuser: User) -> None:
    a_client(listings="both")
    Profile.objects.create(user=superuser, time_zone="America/New_York")

    page = admin.get(confirm_page(notification := a_notification()))
    admin.post(confirm_page(notification), send_form_of(page, **later()))
    shown = admin.get(reverse("admin:notifier_broadcast_schedule", args=[made().pk]))

    assert "America/New_York (now UTC-0" in text_of(page)
    assert 'value="2099-01-02T16:00"' in text_of(shown)
    assert made().scheduled_for == datetime.fromisoformat("2099-01-02T21:00+00:00")


def test_an_hour_that_the_clocks_skip_is_refused(admin: Browser, superuser: User) -> None:
    a_client(listings="both")
    Profile.objects.create(user=superuser, time_zone="America/New_York")

    # The second Sunday of March: from 2:00 to 3:00 there is no time.
    page = send(admin, a_notification(), **later(scheduled_for="2099-03-08T02:30"))

    assert "couldn’t be interpreted in time zone America/New_York" in text_of(page)
    assert not Broadcast.objects.exists()


def test_now_wins_over_a_time_that_is_not_shown(admin: Browser) -> None:
    a_client(listings="both")

    send(admin, a_notification(), when="now", scheduled_for="2001-01-01T00:00")

    assert (made().state, made().scheduled_for) == (State.RUNNING, None)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"when": "later"}, "Enter the date and time when it should start."),
        (later(scheduled_for="2001-01-01T00:00"), "This time has passed. Choose a later one, or start it now."),
        (later(scheduled_for="soon"), "Enter a valid date/time."),
        ({"expires_at": "2001-01-01T00:00"}, "This time has passed. Choose a later one, or leave it empty."),
        (later(expires_at="2099-01-02T15:00"), "It would expire before it starts."),
        (later(scheduled_for="2199-01-01T00:00"), "This is more than a hundred years ahead."),
        (later(scheduled_for="9999-12-31T23:59"), "This is more than a hundred years ahead."),
        ({"expires_at": "9999-12-31T23:59"}, "This is more than a hundred years ahead."),
        ({"expires_at": "0001-01-01T00:00"}, "This time has passed. Choose a later one, or leave it empty."),
        ({"when": "whenever"}, "Select a valid choice."),
    ],
)
def test_a_time_that_can_not_be_kept_sends_nothing_and_keeps_what_was_typed(
    admin: Browser, fields: dict[str, str], words: str
) -> None:
    a_client(listings="both")

    page = send(admin, a_notification(), **fields)

    assert words in text_of(page)
    assert "Nothing has been sent yet" in text_of(page)
    assert all(f'value="{value}"' in text_of(page) for value in fields.values() if value.startswith("20"))
    assert not Broadcast.objects.exists()


@pytest.mark.parametrize("zone", ["America/Lima", "Asia/Tokyo", "UTC"])
@pytest.mark.parametrize("moment", ["9999-12-31T23:59", "0001-01-01T00:00"])
@pytest.mark.parametrize("field", ["scheduled_for", "expires_at"])
def test_the_ends_of_the_calendar_are_refused_in_every_zone(
    admin: Browser, superuser: User, zone: str, moment: str, field: str
) -> None:
    a_client(listings="both")
    Profile.objects.create(user=superuser, time_zone=zone)
    when = "later" if field == "scheduled_for" else "now"

    page = send(admin, a_notification(), when=when, **{field: moment})

    assert "Nothing has been sent yet" in text_of(page)
    assert not Broadcast.objects.exists()


def test_the_same_request_again_after_its_time_leads_to_the_same_broadcast(admin: Browser) -> None:
    a_client(listings="both")
    notification = a_notification()
    form = send_form_of(admin.get(confirm_page(notification)), **later())
    first = admin.post(confirm_page(notification), form)

    second = admin.post(confirm_page(notification), form | {"scheduled_for": "2001-01-01T00:00"})

    assert second["Location"] == first["Location"]
    assert Broadcast.objects.count() == 1


@pytest.mark.parametrize("state", [State.AWAITING_APPROVAL, State.SCHEDULED])
def test_one_that_is_still_to_come_is_warned_of(admin: Browser, state: State) -> None:
    a_client(listings="both")
    notification = a_notification()
    a_broadcast(notification=notification, state=state, started_at=None)

    refused = send(admin, notification)

    assert "or is about to" in text_of(refused)
    assert Broadcast.objects.count() == 1


# --- How long, and how much -------------------------------------------------------------------------------------------
def test_before_anything_was_measured_the_page_says_so(admin: Browser) -> None:
    a_client(listings="both")
    processes_at_work(timezone.now())

    page = text_of(admin.get(confirm_page(a_notification())))

    assert "<strong>Not known yet</strong>" in page
    assert "available after your first broadcast" in page


def test_the_page_tells_how_long_it_takes_and_what_it_costs(admin: Browser) -> None:
    kept = {"email": {"given": 600, "seconds": 60}, "sms": {"given": 1, "seconds": 50}}
    a_broadcast(tally={"throughput": kept}, state="FINISHED")
    for name in ("Ann", "Zoë Łukasz"):
        a_client(name=name, listings="both")

    processes_at_work(timezone.now())

    page = text_of(admin.get(confirm_page(a_notification(sms_body="x" * 100 + "{{ name }}"))))

    assert "About 2 minutes" in page
    assert "10 e-mails, 0.02 SMS per second" in page
    assert '<strong id="total">4</strong> <span class="quiet">2 e-mails and 2 SMS</span>' in page
    assert '<strong>3</strong> <span class="quiet">exact, with the clients’ current names; at most 2' in page


def test_a_sample_is_said_to_be_one(admin: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("notifier.audience.estimates.SAMPLE", 2)
    for _ in range(6):
        a_client(listings="both")

    page = text_of(admin.get(confirm_page(a_notification())))

    assert "About 6" in page
    assert "estimated from" in page


def test_the_page_asks_as_much_of_the_database_however_many_get_it(
    admin: Browser, django_assert_max_num_queries: Any
) -> None:
    notification = a_notification()
    for _ in range(15):
        a_client(listings="both")

    with django_assert_max_num_queries(25):
        admin.get(confirm_page(notification))


def test_for_several_on_one_topic_a_reader_is_looked_for_once(admin: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_for = Mock(wraps=readers.of)
    monkeypatch.setattr(readers, "of", looked_for)
    a_client(listings="both", offerings="email")
    of_both = [a_notification() for _ in range(3)]

    admin.get(confirm_page(*of_both, a_notification(topic=a_topic(slug="offerings")), a_notification(sms_body="")))

    # Those on another topic, or by other channels, may be read by others.
    assert looked_for.call_count == 3


def test_several_at_once_are_counted_together(admin: Browser) -> None:
    a_client(listings="both", offerings="email")

    page = admin.get(confirm_page(a_notification(), a_notification(topic=a_topic(slug="offerings"))))

    assert page.context["summary"].total == 3
    assert "Send 2 e-mails and 1 SMS" in text_of(page)


# --- Typing the number ------------------------------------------------------------------------------------------------
@pytest.fixture
def _confirm_above_one(settings: LazySettings) -> None:
    settings.CONFIRM_ABOVE = 1


def shown(browser: Browser, notification: Notification, **changes: Any) -> Any:
    page = browser.get(confirm_page(notification))
    counted = str(page.context["summary"].total)
    return browser.post(confirm_page(notification), send_form_of(page, counted=counted, **changes))


@pytest.mark.usefixtures("_confirm_above_one")
@pytest.mark.parametrize("typed", ["", "1", "3", "two", "2,2"])
def test_many_are_not_sent_before_their_number_is_typed(admin: Browser, typed: str) -> None:
    a_client(listings="both")

    page = shown(admin, a_notification(), typed=typed)

    assert "Type the number of messages, 2, to send them." in text_of(page)
    assert not Broadcast.objects.exists()


@pytest.mark.usefixtures("_confirm_above_one")
@pytest.mark.parametrize("typed", ["2", " 2 ", "2."])
def test_with_the_number_they_are_sent(admin: Browser, typed: str) -> None:
    a_client(listings="both")

    shown(admin, a_notification(), typed=typed)

    assert made().state == State.RUNNING


@pytest.mark.usefixtures("_confirm_above_one")
def test_the_number_need_not_be_typed_again_because_of_another_error(admin: Browser) -> None:
    a_client(listings="both")

    page = shown(admin, a_notification(), typed="2", when="later", scheduled_for="2001-01-01T00:00")

    assert "This time has passed." in text_of(page)
    assert page.context["form"]["typed"].value() == "2"
    field = text_of(page).partition('name="typed"')[2].partition(">")[0]
    assert 'value="2"' in field


def test_few_need_no_number(admin: Browser, settings: LazySettings) -> None:
    settings.CONFIRM_ABOVE = 2
    a_client(listings="both")

    assert 'name="typed"' not in text_of(admin.get(confirm_page(a_notification())))
    shown(admin, a_notification())

    assert made().state == State.RUNNING


@pytest.mark.usefixtures("_confirm_above_one")
def test_a_number_that_is_no_longer_true_is_asked_for_again(admin: Browser) -> None:
    a_client(listings="both")
    notification = a_notification()
    form = send_form_of(admin.get(confirm_page(notification)), counted="2", typed="2")
    a_client(listings="both")

    page = admin.post(confirm_page(notification), form)

    assert "It would now be 4 messages. Type that number to send them." in text_of(page)
    assert not Broadcast.objects.exists()


@pytest.mark.usefixtures("_confirm_above_one")
def test_a_form_without_what_it_showed_is_not_believed(admin: Browser) -> None:
    a_client(listings="both")
    notification = a_notification()

    admin.post(confirm_page(notification), send_form_of(admin.get(confirm_page(notification)), typed="2", counted=""))

    assert not Broadcast.objects.exists()


def test_the_browser_takes_the_number_as_people_write_it(admin: Browser, settings: LazySettings) -> None:
    form = SendForm(now=timezone.now(), sends=1234567)

    assert form.pattern == r"\s*1[,.\s]?234[,.\s]?567\s*"


# --- Approval ---------------------------------------------------------------------------------------------------------
def test_too_many_for_one_person_wait_and_the_page_says_so_before(admin: Browser, settings: LazySettings) -> None:
    settings.APPROVAL_ABOVE = 1
    a_client(listings="both")
    notification = a_notification()

    page = text_of(admin.get(confirm_page(notification)))
    send(admin, notification)

    assert "Broadcasts of more than 1 message need a second person’s approval." in page
    assert "the frequency cap count too" not in page
    assert "Submit 1 e-mail and 1 SMS for approval" in page
    assert made().state == State.AWAITING_APPROVAL


def test_who_may_not_see_broadcasts_is_told_what_became_of_it(staff: LogIn, settings: LazySettings) -> None:
    settings.APPROVAL_ABOVE = 1
    a_client(listings="both")
    browser = staff("notifier.view_notification", "notifier.send_broadcast")

    response = send(browser, a_notification(), follow=True)
    page = browser.get(response["Location"])

    assert f"#{made().pk} Three new homes is awaiting approval" in text_of(page)


# --- Editing what waits -----------------------------------------------------------------------------------------------
def edit(browser: Browser, notification: Notification, **changes: str) -> Any:
    url = reverse("admin:notifier_notification_change", args=[notification.pk])
    return agree_to(browser, url, follow=True, **changes)


def test_the_page_says_before_an_edit_what_it_would_do_to_broadcasts(staff: LogIn) -> None:
    words: dict[str, Any] = {
        "asked": {"state": State.AWAITING_APPROVAL, "needs_approval": True},
        "approved": {"state": State.SCHEDULED, "needs_approval": True, "approved_by": a_user()},
        "alone": {"state": State.SCHEDULED, "needs_approval": False},
        "begun": {"state": State.RUNNING},
    }
    notification = a_notification()
    made = {name: a_broadcast(notification=notification, started_at=None, **fields) for name, fields in words.items()}
    url = reverse("admin:notifier_notification_change", args=[notification.pk])

    page = text_of(staff("notifier.change_notification", "notifier.view_broadcast").get(url))

    said = {name: note_about(page, broadcast) for name, broadcast in made.items()}
    assert (
        "is awaiting approval. If you change the text, it uses the new text and someone other than you" in said["asked"]
    )
    assert "is scheduled. It has been approved. If you change the text" in said["approved"]
    assert "It keeps its text: your changes here don’t affect it" in said["alone"]
    assert said["begun"] == ""
    assert reverse("admin:notifier_broadcast_progress", args=[made["asked"].pk]) in page
    reader = staff("notifier.view_notification", "notifier.view_broadcast")
    assert "not-begun" not in text_of(reader.get(url))


def note_about(page: str, broadcast: Broadcast) -> str:
    """What the notification's page says of it, without the markup."""
    note = page.partition(f'id="not-begun-{broadcast.pk}"')[2].partition(">")[2].partition("</p>")[0]
    return " ".join(strip_tags(note).split())


def test_an_edit_is_taken_over_by_what_awaits_approval_and_its_author_is_told(admin: Browser) -> None:
    waiting = a_broadcast(state=State.SCHEDULED, needs_approval=True, approved_by=a_user(), started_at=None)

    page = edit(admin, waiting.notification, sms_body="edited")

    assert "1 broadcast that has not started now uses the new text, which has to be approved." in text_of(page)
    assert (made().state, made().sms_body, made().approved_by) == (State.AWAITING_APPROVAL, "edited", None)


def test_an_edit_of_what_is_scheduled_without_approval_says_what_to_do(admin: Browser) -> None:
    scheduled = a_broadcast(state=State.SCHEDULED, started_at=None, scheduled_for=timezone.now() + HOUR)

    page = edit(admin, scheduled.notification, sms_body="edited")

    assert f"Scheduled with the earlier text: #{scheduled.pk}." in text_of(page)
    assert "cancel and broadcast again" in text_of(page)
    progress = admin.get(reverse("admin:notifier_broadcast_progress", args=[scheduled.pk]))
    assert "The notification has been edited since." in text_of(progress)


def test_saving_it_as_it_is_says_nothing(admin: Browser) -> None:
    waiting = a_broadcast(state=State.SCHEDULED, needs_approval=True, approved_by=a_user(), started_at=None)

    page = edit(admin, waiting.notification)

    assert "not begun" not in text_of(page)
    assert made().state == State.SCHEDULED


def test_the_list_counts_only_what_has_begun(admin: Browser) -> None:
    notification = a_broadcast(state=State.SCHEDULED, started_at=None).notification

    row = admin.get(reverse("admin:notifier_notification_changelist")).context["cl"].result_list[0]

    assert (row.pk, row.times_sent, row.last_sent_at) == (notification.pk, 0, None)


def test_a_token_of_somebodys_broadcast_makes_no_second_one(admin: Browser) -> None:
    a_client(listings="both")
    notification, token = a_notification(), str(uuid.uuid4())
    form = send_form_of(admin.get(confirm_page(notification)), token=token)

    for _ in range(3):
        admin.post(confirm_page(notification), form)

    assert Broadcast.objects.count() == 1


# --- Critical ---------------------------------------------------------------------------------------------------------
def test_whoever_may_ticks_that_it_is_critical_and_it_shows(admin: Browser) -> None:
    a_client(listings="both")
    page = admin.get(confirm_page(notification := a_notification()))
    assert "Critical: it ignores quiet hours" in text_of(page)

    admin.post(confirm_page(notification), send_form_of(page, is_critical="on"))

    assert made().is_critical
    assert ">Critical</span>" in text_of(admin.get(reverse("admin:notifier_broadcast_progress", args=[made().pk])))


def test_without_a_tick_it_is_not(admin: Browser) -> None:
    a_client(listings="both")

    send(admin, a_notification())

    assert not made().is_critical


def test_who_may_not_is_not_asked_and_can_not_post_it(staff: LogIn) -> None:
    a_client(listings="both")
    browser = staff("notifier.send_broadcast", "notifier.view_broadcast")

    page = browser.get(confirm_page(notification := a_notification()))
    browser.post(confirm_page(notification), send_form_of(page, is_critical="on"))

    assert "Critical" not in text_of(page)
    assert not made().is_critical


# --- Quiet hours and caps ---------------------------------------------------------------------------------------------
def test_where_none_are_set_the_page_says_nothing_of_them(admin: Browser, settings: LazySettings) -> None:
    a_client(listings="both")
    notification = a_notification()
    told = "Nobody is in quiet hours or has reached the frequency cap."
    assert told not in text_of(admin.get(confirm_page(notification)))

    settings.CAPS = {"email": (1, 7), "sms": None}

    assert told in text_of(admin.get(confirm_page(notification)))


# --- The line that says how to end SMS --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("letters", "said"),
    [
        (140, "A line “Reply STOP to end” would add no segments."),
        (150, "A line “Reply STOP to end” would add 2 segments."),
    ],
)
def test_without_such_a_line_the_page_says_what_it_would_add(admin: Browser, letters: int, said: str) -> None:
    for _ in range(2):
        a_client(listings="sms")

    page = text_of(admin.get(confirm_page(a_notification(sms_body="x" * letters))))

    assert said in page
    assert "x<br>" not in page


def test_where_each_sms_has_such_a_line_it_is_shown_and_counted(admin: Browser, settings: LazySettings) -> None:
    settings.SMS_STOP_LINE = "Reply STOP to end"
    for _ in range(2):
        a_client(listings="sms")

    page = text_of(admin.get(confirm_page(a_notification(sms_body="x" * 150))))

    assert "x<br>Reply STOP to end" in page
    assert "<strong>4</strong>" in page
    assert "2 segments" in page
    assert "would add" not in page


def test_where_no_sms_is_sent_nothing_is_said_of_it(admin: Browser) -> None:
    a_client(listings="email")

    assert "would add" not in text_of(admin.get(confirm_page(a_notification(sms_body=""))))
