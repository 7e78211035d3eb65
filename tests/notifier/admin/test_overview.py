import html
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin as django_admin
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django.asserts import assertRedirects
from pytest_django.fixtures import Settings

from notifier.clients import counts
from notifier.models import Breaker, Broadcast, Channel, ClientCounts, DailyStats, Delivery, Process
from notifier.runtime import clock
from notifier.staff import groups
from tests.notifier.admin.conftest import LogIn
from tests.support.factories import a_broadcast, a_client, a_delivery, a_notification, a_topic, an_open_breaker

TALLY = {"audience": 1200, "rate": 10.0, "counts": {"email": {"SENT": 900, "PENDING": 300}}}


def test_it_shows_what_is_under_way_from_the_tally(admin: Browser) -> None:
    a_broadcast(notification=a_notification(subject="Under way"), tally=TALLY)

    page = admin.get(reverse("admin:index"))

    assert [sheet.broadcast.subject for sheet in page.context["under_way"]] == ["Under way"]
    assert "900 of 1,200" in page.content.decode()


def test_it_never_reads_the_deliveries_nor_the_clients(admin: Browser) -> None:
    a_delivery(broadcast=a_broadcast(state=Broadcast.State.PAUSED))

    with CaptureQueriesContext(connection) as captured:
        admin.get(reverse("admin:index"))

    rows = ("notifier_delivery", "notifier_client", "notifier_preference")
    assert not [query["sql"] for query in captured if any(f'FROM "{table}"' in query["sql"] for table in rows)]


def test_it_costs_the_same_however_much_there_is(admin: Browser) -> None:
    fill_the_overview(rows=1)
    admin.get(reverse("admin:index"))
    with CaptureQueriesContext(connection) as few:
        admin.get(reverse("admin:index"))
    fill_the_overview(rows=6)

    with CaptureQueriesContext(connection) as many:
        admin.get(reverse("admin:index"))

    assert len(many) == len(few) <= 25


def fill_the_overview(*, rows: int) -> None:
    """So many of everything that the overview shows."""
    now = clock.now()
    for _ in range(rows):
        a_broadcast()
        a_broadcast(state=Broadcast.State.AWAITING_APPROVAL)
        a_broadcast(state=Broadcast.State.SCHEDULED, scheduled_for=now - timedelta(hours=1))
        ended = a_broadcast(state=Broadcast.State.FINISHED, finished_at=now)
        for state in Delivery.SETTLED:
            DailyStats.objects.create(broadcast=ended, day=now.date(), channel="email", state=state, number=3)
        a_topic(slug=f"topic-{Broadcast.objects.count()}")
    ClientCounts.objects.update_or_create(
        pk=1, defaults={"counts": {"clients": 1, "archived": 0, "consents": {}}, "counted_at": now}
    )


# --- Whether everything works -----------------------------------------------------------------------------------------
def a_process(kind: str, **fields: Any) -> Process:
    now = clock.now()
    return Process.objects.create(kind=kind, host="here", pid=1, started_at=now, last_seen_at=now, **fields)


def everything_runs() -> None:
    a_process("DISPATCHER")
    for channel in Channel:
        a_process("CONSUMER", channel=channel)


def words(page: Any) -> str:
    return " ".join(page.content.decode().split())


def test_while_everything_works_one_line_says_so_and_lists_no_process(admin: Browser) -> None:
    everything_runs()

    text = words(admin.get(reverse("admin:index")))

    assert "<strong>All systems working</strong>" in text
    assert "<li>Dispatcher</li><li>Queue in the database</li><li>E-mail consumers</li><li>SMS consumers</li>" in text
    assert "Nothing needs your attention." in text
    assert "1 running" not in text
    assert "Needs attention" not in text


def test_what_waits_for_a_decision_does_not_make_the_line_say_that_nothing_does(admin: Browser) -> None:
    everything_runs()
    a_broadcast(state=Broadcast.State.AWAITING_APPROVAL)

    text = words(admin.get(reverse("admin:index")))

    assert "All systems working" in text
    assert "Nothing needs your attention." not in text
    assert "Needs attention" in text


