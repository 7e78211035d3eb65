"""Each number on a button that sends is what then happens: the page is read, the button pressed, and all claimed."""

import re
import uuid
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags
from pytest_django.fixtures import Settings

from notifier.audience import value_shapes
from notifier.delivery import claims, fanout, sweeps
from notifier.models import Broadcast, Channel, Client, Delivery, Notification, Process
from notifier.wording import wall_clocks
from tests.notifier.admin.broadcasts.test_broadcast_admin import act_url, page_of, text_of
from tests.support.factories import (
    a_broadcast,
    a_client,
    a_delivery,
    a_notification,
    an_open_breaker,
    processes_at_work,
)
from tests.support.forms import form_of

pytestmark = pytest.mark.both_engines

State = Broadcast.State
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _cap(settings: Settings) -> None:
    settings.CAPS = {"email": (2, 7), "sms": None}


def over_the_cap(*, listings: Any = "email") -> Client:
    """Somebody who had two mails this week."""
    client, now = a_client(listings=listings), timezone.now()
    for ago in (DAY, 2 * DAY):
        earlier = a_broadcast(state=State.FINISHED, finished_at=now - ago, started_at=now - ago)
        a_delivery(broadcast=earlier, client=client, state="SENT", settled_at=now - ago)
    return client


def three_of_five() -> Notification:
    """Five agreed by e-mail, and two of them are over the cap; one of these by SMS as well, where there is none."""
    for _ in range(3):
        a_client(listings="email")
    over_the_cap()
    over_the_cap(listings="both")
    return a_notification()


def happens(broadcast: Broadcast) -> dict[str, int]:
    """How many messages of each channel are claimed to be sent, once the broadcast has been expanded."""
    now = timezone.now() + timedelta(seconds=1)
    while fanout.expand(broadcast_id=broadcast.pk, now=now):
        pass
    taken = {}
    for channel in Channel:
        ids = list(broadcast.deliveries.filter(channel=channel).values_list("pk", flat=True))
        mine: dict[str, Any] = {"broadcast_id": broadcast.pk, "channel": channel, "delivery_ids": ids}
        # A ticket has one delivery at least.
        taken[channel.value] = len(claims.claim(**mine, token=uuid.uuid4(), now=now).messages) if ids else 0
    return taken


def confirm_page(notification: Notification) -> str:
    return f"{reverse('admin:notifier_notification_broadcast')}?ids={notification.pk}"


def made() -> Broadcast:
    return Broadcast.objects.latest("pk")


def buttons(text: str) -> list[str]:
    """The numbers of messages on the page's button, in its order."""
    button = re.search(r'id="(?:send-it|do-it|approve-it)"[^>]*>(.*?)</button>', text)
    assert button
    return re.findall(r"\d+ e-mails?(?: and \d+ SMS)?", button[1])


def test_the_confirm_page_leaves_out_who_is_over_the_cap_and_so_does_the_claim(admin: Browser) -> None:
    notification = three_of_five()

    page = admin.get(confirm_page(notification))

    text = text_of(page)
    assert [count.number for count in page.context["offers"][0].channels[0].counts][:2] == [3, 2]
    assert ">Frequency cap</th>" in text
    assert buttons(text)[0] == "3 e-mails and 1 SMS"
    admin.post(confirm_page(notification), form_of(page.content.decode()))
    assert happens(made()) == {"email": 3, "sms": 1}
    assert made().deliveries.filter(state="SKIPPED").count() == 2


UPPER_LIMIT = "This is an upper limit: what you send together also counts towards the frequency cap."


def had_one() -> None:
    now = timezone.now()
    earlier = a_broadcast(state=State.FINISHED, finished_at=now - DAY, started_at=now - DAY)
    a_delivery(broadcast=earlier, client=a_client(listings="email"), state="SENT", settled_at=now - DAY)


