"""Archiving, returning, exporting and erasing: what the page says, and what it does."""

import json
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from notifier.consent import provider_events
from notifier.consent.provider_events import Event, Kind
from notifier.models import Client, InboundMessage, Resolution, ResolvedDelivery
from tests.notifier.admin.clients.test_client_admin import act
from tests.notifier.admin.clients.test_client_page import agree
from tests.notifier.admin.conftest import LogIn
from tests.support.factories import a_client, a_delivery
from tests.support.forms import agree_to, form_of

pytestmark = pytest.mark.both_engines(only_full=True)

LIST = "admin:notifier_client_changelist"
DO = {"why": "ticket 4711", "sure": "on"}
PERMISSIONS = {
    "archive": "notifier.change_client",
    "restore": "notifier.change_client",
    "export": "notifier.export_client",
    "erase": "notifier.erase_client",
}


def decide_url(name: str, *clients: Client, listed: str | None = None) -> str:
    query = {"ids": ",".join(str(client.pk) for client in clients)} if clients else {}
    query |= {} if listed is None else {"list": listed}
    return reverse("admin:notifier_client_decide", args=[name], query=query)


def text_of(page: Any) -> str:
    return " ".join(page.content.decode().split())


@pytest.mark.parametrize("name", PERMISSIONS)
def test_asking_changes_nothing(admin: Browser, name: str) -> None:
    active, archived = a_client(), a_client(is_active=False)

    assert admin.get(decide_url(name, active, archived)).status_code == 200

    assert list(Client.objects.order_by("pk").values_list("is_active", "erased_at")) == [(True, None), (False, None)]


@pytest.mark.parametrize(("name", "permission"), PERMISSIONS.items())
def test_each_needs_its_permission_and_a_look_at_the_clients(staff: LogIn, name: str, permission: str) -> None:
    client = a_client(is_active=name != "restore")
    others = {*PERMISSIONS.values(), "notifier.view_client"} - {permission}

    refused = [
        staff(*others).post(decide_url(name, client), DO).status_code,
        staff(*others).get(decide_url(name, client)).status_code,
        *([staff(permission).post(decide_url(name, client), DO).status_code] if "change" not in permission else []),
    ]

    assert set(refused) == {403}
    assert staff("notifier.view_client", permission).get(decide_url(name, client)).status_code == 200


def test_the_page_counts_what_it_would_change_and_what_it_would_leave(admin: Browser) -> None:
    chosen = [a_client(), a_client(), a_client(is_active=False)]

    text = text_of(admin.get(decide_url("archive", *chosen)))

    assert "Archive 2 clients?" in text
    assert "unchanged: already archived" in text
    assert ">Archive 2 clients</button>" in text


def test_a_single_client_is_named(admin: Browser) -> None:
    assert "Archive Ann Example?" in text_of(admin.get(decide_url("archive", a_client())))


def test_all_that_a_list_finds_is_archived(admin: Browser) -> None:
    found, other = [a_client(name="Zoe One"), a_client(name="Zoe Two")], a_client()

    chosen = {"action": "archive_selected", "_selected_action": [found[0].pk], "select_across": "1"}
    asked = admin.post(reverse(LIST) + "?q=Zoe", chosen)
    page = agree_to(admin, asked["Location"], follow=True)

    assert set(Client.objects.archived()) == set(found)
    assert "2 clients archived" in text_of(page)
    assert page.request["QUERY_STRING"] == "q=Zoe"
    assert Client.objects.get(pk=other.pk).is_active


@pytest.mark.parametrize("action", ["export_all_data", "erase_selected"])
def test_a_whole_list_is_neither_erased_nor_exported(admin: Browser, action: str) -> None:
    client = a_client()
    chosen = {"action": action, "_selected_action": [client.pk], "select_across": "1"}

    page = admin.post(reverse(LIST), chosen, follow=True)
    direct = admin.post(decide_url(action.split("_")[0], listed=""), DO, follow=True)

    assert "tick the clients one by one" in text_of(page)
    assert "Choose the clients from this list." in text_of(direct)
    assert not Client.objects.exclude(erased_at=None).exists()


@pytest.mark.parametrize("query", ["ids=x", "", "ids=", "list=wants%3Dx%26nonsense%3D1"])
def test_an_address_that_names_nobody_leads_to_the_list(admin: Browser, query: str) -> None:
    a_client()

    response = admin.get(reverse("admin:notifier_client_decide", args=["archive"]) + f"?{query}")

    assert response.status_code == 302