def test_what_does_not_work_is_said_once_with_where_it_is_dealt_with(admin: Browser) -> None:
    a_process("DISPATCHER")
    a_process("CONSUMER", channel="sms")

    page = admin.get(reverse("admin:index"))

    text = words(page)
    assert [concern.key for concern in page.context["held_up"]] == ["e-mail-consumers"]
    assert text.count("No e-mail consumer is running") == 1
    assert "<code>python manage.py run_consumer email</code>" in text
    assert f'href="{reverse("admin:notifier_process_changelist")}" aria-describedby="concern-e-mail-consumers"' in text
    assert "All systems working" not in text
    assert "Needs attention" not in text


def test_what_staff_paused_is_said_in_the_first_line_and_not_again(admin: Browser) -> None:
    everything_runs()
    paused = a_broadcast(state=Broadcast.State.PAUSED)

    page = admin.get(reverse("admin:index"))

    assert [concern.key for concern in page.context["held_up"]] == [f"paused-{paused.pk}"]
    assert page.context["to_decide"] == []
    assert "All systems working" not in words(page)


def test_it_says_what_is_not_running(admin: Browser) -> None:
    page = admin.get(reverse("admin:index"))

    assert "No SMS consumer is running" in page.content.decode()


def test_broadcasts_are_shown_to_those_who_may_see_them(staff: LogIn) -> None:
    a_broadcast(notification=a_notification(subject="Not for everybody"))

    page = staff("notifier.view_client").get(reverse("admin:index"))

    assert "Not for everybody" not in page.content.decode()


def test_who_may_see_nothing_sees_no_numbers(staff: LogIn) -> None:
    fill_the_overview(rows=1)

    page = staff().get(reverse("admin:index"))

    text = page.content.decode()
    assert page.status_code == 200
    for heading in ("Sending now", "Scheduled next", "Messages per day", "Clients and consent", "Recently sent"):
        assert heading not in text
    assert "await" not in text
    assert "may or may not have arrived" not in text


@pytest.mark.parametrize(
    ("right", "page"),
    [
        ("notifier.add_client", "notifier_client_add"),
        ("notifier.import_client", "notifier_clientimport_upload"),
        ("notifier.add_notification", "notifier_notification_add"),
    ],
)
def test_what_somebody_may_do_is_a_press_away(staff: LogIn, right: str, page: str) -> None:
    link = f'href="{reverse(f"admin:{page}")}"'
    others = staff("notifier.view_client", "notifier.view_notification", "notifier.export_client")
    assert link not in others.get(reverse("admin:index")).content.decode()

    browser = staff(right)

    assert link in browser.get(reverse("admin:index")).content.decode()
    assert browser.get(reverse(f"admin:{page}")).status_code == 200


def test_what_is_paused_is_not_said_to_be_sent(admin: Browser) -> None:
    a_broadcast(notification=a_notification(subject="Halted"), state=Broadcast.State.PAUSED, tally=TALLY)

    text = words(admin.get(reverse("admin:index")))

    assert "Sending now" not in text
    assert re.search(r'<h2 id="moving-1">Paused</h2>.*Halted', text)


# --- The figures ------------------------------------------------------------------------------------------------------
BROADCASTS, CLIENTS = "notifier.view_broadcast", "notifier.view_client"


@pytest.mark.parametrize(
    ("rights", "keys"),
    [
        ((BROADCASTS, CLIENTS), ["sent", "success", "scheduled", "clients"]),
        ((BROADCASTS,), ["sent", "success", "scheduled"]),
        ((CLIENTS,), ["clients"]),
        ((), []),
    ],
)
def test_everybody_sees_the_figures_of_what_they_may_see(
    staff: LogIn, rights: tuple[str, ...], keys: list[str]
) -> None:
    page = staff(*rights).get(reverse("admin:index"))

    assert [figure.key for figure in page.context["figures"]] == keys
    assert re.findall(r'id="figure-(\w+)"', page.content.decode()) == keys


