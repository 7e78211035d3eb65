"""What staff type finds the same clients on every page, and is answered by an index whoever is found."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client as Browser
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from notifier.admin.deliveries import client_search
from notifier.admin.lists import search
from notifier.clients import erasure
from notifier.consent import suppressions
from notifier.consent.suppressions import Evidence, Source
from notifier.models import Channel, Client, Suppression
from notifier.runtime import clock
from tests.notifier.admin.conftest import LogIn
from tests.support.factories import a_broadcast, a_client, a_delivery, a_reply

pytestmark = pytest.mark.both_engines

CLIENTS = reverse("admin:notifier_client_changelist")
DELIVERIES = reverse("admin:notifier_delivery_changelist")
SUPPRESSIONS = reverse("admin:notifier_suppression_changelist")
INBOX = reverse("admin:notifier_inboundmessage_changelist")
READERS = reverse("admin:notifier_notification_readers")
PREVIEW = reverse("admin:notifier_notification_preview")
EXPORT = "admin:notifier_delivery_export"
RESOLVE = "admin:notifier_delivery_resolve"


def rows(browser: Browser, address: str, term: str, **filters: Any) -> list[Any]:
    return list(browser.get(address, {"q": term, **filters}).context["cl"].result_list)


def text_of(page: Any) -> str:
    return " ".join(page.content.decode().split())


# --- Every page that finds clients ------------------------------------------------------------------------------------
def of_clients(browser: Browser, term: str) -> set[str]:
    return {client.name for client in rows(browser, CLIENTS, term)}


def of_deliveries(browser: Browser, term: str) -> set[str]:
    return {delivery.client.name for delivery in rows(browser, DELIVERIES, term)}


def of_failed_deliveries(browser: Browser, term: str) -> set[str]:
    return {delivery.client.name for delivery in rows(browser, DELIVERIES, term, state__exact="FAILED")}


def of_suppressions(browser: Browser, term: str) -> set[str]:
    return {name_of(suppression.address) for suppression in rows(browser, SUPPRESSIONS, term)}


def of_the_inbox(browser: Browser, term: str) -> set[str]:
    return {name_of(message.sender) for message in rows(browser, INBOX, term)}


def offered_as_readers(browser: Browser, term: str) -> set[str]:
    return {client.name for client in browser.get(READERS, {"reader": term}).context["found"]}


def previewed_as(browser: Browser, term: str) -> set[str]:
    reader = browser.get(PREVIEW, {"reader": term}).context["reader"]
    return {reader.name} if reader.client else set()


def name_of(address: str) -> str:
    return Client.objects.get(**{"email" if "@" in address else "phone": address}).name


PAGES = (
    of_clients,
    of_deliveries,
    of_failed_deliveries,
    of_suppressions,
    of_the_inbox,
    offered_as_readers,
    previewed_as,
)
Page = Callable[[Browser, str], set[str]]


@pytest.fixture
def pekka(settings: Any) -> Client:
    """One of two who are written to, suppressed, and have answered."""
    settings.PHONE_DEFAULT_REGION = "FI"
    pekka = a_client(name="Pekka Hämäläinen", email="p.hama@example.fi", phone="+358401234567")
    for client in (pekka, a_client(name="Ann Example", email="ann@example.com", phone="+442079460018")):
        a_delivery(client=client, state="FAILED")
        a_delivery(client=client, state="SENT", channel="sms")
        a_reply(sender=str(client.phone))
        for channel, address in ((Channel.EMAIL, client.email), (Channel.SMS, client.phone)):
            evidence = Evidence(Source.STAFF, "asked")
            suppressions.suppress(channel=channel, address=str(address), evidence=evidence, now=clock.now())
    return pekka


@pytest.mark.parametrize("finds", PAGES)
@pytest.mark.parametrize(
    "term",
    [
        *("hamalainen", "HÄMÄLÄINEN pekka", "Häm Pek", "h p", " pekka "),
        *("p.ham", "P.HAMA@", "p.hama@example.fi", "p.hama@ex"),
        *(
            "+358 40",
            "+358 (0)40-123",
            "00358 40 1234567",
            "358401",
            "040 123",
            "(040) 123",
            "40 1234567",
            "tel:+35840",
        ),
    ],
)
def test_a_client_is_found_alike_on_every_page(admin: Browser, pekka: Client, finds: Page, term: str) -> None:
    assert finds(admin, term) == {pekka.name}


@pytest.mark.parametrize("finds", PAGES)
def test_a_client_is_found_by_the_number_on_every_page(admin: Browser, pekka: Client, finds: Page) -> None:
    assert finds(admin, f"#{pekka.pk}") == {pekka.name}
    assert finds(admin, f"#{pekka.pk}00000") == set()
    # A number of nobody, with which the phones of both begin.
    for beginning in ("358401", "442079"):
        assert finds(admin, f"#{beginning}") == set()


@pytest.mark.parametrize("finds", PAGES)
@pytest.mark.parametrize(
    "term",
    ["hama@example.fi", "@example", "1234567", "pekka ann", "hämälinen", "%", "_", "'", "+9", "#", "#x", "# ", "x y z"],
)
def test_nobody_is_found_by_what_nobody_has(admin: Browser, pekka: Client, finds: Page, term: str) -> None:
    assert finds(admin, term) == set()


@pytest.mark.parametrize("finds", PAGES)
@pytest.mark.parametrize("country", [None, "US"])
@pytest.mark.parametrize("term", ["00358 40", "040 1234", "0 40 123 4567", "(040) 1234-567", "40 12345"])
def test_a_number_as_its_own_country_writes_it_is_found_alike_whichever_country_is_set(
    admin: Browser, pekka: Client, settings: Any, finds: Page, country: str | None, term: str
) -> None:
    settings.PHONE_DEFAULT_REGION = country

    assert finds(admin, term) == {pekka.name}


def test_readers_are_offered_in_the_order_of_names_and_each_with_what_was_typed(admin: Browser) -> None:
    for name in ("Öhlin HAMA", "Zoe Hama", "Ohl Hamá"):
        a_client(name=name, email=f"{name[0]}@example.com" if name == "Zoe Hama" else None)

    page = admin.get(READERS, {"reader": "hama"})

    assert [client.name for client in page.context["found"]] == ["Ohl Hamá", "Öhlin HAMA", "Zoe Hama"]
    # A browser shows an offer only where it finds there, letter by letter, what was typed.
    offers = [text.partition("</option>")[0].partition(">")[2] for text in text_of(page).split("<option")[1:]]
    assert offers == ["Ohl Hamá (matches “hama”)", "Öhlin HAMA", "Zoe Hama"]


# --- Rights -----------------------------------------------------------------------------------------------------------
def test_who_may_not_see_clients_finds_nothing_by_their_names_or_numbers(staff: LogIn, pekka: Client) -> None:
    browser = staff("notifier.view_suppression", "notifier.view_inboundmessage", "notifier.view_delivery")

    for page in (of_suppressions, of_the_inbox):
        assert page(browser, "hamalainen") == page(browser, f"#{pekka.pk}") == set()
        assert page(browser, "+358 40") == {pekka.name}
    assert of_deliveries(browser, "hamalainen") == {"Pekka Hämäläinen", "Ann Example"}  # as if nothing had been typed


@pytest.mark.parametrize("page", [SUPPRESSIONS, INBOX])
def test_the_help_below_the_field_promises_only_what_may_be_found(admin: Browser, staff: LogIn, page: str) -> None:
    whole = text_of(admin.get(page))
    without = text_of(staff("notifier.view_suppression", "notifier.view_inboundmessage").get(page))

    assert "by a client’s name" in whole
    assert "Search by the start of" in without
    assert "client’s name" not in without


@pytest.mark.parametrize("may", [True, False])
def test_what_an_erased_client_left_is_found_by_the_address_they_had(staff: LogIn, pekka: Client, may: bool) -> None:
    erasure.erase(client_id=pekka.pk, by=None, why="asked", now=clock.now())
    rights = ("view_client", "view_delivery", "view_inboundmessage", *(["view_erasedaddress"] if may else []))
    browser = staff(*(f"notifier.{right}" for right in rights))

    for term in ("040 1234567", f"#{pekka.pk}", f"Erased client {pekka.pk}"):
        assert bool(rows(browser, INBOX, term)) is may, term
    for address in (CLIENTS, DELIVERIES):
        assert bool(rows(browser, address, "+358 (0)40 1234567")) is may
    assert not rows(browser, CLIENTS, "hamalainen")


# --- Too many ---------------------------------------------------------------------------------------------------------
@pytest.fixture
def _three_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MAX_CLIENTS", 3)
    monkeypatch.setattr(client_search, "MAX_COUNTED", 4)
    monkeypatch.setattr(client_search, "CHUNK", 2)


def some_deliveries(number: int, **fields: Any) -> list[Any]:
    return [a_delivery(client=a_client(name=f"Bea Example {at}"), **fields) for at in range(number)]


@pytest.mark.usefixtures("_three_at_most")
def test_as_many_deliveries_as_can_be_looked_through_are_listed(admin: Browser) -> None:
    theirs = some_deliveries(3)
    a_delivery()

    page = admin.get(DELIVERIES, {"q": "bea"})

    assert list(page.context["cl"].result_list) == theirs[::-1]
    assert "Type more" not in text_of(page)


@pytest.mark.usefixtures("_three_at_most")
def test_where_too_many_clients_are_found_no_delivery_is_listed_and_the_page_says_why(admin: Browser) -> None:
    some_deliveries(4)

    page = admin.get(DELIVERIES, {"q": "bea"})

    assert list(page.context["cl"].result_list) == []
    said = "More than 3 clients match “bea”, so no messages are listed. Type more of the name or address."
    assert said in text_of(page)
    assert "No messages match" not in text_of(page)


@pytest.mark.usefixtures("_three_at_most")
def test_where_too_many_deliveries_are_found_none_is_listed_and_a_filter_helps(admin: Browser) -> None:
    client = a_client(name="Bea Example")
    for state in ("SENT", "SENT", "FAILED", "SENT"):
        a_delivery(client=client, broadcast=a_broadcast(), state=state)

    page = admin.get(DELIVERIES, {"q": "bea"})
    failed = rows(admin, DELIVERIES, "bea", state__exact="FAILED")

    assert "More than 3 messages match, so no messages are listed." in text_of(page)
    assert [delivery.state for delivery in failed] == ["FAILED"]


@pytest.mark.usefixtures("_three_at_most")
def test_of_too_many_nothing_is_exported_or_decided(admin: Browser) -> None:
    broadcast = a_broadcast()
    some_deliveries(4, broadcast=broadcast, state="FAILED")
    query = {"broadcast__id__exact": str(broadcast.pk), "q": "bea"}

    listed = admin.get(DELIVERIES, query)
    exported = admin.get(reverse(EXPORT, args=["csv"]), query, follow=True)
    decided = admin.get(reverse(RESOLVE, args=["send-again"]), {"list": "q=bea"}, follow=True)

    assert 'id="export-csv"' not in text_of(listed)
    for page in (listed, exported):
        assert "More than 3 clients match “bea”" in text_of(page)
    assert "Nothing was exported" in text_of(exported)
    assert "Choose the messages from this list." in text_of(decided)


@pytest.mark.usefixtures("_three_at_most")
def test_where_too_many_are_called_so_only_addresses_are_looked_for_and_the_page_says_so(admin: Browser) -> None:
    for number in range(4):
        client = a_client(name="Bea Example", email=f"x{number}@example.com")
        a_reply(sender=str(client.phone))
    evidence = Evidence(Source.STAFF, "asked")
    for address in ("bea@example.com", "x1@example.com"):
        suppressions.suppress(channel=Channel.EMAIL, address=address, evidence=evidence, now=clock.now())

    suppressed, inbox = admin.get(SUPPRESSIONS, {"q": "bea"}), admin.get(INBOX, {"q": "bea"})

    assert [row.address for row in suppressed.context["cl"].result_list] == ["bea@example.com"]
    for page in (suppressed, inbox):
        assert "More than 3 clients match “bea”, so their addresses are left out." in text_of(page)


def test_of_very_many_readers_some_are_offered(admin: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MAX_SORTED", 2)
    for letter in "ABC":
        a_client(name=f"{letter} Hama")

    assert len(offered_as_readers(admin, "hama")) == 2


@pytest.mark.usefixtures("only_postgresql")
def test_the_addresses_of_however_many_clients_are_one_parameter(admin: Browser) -> None:
    """For thousands of parameters, twice a page, Django and the driver take longer than PostgreSQL for the answer."""

    def asked() -> int:
        request = RequestFactory().get("/")
        request.user = User.objects.get()
        owned = search.owned("bea", field="address", channels=[Channel.EMAIL], request=request, erased=True)
        return len(Suppression.objects.filter(owned).query.sql_with_params()[1])

    a_client(name="Bea Example")
    for_one = asked()
    for number in range(5):
        a_client(name=f"Bea Example {number}")

    assert asked() == for_one


# --- Answered by an index ---------------------------------------------------------------------------------------------
def plan_of(condition: Any) -> str:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # A few rows are read faster than looked up. Whether they can be looked up shows where reading costs more.
            cursor.execute("SET LOCAL enable_seqscan = off")
        return Client.objects.filter(condition).order_by().values("pk").explain()


@pytest.mark.parametrize(
    ("term", "answered_by"),
    [
        ("hamalainen pekka", ["name"]),
        ("hä", ["name", "email"]),
        ("p.hama@", ["email"]),
        ("+358 40", ["phone"]),
        ("040 1", ["name", "phone"]),
        ("07700 900123", ["name"]),  # nobody’s
        ("44 20", ["name", "phone"]),
    ],
)
@pytest.mark.parametrize("country", ["FI", None])
def test_every_search_is_answered_by_indexes(
    pekka: Client, settings: Any, country: str | None, term: str, answered_by: list[str]
) -> None:
    settings.PHONE_DEFAULT_REGION = country
    named = {
        "postgresql": {
            "name": "client_folded_name",
            "email": "notifier_client_email_",
            "phone": "notifier_client_phone_",
        },
        "sqlite": {
            "name": "VIRTUAL TABLE INDEX 0:L0",
            "email": "(email>? AND email<?)",
            "phone": "(phone>? AND phone<?)",
        },
    }[connection.vendor]

    plan = plan_of(search.matching(term))

    for each in answered_by:
        assert named[each] in plan, plan
    assert "Seq Scan" not in plan
    assert "SCAN notifier_client" not in plan


def test_the_numbers_of_other_countries_are_each_looked_up_in_an_index(pekka: Client, settings: Any) -> None:
    settings.PHONE_DEFAULT_REGION = None
    with CaptureQueriesContext(connection) as captured:
        found = Client.objects.filter(search.matching("040 1234567"))

    asked = [query["sql"] for query in captured if "notifier_client" in query["sql"]]
    assert [client.pk for client in found] == [pekka.pk]
    assert len(asked) == 1
    plan = explained(asked[0])
    assert "notifier_client_phone_" in plan or "COVERING INDEX" in plan
    assert "Seq Scan" not in plan
    assert "TEMP B-TREE" not in plan


def explained(sql: str) -> str:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"{'EXPLAIN' if connection.vendor == 'postgresql' else 'EXPLAIN QUERY PLAN'} {sql}")
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


def test_deliveries_are_looked_up_by_the_clients_that_were_found_first(admin: Browser, pekka: Client) -> None:
    with CaptureQueriesContext(connection) as captured:
        rows(admin, DELIVERIES, "hama")

    asked = [query["sql"] for query in captured if "LIKE" in query["sql"]]
    assert len(asked) == 1
    assert '"notifier_delivery"' not in asked[0]
    assert "LIMIT 10001" in asked[0]