def test_an_unknown_decision_is_not_found(admin: Browser) -> None:
    assert admin.get(decide_url("explode", a_client())).status_code == 404


def test_those_who_were_faster_are_told_of(admin: Browser) -> None:
    client = a_client()
    form = form_of(admin.get(decide_url("archive", client)).content.decode())
    Client.objects.update(is_active=False)

    text = text_of(admin.post(decide_url("archive", client), form))

    assert "Nothing was done: these clients have changed" in text
    assert "Archive: nothing to do" in text


# --- Erasing ----------------------------------------------------------------------------------------------------------
def test_erasing_asks_for_a_reason_and_for_being_sure(admin: Browser) -> None:
    client = a_client()

    for answer in ({}, {"why": "ticket 4711"}, {"sure": "on"}, {"why": "x" * 91, "sure": "on"}):
        assert agree_to(admin, decide_url("erase", client), **answer).status_code == 200

    client.refresh_from_db()
    assert client.erased_at is None


def test_the_page_that_erases_says_that_uploaded_files_are_among_it(admin: Browser) -> None:
    assert "in import files that are waiting" in text_of(admin.get(decide_url("erase", a_client())))


def test_selected_clients_are_erased_and_the_list_is_back(admin: Browser) -> None:
    first, second, other = a_client(), a_client(), a_client(name="Somebody Else")

    page = act(admin, "erase_selected", first, second, **DO)

    assert set(Client.objects.exclude(erased_at=None)) == {first, second}
    assert "The personal data of 2 clients has been erased permanently." in text_of(page)
    assert f"Erased client {first.pk}" in text_of(page)
    other.refresh_from_db()
    assert other.name == "Somebody Else"


def test_one_who_is_being_sent_something_is_left_and_told_of(admin: Browser) -> None:
    busy, idle = a_client(name="Busy Bee"), a_client()
    a_delivery(client=busy, state="SENDING")

    page = agree_to(admin, decide_url("erase", busy, idle), follow=True, **DO)

    assert set(Client.objects.exclude(erased_at=None)) == {idle}
    assert "A message to Busy Bee is being sent right now" in text_of(page)


# --- Exporting --------------------------------------------------------------------------------------------------------
def export(browser: Browser, *clients: Client, kind: str = "json") -> Any:
    return agree_to(browser, decide_url("export", *clients), **{"as": kind})


def a_full_client() -> Client:
    client = a_client(name="Zoë Example")
    agree(client, detail="asked by phone")
    delivery = a_delivery(client=client, state="FAILED", detail="550 no such mailbox", attempts=2)
    resolution = Resolution.objects.create(action="SENT_AGAIN", at=timezone.now(), why="ticket 7", number=1)
    ResolvedDelivery.objects.create(resolution=resolution, delivery=delivery, state_before="FAILED")
    event = Event("Postmark", "1", Kind.COMPLAINT, str(client.email), timezone.now(), detail="abuse")
    provider_events.record_event(event, timezone.now())
    InboundMessage.objects.create(
        provider="twilio",
        provider_id="1",
        sender=str(client.phone),
        text="Who is this?",
        outcome="KEPT",
        received_at=timezone.now(),
    )
    return client


def test_the_file_holds_everything_that_is_kept(admin: Browser) -> None:
    client = a_full_client()

    response = export(admin, client)

    (kept,) = json.loads(response.content)
    assert response["Content-Disposition"] == f'attachment; filename="client-{client.pk}.json"'
    assert "no-store" in response["Cache-Control"]
    assert response["Content-Type"] == "application/json; charset=utf-8"
    assert (kept["client"]["name"], kept["client"]["phone"]) == ("Zoë Example", str(client.phone))
    assert kept["consent today"] == [{"topic": "Listings", "e-mail": True, "SMS": False}]
    assert kept["changes of consent"][0]["source"] == "Staff: asked by phone"
    assert kept["messages"][0]["detail"] == "550 no such mailbox"
    assert kept["decisions about messages"][0]["reason"] == "ticket 7"
    (never,) = kept["suppressed addresses"]
    assert (never["address"], never["source"], never["reason"]) == (
        client.email,
        "Complaint",
        "reported as spam: abuse",
    )
    (suppressed,) = kept["how addresses were suppressed and lifted"]
    assert (suppressed["what"], suppressed["source"]) == ("Suppressed", "Complaint: reported as spam: abuse")
    assert [each["what"] for each in kept["reports from providers"]] == ["Reported as spam"]
    assert [each["text"] for each in kept["messages from the client"]] == ["Who is this?"]
    assert kept["earlier versions"][0]["name"] == "Zoë Example"


