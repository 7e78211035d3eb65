"""The line above each page that says where it is: in the words of staff, and beginning with the overview."""

import re
from typing import Any

import pytest
from axes.models import AccessAttempt, AccessLog
from django.test import Client as Browser
from django.urls import reverse

from tests.notifier.admin.all_pages.test_pages import PAGES
from tests.notifier.admin.broadcasts.test_broadcast_admin import text_of
from tests.notifier.admin.conftest import LogIn
from tests.support.factories import a_broadcast, a_client, a_notification, a_topic, a_user

pytestmark = pytest.mark.both_engines(only_full=True)


def trail_of(page: Any) -> str:
    """Overview › Clients › Ann"""
    found = re.search(r'<div class="breadcrumbs">(.*?)</div>', text_of(page))
    assert found
    return " ".join(re.sub(r"<[^>]+>", "", found[1]).split())


def trail(browser: Browser, page: str, *args: Any) -> str:
    return trail_of(browser.get(reverse(f"admin:{page}", args=args)))


def test_stock_pages_lead_from_the_overview_over_the_list(admin: Browser) -> None:
    topic = a_topic(slug="spare", name="Spare homes")

    assert trail(admin, "notifier_topic_changelist") == "Overview › Topics"
    assert trail(admin, "notifier_topic_add") == "Overview › Topics › Add topic"
    assert trail(admin, "notifier_topic_change", topic.pk) == "Overview › Topics › Spare homes"
    assert trail(admin, "notifier_topic_history", topic.pk) == "Overview › Topics › Spare homes › History"
    assert trail(admin, "notifier_topic_delete", topic.pk) == "Overview › Topics › Spare homes › Delete"


def test_the_page_of_an_earlier_version_does_too(admin: Browser) -> None:
    notification = a_notification(subject="Spring")
    version = notification.history.get()

    found = trail(admin, "notifier_notification_simple_history", notification.pk, version.pk)

    assert found == "Overview › Notifications › Spring › Earlier version"


def test_the_pages_of_users_do_too(admin: Browser) -> None:
    ann = a_user(username="ann")

    assert trail(admin, "auth_user_change", ann.pk) == "Overview › Users › ann"
    assert trail(admin, "auth_user_password_change", ann.pk) == "Overview › Users › ann › Password"
    assert trail(admin, "password_change").startswith("Overview › ")
    assert trail(admin, "account") == "Overview › Your account"


def test_log_ins_are_called_what_staff_call_them(admin: Browser) -> None:
    tried = AccessAttempt.objects.create(username="tom", ip_address="192.0.2.7", failures_since_start=2)
    came = AccessLog.objects.create(username="ann")

    attempt = admin.get(reverse("admin:axes_accessattempt_change", args=[tried.pk]))
    assert trail(admin, "axes_accessattempt_changelist") == "Overview › Failed log-ins"
    assert trail_of(attempt) == "Overview › Failed log-ins › tom from 192.0.2.7"
    assert "<h1>tom from 192.0.2.7</h1>" in text_of(attempt)
    assert trail(admin, "axes_accessattempt_delete", tried.pk).endswith("› tom from 192.0.2.7 › Delete")
    assert trail(admin, "axes_accesslog_changelist") == "Overview › Log-ins"
    assert trail(admin, "axes_accesslog_change", came.pk).startswith("Overview › Log-ins › ann, ")


@pytest.mark.parametrize("page", ["axes_accessattempt_changelist", "axes_accesslog_changelist"])
def test_no_page_of_log_ins_speaks_of_access_attempts(admin: Browser, page: str) -> None:
    AccessAttempt.objects.create(username="tom", failures_since_start=2)
    for query in ("", "?q=nobody"):
        text = text_of(admin.get(reverse(f"admin:{page}") + query)).lower()
        assert "access attempt" not in text
        assert "access log" not in text


def test_who_may_not_see_the_list_is_not_led_there(staff: LogIn) -> None:
    page = staff("notifier.add_topic").get(reverse("admin:notifier_topic_add"))

    assert trail_of(page) == "Overview › Topics › Add topic"
    assert f'href="{reverse("admin:notifier_topic_changelist")}"' not in text_of(page).split('id="content"')[0]


def test_our_own_pages_begin_there_too(admin: Browser) -> None:
    broadcast, client = a_broadcast(), a_client(name="Ann Example")
    act = ("notifier_broadcast_act", broadcast.pk, "cancel")

    assert trail(admin, "notifier_broadcast_progress", broadcast.pk) == f"Overview › Broadcasts › #{broadcast.pk}"
    assert trail(admin, *act) == f"Overview › Broadcasts › #{broadcast.pk} › Cancel"
    assert trail(admin, "notifier_client_why", client.pk) == "Overview › Clients › Ann Example › Why?"
    assert trail(admin, "notifier_clientimport_upload") == "Overview › Clients › Imports › Import clients"


@pytest.mark.parametrize("page", PAGES)
def test_every_list_begins_at_the_overview_and_names_no_app(admin: Browser, page: str) -> None:
    found = trail(admin, f"{page}_changelist")

    assert re.fullmatch(r"Overview › [A-Z][^›]+", found), found


def test_a_page_that_is_not_there_leads_back(admin: Browser, settings: Any) -> None:
    settings.DEBUG = False

    page = admin.get(reverse("admin:notifier_topic_change", args=[999_999]), follow=True)

    assert trail_of(page) == "Overview"