def test_of_several_that_use_up_each_others_cap_the_number_is_called_an_upper_limit(admin: Browser) -> None:
    had_one()
    a_client(listings="email")
    pair = [a_notification(sms_body=""), a_notification(sms_body="")]
    url = f"{reverse('admin:notifier_notification_broadcast')}?ids={pair[0].pk},{pair[1].pk}"

    page = admin.get(url)

    text = " ".join(strip_tags(text_of(page)).split())
    assert "Messages Up to 4 4 e-mails" in text
    assert UPPER_LIMIT in text
    assert "Send up to 4 e-mails" in text
    admin.post(url, form_of(page.content.decode()))
    # The one who had a mail this week gets one of the two.
    assert [happens(one) for one in Broadcast.objects.order_by("-pk")[:2]] == [
        {"email": 2, "sms": 0},
        {"email": 1, "sms": 0},
    ]
    assert list(Delivery.objects.filter(state="SKIPPED").values_list("detail", flat=True)) == ["frequency cap"]


def test_of_several_that_leave_each_others_cap_alone_the_number_is_what_happens(admin: Browser) -> None:
    # Two in a week are allowed, and whoever had two gets neither.
    over_the_cap()
    a_client(listings="email")
    pair = [a_notification(sms_body=""), a_notification(sms_body="")]
    url = f"{reverse('admin:notifier_notification_broadcast')}?ids={pair[0].pk},{pair[1].pk}"

    page = admin.get(url)

    assert UPPER_LIMIT not in text_of(page)
    assert "up to" not in text_of(page)
    assert buttons(text_of(page))[0] == "2 e-mails"
    admin.post(url, form_of(page.content.decode()))
    assert [happens(one)["email"] for one in Broadcast.objects.order_by("-pk")[:2]] == [1, 1]


def test_other_broadcasts_that_count_towards_the_cap_are_told_of_and_none_where_there_is_no_cap(
    admin: Browser, settings: Settings
) -> None:
    settings.CAPS = {"email": (2, 7), "sms": None}
    a_client(listings="email")
    notification = a_notification(sms_body="")
    a_broadcast(state=State.FINISHED, finished_at=timezone.now())
    assert 'id="beside"' not in text_of(admin.get(confirm_page(notification)))

    for state in (State.RUNNING, State.PAUSED):
        a_broadcast(state=state)
    a_broadcast(state=State.SCHEDULED, started_at=None, notification=a_notification(email_body="", sms_body="Hi"))

    text = " ".join(strip_tags(text_of(admin.get(confirm_page(notification)))).split())
    assert "2 other broadcasts are being sent or scheduled. What they send counts towards the frequency cap too" in text
    settings.CAPS = {"email": None, "sms": (2, 7)}
    assert 'id="beside"' not in text_of(admin.get(confirm_page(notification)))


def test_segments_are_an_upper_limit_where_sms_are(admin: Browser, settings: Settings) -> None:
    a_client(listings="sms")
    pair = [a_notification(), a_notification()]
    url = f"{reverse('admin:notifier_notification_broadcast')}?ids={pair[0].pk},{pair[1].pk}"
    assert "Up to" not in strip_tags(text_of(admin.get(url)))

    settings.CAPS = {"email": None, "sms": (1, 7)}

    text = " ".join(strip_tags(text_of(admin.get(url))).split())
    assert "SMS segments Up to 2 at most 1 per SMS" in text
    # Of a critical one, which the cap doesn't hold back, the number is exact.
    assert text.count("counted exactly") == 1


def test_more_notifications_than_the_cap_allows_are_an_upper_limit_for_everybody(
    admin: Browser, settings: Settings
) -> None:
    settings.CAPS = {"email": (1, 7), "sms": None}
    a_client(listings="email")
    ids = ",".join(str(a_notification(sms_body="").pk) for _ in range(3))
    url = f"{reverse('admin:notifier_notification_broadcast')}?ids={ids}"

    page = admin.get(url)

    assert UPPER_LIMIT in text_of(page)
    admin.post(url, form_of(page.content.decode()))
    assert sorted(happens(one)["email"] for one in Broadcast.objects.order_by("-pk")[:3]) == [0, 0, 1]