def test_figures_of_an_empty_installation_are_words(admin: Browser) -> None:
    text = words(admin.get(reverse("admin:index")))

    for figure in ("None", "Not known", "Counting…"):
        assert f'<dd class="no-number"> {figure} </dd>' in text
    assert '<dd class="number">' not in text


# --- What was sent ----------------------------------------------------------------------------------------------------
def a_sent_one(**fields: Any) -> Broadcast:
    counts = {"email": {"SENT": 4, "FAILED": 1}, "sms": {"SKIPPED": 2}}
    tally = {"audience": 7, "rate": 0.0, "counts": counts}
    return a_broadcast(state="FINISHED", finished_at=clock.now(), tally=tally, **fields)


def test_what_was_sent_is_a_row_with_its_results_by_channel(admin: Browser) -> None:
    a_sent_one(notification=a_notification(subject="Spring"))

    text = words(admin.get(reverse("admin:index")))

    assert 'aria-label="Spring, E-mail: 4 of 5 sent, 1 failed"' in text
    assert '4 <span class="quiet">of 5</span>' in text
    assert '<span class="quiet">Nobody</span>' in text
    assert "Command line" in text


def test_a_problem_leads_to_its_deliveries_for_those_who_may_see_them(staff: LogIn) -> None:
    ended = a_sent_one()
    link = f"?broadcast__id__exact={ended.pk}&amp;state__exact=FAILED"
    badge = '<span class="badge badge-bad">1 failed</span>'

    without = words(staff(BROADCASTS).get(reverse("admin:index")))
    assert badge in without
    assert link not in without

    seen = words(staff(BROADCASTS, "notifier.view_delivery").get(reverse("admin:index")))
    assert f'{link}">{badge}</a>' in seen


@pytest.mark.parametrize(
    ("rights", "action"),
    [
        (("notifier.add_notification",), "notifier_notification_add"),
        (("notifier.send_broadcast", "notifier.view_notification"), "notifier_notification_changelist"),
        ((), None),
    ],
)
def test_before_anything_was_sent_the_place_has_what_to_do(
    staff: LogIn, rights: tuple[str, ...], action: str | None
) -> None:
    text = words(staff(BROADCASTS, *rights).get(reverse("admin:index")))

    assert "Nothing has been sent yet." in text
    assert "Messages per day" not in text
    inside = text.split('class="nothing"')[1].split("</section>")[0]
    assert re.findall('href="([^"]+)"', inside) == ([reverse(f"admin:{action}")] if action else [])


def test_while_the_first_is_being_sent_nothing_says_that_nothing_was(admin: Browser) -> None:
    a_broadcast(tally=TALLY)

    text = words(admin.get(reverse("admin:index")))

    assert "Nothing has finished yet." in text
    assert "Nothing has been sent yet." not in text


@pytest.mark.parametrize(
    ("rights", "actions"),
    [
        (("notifier.add_client", "notifier.import_client"), ["notifier_clientimport_upload", "notifier_client_add"]),
        (("notifier.add_client",), ["notifier_client_add"]),
        ((), []),
    ],
)
def test_without_clients_the_place_has_what_to_do(staff: LogIn, rights: tuple[str, ...], actions: list[str]) -> None:
    counts.count(now=clock.now())

    text = words(staff(CLIENTS, *rights).get(reverse("admin:index")))

    inside = text.split('class="nothing"')[1].split("</section>")[0]
    assert "No active clients yet." in inside
    assert re.findall('href="([^"]+)"', inside) == [reverse(f"admin:{action}") for action in actions]


