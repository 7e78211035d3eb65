"""One mailbox in several spellings, and numbers that no message should go to, on the pages where staff type them."""

import re
from datetime import datetime
from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse
from pytest_django.fixtures import Settings

from notifier.clients import erasure
from notifier.consent import provider_events, suppressions
from notifier.consent.provider_events import Event, Kind
from notifier.consent.suppressions import Evidence, Source
from notifier.models import Channel, Client, ClientImport, Suppression
from tests.notifier.admin.clients.test_client_admin import errors_of, filled_in
from tests.support.factories import a_client, a_user
from tests.support.forms import agree_to

pytestmark = pytest.mark.both_engines

ADD = reverse("admin:notifier_client_add")
SUPPRESS = reverse("admin:notifier_suppression_add")
CLIENTS = reverse("admin:notifier_client_changelist")
BOB = "bob@bücher.example"
SPELLINGS = ["bob@xn--bcher-kva.example", "BOB@bu\u0308cher.example", '"bob"@bücher.example']


def add(browser: Browser, email: str) -> dict[str, list[str]]:
    page = browser.post(ADD, filled_in(browser.get(ADD), name="Bob", email=email, phone=""))
    return errors_of(page) if page.status_code == 200 else {}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_an_address_that_is_taken_is_taken_in_every_spelling(admin: Browser, spelling: str) -> None:
    a_client(email=BOB)

    assert list(add(admin, spelling)) == ["email"]
    assert Client.objects.count() == 1


def test_an_address_with_an_invisible_character_is_refused_by_its_name(admin: Browser) -> None:
    errors = add(admin, "bob@example.com\u200b")

    assert "contains an invisible character after “…com” (U+200B zero width space)" in errors["email"][0]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_suppression_is_of_the_mailbox_however_it_is_typed(admin: Browser, spelling: str) -> None:
    admin.post(SUPPRESS, {"channel": "email", "address": spelling, "reason": "asked by phone"})

    assert Suppression.objects.get().address == BOB


@pytest.mark.parametrize("spelling", [*SPELLINGS[:2], "bob@bücher.example\u200b", "bob@bü"])
def test_a_client_is_found_by_any_spelling(admin: Browser, spelling: str) -> None:
    bob = a_client(email=BOB)

    assert list(admin.get(CLIENTS, {"q": spelling}).context["cl"].result_list) == [bob]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_whoever_was_erased_stays_silent_in_every_spelling(admin: Browser, now: datetime, spelling: str) -> None:
    erasure.erase(client_id=a_client(email=BOB, phone=None).pk, by=None, why="asked", now=now)

    assert add(admin, spelling) == {}

    assert Client.objects.get(erased_at=None).email == BOB
    assert Suppression.objects.get(source=Source.ERASED).address == BOB


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.django_db
def test_a_bounce_in_another_spelling_is_of_the_same_mailbox(now: datetime, spelling: str) -> None:
    a_client(email=BOB)

    provider_events.record_event(Event("Postmark", "1", Kind.HARD_BOUNCE, spelling, now), now)

    assert Suppression.objects.get().address == BOB
    again = Evidence(Source.BOUNCE, "again")
    assert not suppressions.suppress(channel=Channel.EMAIL, address=BOB, evidence=again, now=now)


# --- Phone numbers ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("+19002345678", "is a premium-rate number"),
        ("+881612345678", "is a satellite or machine number"),
        ("+39347123456.7", "is not a whole number"),
    ],
)
def test_a_number_that_no_message_should_go_to_is_refused(admin: Browser, number: str, words: str) -> None:
    page = admin.post(ADD, filled_in(admin.get(ADD), name="Bob", email="", phone=number))

    assert words in errors_of(page)["phone"][0]


def test_a_number_that_became_a_decimal_is_nobody_elses(admin: Browser) -> None:
    admin.post(ADD, filled_in(admin.get(ADD), name="Bob", email="", phone="+393471234567.0"))
    admin.post(SUPPRESS, {"channel": "sms", "address": "+393471234567.0", "reason": "asked by phone"})

    assert str(Client.objects.get().phone) == Suppression.objects.get().address == "+393471234567"


def test_a_number_of_before_stands_in_the_way_of_no_other_change(admin: Browser) -> None:
    bob = a_client(name="Bob", phone="+19002345678")
    change = reverse("admin:notifier_client_change", args=[bob.pk])

    admin.post(change, filled_in(admin.get(change), name="Robert"))

    assert Client.objects.get().name == "Robert"


#: What is said below the field of a number.
NOTE = re.compile(r'<span id="phone-note" role="status">(.*?)</span>\s*</div>', re.DOTALL)


def note_of(page: Any) -> str:
    found = NOTE.search(page.content.decode())
    assert found, "no note below the field"
    return " ".join(re.sub(r"<[^>]+>", " ", found[1]).split())


@pytest.mark.parametrize(("number", "told"), [("+493012345678", True), ("+4915112345678", False)])
def test_a_landline_is_told_at_the_field_of_the_number(admin: Browser, number: str, told: bool) -> None:
    change = reverse("admin:notifier_client_change", args=[a_client(phone=number, listings="both").pk])
    said = "Landline No SMS is sent to this number." if told else ""

    form, profile = admin.get(f"{change}?edit=1"), admin.get(change).content.decode()

    assert note_of(form) == said
    assert ("Landline: no SMS" in profile) is told
    for page in (form.content.decode(), profile):
        assert ("no effect: landline" in page) is told