def test_a_critical_one_goes_to_all_of_them_as_its_button_says(admin: Browser) -> None:
    notification = three_of_five()

    page = admin.get(confirm_page(notification))

    assert buttons(text_of(page))[1] == "5 e-mails and 1 SMS"
    admin.post(confirm_page(notification), form_of(page.content.decode()) | {"is_critical": "on"})
    assert happens(made()) == {"email": 5, "sms": 1}


def test_the_number_that_has_to_be_typed_is_that_of_the_choice(admin: Browser, settings: Settings) -> None:
    settings.CONFIRM_ABOVE = 1
    notification = three_of_five()
    page = admin.get(confirm_page(notification))
    posted = form_of(page.content.decode())

    refused = admin.post(confirm_page(notification), posted | {"is_critical": "on", "typed": "4"})
    assert "Type the number of messages, 6, to send them." in text_of(refused)
    assert not Broadcast.objects.filter(notification=notification).exists()

    admin.post(confirm_page(notification), posted | {"typed": "4"})
    assert happens(made()) == {"email": 3, "sms": 1}


def test_who_had_too_many_meanwhile_makes_it_fewer_and_never_more(admin: Browser) -> None:
    notification = three_of_five()
    page = admin.get(confirm_page(notification))
    Delivery.objects.all().delete()

    answer = text_of(admin.post(confirm_page(notification), form_of(page.content.decode())))

    assert "It would now be 6 messages. Check the number before you send them." in answer


def test_a_scheduled_one_that_starts_now_sends_what_its_button_says(admin: Browser) -> None:
    broadcast = a_broadcast(
        notification=three_of_five(),
        state=State.SCHEDULED,
        started_at=None,
        scheduled_for=timezone.now() + DAY,
        audience_upto=0,
    )

    page = admin.get(act_url(broadcast, "start-now"))

    assert "send 3 e-mails and 1 SMS" in text_of(page)
    admin.post(act_url(broadcast, "start-now"), form_of(page.content.decode()))
    broadcast.refresh_from_db()
    assert happens(broadcast) == {"email": 3, "sms": 1}


@pytest.mark.parametrize("is_critical", [False, True])
def test_another_time_that_is_now_sends_what_its_button_says(admin: Browser, is_critical: bool) -> None:
    broadcast = a_broadcast(
        notification=three_of_five(),
        state=State.SCHEDULED,
        started_at=None,
        scheduled_for=timezone.now() + DAY,
        audience_upto=0,
    )
    url = reverse("admin:notifier_broadcast_schedule", args=[broadcast.pk])

    page = admin.get(url)

    assert buttons(text_of(page)) == ["3 e-mails and 1 SMS", "5 e-mails and 1 SMS"]
    choice = {"when": "now", "scheduled_for": ""} | ({"is_critical": "on"} if is_critical else {})
    admin.post(url, form_of(page.content.decode()) | choice)
    broadcast.refresh_from_db()
    assert broadcast.state == State.RUNNING
    assert happens(broadcast)["email"] == (5 if is_critical else 3)


@pytest.mark.parametrize("is_critical", [False, True])
def test_a_follow_up_sends_what_its_button_says(admin: Browser, is_critical: bool) -> None:
    original = a_broadcast(state=State.FINISHED, finished_at=timezone.now())
    for client in (a_client(listings="email"), a_client(listings="email"), over_the_cap()):
        a_delivery(broadcast=original, client=client, state="FAILED")
    a_delivery(broadcast=original, client=over_the_cap(), state="SENT", settled_at=timezone.now())
    url = reverse("admin:notifier_broadcast_follow", args=[original.pk])

    page = admin.get(url)

    assert buttons(text_of(page)) == ["2 e-mails", "3 e-mails"]
    admin.post(url, form_of(page.content.decode()) | ({"is_critical": "on"} if is_critical else {}))
    assert made().follows == original
    assert happens(made())["email"] == (3 if is_critical else 2)


