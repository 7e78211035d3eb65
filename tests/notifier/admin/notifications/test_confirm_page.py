"""The confirm page's when, how long and how much; the number that is typed; and what an edit means for what waits."""

import uuid
from datetime import datetime, time, timedelta
from typing import Any
from unittest.mock import Mock
from urllib.parse import urlencode

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags
from pytest_django import DjangoAssertNumQueries

from notifier.admin.broadcasts import offers
from notifier.admin.broadcasts.forms import SendForm
from notifier.audience import readers
from notifier.audience.standings import Standing
from notifier.delivery import fanout
from notifier.fields import tags
from notifier.messages import brands
from notifier.models import Broadcast, Client, ClientTag, Delivery, Notification, Profile, SavedAudience, Tag
from notifier.runtime import clock
from notifier.saved_audiences import document as documents
from notifier.saved_audiences import freezing
from notifier.saved_audiences.document import Document, Line
from tests.notifier.admin.conftest import LogIn
from tests.notifier.admin.notifications.test_notification_admin import confirm_page, send, send_form_of, text_of
from tests.support.factories import (
    a_brand,
    a_broadcast,
    a_client,
    a_delivery,
    a_field,
    a_notification,
    a_saved_audience,
    a_tag,
    a_topic,
    a_user,
    processes_at_work,
)
from tests.support.forms import agree_to

pytestmark = pytest.mark.both_engines(only_full=True)

State = Broadcast.State
LIST_OF_CLIENTS = reverse("admin:notifier_client_changelist")
HOUR = timedelta(hours=1)


def later(**fields: Any) -> dict[str, Any]:
    return {"when": "later", "scheduled_for": "2099-01-02T16:00", **fields}


def made() -> Broadcast:
    return Broadcast.objects.get()


# --- What speaks against it -------------------------------------------------------------------------------------------
def test_the_page_warns_of_an_e_mail_that_gmail_would_cut_off(admin: Browser) -> None:
    a_client(listings="both")
    long, short = a_notification(email_body="Hello\n\n" * 2_500), a_notification()

    assert "kB, and Gmail cuts it off after 102 kB" in text_of(admin.get(confirm_page(long)))
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
    assert '<strong>3</strong> <span class="quiet">counted exactly; at most 2' in page


