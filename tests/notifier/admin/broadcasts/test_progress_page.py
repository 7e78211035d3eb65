"""The progress page, live and still, on a wall, and as a screen reader says it."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape, strip_tags

from notifier.admin.deliveries.results import list_of
from notifier.delivery import tallies
from notifier.models import Broadcast, Delivery, Process, Reason, ReceiptCounts
from notifier.progress import feeds
from tests.notifier.admin.broadcasts.test_broadcast_admin import (
    TALLY,
    a_told_broadcast,
    act_url,
    page_of,
    poll,
    text_of,
)
from tests.notifier.admin.conftest import LogIn
from tests.support.factories import a_client, a_delivery, an_open_breaker, processes_at_work

pytestmark = pytest.mark.both_engines(only_full=True)

VIEW, CONTROL = "notifier.view_broadcast", "notifier.control_broadcast"
State = Broadcast.State


#: With the date around midnight.
TIME = re.compile(r"(\d+ \w+ \d{4}, )?\d\d:\d\d:\d\d")


def words_of(page: Any) -> str:
    """What somebody reads of it."""
    return " ".join(strip_tags(page.content.decode()).split())


# --- The page ---------------------------------------------------------------------------------------------------------
def test_the_page_tells_the_numbers_from_the_tally_and_each_means_one_thing(admin: Browser) -> None:
    everything_runs()
    broadcast = a_told_broadcast()

    text = words_of(admin.get(page_of(broadcast)))

    # Messages are those to be sent, here as on the confirm page; who was skipped is said by itself.
    assert "Messages 1,977 e-mails and 3 SMS, and 18 skipped" in text
    assert "Audience Clients who agreed to Listings by e-mail and SMS Messages" in text
    assert "1,998" not in text
    # They add up, so nothing is said of that.
    assert " = " not in text
    assert "add up" not in text
    assert "Time About 40 seconds left" in text


def test_receipts_are_told_by_channel_with_the_lists_behind_them(admin: Browser) -> None:
    broadcast = a_told_broadcast(state=State.FINISHED, finished_at=timezone.now())
    page = page_of(broadcast)
    assert "that were sent," not in words_of(admin.get(page))
    counts = {"email": {"ACCEPTED": 5, "DELIVERED": 1000, "COMPLAINED": 2, "BOUNCED": 7}}
    ReceiptCounts.objects.create(broadcast=broadcast, told_at=timezone.now(), counts=counts, proofs={"email": 3})
    sent = broadcast.tally["counts"]["email"]["SENT"]

    shown = admin.get(page)

    text = words_of(shown)
    told = f"1,002 delivered, {sent - 1009:,} waiting for a receipt, 7 not delivered."
    assert f"Of the e-mails that were sent, {told}" in text
    assert "2 reported it as spam." in text
    assert "3 were settled by a receipt" in text
    assert f"broadcast__id__exact={broadcast.pk}&amp;channel__exact=email&amp;receipt=missed" in text_of(shown)


def test_sent_remaining_and_problems_are_the_first_figures(admin: Browser) -> None:
    everything_runs()
    running, finished = a_told_broadcast(), a_told_broadcast(state=State.FINISHED, finished_at=timezone.now())

    for query in ({}, {"wall": "1"}):
        shown = [words_of(admin.get(page_of(broadcast), query)) for broadcast in (running, finished)]

        figures = "Sent 1,165 of 1,980 (58%) Remaining 800 Problems 15 12 failed, 3 unknown"
        assert f"Sending {figures} Per second 20 Time" in shown[0]
        # Nothing but when it ended stands before them.
        before, found, after = shown[1].partition(figures)
        assert found
        assert TIME.sub("(time)", before[before.rindex("Finished") :].strip()) == "Finished Ended (time)."
        assert after.startswith(" E-mail 1,165 of 1,977 sent")


def test_the_problems_lead_to_the_deliveries_that_they_are(admin: Browser, staff: LogIn) -> None:
    broadcast = a_told_broadcast()

    text = text_of(admin.get(page_of(broadcast)))
    for state, words in (("FAILED", "12 failed"), ("UNKNOWN", "3 unknown")):
        assert f'href="{escape(list_of(broadcast, state__exact=state))}">{words}</a>' in text

    unlinked = staff(VIEW).get(page_of(broadcast))
    assert "Problems 15 12 failed, 3 unknown" in words_of(unlinked)
    assert "state__exact" not in text_of(unlinked)


def test_while_the_audience_is_worked_out_remaining_says_how_far_that_is(admin: Browser) -> None:
    broadcast = a_told_broadcast(cursor=430, audience_upto=1000)

    assert "Remaining 800 Working out who gets it: 43% of clients checked" in words_of(admin.get(page_of(broadcast)))


def test_books_that_do_not_balance_are_told_as_they_are(admin: Browser) -> None:
    text = text_of(admin.get(page_of(a_told_broadcast(tally=TALLY | {"audience": 2000}))))

    assert "The numbers don’t add up: there should be 2,000 in all, and 1,998 are counted: 800 waiting + " in text


def test_the_page_tells_who_started_it_and_what_is_not_running(admin: Browser, superuser: Any) -> None:
    text = text_of(admin.get(page_of(a_told_broadcast(created_by=superuser))))

    assert "by root" in text
    assert "No dispatcher is running. Start one with: python manage.py run_dispatcher" in text
    assert "No SMS consumer is running" in text


@pytest.mark.parametrize("wall", ["", "?wall=1"])
def test_health_is_told_only_where_something_is_wrong_and_of_that_alone(admin: Browser, wall: str) -> None:
    page = page_of(a_told_broadcast()) + wall
    processes_at_work(timezone.now())

    well = words_of(admin.get(page))
    Process.objects.filter(channel="sms").delete()
    ill = words_of(admin.get(page))

    assert "Health" not in well
    assert "running" not in well
    assert "Health SMS consumers No SMS consumer is running." in ill
    assert "E-mail consumers" not in ill


def test_commands_are_only_for_those_who_look_after_the_processes(staff: LogIn) -> None:
    page = page_of(a_told_broadcast())

    text = text_of(staff(VIEW).get(page))
    assert "No SMS consumer is running. Ask your administrator to start one." in text
    assert "manage.py" not in text
    assert "python manage.py run_consumer sms" in text_of(staff(VIEW, "notifier.view_process").get(page))


def test_the_page_tells_what_of_it_does_not_work_while_that_lasts(admin: Browser) -> None:
    broadcast = a_told_broadcast(fault="it can’t be ended: DataError", fault_at=timezone.now())

    assert "it can’t be ended: DataError" in admin.get(page_of(broadcast)).content.decode()

    Broadcast.objects.update(fault_at=timezone.now() - timedelta(hours=1))
    assert "DataError" not in admin.get(page_of(broadcast)).content.decode()


def test_the_page_tells_that_a_channel_paused_itself(admin: Browser) -> None:
    an_open_breaker(now=timezone.now())

    for htmx in ({}, {"HX-Request": "true"}):
        text = text_of(admin.get(page_of(a_told_broadcast()), headers=htmx))

        assert "E-mail was paused automatically at" in text
        # A button that is sent anew each second would lose clicks: it stands on the dashboard.
        assert "Try again now" not in text


def test_the_feed_says_problems_first_and_what_fifty_have_in_common_once(admin: Browser, staff: LogIn) -> None:
    broadcast, now = a_told_broadcast(), timezone.now()
    for number in range(51):
        failed: dict[str, Any] = {"channel": "sms", "state": "FAILED", "detail": "number not in service"}
        settled_at = now + timedelta(seconds=number)
        a_delivery(broadcast=broadcast, client=a_client(name=f"Fay {number:02}"), settled_at=settled_at, **failed)
    for number in range(2):
        settled_at = now + timedelta(minutes=2 + number)
        a_delivery(broadcast=broadcast, client=a_client(name=f"Sam {number}"), state="SENT", settled_at=settled_at)

    page = admin.get(page_of(broadcast))

    assert (
        "Latest activity Client Status Time Problems "
        "Fay 50, Fay 49, Fay 48 Failed SMS 48 more: number not in service (time) "
        "Most recent Sam 1 Sent E-mail (time) Sam 0 Sent E-mail (time) All messages"
    ) in TIME.sub("(time)", words_of(page))
    assert words_of(page).count("number not in service") == 1
    behind = list_of(broadcast, state__exact="FAILED", channel__exact="sms", reason="number not in service")
    assert f'href="{escape(behind)}"' in text_of(page)
    assert len(admin.get(behind).context["cl"].result_list) == 50
    assert admin.get(behind).context["cl"].result_count == 51
    # On a wall nothing is pressed, and whoever may not see deliveries has no list of them.
    for unlinked in (admin.get(page_of(broadcast), {"wall": "1"}), staff(VIEW).get(page_of(broadcast))):
        assert "48 more: number not in service" in words_of(unlinked)
        assert escape(behind) not in text_of(unlinked)


def test_the_feed_of_what_has_ended_is_short_and_below_what_it_was(admin: Browser) -> None:
    broadcast = a_told_broadcast(state=State.FINISHED, finished_at=timezone.now())
    for number in range(8):
        a_delivery(broadcast=broadcast, client=a_client(name=f"Sam {number}"), state="SENT")
    a_delivery(broadcast=broadcast, client=a_client(name="Fay"), state="FAILED", detail="number not in service")

    for text in (words_of(admin.get(page_of(broadcast))), words_of(poll(admin, broadcast))):
        problems, about = (
            text.index(heading) for heading in ("Problems Client Status Time Fay Failed", "About this broadcast")
        )
        newest = text.index("Latest activity")
        assert about < problems < newest
        assert text.count("Sent E-mail") == 5
        assert "All messages of this broadcast" in text[newest:]
    page = words_of(admin.get(page_of(broadcast)))
    assert page.index("About this broadcast") < page.index(" Text Three new homes ") < page.index("Latest activity")


def test_while_it_is_counted_each_second_no_line_is_newer_than_the_figures(admin: Browser) -> None:
    broadcast = a_told_broadcast(tallied_at=timezone.now())
    for name, seconds in (("Ann Example", -1), ("Bob Baker", 1)):
        settled_at = timezone.now() + timedelta(seconds=seconds)
        a_delivery(broadcast=broadcast, client=a_client(name=name), state="SENT", settled_at=settled_at)

    assert "Ann Example Sent" in words_of(poll(admin, broadcast))
    assert "Bob Baker" not in words_of(poll(admin, broadcast))

    # With the dispatcher gone the figures stand still, and the lines go on.
    Broadcast.objects.update(tallied_at=timezone.now() - timedelta(minutes=1))
    assert "Bob Baker Sent" in words_of(poll(admin, broadcast))


def test_before_anybody_has_counted_no_figure_is_nought(admin: Browser) -> None:
    text = words_of(admin.get(page_of(a_told_broadcast(tally={}, tallied_at=None))))

    assert "Sent – Counting… Remaining – Problems – Per second – Time –" in text
    assert "E-mail SMS Waiting – Sending – Retrying – Sent – Failed – Unknown – Skipped – Cancelled –" in text


def test_while_the_audience_is_worked_out_no_share_is_told(admin: Browser) -> None:
    counts = {"email": {"SENT": 400}}
    broadcast = a_told_broadcast(cursor=430, audience_upto=1000, tally={"audience": 400, "rate": 9.0, "counts": counts})

    text = words_of(admin.get(page_of(broadcast)))

    assert "Sent 400 of 400 so far" in text
    assert "400 sent so far" in text
    assert "100%" not in text
    assert "Messages 400 e-mails so far" in text


def test_a_slow_end_is_told_as_it_is(admin: Browser) -> None:
    everything_runs()
    counts = {"email": {"SENT": 40, "RETRYING": 2}}
    broadcast = a_told_broadcast(tally={"audience": 42, "rate": 0.4, "counts": counts})

    text = words_of(admin.get(page_of(broadcast)))

    assert "Remaining 2 waiting for the next attempt" in text
    assert "Per second – Time –" in text

    Broadcast.objects.update(tally={"audience": 42, "rate": 0.4, "counts": {"email": {"SENT": 40, "PENDING": 2}}})
    assert "Per second 0.4 Time About 5 seconds left" in words_of(poll(admin, broadcast))


def test_all_that_changes_with_the_state_comes_with_a_poll(admin: Browser) -> None:
    original = a_told_broadcast(state=State.FINISHED, finished_at=timezone.now())
    now: dict[str, Any] = {"scheduled_for": timezone.now(), "undo_until": timezone.now()}
    broadcast = a_told_broadcast(state=State.SCHEDULED, started_at=None, follows=original, tally={}, **now)
    assert f"· follow-up to #{original.pk}" in words_of(admin.get(page_of(broadcast)))
    assert f"· follow-up to #{original.pk}" in words_of(poll(admin, broadcast))

    Broadcast.objects.filter(pk=broadcast.pk).update(state=State.CANCELLED, follows=None)

    polled = text_of(poll(admin, broadcast))
    assert '<span id="lead" hx-swap-oob="true">' in polled
    assert "created" in polled
    assert "follow-up to" not in polled


def test_an_edit_of_its_text_loads_the_page_anew(admin: Browser) -> None:
    broadcast = a_told_broadcast(state=State.AWAITING_APPROVAL, started_at=None, tally={})
    page = admin.get(page_of(broadcast))
    shown = page.context["text_version"]
    assert f'id="text-shown" value="{shown}"' in text_of(page)

    assert "HX-Refresh" not in poll(admin, broadcast, text=shown)
    Broadcast.objects.update(subject="Four new homes")
    assert poll(admin, broadcast, text=shown)["HX-Refresh"] == "true"


def test_a_poll_brings_each_client_as_they_are_reached(admin: Browser) -> None:
    broadcast = a_told_broadcast()
    assert "No activity yet" in text_of(poll(admin, broadcast))

    for name in ("Ann Example", "Bob Baker"):
        a_delivery(broadcast=broadcast, client=a_client(name=name), state="SENT", channel="sms")

        assert f"{name} Sent SMS" in words_of(poll(admin, broadcast))
    assert words_of(poll(admin, broadcast)).count(" Sent SMS") == 2


def test_of_another_day_the_feed_says_the_date(admin: Browser) -> None:
    broadcast = a_told_broadcast()
    a_delivery(broadcast=broadcast, state="SENT", settled_at=datetime(2026, 5, 1, 9, 30, 7, tzinfo=UTC))

    assert "Sent E-mail 1 May 2026, 09:30:07" in words_of(admin.get(page_of(broadcast)))


def test_on_a_wall_the_feed_is_a_few_lines(admin: Browser) -> None:
    everything_runs()
    broadcast = a_told_broadcast()
    for number in range(9):
        a_delivery(broadcast=broadcast, state="FAILED", detail=f"reason {number}")
        a_delivery(broadcast=broadcast, state="SENT")

    lines = admin.get(page_of(broadcast), {"wall": "1"}).context["feed"]
    assert {name: len(those) for name, those in lines.items()} == {"problems": 2, "newest": 2}

    # What does not work needs the room.
    Process.objects.all().delete()
    lines = admin.get(page_of(broadcast), {"wall": "1"}).context["feed"]
    assert {name: len(those) for name, those in lines.items()} == {"problems": 1, "newest": 1}


def test_who_may_not_see_clients_sees_no_name_in_the_feed(staff: LogIn) -> None:
    broadcast = a_told_broadcast()
    client = a_client(name="Ann Secretson")
    for channel in ("email", "sms"):
        a_delivery(broadcast=broadcast, client=client, channel=channel, state="SENT")

    outsider = staff("notifier.view_broadcast", "notifier.view_delivery")
    texts = [text_of(outsider.get(page_of(broadcast), headers=htmx)) for htmx in ({}, {"HX-Request": "true"})]
    named = text_of(staff("notifier.view_broadcast", "notifier.view_client").get(page_of(broadcast)))

    for text in texts:
        assert ("Ann" in text, "Secretson" in text) == (False, False)
        assert f"Client #{client.pk}" in text
    assert "Ann Secretson" in named


def test_one_view_costs_the_same_however_many_deliveries_and_never_counts_them(
    admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "WINDOW", 20)
    broadcast = a_told_broadcast()
    a_delivery(broadcast=broadcast, state="SENT")

    def queries() -> list[str]:
        with CaptureQueriesContext(connection) as captured:
            admin.get(page_of(broadcast))
            poll(admin, broadcast)
        return [query["sql"] for query in captured]

    few = queries()
    for number in range(16):
        a_delivery(broadcast=broadcast, state=Delivery.State.values[number % 8])
    more = queries()
    for number in range(40):
        a_delivery(broadcast=broadcast, state=Delivery.State.values[number % 8], detail="busy")
    many = queries()

    assert len(more) == len(few)
    # Of the page and of a poll: those that are older than the newest are looked for by their reasons.
    assert len(many) == len(few) + 2 * 2
    deliveries = [sql for sql in many if "notifier_delivery" in sql]
    assert deliveries
    # Whatever is counted is counted up to a limit, along an index that holds no row that was sent; and from each reason
    # to the next it is one step.
    limits = (f"LIMIT {feeds.WINDOW}", f"LIMIT {feeds.MAX_COUNTED}", "LIMIT 10001", f"r.position < {feeds.MAX_REASONS}")
    assert all(any(limit in sql for limit in limits) for sql in deliveries)


def test_without_javascript_the_page_refreshes_itself_until_all_is_settled(admin: Browser) -> None:
    running, finished = a_told_broadcast(), a_told_broadcast(state=State.FINISHED, finished_at=timezone.now())

    assert '<meta http-equiv="refresh" content="3">' in text_of(admin.get(page_of(running)))
    assert "http-equiv" not in text_of(admin.get(page_of(finished)))
    assert "hx-get" not in text_of(admin.get(page_of(finished)))


def test_a_broadcast_that_is_not_there_is_not_found(admin: Browser) -> None:
    assert admin.get(reverse("admin:notifier_broadcast_progress", args=[99])).status_code == 404
    assert admin.get(reverse("admin:notifier_broadcast_change", args=["x"])).status_code == 404


# --- Live -------------------------------------------------------------------------------------------------------------
def test_a_poll_answers_with_the_moving_parts_alone(admin: Browser) -> None:
    response = poll(admin, a_told_broadcast())

    assert response.status_code == 200
    assert "<html" not in text_of(response)
    assert "Sent 1,165 of 1,980" in words_of(response)
    assert "HX-Request" in response["Vary"]


def test_the_whole_page_and_a_poll_are_kept_apart_by_caches(admin: Browser) -> None:
    assert "HX-Request" in admin.get(page_of(a_told_broadcast()))["Vary"]


@pytest.mark.parametrize("state", [State.FINISHED, State.CANCELLED])
def test_polling_ends_when_all_is_settled_and_counted(admin: Browser, state: str) -> None:
    now = timezone.now()

    assert poll(admin, a_told_broadcast(state=state, finished_at=now)).status_code == 286
    assert poll(admin, a_told_broadcast(state=state, finished_at=now, tallied_at=None)).status_code == 200


@pytest.mark.parametrize("state", [State.RUNNING, State.PAUSED, State.CANCELLED])
def test_polling_goes_on_while_something_may_change(admin: Browser, state: str) -> None:
    assert poll(admin, a_told_broadcast(state=state)).status_code == 200


def test_buttons_are_swapped_only_when_others_are_due(admin: Browser) -> None:
    broadcast = a_told_broadcast()
    shown = admin.get(page_of(broadcast)).context["controls"]

    same = text_of(poll(admin, broadcast, controls=shown))
    Broadcast.objects.update(state=State.PAUSED)
    other = text_of(poll(admin, broadcast, controls=shown))

    assert "<form" not in same
    assert '<span id="number-cancel" hx-swap-oob="true">800</span>' in same
    assert 'id="controls" class="controls" hx-swap-oob="true"' in other
    assert act_url(broadcast, "resume") in other


def test_a_poll_after_logout_leads_to_the_login_page_and_back(client: Browser, db: None) -> None:
    broadcast = a_told_broadcast()

    response = client.get(
        page_of(broadcast),
        headers={"HX-Request": "true", "HX-Current-URL": f"http://testserver{page_of(broadcast)}"},
    )

    assert response.status_code == 200
    assert response["HX-Redirect"] == f"{reverse('admin:login')}?next={page_of(broadcast).replace('/', '%2F')}"
    assert response.content == b""


def test_after_login_nobody_is_sent_to_another_site(client: Browser, db: None) -> None:
    response = client.get(
        page_of(a_told_broadcast()), headers={"HX-Request": "true", "HX-Current-URL": "https://evil.example/x"}
    )

    assert "evil" not in response["HX-Redirect"]


def test_a_poll_does_not_extend_the_session(admin: Browser) -> None:
    broadcast = a_told_broadcast()
    ends = timezone.now() + timedelta(minutes=1)
    Session.objects.update(expire_date=ends)

    response = poll(admin, broadcast)

    assert response.status_code == 200
    assert Session.objects.get().expire_date == ends
    assert "sessionid" not in response.cookies


def test_seeing_needs_its_permission(staff: LogIn) -> None:
    broadcast = a_told_broadcast()

    assert staff(CONTROL, "notifier.send_broadcast").get(page_of(broadcast)).status_code == 403
    assert staff(VIEW).get(page_of(broadcast)).status_code == 200


# --- What stands still, and what has ended ----------------------------------------------------------------------------
@pytest.mark.both_engines
def test_a_channel_without_a_consumer_is_said_in_the_status_line_and_no_time_is_promised(admin: Browser) -> None:
    everything_runs()
    Process.objects.filter(channel="sms").delete()
    counts = {"email": {"SENT": 5, "PENDING": 5}, "sms": {"PENDING": 5}}

    text = text_of(admin.get(page_of(a_told_broadcast(tally={"audience": 15, "rate": 1.0, "counts": counts}))))

    assert "SMS stopped: no consumer is running." in text
    assert "E-mail stopped" not in text
    assert '<dt>Time</dt> <dd class="words"> – </dd>' in text


def everything_runs() -> None:
    now = timezone.now()
    for kind, channel in (("DISPATCHER", ""), ("CONSUMER", "email"), ("CONSUMER", "sms")):
        values = {"host": "h", "pid": 1, "started_at": now, "last_seen_at": now, "state": Process.State.IDLE}
        Process.objects.create(kind=kind, channel=channel, **values)


@pytest.mark.both_engines
def test_what_has_ended_says_nothing_of_the_present(admin: Browser) -> None:
    counts = {"email": {"SENT": 697, "FAILED": 212, "UNKNOWN": 14, "SKIPPED": 63}}
    ended = {"state": "FINISHED", "finished_at": timezone.now(), "tallied_at": timezone.now()}
    broadcast = a_told_broadcast(tally={"audience": 986, "counts": counts}, **ended)

    with CaptureQueriesContext(connection) as queries:
        page = admin.get(page_of(broadcast))

    text = text_of(page)
    assert '<p class="result" id="result">697 of 923 sent, 226 problems</p>' in text
    assert "Sent 697 of 923 (75%) Remaining 0 Problems 226 212 failed, 14 unknown" in words_of(page)
    for present in ("Health", "No dispatcher is running", "tickets waiting", "Time left"):
        assert present not in text
    assert not [query for query in queries if "notifier_process" in query["sql"]]


def test_what_is_paused_has_no_speed(admin: Browser) -> None:
    everything_runs()
    tally = {"audience": 3, "rate": 8.0, "counts": {"email": {"SENT": 1, "PENDING": 2}}}
    running, paused = (a_told_broadcast(tally=tally, state=state) for state in ("RUNNING", "PAUSED"))

    assert "Per second 8" in words_of(admin.get(page_of(running)))
    assert "Per second –" in words_of(admin.get(page_of(paused)))


def test_what_never_started_says_so_without_empty_numbers(admin: Browser) -> None:
    ended = {"finished_at": timezone.now(), "started_at": None, "ended_because": "undone by ann"}

    text = text_of(admin.get(page_of(a_told_broadcast(state="CANCELLED", tally={}, **ended))))

    assert '<p class="result" id="result">Nothing sent</p>' in text
    assert "Cancelled: undone by ann." in text
    assert "0 of 0" not in text
    assert "Latest activity" not in text


def test_one_that_was_cancelled_early_does_not_look_full_on_its_page_or_in_the_list(admin: Browser) -> None:
    counts = {"email": {"SENT": 40, "CANCELLED": 444}}
    ended = {"state": "CANCELLED", "finished_at": timezone.now(), "tallied_at": timezone.now()}
    broadcast = a_told_broadcast(tally={"audience": 484, "counts": counts}, **ended)
    drawn = '<rect class="is-sent" x="0" y="0" width="82" height="10" />'

    page = text_of(admin.get(page_of(broadcast)))
    listed = text_of(admin.get(reverse("admin:notifier_broadcast_changelist")))

    assert "Sent 40 of 484 (8%) Remaining 0 444 cancelled Problems 0" in " ".join(strip_tags(page).split())
    for text in (page, listed):
        assert drawn in text
        assert text.count("<rect class") == 1
    assert "8%" in listed


# --- The wall, and what is said aloud ---------------------------------------------------------------------------------
@pytest.mark.both_engines
def test_the_wall_has_the_numbers_and_nothing_to_press(admin: Browser) -> None:
    broadcast = a_told_broadcast()

    page = admin.get(page_of(broadcast), {"wall": "1"})

    text = text_of(page)
    assert "Sent 1,165 of 1,980" in words_of(page)
    assert f'hx-get="{page_of(broadcast)}?wall=1"' in text
    for absent in ('id="menu"', 'class="breadcrumbs"', 'id="controls"', "act-cancel", "all-deliveries"):
        assert absent not in text


@pytest.mark.both_engines
def test_a_poll_of_the_wall_brings_nothing_to_press_either(admin: Browser) -> None:
    text = text_of(poll(admin, a_told_broadcast(), wall="1"))

    assert "controls" not in text
    assert "number-retry" not in text


@pytest.mark.both_engines
def test_what_is_said_aloud_changes_with_each_tenth_and_is_not_said_twice(admin: Browser) -> None:
    broadcast = a_told_broadcast()
    said = admin.get(page_of(broadcast)).context["said"]

    silent = text_of(poll(admin, broadcast, said=said))
    counts = {"email": {"SENT": 1900, "PENDING": 98}}
    Broadcast.objects.update(tally={"audience": 1998, "counts": counts})
    spoken = text_of(poll(admin, broadcast, said=said))
    Broadcast.objects.update(finished_at=timezone.now() + timedelta(seconds=1), state="FINISHED")
    ended = text_of(poll(admin, broadcast, said="Sending: 90% sent."))

    assert said.startswith("Sending: 50% sent.")
    assert 'id="said"' not in silent
    assert '<div id="said" hx-swap-oob="innerHTML">' in spoken
    assert "Sending: 90% sent." in spoken
    assert "Finished: 1,900 of 1,998 sent." in ended


# --- The last moment --------------------------------------------------------------------------------------------------
@pytest.mark.both_engines
def test_the_broadcast_says_how_many_were_spared_and_who(admin: Browser) -> None:
    broadcast = a_told_broadcast()
    assert "after sending began" not in admin.get(page_of(broadcast)).content.decode()
    spared = [a_delivery(broadcast=broadcast, state="SKIPPED", detail=Reason.CONSENT_GONE) for _ in range(2)]
    a_delivery(broadcast=broadcast, state="SKIPPED", detail=Reason.SUPPRESSED)
    a_delivery(state="SKIPPED", detail=Reason.CONSENT_GONE)
    tallies.tally(broadcast_id=broadcast.pk, now=timezone.now())

    page = admin.get(page_of(broadcast))

    text = " ".join(page.content.decode().split())
    assert "2 were not sent</a>: consent was withdrawn after sending began." in text
    listed = admin.get(page.context["spared_url"]).context["cl"].result_list
    assert {row.pk for row in listed} == {row.pk for row in spared}