def test_who_sends_what_others_write_has_that_button_first(staff: LogIn) -> None:
    sender = staff("notifier.view_notification", "notifier.send_broadcast", "notifier.add_client")

    text = words(sender.get(reverse("admin:index")))

    first = text.split('class="object-tools"')[1].split("</li>")[0]
    assert 'class="primary"' in first
    assert "Broadcast…" in first


def test_ones_own_changes_are_listed_where_there_are_any(staff: LogIn) -> None:
    browser = staff("notifier.view_topic", "notifier.add_topic")
    assert "Your recent changes" not in words(browser.get(reverse("admin:index")))

    browser.post(reverse("admin:notifier_topic_add"), {"name": "Gardens", "slug": "gardens"})

    text = words(browser.get(reverse("admin:index")))
    assert "Your recent changes" in text
    assert ">Gardens</a>" in text


def test_the_chart_is_drawn_and_stands_in_a_table_as_well(admin: Browser) -> None:
    ended = a_broadcast(state=Broadcast.State.FINISHED, finished_at=clock.now())
    DailyStats.objects.create(broadcast=ended, day=clock.now().date(), channel="email", state="SENT", number=1234)

    text = admin.get(reverse("admin:index")).content.decode()

    assert 'class="piece is-sent"' in text
    assert "1,234 sent." in text
    assert "<td>1,234</td>" in text
    assert "Nothing was sent in this period." in text


def test_before_the_first_count_it_says_who_counts(admin: Browser) -> None:
    text = " ".join(admin.get(reverse("admin:index")).content.decode().split())

    assert "Counting… These numbers are updated every minute" in text


def test_the_client_counts_lead_to_the_clients_of_each_number(admin: Browser) -> None:
    topic = a_topic(slug="listings")
    counts = {"clients": 1_000_000, "archived": 1, "consents": {str(topic.pk): {"email": 5000, "sms": 0}}}
    ClientCounts.objects.create(pk=1, counts=counts, counted_at=clock.now())

    text = admin.get(reverse("admin:index")).content.decode()

    assert '?state=active">999,999</a>' in text
    assert "?state=active&amp;wants=listings.email" in text
    assert "Counted at " in text


# --- Live -------------------------------------------------------------------------------------------------------------
HTMX = {"HX-Request": "true"}


def test_a_poll_brings_the_bars_alone_while_the_same_are_under_way(admin: Browser) -> None:
    broadcast = a_broadcast(tally=TALLY)
    shown = admin.get(reverse("admin:index")).context["shown"]

    answer = admin.get(reverse("admin:index"), {"shown": shown}, headers=HTMX)

    text = answer.content.decode()
    assert answer.status_code == 200
    assert f'id="bar-{broadcast.pk}"' in text
    assert "hx-swap-oob" in text
    assert "under-way-rows" not in text


def test_a_poll_brings_the_rows_when_others_are_under_way(admin: Browser) -> None:
    a_broadcast(state=Broadcast.State.PAUSED)

    answer = admin.get(reverse("admin:index"), {"shown": "1.RUNNING"}, headers=HTMX)

    assert 'id="under-way-rows" hx-swap-oob="true"' in answer.content.decode()


def test_a_poll_stops_when_nothing_is_under_way_any_more(admin: Browser) -> None:
    answer = admin.get(reverse("admin:index"), {"shown": "1.RUNNING"}, headers=HTMX)

    assert answer.status_code == 286
    assert "Nothing is being sent." in answer.content.decode()


def test_a_poll_of_who_may_not_see_broadcasts_is_refused(staff: LogIn) -> None:
    assert staff().get(reverse("admin:index"), headers=HTMX).status_code == 403


def test_while_nothing_is_under_way_the_page_stands_still(admin: Browser) -> None:
    text = admin.get(reverse("admin:index")).content.decode()

    assert "hx-trigger" not in text
    assert 'http-equiv="refresh"' not in text