def test_the_file_can_be_read_as_text(admin: Browser) -> None:
    response = export(admin, a_full_client(), kind="txt")

    text = response.content.decode()
    assert text.startswith("Data held about Zoë Example as of ")
    assert "Changes of consent\n------------------\n- when: " in text
    assert "source: Staff: asked by phone" in text
    assert "agreed: yes" in text


def test_it_is_on_record_that_a_client_was_exported(admin: Browser, superuser: Any) -> None:
    client = a_client()

    export(admin, client, a_client())

    entry = LogEntry.objects.get(object_id=str(client.pk))
    assert (entry.user, entry.get_change_message()) == (superuser, "Exported the data held.")
    history = text_of(admin.get(reverse("admin:notifier_client_history", args=[client.pk])))
    assert "<td>Exported</td>" in history
    assert "<td>Change</td>" not in history


# --- Since the page was shown -----------------------------------------------------------------------------------------
def test_what_a_list_finds_by_now_is_asked_about_again(admin: Browser) -> None:
    shown, url = [a_client(name="Zoe One"), a_client(name="Zoe Two")], decide_url("archive", listed="q=Zoe")
    form = form_of(admin.get(url).content.decode())
    joined = a_client(name="Zoe Three")

    page = admin.post(url, form)

    assert not Client.objects.archived().exists()
    assert "these clients have changed since you opened the page" in text_of(page)
    assert "Archive 3 clients" in text_of(page)
    admin.post(url, form_of(page.content.decode()))
    assert set(Client.objects.archived()) == {*shown, joined}


@pytest.mark.parametrize("name", ["archive", "restore"])
def test_as_many_others_are_not_those_that_were_shown(admin: Browser, name: str) -> None:
    url = decide_url(name, listed="q=Zoe")
    a_client(name="Zoe One", is_active=name == "archive")
    form = form_of(admin.get(url).content.decode())
    Client.objects.update(name="Renamed")
    a_client(name="Zoe Two", is_active=name == "archive")
    before = list(Client.objects.order_by("pk").values_list("is_active", flat=True))

    admin.post(url, form)

    assert list(Client.objects.order_by("pk").values_list("is_active", flat=True)) == before


def test_nobody_is_erased_of_whom_the_page_said_something_else(admin: Browser) -> None:
    client = a_client(name="Ann Example")
    form = form_of(admin.get(decide_url("erase", client)).content.decode())
    client.name = "Somebody Else"
    client.save()

    page = admin.post(decide_url("erase", client), form | DO)

    assert not Client.objects.exclude(erased_at=None).exists()
    again = form_of(page.content.decode())
    assert (again["why"], "sure" in again) == (["ticket 4711"], False)
    admin.post(decide_url("erase", client), again | {"sure": "on"})
    assert Client.objects.exclude(erased_at=None).exists()


def test_ticks_whose_rows_are_gone_are_never_the_whole_list(admin: Browser) -> None:
    gone, other = a_client(name="Zoe Gone"), a_client(name="Zoe Other")
    pk = gone.pk
    gone.delete()

    for action in ("archive_selected", "return_selected", "erase_selected", "export_all_data", "export_selected"):
        page = admin.post(reverse(LIST) + "?q=Zoe", {"action": action, "_selected_action": [pk]}, follow=True)
        assert "Choose the clients from this list." in text_of(page), action
        assert page.redirect_chain[-1][0] == reverse(LIST)
    page = admin.post(decide_url("archive", listed="q=Zoe") + "&ids=", DO, follow=True)

    other.refresh_from_db()
    assert other.is_active


def test_a_page_without_what_it_showed_does_nothing(admin: Browser) -> None:
    client = a_client()

    for name in PERMISSIONS:
        page = admin.post(decide_url(name, client), DO)
        assert "Nothing was done" in text_of(page), name

    client.refresh_from_db()
    assert (client.is_active, client.erased_at) == (True, None)
    assert not LogEntry.objects.exists()
