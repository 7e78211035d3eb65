"""The matrix of what a client wants to hear about: what is ticked, and what is written down of it."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from notifier.consent import preference_center
from notifier.consent.consents import Origin
from notifier.models import Channel, Client, ConsentChange, Preference, Topic
from tests.notifier.admin.clients.test_client_admin import ADD, filled_in, page_of
from tests.notifier.admin.clients.test_client_page import LOOK, agree, text_of
from tests.notifier.admin.conftest import LogIn
from tests.support.checks.ledger import unaccounted
from tests.support.factories import a_client, a_topic

pytestmark = pytest.mark.both_engines


# --- Preferences ------------------------------------------------------------------------------------------------------
def test_the_matrix_has_a_row_for_every_topic(admin: Browser) -> None:
    a_topic(slug="rentals")
    client = a_client(listings="sms")

    page = admin.get(page_of(client))

    rows = page.context["inline_admin_formsets"][0].formset.forms
    assert {row.topic_name for row in rows} == set(Topic.objects.values_list("name", flat=True))
    assert [(row.topic_name, row["email"].value(), row["sms"].value()) for row in rows if row.instance.pk] == [
        ("Listings", False, True)
    ]


def test_no_more_rows_are_made_than_there_are_topics_whatever_number_is_posted(admin: Browser) -> None:
    client = a_client()
    page = admin.get(page_of(client))

    answer = admin.post(page_of(client), filled_in(page, **{"preferences-TOTAL_FORMS": "1000"}))

    assert len(answer.context["inline_admin_formsets"][0].formset.forms) == Topic.objects.count()


def test_ticking_makes_a_row_for_that_topic_only(admin: Browser) -> None:
    client = a_client()
    page = admin.get(page_of(client))
    rows = page.context["inline_admin_formsets"][0].formset.forms
    offerings = next(row for row in rows if row.topic_name == "Offerings")

    response = admin.post(page_of(client), filled_in(page, **{f"{offerings.prefix}-sms": "on"}))

    assert response.status_code == 302
    assert list(Preference.objects.values_list("client", "topic__slug", "email", "sms")) == [
        (client.pk, "offerings", False, True)
    ]


def test_a_topic_that_was_added_meanwhile_makes_no_row_by_itself(admin: Browser) -> None:
    client = a_client()
    page = admin.get(page_of(client))
    a_topic(slug="a-topic-before-the-others")

    response = admin.post(page_of(client), filled_in(page))

    assert response.status_code == 302
    assert not client.preferences.exists()


def test_unticking_keeps_the_row_and_ends_the_consent(admin: Browser) -> None:
    client = a_client(listings="both")
    page = admin.get(page_of(client))

    admin.post(page_of(client), filled_in(page, **{"preferences-0-email": "", "preferences-0-sms": ""}))

    assert list(client.preferences.values_list("topic__slug", "email", "sms")) == [("listings", False, False)]


def test_a_new_client_may_be_given_preferences_at_once(admin: Browser) -> None:
    page = admin.get(reverse(ADD))

    admin.post(
        reverse(ADD),
        filled_in(
            page, name="Ann", email="ann@example.com", **{"preferences-0-email": "on", "preferences-1-sms": "on"}
        ),
    )

    assert Preference.objects.filter(client__name="Ann").count() == 2


def test_a_row_stays_with_its_topic_whatever_is_posted(admin: Browser) -> None:
    client = a_client(listings="email")
    page = admin.get(page_of(client))
    other = str(a_topic(slug="rentals").pk)

    admin.post(page_of(client), filled_in(page, **{"preferences-0-topic": other, "preferences-0-sms": "on"}))

    assert client.preferences.get(topic__slug="listings").sms
    assert not client.preferences.filter(topic__slug="rentals").exists()


def test_two_people_who_tick_the_same_topic_meet_an_error_not_a_crash(admin: Browser) -> None:
    client = a_client()
    page = admin.get(page_of(client))
    Preference.objects.create(client=client, topic=a_topic(), email=True)

    response = admin.post(page_of(client), filled_in(page, **{"preferences-0-sms": "on"}))

    assert response.status_code == 200
    assert client.preferences.count() == 1


def test_those_who_may_only_look_see_the_consent_without_boxes(staff: LogIn) -> None:
    client = a_client(listings="email")

    page = staff("notifier.view_client", "notifier.view_preference").get(page_of(client))

    assert "Listings" in page.content.decode()
    assert 'type="checkbox"' not in page.content.decode()


def test_a_tick_needs_its_evidence_and_what_is_taken_away_needs_none(admin: Browser) -> None:
    client = a_client(listings="sms")

    def save(**changes: str) -> Any:
        return admin.post(page_of(client), filled_in(admin.get(page_of(client)), **changes))

    refused = save(**{"preferences-0-email": "on", "evidence": "  "})
    assert refused.status_code == 200
    assert refused.context["adminform"].form.errors == {
        "evidence": ["Say how we know that they agreed. It is recorded with the consent."]
    }
    assert not Preference.objects.filter(email=True).exists()

    assert save(name="Ann Other", evidence="").status_code == 302
    assert save(**{"preferences-0-sms": "", "evidence": ""}).status_code == 302
    assert not Preference.objects.filter(sms=True).exists()

    add = reverse("admin:notifier_client_add")
    ticked = {"preferences-0-email": "on", "evidence": ""}
    assert admin.post(add, filled_in(admin.get(add), name="Bob", email="bob@example.com", **ticked)).status_code == 200
    assert not Client.objects.filter(name="Bob").exists()


# --- Consent: what is ticked is written down -------------------------------------------------------------------------
def test_what_staff_tick_is_written_down_with_their_name_and_their_words(admin: Browser, superuser: Any) -> None:
    client = a_client()
    page = admin.get(page_of(client))

    admin.post(page_of(client), filled_in(page, **{"preferences-0-email": "on", "evidence": "asked by phone"}))

    change = ConsentChange.objects.get()
    assert (change.client, change.channel, change.agreed, change.by) == (client, "email", True, superuser)
    assert change.origin == "Staff, root: asked by phone"
    assert unaccounted() == {}


def test_a_new_client_s_consent_is_written_down(admin: Browser) -> None:
    add = reverse("admin:notifier_client_add")
    ticked = {"preferences-0-email": "on", "preferences-1-sms": "on"}

    admin.post(add, filled_in(admin.get(add), name="Ann", email="ann@example.com", **ticked))

    assert ConsentChange.objects.filter(client__name="Ann", agreed=True).count() == 2
    assert unaccounted() == {}


def test_unticking_is_written_down_as_a_withdrawal(admin: Browser) -> None:
    client = a_client()
    agree(client)

    admin.post(page_of(client), filled_in(admin.get(page_of(client)), **{"preferences-0-email": ""}))

    assert list(client.consent_changes.order_by("pk").values_list("agreed", flat=True)) == [True, False]
    assert unaccounted() == {}


def test_saving_a_new_name_writes_no_change_of_consent(admin: Browser) -> None:
    client = a_client()
    agree(client)

    admin.post(page_of(client), filled_in(admin.get(page_of(client)), name="Renamed"))

    assert client.consent_changes.count() == 1


def test_who_opted_out_while_the_page_was_open_stays_out(admin: Browser) -> None:
    client = a_client()
    agree(client)
    page = admin.get(page_of(client))
    agree(client, False)

    admin.post(page_of(client), filled_in(page, name="Renamed"))

    client.refresh_from_db()
    assert client.name == "Renamed"
    assert not Preference.objects.get(client=client).email
    assert unaccounted() == {}


def refused(client: Client) -> None:
    agree(client)
    preference_center.withdraw(
        client_id=client.pk,
        topic=a_topic(),
        channel=Channel.EMAIL,
        origin=Origin(ConsentChange.Source.ONE_CLICK),
        now=timezone.now(),
    )


def stopped(client: Client) -> None:
    preference_center.stop_everything(client_id=client.pk, origin=Origin(ConsentChange.Source.PAGE), now=timezone.now())


@pytest.mark.parametrize("refuse", [refused, stopped])
def test_what_a_client_ended_is_switched_on_again_only_with_a_right_and_a_reason(
    staff: LogIn, refuse: Callable[[Client], None]
) -> None:
    client = a_client()
    refuse(client)
    may = ("notifier.change_client", "notifier.change_preference", "notifier.add_preference")

    def tick(browser: Browser, **fields: str) -> Any:
        page = browser.get(page_of(client))
        return browser.post(page_of(client), filled_in(page, **{"preferences-0-email": "on"} | fields))

    answer = tick(staff(*LOOK, *may), evidence="asked by phone")
    assert "They opted out themselves on" in answer.content.decode()
    assert not Preference.objects.filter(email=True).exists()

    rightful = staff(*LOOK, *may, "notifier.resubscribe_client")
    answer = tick(rightful, evidence="")
    assert "Explain below how we know that they want it again." in answer.content.decode()
    assert not Preference.objects.filter(email=True).exists()

    assert tick(rightful, evidence="signed the form in May").status_code == 302
    assert Preference.objects.get(email=True).client == client
    assert ConsentChange.objects.latest("pk").detail == "signed the form in May"


def test_what_staff_had_unticked_they_tick_again(staff: LogIn) -> None:
    client = a_client()
    agree(client)
    agree(client, False)
    browser = staff(*LOOK, "notifier.change_client", "notifier.change_preference", "notifier.add_preference")

    page = browser.get(page_of(client))
    browser.post(page_of(client), filled_in(page, **{"preferences-0-email": "on"}))

    assert Preference.objects.get(email=True).client == client


def test_the_page_says_that_they_stopped_everything_and_how_each_yes_began(admin: Browser) -> None:
    client = a_client()
    refused(client)
    agree(client)
    stopped(client)

    text = text_of(admin, page_of(client))

    assert "this client unsubscribed from everything on their preference page" in text
    evidence = text[text.index("Consent history") :]
    assert evidence.count("No consent") == 1
    assert evidence.count("Withdrawn") == 3
