"""A client's own page and its history."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from notifier.clients import archiving, erasure, record
from notifier.consent import consents, provider_events, suppressions
from notifier.consent.consents import Origin
from notifier.consent.provider_events import Event, Kind
from notifier.consent.suppressions import Evidence, Source
from notifier.models import Channel, Client, ConsentChange, Suppression
from tests.notifier.admin.clients.test_client_admin import filled_in, page_of
from tests.notifier.admin.conftest import LogIn
from tests.support.factories import a_broadcast, a_client, a_delivery, a_notification, a_topic

pytestmark = pytest.mark.both_engines(only_full=True)

LOOK = ("notifier.view_client", "notifier.view_preference", "notifier.view_delivery", "notifier.view_suppression")


def text_of(browser: Browser, url: str) -> str:
    return " ".join(browser.get(url).content.decode().split())


def agree(client: Client, agreed: bool = True, **origin: Any) -> None:
    consents.change(
        client=client,
        topic=a_topic(),
        wants={Channel.EMAIL: agreed},
        origin=Origin(ConsentChange.Source.STAFF, **origin),
        now=timezone.now(),
    )


# --- The profile, and the form in its place ---------------------------------------------------------------------------
def facts(browser: Browser, client: Client) -> dict[str, str]:
    page = browser.get(page_of(client)).content.decode()
    found = re.findall(r"<dt>(.*?)</dt>\s*<dd>(.*?)</dd>", page, re.DOTALL)
    return {name: " ".join(re.sub(r"<[^>]+>", " ", value).split()) for name, value in found}


def has_form(page: Any) -> bool:
    return 'id="id_name"' in page.content.decode()


def test_the_profile_says_who_they_are_and_how_to_reach_them(admin: Browser) -> None:
    client = a_client(email="ann@example.com", phone="+46701740605", listings="email")
    a_delivery(client=client, state="SENT", settled_at=datetime(2026, 3, 4, 12, tzinfo=UTC))
    a_delivery(client=client, state="FAILED")

    told = facts(admin, client)

    assert (told["E-mail"], told["Phone"]) == ("ann@example.com", "+46 70 174 06 05")
    assert told["Status"].startswith("Active client since")
    assert told["Last sent"].endswith("by e-mail, 4 Mar 2026, 12:00")
    assert told["Time zone"] == "Europe/Stockholm from the phone number"
    assert 'href="tel:+46701740605"' in admin.get(page_of(client)).content.decode()


def test_the_profile_shows_no_subject_raw(admin: Browser) -> None:
    client = a_client()
    broadcast = a_broadcast(notification=a_notification(subject="Homes for you, {{ first_name }}"))
    a_delivery(client=client, broadcast=broadcast, state="SENT", settled_at=datetime(2026, 3, 4, 12, tzinfo=UTC))

    assert facts(admin, client)["Last sent"].startswith("Homes for you, [first name]")


def test_what_is_not_there_is_said(admin: Browser, settings: LazySettings) -> None:
    settings.CLIENT_TIME_ZONE = "Europe/London"
    told = facts(admin, a_client(email="ann@example.com", phone=None, is_active=False))

    assert (told["Phone"], told["Last sent"]) == ("none", "nothing yet")
    assert told["Status"].startswith("Archived")
    assert told["Time zone"] == "Europe/London by default"
    # A US number that tells no place.
    assert facts(admin, a_client(email=None, phone="+15005550006"))["Time zone"].endswith(
        " zones from the phone number"
    )
    a_landline = a_client(email=None, phone="+442079460018")
    assert facts(admin, a_landline)["Phone"] == "+44 20 7946 0018 Landline: no SMS"


def test_the_form_is_there_for_who_asks_and_may_change_the_client(admin: Browser, staff: LogIn, now: datetime) -> None:
    client, erased = a_client(), a_client()
    erasure.erase(client_id=erased.pk, by=None, why="asked", now=now)
    form = f"{page_of(client)}?edit=1"

    assert [has_form(admin.get(address)) for address in (page_of(client), form)] == [False, True]
    reader = staff("notifier.view_client")
    assert [has_form(reader.get(address)) for address in (page_of(client), form)] == [False, False]
    assert "?edit=1" not in reader.get(page_of(client)).content.decode()
    assert not has_form(admin.get(f"{page_of(erased)}?edit=1"))
    assert "?edit=1" not in admin.get(page_of(erased)).content.decode()


def test_saving_leads_to_the_profile_and_a_refusal_back_to_the_form(admin: Browser) -> None:
    client = a_client(name="Ann")
    form = f"{page_of(client)}?edit=1&_changelist_filters=q%3DAnn"
    posted = filled_in(admin.get(form), name="Bob")

    refused = admin.post(form, posted | {"name": ""})
    saved = admin.post(form, posted)

    assert has_form(refused)
    assert saved["Location"] == f"{page_of(client)}?_changelist_filters=q%3DAnn"
    profile = admin.get(saved["Location"])
    assert not has_form(profile)
    # From the form back to the list as it was filtered.
    assert f'href="{page_of(client)}?_changelist_filters=q%3DAnn&amp;edit=1"' in profile.content.decode()


def test_each_fact_needs_its_permission(staff: LogIn) -> None:
    client = a_client(listings="email")
    a_delivery(client=client, state="SENT")

    page = staff("notifier.view_client").get(page_of(client)).content.decode()

    assert "Last sent" not in page
    assert "Agreed to hear about" not in page


# --- The record on the client's page --------------------------------------------------------------------------------
def test_the_page_shows_each_change_of_consent_newest_first(admin: Browser) -> None:
    client = a_client()
    agree(client, detail="the first word")
    agree(client, False, detail="the last word")

    text = text_of(admin, page_of(client))

    assert 0 < text.index("Staff: the last word") < text.index("Staff: the first word")


def test_many_changes_are_cut_short_until_all_are_asked_for(admin: Browser) -> None:
    client = a_client()
    for number in range(record.SHORT_CHANGES + 2):
        agree(client, number % 2 == 0)

    short = admin.get(page_of(client))
    full = admin.get(page_of(client) + "?consent=all")

    assert (len(short.context["changes"]), len(full.context["changes"])) == (10, 12)
    assert "Show all" in short.content.decode()
    assert "Show all" not in full.content.decode()


def test_every_delivery_is_on_one_of_the_pages(admin: Browser) -> None:
    client = a_client(listings="both")
    made = {a_delivery(client=client, state="SENT").pk for _ in range(record.PAGE_SIZE + 3)}

    first = admin.get(page_of(client)).context["sent"]
    second = admin.get(f"{page_of(client)}?before={first.older}").context["sent"]

    assert [len(first.rows), len(second.rows), second.older] == [record.PAGE_SIZE, 3, None]
    assert {row.pk for row in [*first.rows, *second.rows]} == made


def test_an_empty_record_says_what_will_be_there(admin: Browser) -> None:
    text = text_of(admin, page_of(a_client()))

    assert "Nothing yet. Messages to this client" in text
    assert "this client has never agreed to anything" in text
    assert ">Suppressed</h2>" not in text


def test_the_page_tells_of_suppressed_addresses(admin: Browser) -> None:
    client = a_client()
    Suppression.objects.create(channel="sms", address=str(client.phone), reason="Asked us to.")
    Suppression.objects.create(channel="email", address="else@example.com", reason="Somebody else.")

    text = text_of(admin, page_of(client))

    assert "Asked us to." in text
    assert "Somebody else." not in text


def test_one_timeline_tells_of_consent_and_of_every_address_they_had(admin: Browser, now: datetime) -> None:
    client = a_client(email="first@example.com")
    for number, evidence in enumerate((Evidence(Source.BOUNCE, "550 nobody"), Evidence(Source.COMPLAINT, "spam"))):
        moment = now + timedelta(seconds=number)
        suppressions.suppress(channel=Channel.EMAIL, address="first@example.com", evidence=evidence, now=moment)
    client.email = "second@example.com"
    client.save()
    origin = Origin(ConsentChange.Source.ONE_CLICK, ip="192.0.2.7")
    consents.change(client=client, topic=a_topic(), wants={Channel.SMS: True}, origin=origin, now=now)
    later = now + timedelta(seconds=3)
    consents.change(client=client, topic=a_topic(), wants={Channel.SMS: False}, origin=origin, now=later)
    suppressions.lift(
        channel=Channel.EMAIL, address="first@example.com", evidence=Evidence(Source.STAFF, "it is back"), now=later
    )

    page = admin.get(page_of(client))

    told = [(entry.before, entry.after, entry.origin, entry.ip) for entry in page.context["changes"]]
    assert told[:2] == [
        ("Suppressed", "Reachable", "Staff: it is back", ""),
        ("Agreed", "Withdrawn", "Unsubscribe button in the mail program", "192.0.2.7"),
    ]
    assert told[2:3] == [("Suppressed", "Suppressed", "Complaint: spam", "")]
    assert ("Reachable", "Suppressed", "Bounce: 550 nobody", "") in told
    assert "from 192.0.2.7" in page.content.decode()


def test_a_suppression_stands_at_the_top_and_its_switches_say_that_they_have_no_effect(
    admin: Browser, staff: LogIn, now: datetime
) -> None:
    client = a_client(listings="both")
    evidence = Evidence(Source.BOUNCE, "550 nobody")
    suppressions.suppress(channel=Channel.EMAIL, address=str(client.email), evidence=evidence, now=now)

    profile, page = (admin.get(page_of(client) + query).content.decode() for query in ("", "?edit=1"))
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())

    assert profile.index('id="suppressed"') < profile.index('id="profile"')
    assert profile.count("no effect: suppressed") == 1
    assert page.index('id="suppressed"') < page.index('id="id_name"')
    assert f"Nothing is sent to {client.email} : it is suppressed (bounce)." in text
    assert text.count("Listings by e-mail no effect: suppressed") == 1
    assert "by SMS no effect" not in text

    suppressions.lift(channel=Channel.EMAIL, address=str(client.email), evidence=evidence, now=now)
    assert 'id="suppressed"' not in admin.get(page_of(client)).content.decode()


def test_of_an_erased_client_the_story_is_told_by_the_digests(admin: Browser, now: datetime) -> None:
    client = a_client(email="first@example.com", phone=None)
    evidence = Evidence(Source.BOUNCE, "550 nobody")
    suppressions.suppress(channel=Channel.EMAIL, address="first@example.com", evidence=evidence, now=now)
    erasure.erase(client_id=client.pk, by=None, why="asked", now=now + timedelta(seconds=1))

    page = admin.get(page_of(client))

    assert [(entry.beside, entry.origin) for entry in page.context["changes"]] == [
        ("[erased]", "Erased: personal data was erased"),
        ("[erased]", "Bounce: 550 nobody"),
    ]
    assert [row.source for row in page.context["suppressions"]] == ["ERASED"]


def test_without_the_right_to_see_suppressions_the_story_is_of_consent_alone(staff: LogIn, now: datetime) -> None:
    client = a_client()
    agree(client)
    evidence = Evidence(Source.BOUNCE, "550 nobody")
    suppressions.suppress(channel=Channel.EMAIL, address=str(client.email), evidence=evidence, now=now)

    page = staff("notifier.view_client", "notifier.view_preference").get(page_of(client))

    assert [entry.what for entry in page.context["changes"]] == ["Listings"]


def test_a_delivery_shows_the_consent_that_allowed_it_and_what_came_back(admin: Browser, now: datetime) -> None:
    client = a_client()
    agree(client, detail="signed form")
    delivery = a_delivery(client=client, state="SENT")
    other = a_delivery(client=client, state="SENT")
    for one, kind in ((delivery, Kind.HARD_BOUNCE), (other, Kind.COMPLAINT)):
        reference = f"{one.broadcast_id}.{one.pk}"
        provider_events.record_event(Event("Postmark", kind, kind, str(client.email), now, reference=reference), now)

    text = text_of(admin, reverse("admin:notifier_delivery_change", args=[delivery.pk]))

    assert "they had agreed to Listings by e-mail" in text
    assert "signed form" in text
    assert "Hard bounce" in text
    assert "Reported as spam" not in text


def test_the_page_tells_who_archived_the_client(admin: Browser, superuser: Any) -> None:
    client = a_client()
    archiving.archive(clients=Client.objects.all(), by=superuser, now=timezone.now())

    assert ", by root. Nothing is sent to this client" in text_of(admin, page_of(client))


def test_each_part_needs_its_permission(staff: LogIn) -> None:
    client = a_client(listings="email")
    a_delivery(client=client, state="SENT")

    page = staff("notifier.view_client").get(page_of(client))

    assert not [part for part in ("sent", "changes", "suppressions") if part in page.context]
    assert page.context["acts"] == []


def test_the_page_takes_as_many_queries_for_many_rows_as_for_few(admin: Browser) -> None:
    def queries(client: Client) -> int:
        with CaptureQueriesContext(connection) as captured:
            admin.get(page_of(client))
        return len(captured)

    few, many = a_client(), a_client()
    for client, number in ((few, 2), (many, 12)):
        for each in range(number):
            agree(client, each % 2 == 0)
            a_delivery(client=client, state="SENT")
    queries(few)

    assert queries(many) == queries(few) <= 25


# --- Erased -----------------------------------------------------------------------------------------------------------
def test_of_an_erased_client_nothing_can_be_changed(admin: Browser) -> None:
    client = a_client(listings="both")
    page = admin.get(page_of(client))
    erasure.erase(client_id=client.pk, by=None, why="asked to", now=timezone.now())

    refused = admin.post(page_of(client), filled_in(page, name="Back again"))
    text = text_of(admin, page_of(client))

    client.refresh_from_db()
    assert refused.status_code == 302
    assert (client.name, client.is_active) == (f"Erased client {client.pk}", False)
    assert "The personal data was erased on" in text
    assert 'type="checkbox"' not in text
    assert "Return…" not in text


# --- Deleting ---------------------------------------------------------------------------------------------------------
def test_a_client_who_once_agreed_is_not_deleted(admin: Browser) -> None:
    client = a_client()
    agree(client)
    agree(client, False)

    text = " ".join(admin.post(page_of(client, "delete"), {"post": "yes"}, follow=True).content.decode().split())

    assert Client.objects.filter(pk=client.pk).exists()
    assert "because the record of consent is kept as evidence. Archive the client instead" in text


# --- History ----------------------------------------------------------------------------------------------------------
def test_the_history_shows_each_version_with_what_it_changed(admin: Browser) -> None:
    client = a_client(name="Ann Before", email="before@example.com")
    admin.post(page_of(client), filled_in(admin.get(page_of(client)), name="Ann After", time_zone="Europe/Vienna"))

    page = admin.get(page_of(client, "history"))

    newest, first = page.context["versions"]
    assert [(d.label, d.before, d.after) for d in newest.differences] == [
        ("Name", "Ann Before", "Ann After"),
        ("Time zone", "", "Europe/Vienna"),
    ]
    assert (newest.by, first.by) == ("root", "")
    assert "<del>Ann Before</del>" in page.content.decode()


def test_a_long_history_is_bounded_and_costs_the_same(admin: Browser) -> None:
    few, many = a_client(), a_client()
    for number in range(record.PAGE_SIZE + 5):
        many.name = f"Name {number}"
        many.save()

    def seen(client: Client, query: str = "") -> tuple[int, int]:
        with CaptureQueriesContext(connection) as captured:
            page = admin.get(page_of(client, "history") + query)
        return len(page.context["versions"]), len(captured)

    seen(few)
    assert seen(many) == (record.PAGE_SIZE, seen(few)[1])
    assert seen(many, "?show=all")[0] == record.PAGE_SIZE + 6


def test_no_address_writes_an_earlier_version_of_a_client_back(staff: LogIn, admin: Browser) -> None:
    client = a_client(name="Now")
    version = Client.history.filter(id=client.pk).latest("history_id")
    before = {"name": "Before", "email": client.email, "phone": "", "_save": "Revert"}
    history = reverse("admin:notifier_client_history", args=[client.pk])

    for browser in (staff(*LOOK), admin):
        browser.post(history, before)
        # Where the library has its page that reverts.
        assert browser.post(f"{history}{version.history_id}/", before).status_code in (302, 404)

    client.refresh_from_db()
    assert client.name == "Now"
    assert Client.history.filter(id=client.pk).count() == 1