def test_the_menu_calls_each_list_as_staff_do(admin: Browser) -> None:
    """Django makes a plural by adding an s, which is not always one."""
    menu = {
        group["name"]: [model["name"] for model in group["models"]]
        for group in admin.get(reverse("admin:index")).context["menu"]
    }

    assert menu == {
        "Send": ["Notifications", "Pictures", "Broadcasts", "Messages", "Manual decisions"],
        "Clients": [
            *("Clients", "Audiences", "Inbox", "Topics", "Client fields", "Tags", "Suppressions", "Imports"),
        ],
        "System": ["Brand", "Processes", "Queue", "Sending speed"],
        "Access": ["Users", "Groups", "Failed log-ins", "Log-ins"],
    }


def test_the_menu_has_no_queue_where_rabbitmq_holds_it(admin: Browser, settings: Settings) -> None:
    settings.BROKER_URL = "amqp://guest:guest@localhost:5672/"

    (system,) = [one for one in admin.get(reverse("admin:index")).context["menu"] if one["name"] == "System"]

    assert [model["name"] for model in system["models"]] == ["Brand", "Processes", "Sending speed"]


MENUS = {
    "Editors": ["Send", "Clients"],
    "Senders": ["Send", "Clients"],
    "Approvers": ["Send", "Clients"],
    "Auditors": ["Send", "Clients", "System", "Access"],
}


@pytest.mark.parametrize("group", groups.GROUPS)
def test_each_group_of_staff_sees_the_parts_of_the_menu_that_it_needs(staff: LogIn, group: str) -> None:
    menu = staff(*groups.permissions_of(group)).get(reverse("admin:index")).context["menu"]

    assert [part["name"] for part in menu] == MENUS[group]


def test_whoever_was_given_the_right_to_see_it_keeps_the_system_in_their_menu(staff: LogIn) -> None:
    rights = {*groups.permissions_of(groups.SENDERS), "notifier.view_throttle"}

    menu = staff(*rights).get(reverse("admin:index")).context["menu"]

    assert [(part["name"], [model["object_name"] for model in part["models"]]) for part in menu][-1] == (
        "System",
        ["Throttle"],
    )


@pytest.mark.parametrize(("group", "is_shown"), [("Editors", False), ("Senders", True), ("Auditors", True)])
def test_manual_decisions_are_in_the_menu_of_those_who_make_or_audit_them(
    staff: LogIn, group: str, is_shown: bool
) -> None:
    menu = staff(*groups.permissions_of(group)).get(reverse("admin:index")).context["menu"]

    assert ("Manual decisions" in [model["name"] for one in menu for model in one["models"]]) == is_shown


def test_the_page_of_an_app_is_the_overview(admin: Browser) -> None:
    assert admin.get(reverse("admin:app_list", args=["notifier"]))["Location"] == reverse("admin:index")


# --- Dead letters -----------------------------------------------------------------------------------------------------
def a_dispatcher(**depths: int) -> Process:
    return a_process("DISPATCHER", depths=depths)


def test_dead_letters_are_told_with_what_to_do(admin: Browser) -> None:
    a_dispatcher(email=1, sms=0, dead=1234)

    text = " ".join(admin.get(reverse("admin:index")).content.decode().split())

    assert "1,234 dead letters: no consumer could read them" in text
    assert "<code>python manage.py purge_dead_letters</code>" in text
    assert "each is sent again automatically" in text


def test_without_dead_letters_nothing_is_said_of_them(admin: Browser) -> None:
    a_dispatcher(email=1, sms=0, dead=0)

    assert "dead letter" not in admin.get(reverse("admin:index")).content.decode()


# --- A channel that paused itself -------------------------------------------------------------------------------------
TRY_AGAIN = "notifier.control_broadcast"


def test_a_channel_that_paused_itself_is_told_with_the_way_to_try_it(staff: LogIn) -> None:
    an_open_breaker(now=clock.now(), detail="451 <try> later")

    page = staff(TRY_AGAIN).get(reverse("admin:index")).content.decode()

    assert "E-mail was paused automatically at" in page
    assert "451 &lt;try&gt; later" in page
    assert f'action="{reverse("admin:try_again", args=["email"])}"' in page
    assert "Try again now" in page