def test_an_approval_sends_what_its_button_says(admin: Browser) -> None:
    notification = three_of_five()
    broadcast = a_broadcast(
        notification=notification,
        state=State.AWAITING_APPROVAL,
        needs_approval=True,
        text_of=notification.updated_at,
        started_at=None,
        audience_upto=0,
    )
    url = reverse("admin:notifier_broadcast_approve", args=[broadcast.pk])

    page = admin.get(url)

    assert buttons(text_of(page)) == ["3 e-mails and 1 SMS"]
    admin.post(url, form_of(page.content.decode()) | {"word": "approve"})
    broadcast.refresh_from_db()
    assert happens(broadcast) == {"email": 3, "sms": 1}


def test_a_cancel_stops_as_many_as_its_button_says(admin: Browser) -> None:
    tally = {"audience": 3, "counts": {"email": {"SENT": 1, "PENDING": 2}}}
    broadcast = a_broadcast(tally=tally, tallied_at=timezone.now(), audience_upto=0)
    a_delivery(broadcast=broadcast, state="SENT")
    waiting = [a_delivery(broadcast=broadcast) for _ in range(2)]

    assert '<span id="number-cancel">2</span>' in text_of(admin.get(page_of(broadcast)))

    admin.post(act_url(broadcast, "cancel"))
    sweeps.sweep(now=timezone.now())
    assert {row.pk for row in broadcast.deliveries.filter(state="CANCELLED")} == {row.pk for row in waiting}


def test_a_second_person_is_asked_by_the_audience_whatever_the_cap_keeps_back(
    admin: Browser, settings: Settings
) -> None:
    settings.APPROVAL_ABOVE = 5
    notification = three_of_five()

    page = admin.get(confirm_page(notification))

    assert "for approval</span>" in text_of(page)
    assert "Clients who have reached the frequency cap count too." in text_of(page)
    admin.post(confirm_page(notification), form_of(page.content.decode()))
    assert made().state == State.AWAITING_APPROVAL


# --- Quiet hours ------------------------------------------------------------------------------------------------------
@pytest.fixture
def quiet_until(settings: Settings) -> datetime:
    """In one to two hours they end for everybody whose time zone is not told."""
    end = (timezone.now() + timedelta(hours=2)).replace(minute=0, second=0, microsecond=0)
    settings.CLIENT_TIME_ZONE = "UTC"
    settings.QUIET_HOURS = {"email": ((end - timedelta(hours=4)).time(), end.time()), "sms": None}
    return end


def in_quiet_hours() -> Client:
    return a_client(phone=None, listings="email")


def outside_quiet_hours() -> Client:
    """Twelve hours away."""
    client = in_quiet_hours()
    Client.objects.filter(pk=client.pk).update(time_zone="Etc/GMT-12")
    return client


def measured() -> None:
    """A message each second."""
    a_broadcast(tally={"throughput": {"email": {"given": 60, "seconds": 60}}}, state=State.FINISHED)


def text_in(page: Any, part: str) -> str:
    """What is read in the element with this id or class, on one line."""
    found = re.search(rf'(?:id|class)="{part}(?: [^"]*)?"[^>]*>(.*?)</(?:dd|p|ul)>', page.content.decode(), re.DOTALL)
    assert found, part
    return " ".join(strip_tags(found[1]).split())


def test_each_client_counts_once_as_the_claims_then_decide(admin: Browser, quiet_until: datetime) -> None:
    for _ in range(3):
        in_quiet_hours()
    outside_quiet_hours()
    for client in (in_quiet_hours(), outside_quiet_hours()):
        for ago in (DAY, 2 * DAY):
            a_delivery(client=client, state="SENT", settled_at=timezone.now() - ago)
    Broadcast.objects.update(state=State.FINISHED, finished_at=timezone.now())

    page = admin.get(confirm_page(notification := a_notification()))

    until = wall_clocks.with_zone(quiet_until)
    assert text_in(page, "held-back") == (
        f"E-mail: 1 is outside quiet hours, 3 wait for quiet hours to end at {until}, "
        "2 have reached the frequency cap and will be skipped."
    )
    admin.post(confirm_page(notification), form_of(page.content.decode()))
    assert happens(made())["email"] == 1
    # Those over the cap who are in quiet hours are skipped when these end.
    assert made().deliveries.filter(state="SKIPPED").count() == 1
    waiting = made().deliveries.filter(state="PENDING", due_at=quiet_until)
    assert waiting.count() == 4
    ids = list(waiting.values_list("pk", flat=True))
    late = quiet_until + timedelta(seconds=1)
    mine: dict[str, Any] = {"broadcast_id": made().pk, "channel": Channel.EMAIL, "delivery_ids": ids}
    assert len(claims.claim(**mine, token=uuid.uuid4(), now=late).messages) == 3
    assert made().deliveries.filter(state="SKIPPED").count() == 2


