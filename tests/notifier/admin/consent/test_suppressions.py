import re
from datetime import datetime
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client as Browser
from django.urls import reverse

from notifier.clients import erasure
from notifier.consent import digests, provider_events, suppressions
from notifier.consent.provider_events import Event, Kind
from notifier.consent.suppressions import Evidence, Source
from notifier.models import Channel, Suppression, SuppressionChange
from notifier.runtime import clock
from tests.support.factories import a_client
from tests.support.forms import agree_to

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines(only_full=True)]

LIST, ADD = reverse("admin:notifier_suppression_changelist"), reverse("admin:notifier_suppression_add")
LIFT = reverse("admin:notifier_suppression_lift")
ANN, BOB = "ann@example.com", "bob@example.com"
SEES = "notifier.view_suppression"


def suppress(address: str, source: Source, now: datetime) -> Suppression:
    suppressions.suppress(channel=Channel.EMAIL, address=address, evidence=Evidence(source, f"as {source}"), now=now)
    return Suppression.objects.get(address=address)


def page_of(row: Suppression) -> str:
    return reverse("admin:notifier_suppression_change", args=[row.pk])


def lift(browser: Browser, *rows: Suppression, why: str = "it is back") -> Any:
    query = f"?ids={','.join(str(row.pk) for row in rows)}"
    return agree_to(browser, LIFT + query, follow=True, why=why)


# --- Entering ---------------------------------------------------------------------------------------------------------
def test_what_staff_enter_is_written_down_with_who_and_why(admin: Browser, superuser: Any) -> None:
    admin.post(ADD, {"channel": "email", "address": " Ann@Example.com ", "reason": "asked by phone"})

    row, change = Suppression.objects.get(), SuppressionChange.objects.get()
    assert (row.address, row.source, row.reason) == (ANN, "STAFF", "asked by phone")
    assert (change.action, change.source, change.reason, change.by) == (
        "SUPPRESSED",
        "STAFF",
        "asked by phone",
        superuser,
    )
    assert not LogEntry.objects.exists()


def test_one_that_stands_already_is_refused(admin: Browser, now: datetime) -> None:
    suppress(ANN, Source.CLIENT, now)

    page = admin.post(ADD, {"channel": "email", "address": ANN, "reason": "again"})

    assert "This address is suppressed on this channel already." in page.content.decode()
    assert Suppression.objects.get().source == "CLIENT"


def test_one_that_was_erased_is_not_brought_back_by_entering_it(admin: Browser, now: datetime) -> None:
    client = a_client(email=ANN, phone=None)
    erasure.erase(client_id=client.pk, by=None, why="asked", now=now)

    page = admin.post(ADD, {"channel": "email", "address": ANN, "reason": "again"}, follow=True)

    assert Suppression.objects.get().address == digests.digest(Channel.EMAIL, ANN)
    assert ANN not in page.content.decode()


def test_a_number_is_in_groups_of_digits_wherever_it_is_read(admin: Browser) -> None:
    entered = admin.post(ADD, {"channel": "sms", "address": "+12025550123", "reason": "asked"}, follow=True)
    row = Suppression.objects.get()
    lifting = admin.get(f"{reverse('admin:notifier_suppression_lift')}?ids={row.pk}")

    for page in (entered, admin.get(page_of(row)), lifting):
        text = re.sub(r"<[^>]+>", " ", page.content.decode())
        assert "+1 202 555 0123" in text
        assert "+12025550123" not in text
    assert str(SuppressionChange.objects.get()).endswith("SMS +1 202 555 0123")


def test_a_page_can_neither_edit_nor_delete(admin: Browser, now: datetime) -> None:
    row = suppress(ANN, Source.BOUNCE, now)

    answers = [
        admin.post(page_of(row), {"channel": "sms", "address": "+12025550100", "reason": "x"}).status_code,
        admin.post(reverse("admin:notifier_suppression_delete", args=[row.pk]), {"post": "yes"}).status_code,
    ]

    assert answers == [403, 403]
    assert Suppression.objects.get().reason == "as BOUNCE"


# --- Finding ----------------------------------------------------------------------------------------------------------
def test_an_erased_address_is_found_by_typing_it(admin: Browser, now: datetime) -> None:
    for email, phone in ((ANN, "+46701740605"), (BOB, None)):
        client = a_client(email=email, phone=phone)
        erasure.erase(client_id=client.pk, by=None, why="asked", now=now)
    suppress(f"{ANN}.invalid", Source.BOUNCE, now)

    def found(term: str) -> list[str]:
        return [row.shown_address for row in admin.get(LIST, {"q": term}).context["cl"].result_list]

    assert found("Ann@Example.com") == [f"{ANN}.invalid", "[erased]"]
    assert found("+46 70 174 06 05") == ["[erased]"]
    assert found("ann@example.co") == [f"{ANN}.invalid"]
    assert found("eve@example.com") == []


def test_the_page_tells_the_whole_story(admin: Browser, now: datetime) -> None:
    event = Event("Postmark", "1", Kind.HARD_BOUNCE, ANN, now, detail="550 5.1.1 nobody")
    provider_events.record_event(event, now)
    lift(admin, Suppression.objects.get(), why="the mailbox is back")
    row = suppress(ANN, Source.COMPLAINT, clock.now())

    text = " ".join(admin.get(page_of(row)).content.decode().split())

    assert 0 < text.index("Complaint: as COMPLAINT") < text.index("Staff, root: the mailbox is back")
    assert "Hard bounce" in text
    assert "550 5.1.1 nobody" in text