def test_without_the_right_it_is_told_and_there_is_no_button(staff: LogIn) -> None:
    an_open_breaker(now=clock.now())

    page = staff("notifier.view_broadcast").get(reverse("admin:index")).content.decode()

    assert "E-mail was paused automatically at" in page
    assert "Try again now" not in page


def test_while_all_is_well_there_is_no_button(admin: Browser) -> None:
    assert "Try again now" not in admin.get(reverse("admin:index")).content.decode()


def test_the_button_makes_the_next_try_due(staff: LogIn) -> None:
    now = clock.now()
    an_open_breaker(now=now, probe_at=now + timedelta(minutes=10))
    browser = staff(TRY_AGAIN)

    answer = browser.post(reverse("admin:try_again", args=["email"]), follow=True)

    assertRedirects(answer, reverse("admin:index"))
    assert "Trying e-mail now, with a single message." in answer.content.decode()
    probe_at = Breaker.objects.get().probe_at
    assert probe_at is not None
    assert probe_at <= clock.now()


def test_the_button_of_an_old_page_says_that_nothing_is_paused_any_more(staff: LogIn) -> None:
    answer = staff(TRY_AGAIN).post(reverse("admin:try_again", args=["sms"]), follow=True)

    assert "SMS is no longer paused." in answer.content.decode()


def test_only_those_who_may_control_broadcasts_may_try_it(staff: LogIn) -> None:
    now = clock.now()
    later = now + timedelta(minutes=10)
    an_open_breaker(now=now, probe_at=later)

    assert staff("notifier.send_broadcast").post(reverse("admin:try_again", args=["email"])).status_code == 403
    assert Breaker.objects.get().probe_at == later


@pytest.mark.parametrize(("method", "channel", "status"), [("get", "email", 405), ("post", "fax", 404)])
def test_it_is_an_act_about_a_channel(admin: Browser, method: str, channel: str, status: int) -> None:
    answer = getattr(admin, method)(reverse("admin:try_again", args=[channel]))

    assert answer.status_code == status


def test_a_stranger_is_asked_to_log_in(client: Browser, db: None) -> None:
    answer = client.post(reverse("admin:try_again", args=["email"]))

    assert answer.status_code == 302
    assert reverse("admin:login") in answer["Location"]


def test_a_number_of_those_who_agreed_leads_to_exactly_those(admin: Browser) -> None:
    a_client(listings="both")
    a_client(listings="both", phone="+493012345678")
    a_client(listings="both", phone=None)
    counts.count(now=clock.now())

    page = admin.get(reverse("admin:index")).content.decode()

    links = re.findall(r'href="([^"]+wants=listings[^"]+)">(\d+)<', page)
    assert [number for _, number in links] == ["3", "2"]
    for link, number in links:
        assert admin.get(html.unescape(link)).context["cl"].result_count == int(number)


def test_a_broadcast_that_stands_still_says_so_and_promises_no_time(admin: Browser) -> None:
    tally = {"audience": 10, "rate": 1.0, "counts": {"email": {"SENT": 4, "PENDING": 6}}}
    a_broadcast(notification=a_notification(sms_body=""), tally=tally, audience_upto=0)

    for headers in ({}, HTMX):
        text = " ".join(admin.get(reverse("admin:index"), headers=headers).content.decode().split())
        assert "4 of 10 sent" in text
        assert "E-mail stopped: no dispatcher" in text
        assert "left" not in text.split("4 of 10 sent")[1][:60]


def test_the_menu_s_names_are_put_into_a_language_once(admin: Browser) -> None:
    """Django sorts the models by their names: one that is made at each comparison is dear."""
    request = admin.get("/admin/").wsgi_request

    names = [model["name"] for app in django_admin.site.get_app_list(request) for model in app["models"]]

    assert len(names) > 20
    assert {type(name) for name in names} == {str}