def test_the_time_is_when_the_first_and_the_last_go_out(admin: Browser, quiet_until: datetime) -> None:
    processes_at_work(timezone.now())
    measured()
    for _ in range(3):
        in_quiet_hours()

    page = admin.get(confirm_page(a_notification(sms_body="")))

    begins, ends = (wall_clocks.with_zone(quiet_until + timedelta(minutes=number)) for number in (0, 1))
    time = text_in(page, "duration")
    assert time.startswith(
        f"Starts {begins} all clients are in quiet hours until then. The last message goes out at about {ends}"
    )
    # Of another time than now nobody knows it, and the page says what will be.
    assert "About 3 seconds from its start. Clients in quiet hours at that time get it when these end" in time


def test_what_is_scheduled_is_counted_for_its_time(admin: Browser, quiet_until: datetime) -> None:
    """Now all are in quiet hours, and at its time none of them are."""
    processes_at_work(timezone.now())
    measured()
    in_quiet_hours()
    broadcast = a_broadcast(
        notification=a_notification(sms_body=""),
        state=State.AWAITING_APPROVAL,
        needs_approval=True,
        started_at=None,
        audience_upto=0,
        scheduled_for=quiet_until + timedelta(hours=2),
    )

    page = admin.get(reverse("admin:notifier_broadcast_approve", args=[broadcast.pk]))

    assert text_in(page, "duration").startswith("About 1 second at the current speed")
    assert text_in(page, "held-back") == "Nobody is in quiet hours or has reached the frequency cap."


def test_what_starts_now_is_counted_for_now_whatever_its_time_was(admin: Browser, quiet_until: datetime) -> None:
    processes_at_work(timezone.now())
    measured()
    in_quiet_hours()
    broadcast = a_broadcast(
        notification=a_notification(sms_body=""),
        state=State.SCHEDULED,
        started_at=None,
        audience_upto=0,
        scheduled_for=quiet_until + timedelta(hours=2),
    )

    page = admin.get(act_url(broadcast, "start-now"))

    assert text_in(page, "duration").startswith(f"Starts {wall_clocks.with_zone(quiet_until)}")


def test_an_approval_promises_now_only_where_nobody_waits(admin: Browser, quiet_until: datetime) -> None:
    processes_at_work(timezone.now())
    processes_at_work(timezone.now())
    outside_quiet_hours()
    fields: dict[str, Any] = {
        "state": State.AWAITING_APPROVAL,
        "needs_approval": True,
        "started_at": None,
        "audience_upto": 0,
    }
    broadcast = a_broadcast(notification=a_notification(sms_body=""), **fields)
    url = reverse("admin:notifier_broadcast_approve", args=[broadcast.pk])
    assert "Approve and send 1 e-mail now" in text_of(admin.get(url))

    in_quiet_hours()

    page = text_of(admin.get(url))
    assert "Approve and send 2 e-mails" in page
    assert "2 e-mails now" not in page


# --- What is stopped --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["confirm", "approve"])
def test_a_stopped_channel_is_said_and_no_time_is_promised(admin: Browser, name: str) -> None:
    now = timezone.now()
    processes_at_work(now)
    measured()
    a_client(listings="both")
    if name == "confirm":
        url = confirm_page(a_notification())
    else:
        broadcast = a_broadcast(state=State.AWAITING_APPROVAL, needs_approval=True, started_at=None, audience_upto=0)
        url = reverse("admin:notifier_broadcast_approve", args=[broadcast.pk])
    assert "stopped" not in text_of(admin.get(url))
    assert text_in(admin.get(url), "duration").startswith("About 1 second")

    Process.objects.filter(channel=Channel.SMS).delete()
    an_open_breaker(now=now, channel=Channel.EMAIL)
    page = admin.get(url)

    assert "E-mail stopped: paused automatically. It is tried again automatically" in text_of(page)
    assert "SMS stopped: no consumer is running. Ask your administrator to start one." in text_of(page)
    assert text_in(page, "duration").startswith("Not known while sending is stopped")


