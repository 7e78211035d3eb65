from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from notifier.models import Broadcast
from tests.factories import a_broadcast, a_delivery, a_notification
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