def test_an_estimate_is_said_to_be_one(admin: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("notifier.audience.value_shapes.MAX_SHAPES", 1)
    for name in ("Ann", "Bea", "Carl", "Dora", "Eve", "Frederic"):
        a_client(name=name, listings="both")

    page = text_of(admin.get(confirm_page(a_notification())))

    assert "About 6" in page
    assert "estimated from" in page


def test_the_page_asks_as_much_of_the_database_however_many_get_it(
    admin: Browser, django_assert_max_num_queries: Any
) -> None:
    notification = a_notification()
    for _ in range(15):
        a_client(listings="both")

    with django_assert_max_num_queries(26):
        admin.get(confirm_page(notification))


def test_for_several_on_one_topic_a_reader_is_looked_for_once(admin: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_for = Mock(wraps=readers.find)
    monkeypatch.setattr(readers, "find", looked_for)
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


# --- Values that the text needs ---------------------------------------------------------------------------------------
def test_the_page_says_of_all_how_many_lack_a_value_and_leaves_them_out_of_the_number(admin: Browser) -> None:
    cher = a_client(name="Cher", listings="both")
    for _ in range(2):
        a_client(first_name="Ann", listings="both")
    notification = a_notification(subject="{{ first_name }}, look", sms_body='Hi {{ first_name | "there" }}')

    page = admin.get(confirm_page(notification))

    text = text_of(page)
    assert "1 recipient has no first name, so no e-mail is sent to them." in text
    assert "{{ first_name | &quot;there&quot; }}" in text
    assert "no SMS is sent to them" not in text
    assert '<strong id="total">5</strong> <span class="quiet">2 e-mails and 3 SMS</span>' in text
    (offer,) = page.context["offers"]
    mail, sms = ({one.heading: (one.number, one.url) for one in channel.counts} for channel in offer.channels)
    assert (mail["Will get it"][0], mail["No first name"][0]) == (2, 1)
    assert (sms["Will get it"][0], sms["No first name"][0]) == (3, 0)
    listed = admin.get(mail["No first name"][1]).context["cl"].result_list
    assert [client.pk for client in listed] == [cher.pk]
    assert len(admin.get(mail["Will get it"][1]).context["cl"].result_list) == 2
    # Nobody is shown a message that they would not get, and one client both where one gets both.
    assert [channel.sample.first_name for channel in offer.channels] == ["Ann", "Ann"]


def test_without_a_missing_value_there_is_neither_a_column_nor_a_note(admin: Browser) -> None:
    a_client(name="Cher", listings="both")

    text = text_of(admin.get(confirm_page(a_notification(subject='{{ first_name | "Hello" }}, look'))))

    assert "no first name" not in text.lower()


@pytest.mark.usefixtures("_confirm_above_one")
def test_the_number_that_is_typed_is_that_of_those_who_will_get_it(admin: Browser) -> None:
    a_client(name="Cher", listings="email")
    for _ in range(2):
        a_client(first_name="Ann", listings="email")
    notification = a_notification(subject="{{ first_name }}, look", sms_body="")

    refused = shown(admin, notification, typed="3")
    shown(admin, notification, typed="2")

    assert "Type the number of messages, 2, to send them." in text_of(refused)
    assert made().subject == "{{ first_name }}, look"


# --- To whom ----------------------------------------------------------------------------------------------------------
def vips(*clients: Client) -> SavedAudience:
    tag = a_tag()
    ClientTag.objects.bulk_create(ClientTag(client=client, tag=tag) for client in clients)
    return a_saved_audience(Line("tag", "has", tag.pk), name="Best")


def to(audience: SavedAudience, notification: Notification) -> str:
    return f"{confirm_page(notification)}&audience={audience.pk}"


def test_an_audience_is_chosen_counted_and_sent_to(admin: Browser) -> None:
    inside, _outside = a_client(listings="both"), a_client(listings="both")
    audience, notification = vips(inside), a_notification()

    page = admin.get(to(audience, notification))

    assert page.context["summary"].total == 2
    assert {count.heading: count.number for count in page.context["offers"][0].channels[0].counts} == {
        offers.HEADINGS[Standing.RECIPIENTS]: 1,
        offers.HEADINGS[Standing.NO_CONSENT]: 0,
        offers.HEADINGS[Standing.NO_ADDRESS]: 0,
        offers.HEADINGS[Standing.SUPPRESSED]: 0,
        offers.HEADINGS[Standing.LANDLINE]: 0,
        offers.HEADINGS[Standing.ARCHIVED]: 0,
        offers.HEADINGS[Standing.NOT_IN_AUDIENCE]: 1,
    }
    admin.post(to(audience, notification), send_form_of(page, audience_seen=page.context["choice"].seen))
    assert (made().saved_audience, made().audience_name) == (audience, "Best")


def test_values_that_recipients_lack_are_counted_and_listed_within_the_audience(admin: Browser) -> None:
    ann, cher = a_client(first_name="Ann", listings="both"), a_client(name="Cher", listings="both")
    a_client(first_name="Bea", listings="both"), a_client(name="Teller", listings="both")
    notification = a_notification(subject="{{ first_name }}, look", sms_body="Hi {{ first_name }}")

    page = admin.get(to(vips(ann, cher), notification))

    (offer,) = page.context["offers"]
    for channel in offer.channels:
        counts = {one.heading: (one.number, one.url) for one in channel.counts}
        for heading, client in (("Will get it", ann), ("No first name", cher)):
            number, url = counts[heading]
            assert number == 1
            assert [one.pk for one in admin.get(url).context["cl"].result_list] == [client.pk]
    assert (offer.segments.total, offer.segments.is_exact) == (1, True)


def test_each_count_of_an_audience_leads_to_those_clients(admin: Browser) -> None:
    inside, outside, silent = a_client(listings="both"), a_client(listings="both"), a_client(listings="neither")
    page = admin.get(to(vips(inside, silent), a_notification()))

    for offer in page.context["offers"][0].channels:
        for count in offer.counts:
            listed = [client.pk for client in admin.get(count.url).context["cl"].result_list]
            found = {Standing.RECIPIENTS: inside, Standing.NOT_IN_AUDIENCE: outside, Standing.NO_CONSENT: silent}
            expected = {offers.HEADINGS[standing]: [client.pk] for standing, client in found.items()}
            assert listed == expected.get(count.heading, [])


def test_who_joined_and_left_since_the_last_broadcast_is_told(admin: Browser) -> None:
    inside = [a_client(listings="both") for _ in range(3)]
    gone, audience = a_client(listings="both"), vips(*inside)
    a_delivery(broadcast=a_broadcast(**freezing.columns(audience)), client=gone)

    page = admin.get(to(audience, a_notification()))

    choice = page.context["choice"]
    assert (choice.turnover.joined, choice.turnover.left) == (3, 1)
    assert "had no message of that" in text_of(page)
    for url, clients in ((choice.joined_url, inside), (choice.left_url, [gone])):
        assert url in text_of(page)
        listed = admin.get(url).context["cl"].result_list
        assert sorted(client.pk for client in listed) == [client.pk for client in clients]


@pytest.mark.parametrize("value", ["joined", "joined.x", "joined.999", "both.1", "left.{audience}"])
def test_a_link_to_who_joined_that_nobody_made_lists_nobody(admin: Browser, value: str) -> None:
    # Nothing was sent to it yet.
    audience = vips(a_client())

    listed = admin.get(LIST_OF_CLIENTS, {"turnover": value.format(audience=audience.pk)}).context["cl"].result_list

    assert list(listed) == []


def test_more_fields_and_tags_take_no_more_queries(
    admin: Browser, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    a_client(listings="both")
    field, tag = a_field(key="town"), a_tag()
    # Options are a query of their own, once for all fields.
    a_field(kind="CHOICE", options=["One", "Two"])
    audience = a_saved_audience(Line("field", "known", field.pk, (), True), Line("tag", "has", tag.pk, (), True))
    page = to(audience, a_notification(email_body='Homes in {{ town | "town" }}', sms_body="Homes"))
    admin.get(page)
    with django_assert_max_num_queries(90) as few:
        admin.get(page)
    for _ in range(6):
        a_field(kind="CHOICES", options=["One", "Two"])
    for _ in range(19):
        a_tag()

    with django_assert_max_num_queries(len(few)):
        assert "Homes in town" in text_of(admin.get(page))


def test_an_audience_that_was_edited_meanwhile_is_not_sent_to(admin: Browser) -> None:
    audience, notification = vips(a_client(listings="both")), a_notification()
    page = admin.get(to(audience, notification))
    SavedAudience.objects.get(pk=audience.pk).save()

    posted = send_form_of(page, audience_seen=page.context["choice"].seen)
    again = admin.post(to(audience, notification), posted)

    assert "The audience has been changed or deleted" in text_of(again)
    assert not Broadcast.objects.exists()


def test_a_broken_audience_is_told_of_and_nothing_is_sent(admin: Browser) -> None:
    audience, notification = vips(a_client(listings="both")), a_notification()
    seen = admin.get(to(audience, notification)).context
    ClientTag.objects.all().delete()
    Tag.objects.all().delete()

    for answer in (
        admin.get(to(audience, notification), follow=True),
        admin.post(
            confirm_page(notification),
            {"token": str(seen["token"]), "seen": seen["offers"][0].seen, "audience_seen": seen["choice"].seen},
            follow=True,
        ),
    ):
        assert "about a tag that was deleted" in text_of(answer)
    assert not Broadcast.objects.exists()


def test_only_whoever_may_use_audiences_sends_to_one(staff: LogIn) -> None:
    audience, notification = vips(a_client(listings="both")), a_notification()
    browser = staff("notifier.view_notification", "notifier.send_broadcast")

    page = browser.get(to(audience, notification), follow=True)
    assert "You don’t have permission to send to a saved audience." in text_of(page)
    assert "Best" not in text_of(page)

    seen = f"{audience.pk}@{audience.updated_at.isoformat()}"
    browser.post(confirm_page(notification), send_form_of(browser.get(confirm_page(notification)), audience_seen=seen))
    assert not Broadcast.objects.exists()


def test_an_audience_that_no_page_of_ours_posted_is_refused(admin: Browser) -> None:
    a_client(listings="both")
    notification = a_notification()
    posted = send_form_of(admin.get(confirm_page(notification)), audience_seen="everybody")

    admin.post(confirm_page(notification), posted)

    assert not Broadcast.objects.exists()


def test_the_audience_of_what_was_undone_is_offered_again(admin: Browser, superuser: User) -> None:
    audience, notification = vips(a_client(listings="both")), a_notification()
    undone = a_broadcast(**freezing.columns(audience), notification=notification, created_by=superuser)

    page = admin.get(f"{confirm_page(notification)}&undone={undone.pk}")

    assert page.context["choice"].chosen == audience


def test_quiet_hours_are_counted_within_the_audience(admin: Browser, settings: Any) -> None:
    settings.QUIET_HOURS = {"email": (time(0), time(23, 59)), "sms": None}
    inside, _outside = a_client(listings="both"), a_client(listings="both")
    page = admin.get(to(vips(inside), a_notification()))

    (offer,) = page.context["offers"]

    assert [sum(one.waits.values()) for one in offer.channels if one.channel == "email"] == [1]


def test_the_email_in_its_frame_is_shown_for_the_same_client_of_the_audience(admin: Browser) -> None:
    a_client(name="Odd One", listings="both")
    notification = a_notification(email_body="Dear {{ name }}")
    page = admin.get(to(vips(a_client(name="Ann Inside", listings="both")), notification))

    email, _ = page.context["offers"][0].channels

    assert email.sample.name == "Ann Inside"
    assert "Ann Inside" in admin.get(email.email_url).content.decode()


def test_the_frame_tells_nothing_of_an_audience_to_whoever_may_not_use_any(staff: LogIn) -> None:
    audience, notification = vips(a_client(listings="both")), a_notification()
    browser = staff("notifier.view_notification", "notifier.send_broadcast")
    url = reverse("admin:notifier_notification_email_preview", args=[notification.pk])

    assert browser.get(url).status_code == 200
    assert browser.get(f"{url}?audience={audience.pk}").status_code == 404


def test_the_cap_and_the_segments_are_counted_within_the_audience(admin: Browser, settings: Any) -> None:
    settings.CAPS = {"email": None, "sms": (1, 7)}
    inside, over, outside = (a_client(first_name="n" * many, listings="sms") for many in (3, 9, 9))
    for client in (over, outside):
        a_delivery(client=client, channel="sms", state="SENT", settled_at=timezone.now() - timedelta(days=1))
    notification = a_notification(sms_body="x" * 157 + "{{ first_name }}")

    page = admin.get(to(vips(inside, over), notification))

    (offer,) = page.context["offers"]
    sms = offer.channels[1]
    assert (sms.over_cap, sms.sends, sms.critical_sends) == (1, 1, 2)
    assert (offer.segments.total, offer.segments.longest, offer.segments.is_exact) == (1, 1, True)
    assert (offer.critical_segments.total, offer.critical_segments.is_exact) == (3, True)


# --- To the clients of a list -----------------------------------------------------------------------------------------
def listed(notification: Notification, *, tag: Tag) -> str:
    """The confirm page, as the page of a filtered list leads to it."""
    conditions = documents.as_text(Document((Line("tag", "has", tag.pk),)))
    return f"{confirm_page(notification)}&{urlencode({'audience': 'list', 'conditions': conditions})}"


def tagged(*clients: Client) -> Tag:
    tag = a_tag("VIP")
    ClientTag.objects.bulk_create(ClientTag(client=client, tag=tag) for client in clients)
    return tag


def test_the_clients_of_a_list_are_counted_listed_and_sent_to(admin: Browser) -> None:
    inside, _outside = a_client(listings="both"), a_client(listings="both")
    notification, tag = a_notification(), tagged(inside)

    page = admin.get(listed(notification, tag=tag))

    assert page.context["summary"].total == 2
    counts = {count.heading: count for count in page.context["offers"][0].channels[0].counts}
    assert counts[offers.HEADINGS[Standing.NOT_IN_AUDIENCE]].number == 1
    assert counts[offers.HEADINGS[Standing.NOT_IN_AUDIENCE]].url == ""
    recipients = admin.get(counts[offers.HEADINGS[Standing.RECIPIENTS]].url).context["cl"].result_list
    assert [client.pk for client in recipients] == [inside.pk]

    admin.post(listed(notification, tag=tag), send_form_of(page, audience_seen=page.context["choice"].seen))

    assert (made().saved_audience, made().audience_name) == (None, "A filtered list")
    assert made().audience_text == "All of these apply:\n- Has the tag “VIP”"
    fanout.expand(broadcast_id=made().pk, now=clock.now())
    assert set(Delivery.objects.values_list("client", flat=True)) == {inside.pk}
    with pytest.raises(tags.TagInUse, match="the broadcast"):
        tags.delete(tag_id=tag.pk)


def test_what_was_undone_and_lost_its_conditions_is_not_offered_to_everybody(admin: Browser, superuser: User) -> None:
    """It was to go to an audience: without its conditions nobody can say to whom."""
    notification = a_notification()
    audience = a_saved_audience(Line("tag", "has", a_tag().pk))
    undone = a_broadcast(**freezing.columns(audience), notification=notification, created_by=superuser)
    Broadcast.objects.filter(pk=undone.pk).update(saved_audience=None, audience_document=None)

    page = admin.get(f"{confirm_page(notification)}&undone={undone.pk}", follow=True)

    assert [message.level_tag for message in page.context["messages"]] == ["error"]


def test_what_was_undone_is_offered_again_to_the_same_list(admin: Browser, superuser: User) -> None:
    notification, tag = a_notification(), tagged(a_client(listings="both"))
    columns = freezing.columns_of_list(Document((Line("tag", "has", tag.pk),)), now=clock.now())
    undone = a_broadcast(**columns, notification=notification, created_by=superuser)

    choice = admin.get(f"{confirm_page(notification)}&undone={undone.pk}").context["choice"]

    assert choice.is_list
    assert choice.text == undone.audience_text


def test_whoever_sees_no_clients_sends_to_no_list(staff: LogIn) -> None:
    notification, tag = a_notification(), tagged(a_client(listings="both"))
    browser = staff("notifier.view_notification", "notifier.send_broadcast", "notifier.use_savedaudience")

    page = browser.get(listed(notification, tag=tag), follow=True)

    assert "You don’t have permission to send to the clients of a list." in text_of(page)


@pytest.mark.parametrize("conditions", ["", "{", "[]", '{"version": 9}', '{"version":1,"join":"all","parts":[]}'])
def test_conditions_that_nobody_can_read_are_never_everybody(admin: Browser, conditions: str) -> None:
    a_client(listings="both")
    notification = a_notification()
    asked = f"{confirm_page(notification)}&{urlencode({'audience': 'list', 'conditions': conditions})}"

    page = admin.get(asked)
    posted = admin.post(
        confirm_page(notification),
        send_form_of(admin.get(confirm_page(notification)), audience_seen=conditions or "{}"),
    )

    assert page.status_code == posted.status_code == 302
    assert not Broadcast.objects.exists()