def test_a_landline_is_told_where_something_else_on_the_form_is_wrong(admin: Browser) -> None:
    page = admin.post(ADD, filled_in(admin.get(ADD), name="", email="", phone="+49 30 12345678"))

    assert list(errors_of(page)) == ["first_name"]
    assert note_of(page) == "Landline No SMS is sent to this number."


@pytest.mark.parametrize(
    ("typed", "told"),
    [("+49 30 12345678", True), ("030 12345678", True), ("+49 151 12345678", False), ("+49", False), ("", False)],
)
def test_the_field_asks_while_a_number_is_entered_whether_it_is_a_landlines(
    admin: Browser, settings: Settings, typed: str, told: bool
) -> None:
    settings.PHONE_DEFAULT_REGION = "DE"
    address = reverse("admin:notifier_client_phone")
    assert f'hx-post="{address}"' in admin.get(ADD).content.decode()

    answer = admin.post(address, {"phone": typed})

    assert answer.status_code == 200
    assert ("No SMS is sent to this number." in answer.content.decode()) is told


def test_a_landline_is_told_when_it_is_entered_and_kept_with_the_number(admin: Browser) -> None:
    page = admin.post(ADD, filled_in(admin.get(ADD), name="Bob", email="", phone="+49 30 12345678"), follow=True)

    assert "+49 30 12345678 is a landline number: no SMS is sent to it" in page.content.decode()
    bob = Client.objects.get()
    assert bob.has_landline

    change = reverse("admin:notifier_client_change", args=[bob.pk])
    page = admin.post(change, filled_in(admin.get(change), phone="+49 151 12345678"), follow=True)

    assert "landline number" not in page.content.decode()
    bob.refresh_from_db()
    assert (str(bob.phone), bob.landline_ending) == ("+4915112345678", None)

    admin.post(change, filled_in(admin.get(change), phone="+49 30 12345678"))
    admin.post(change, filled_in(admin.get(change), name="Robert", email="bob@example.com", phone=""))

    bob.refresh_from_db()
    assert (bob.name, bob.phone, bob.landline_ending) == ("Robert", None, None)


@pytest.mark.parametrize(
    ("region", "number", "words"),
    [
        ("SE", "0701", "Include the country code: a number in Sweden looks like +46 70 123 45 67."),
        ("SE", "+44 12", "A number in Britain (UK) looks like +44 7400 123456."),
        (
            None,
            "0701",
            "Include the country code, as in +44 7400 123456 for Britain (UK) or +1 201-555-0123 for the United "
            "States.",
        ),
        (None, "07400 123456", "Include the country code: as a number in Britain (UK) it is +44 7400 123456."),
    ],
)
def test_a_number_that_does_not_exist_is_told_with_an_example_of_its_country(
    admin: Browser, settings: Settings, region: str | None, number: str, words: str
) -> None:
    settings.PHONE_DEFAULT_REGION = settings.PHONENUMBER_DEFAULT_REGION = region
    settings.CLIENT_TIME_ZONE = "UTC"

    page = admin.post(ADD, filled_in(admin.get(ADD), name="Bob", email="", phone=number))

    assert errors_of(page)["phone"] == [f"“{number}” is not a valid phone number. {words}"]


def test_what_is_wrong_names_the_country_that_was_chosen_at_the_last_import(admin: Browser, settings: Settings) -> None:
    settings.PHONE_DEFAULT_REGION = settings.PHONENUMBER_DEFAULT_REGION = None
    settings.CLIENT_TIME_ZONE = "UTC"
    for region, state in (("SE", "DONE"), ("GB", "DONE"), ("", "DONE"), ("NO", "UPLOADED")):
        ClientImport.objects.create(file_name="spring.csv", content=b"", state=state, phone_region=region)

    # By the digits alone it could be one of a mobile phone in New Zealand.
    pages = [agree_to(admin, ADD, name="Bob", phone=number) for number in ("020 7946 0958", "0701")]

    assert [errors_of(page)["phone"][0].partition("Include")[2] for page in pages] == [
        " the country code: as a number in Britain (UK) it is +44 20 7946 0958.",
        " the country code: a number in Britain (UK) looks like +44 7400 123456.",
    ]


def test_a_wrong_number_is_told_alike_wherever_one_is_entered(admin: Browser, settings: Settings) -> None:
    settings.PHONE_DEFAULT_REGION = settings.PHONENUMBER_DEFAULT_REGION = None
    settings.CLIENT_TIME_ZONE = "Europe/London"
    ClientImport.objects.create(file_name="spring.csv", content=b"", state="DONE", phone_region="SE")
    account, user = reverse("admin:account"), reverse("admin:auth_user_change", args=[a_user(username="ben").pk])

    pages = [
        agree_to(admin, ADD, name="Bob", phone="0701"),
        admin.post(SUPPRESS, {"channel": "sms", "address": "0701", "reason": "asked"}),
        agree_to(admin, account, phone="0701"),
        agree_to(admin, user, **{"profile-0-phone": "0701"}),
    ]

    for page in pages:
        assert page.status_code == 200
        assert "a number in Sweden looks like +46 70 123 45 67." in page.content.decode()
        assert "+1" not in " ".join(str(error) for error in mistakes_on(page))
    for address in (ADD, SUPPRESS, account, user):
        # Before anything is wrong, too.
        assert "With its country code, as in +46 70 123 45 67." in admin.get(address).content.decode()


def mistakes_on(page: Any) -> list[str]:
    return re.findall(r'<ul class="errorlist[^>]*>(.*?)</ul>', page.content.decode(), re.DOTALL)
