"""The page that explains why a client did or did not get a broadcast."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from notifier.models import Client
from tests.notifier.admin.clients.test_client_page import LOOK, agree, text_of
from tests.notifier.admin.conftest import LogIn
from tests.support.factories import a_broadcast, a_client, a_delivery

pytestmark = pytest.mark.both_engines(only_full=True)


def why_url(client: Client, query: str = "") -> str:
    return reverse("admin:notifier_client_why", args=[client.pk]) + query


def test_the_answer_stands_on_the_page_for_each_channel(admin: Browser) -> None:
    client = a_client(name="Ann")
    broadcast = a_broadcast(cursor=client.pk, state="FINISHED")
    a_delivery(broadcast=broadcast, client=client, state="FAILED", detail="550 no such mailbox")

    text = text_of(admin, why_url(client, f"?broadcast={broadcast.pk}"))

    assert "Ann did not get the e-mail: sending failed at" in text
    assert "550 no such mailbox." in text
    assert "Ann did not get the SMS: no consent to Listings by SMS at the time" in text


@pytest.mark.parametrize(("term", "found"), [("", 2), ("homes", 1), ("OTHER things", 1), ("nowhere", 0), ("#{pk}", 1)])
def test_broadcasts_are_found_by_number_and_by_words(admin: Browser, term: str, found: int) -> None:
    client = a_client()
    a_broadcast(subject="Three homes")
    other = a_broadcast(subject="All other things")

    page = admin.get(why_url(client), {"q": term.format(pk=other.pk)})

    assert len(page.context["offered"]) == found


@pytest.mark.parametrize("number", ["0", "x", "99999999999999999999", "-1"])
def test_a_broadcast_that_is_not_there_is_not_found(admin: Browser, number: str) -> None:
    assert admin.get(why_url(a_client(), f"?broadcast={number}")).status_code == 404


@pytest.mark.parametrize("permission", ["notifier.view_client", "notifier.view_delivery"])
def test_asking_why_needs_both_permissions(staff: LogIn, permission: str) -> None:
    client = a_client()

    assert staff(permission).get(why_url(client)).status_code == 403
    assert staff(*LOOK).get(why_url(client)).status_code == 200


def test_asking_why_costs_the_same_whatever_was_sent(admin: Browser) -> None:
    def queries(client: Client) -> int:
        broadcast = a_broadcast(cursor=client.pk)
        a_delivery(broadcast=broadcast, client=client, state="SENT")
        with CaptureQueriesContext(connection) as captured:
            admin.get(why_url(client, f"?broadcast={broadcast.pk}"))
        return len(captured)

    few, many = a_client(), a_client()
    for number in range(10):
        agree(many, number % 2 == 0)
        a_delivery(client=many, state="SENT")
    agree(few)
    agree(few, False)
    queries(few)

    assert queries(many) == queries(few) <= 20


def test_a_delivery_s_page_leads_to_why(admin: Browser) -> None:
    delivery = a_delivery(state="SENT", settled_at=timezone.now() - timedelta(days=1))

    page = admin.get(reverse("admin:notifier_delivery_change", args=[delivery.pk])).content.decode()

    assert why_url(delivery.client, f"?broadcast={delivery.broadcast_id}") in page
