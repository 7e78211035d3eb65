"""What the list of clients says of those who are out of the ordinary."""

import re
from datetime import datetime

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from notifier.clients import erasure
from notifier.models import Client, Suppression
from tests.notifier.admin.conftest import LogIn
from tests.support.factories import a_client

pytestmark = pytest.mark.both_engines(only_full=True)


def flags_of(browser: Browser, client: Client) -> list[str]:
    page = browser.get(reverse("admin:notifier_client_changelist")).content.decode()
    row = next(row for row in page.split("<tr>")[1:] if f'value="{client.pk}"' in row or f"/{client.pk}/change/" in row)
    return re.findall(r'<span class="badge[^>]*>([^<]*)</span>', row)


def suppress(client: Client, channel: str) -> None:
    address = str(client.email if channel == "email" else client.phone)
    Suppression.objects.create(channel=channel, address=address, reason="Asked us to.")


def test_an_ordinary_client_has_none(admin: Browser) -> None:
    client, other = a_client(listings="both"), a_client()
    suppress(other, "email")

    assert flags_of(admin, client) == []


def test_what_is_out_of_the_ordinary_is_flagged(admin: Browser, now: datetime) -> None:
    archived, erased = a_client(is_active=False), a_client()
    email, sms, both, only_email = a_client(), a_client(), a_client(), a_client(phone=None)
    for client, channel in ((email, "email"), (sms, "sms"), (both, "email"), (both, "sms"), (only_email, "email")):
        suppress(client, channel)
    landline = a_client(phone="+442079460018")
    erasure.erase(client_id=erased.pk, by=None, why="asked", now=now)

    assert flags_of(admin, archived) == ["Archived"]
    assert flags_of(admin, erased) == ["Erased"]
    assert flags_of(admin, email) == ["E-mail suppressed"]
    assert flags_of(admin, sms) == ["SMS suppressed"]
    assert flags_of(admin, both) == ["Suppressed"]
    assert flags_of(admin, only_email) == ["E-mail suppressed"]
    assert flags_of(admin, landline) == ["Landline"]


def test_who_may_not_see_suppressions_is_told_of_none(staff: LogIn) -> None:
    client = a_client()
    suppress(client, "email")

    assert flags_of(staff("notifier.view_client"), client) == []


def test_a_page_of_many_costs_as_many_queries_as_one_of_few(admin: Browser) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            admin.get(reverse("admin:notifier_client_changelist"))
        return len(captured)

    suppress(a_client(), "email")
    queries()
    few = queries()
    for _ in range(20):
        suppress(a_client(), "sms")

    assert queries() == few
