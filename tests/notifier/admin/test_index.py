from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django.asserts import assertRedirects

from notifier import clock
from notifier.models import Breaker, Broadcast, Worker
from tests.factories import a_broadcast, a_delivery, a_notification, an_open_breaker
from tests.notifier.admin.conftest import LogIn

TALLY = {"audience": 1200, "rate": 10.0, "counts": {"email": {"SENT": 900, "PENDING": 300}}}


def test_it_shows_what_is_under_way_from_the_tally(admin: Browser) -> None:
    a_broadcast(notification=a_notification(subject="Under way"), tally=TALLY)

    page = admin.get(reverse("admin:index"))

    assert [sheet.broadcast.subject for sheet in page.context["under_way"]] == ["Under way"]
    assert "900 of 1,200" in page.content.decode()


def test_it_never_reads_the_deliveries(admin: Browser) -> None:
    a_delivery(broadcast=a_broadcast(state=Broadcast.State.PAUSED))

    with CaptureQueriesContext(connection) as captured:
        admin.get(reverse("admin:index"))

    assert not [query["sql"] for query in captured if "notifier_delivery" in query["sql"]]


def test_it_says_what_is_not_running(admin: Browser) -> None:
    page = admin.get(reverse("admin:index"))

    assert "No SMS consumer is running" in page.content.decode()


def test_broadcasts_are_shown_to_those_who_may_see_them(staff: LogIn) -> None:
    a_broadcast(notification=a_notification(subject="Not for everybody"))

    page = staff("notifier.view_client").get(reverse("admin:index"))

    assert "Not for everybody" not in page.content.decode()


def test_the_page_of_an_app_is_the_overview(admin: Browser) -> None:
    assert admin.get(reverse("admin:app_list", args=["notifier"]))["Location"] == reverse("admin:index")


# --- Dead tickets -----------------------------------------------------------------------------------------------------
def a_dispatcher(**depths: int) -> Worker:
    now = clock.now()
    return Worker.objects.create(
        kind=Worker.Kind.DISPATCHER, host="here", pid=1, started_at=now, last_seen_at=now, depths=depths
    )


def test_dead_tickets_are_told_with_what_to_do(admin: Browser) -> None:
    a_dispatcher(email=1, sms=0, dead=1234)

    text = " ".join(admin.get(reverse("admin:index")).content.decode().split())

    assert "<strong>1,234 dead tickets</strong>" in text
    assert "python manage.py purge_dead_letters" in text
    assert "each comes due again by itself" in text


def test_without_dead_tickets_nothing_is_said_of_them(admin: Browser) -> None:
    a_dispatcher(email=1, sms=0, dead=0)

    assert "dead ticket" not in admin.get(reverse("admin:index")).content.decode()


# --- A channel that paused itself -------------------------------------------------------------------------------------
TRY_AGAIN = "notifier.control_broadcast"


def test_a_channel_that_paused_itself_is_told_with_the_way_to_try_it(staff: LogIn) -> None:
    an_open_breaker(now=clock.now(), detail="451 <try> later")

    page = staff(TRY_AGAIN).get(reverse("admin:index")).content.decode()

    assert "E-mail is paused by itself since" in page
    assert "451 &lt;try&gt; later" in page
    assert f'action="{reverse("admin:try_again", args=["email"])}"' in page
    assert "Try again now" in page


def test_without_the_right_it_is_told_and_there_is_no_button(staff: LogIn) -> None:
    an_open_breaker(now=clock.now())

    page = staff("notifier.view_broadcast").get(reverse("admin:index")).content.decode()

    assert "E-mail is paused by itself since" in page
    assert "Try again now" not in page


def test_while_all_is_well_there_is_no_button(admin: Browser) -> None:
    assert "Try again now" not in admin.get(reverse("admin:index")).content.decode()


def test_the_button_makes_the_next_try_due(staff: LogIn) -> None:
    now = clock.now()
    an_open_breaker(now=now, probe_at=now + timedelta(minutes=10))
    browser = staff(TRY_AGAIN)

    answer = browser.post(reverse("admin:try_again", args=["email"]), follow=True)

    assertRedirects(answer, reverse("admin:index"))
    assert "E-mail is tried now, with a single delivery." in answer.content.decode()
    probe_at = Breaker.objects.get().probe_at
    assert probe_at is not None
    assert probe_at <= clock.now()


def test_the_button_of_an_old_page_says_that_nothing_is_paused_any_more(staff: LogIn) -> None:
    answer = staff(TRY_AGAIN).post(reverse("admin:try_again", args=["sms"]), follow=True)

    assert "SMS is not paused any more." in answer.content.decode()


def test_only_those_who_may_control_broadcasts_may_try_it(staff: LogIn) -> None:
    now = clock.now()
    later = now + timedelta(minutes=10)
    an_open_breaker(now=now, probe_at=later)

    assert staff("notifier.send_broadcast").post(reverse("admin:try_again", args=["email"])).status_code == 403
    assert Breaker.objects.get().probe_at == later


@pytest.mark.parametrize(("method", "channel", "status"), [("get", "email", 405), ("post", "fax", 404)])
def test_it_is_an_order_to_a_channel(admin: Browser, method: str, channel: str, status: int) -> None:
    answer = getattr(admin, method)(reverse("admin:try_again", args=[channel]))

    assert answer.status_code == status


def test_a_stranger_is_asked_to_log_in(client: Browser, db: None) -> None:
    answer = client.post(reverse("admin:try_again", args=["email"]))

    assert answer.status_code == 302
    assert reverse("admin:login") in answer["Location"]