def test_a_stopped_channel_that_is_not_used_is_not_told(admin: Browser) -> None:
    processes_at_work(timezone.now())
    Process.objects.filter(channel=Channel.SMS).delete()
    a_client(listings="both")

    assert "stopped" not in text_of(admin.get(confirm_page(a_notification(sms_body=""))))


# --- SMS segments -----------------------------------------------------------------------------------------------------
def test_segments_are_of_those_who_will_get_it(admin: Browser, settings: Settings) -> None:
    settings.CAPS = {"email": None, "sms": (1, 7)}
    for name in ("Ann", "Bo"):
        a_client(first_name=name, listings="sms")
    for _ in range(3):
        full = a_client(first_name="Bartholomew", listings="sms")
        a_delivery(client=full, channel=Channel.SMS, state="SENT", settled_at=timezone.now() - DAY)
    Broadcast.objects.update(state=State.FINISHED, finished_at=timezone.now())
    notification = a_notification(sms_body="x" * 157 + "{{ first_name }}")

    page = admin.get(confirm_page(notification))

    segments = text_in(page, "segments")
    assert segments.startswith("2 counted exactly; at most 1 per SMS")
    with patch.object(value_shapes, "MAX_SHAPES", 1):
        sampled = text_in(admin.get(confirm_page(notification)), "segments")
    assert sampled.startswith("About 2 estimated from 1 of these SMS; the longest has 1 segment")


def test_where_all_are_over_the_cap_the_page_says_why_nobody_gets_it(admin: Browser) -> None:
    over_the_cap()

    page = text_of(admin.get(confirm_page(a_notification(sms_body=""))))

    assert "Nobody would get this now: all clients who agreed have reached the frequency cap." in page


def test_a_critical_one_has_numbers_of_its_own(admin: Browser) -> None:
    notification = three_of_five()

    summary = admin.get(confirm_page(notification)).context["summary"]

    assert summary.total == 4
    assert summary.if_critical.total == 6
    assert summary.if_critical.duration.at_once == 6


# --- Whose copy is shown ----------------------------------------------------------------------------------------------
def test_one_reader_is_shown_both_and_named(admin: Browser) -> None:
    a_client(name="Only Sms", listings="sms")
    a_client(name="Only Mail", listings="email")
    a_client(name="Ann Both", listings="both", email="ann@example.com")
    notification = a_notification(email_body="Dear {{ name }}", sms_body="Hi {{ name }}")

    page = text_of(admin.get(confirm_page(notification)))
    frame = text_of(admin.get(reverse("admin:notifier_notification_email_preview", args=[notification.pk])))

    assert "Shown for Ann Both, who would get it." in page
    assert "Hi Ann Both" in page
    assert "Dear Ann Both" in page
    assert "Dear Ann Both" in frame
    assert "to ann@example.com" in page
    assert "Only" not in page


def test_a_mail_that_nobody_gets_is_shown_for_nobody(admin: Browser) -> None:
    over_the_cap()
    a_client(name="Bob Sms", listings="sms")
    notification = a_notification(email_body="Dear {{ name }}", sms_body="Hi {{ name }}")

    page = text_of(admin.get(confirm_page(notification)))
    frame = text_of(admin.get(reverse("admin:notifier_notification_email_preview", args=[notification.pk])))

    assert "all clients who agreed have reached the frequency cap" not in page
    assert "The e-mail is shown for Alex Example, a made-up client; the SMS is shown for Bob Sms" in page
    assert "Dear Alex Example" in frame
    assert "@example.com</span>" not in page
