"""Each count of the confirm page leads to the list of exactly those clients."""

import itertools
import random
from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse

from notifier.admin.clients import audience_lists
from notifier.audience import standings, topic_counts
from notifier.audience.standings import Standing
from notifier.models import Channel, Client, ClientValues, Suppression
from notifier.models.fields import folded_column
from tests.notifier.admin.conftest import LogIn
from tests.support.factories import a_client, a_field, a_notification, a_topic

pytestmark = pytest.mark.both_engines


def a_town() -> None:
    """Clients of every kind that there is, each a few times, by chance but always the same."""
    dice = random.Random(7)
    kinds: list[Any] = list(
        itertools.product(("both", "email", "sms", "neither", None), (True, False), ("fresh", None), ("fresh", None))
    )
    for consent, is_active, email, phone in kinds:
        for _ in range(dice.randint(1, 3)):
            if email or phone:
                client = a_client(
                    email=email, phone=phone, is_active=is_active, **({"listings": consent} if consent else {})
                )
                if dice.random() < 0.4 and client.email:
                    Suppression.objects.create(channel=Channel.EMAIL, address=client.email, reason="asked us to")
                if dice.random() < 0.4 and client.phone:
                    Suppression.objects.create(channel=Channel.SMS, address=str(client.phone), reason="asked us to")
    for number in range(3):
        a_client(listings="both", phone=f"+4930123456{number:02}")
    # The same people's other wishes must not count.
    a_client(offerings="both")


def listed(browser: Browser, url: str) -> list[int]:
    page = browser.get(url)
    assert page.status_code == 200
    assert page.context["cl"].result_count == len(page.context["cl"].result_list)
    return [client.pk for client in page.context["cl"].result_list]


@pytest.mark.parametrize("channel", Channel)
def test_each_count_leads_to_a_list_of_that_length_and_everyone_is_in_one(admin: Browser, channel: Channel) -> None:
    a_town()
    topic = a_topic()
    reach = topic_counts.reach(topic=topic)[channel]

    lists = {
        standing: Client.objects.in_bulk(
            standings.who(topic=topic, channel=channel, standing=standing).values_list("pk", flat=True)
        )
        for standing in Standing
    }

    assert {standing: len(found) for standing, found in lists.items()} == {
        standing: getattr(reach, standing.value) for standing in Standing
    }
    # Without SMS_COUNTRIES no number is left out for its country, and mail goes to those with a landline, too.
    none = [Standing.NOT_ALLOWED] if channel == Channel.SMS else [Standing.NOT_ALLOWED, Standing.LANDLINE]
    none.append(Standing.NOT_IN_AUDIENCE)
    assert [standing for standing, found in lists.items() if not found] == none
    everyone = [pk for found in lists.values() for pk in found]
    assert sorted(everyone) == sorted(Client.objects.values_list("pk", flat=True))


def test_the_confirm_pages_links_show_as_many_clients_as_they_say(
    admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifier.admin.clients.client_admin.ClientAdmin.list_per_page", 500)
    a_town()
    page = admin.get(f"{reverse('admin:notifier_notification_broadcast')}?ids={a_notification().pk}")

    counts = [count for one in page.context["offers"][0].channels for count in one.counts]

    assert len(counts) == 12
    # On a phone the heads of the columns stand in front of the numbers.
    assert [page.content.decode().count(f'data-label="{one.heading}"') for one in counts[1:5]] == [2, 2, 2, 2]
    for count in counts:
        assert f'href="{count.url}"' in page.content.decode()
        assert len(listed(admin, count.url)) == count.number


def test_who_lacks_a_field_is_a_link_away(admin: Browser) -> None:
    field = a_field(key="town")
    has, lacks = a_client(listings="email"), a_client(listings="email")
    values = {field.column: "Leeds", folded_column(field.column): "leeds"}
    ClientValues.objects.create(client=has, **values)
    text = a_notification(email_body="In {{ town }}", sms_body="")
    page = admin.get(f"{reverse('admin:notifier_notification_broadcast')}?ids={text.pk}")

    email = page.context["offers"][0].channels[0]
    (note,) = email.lacks

    assert note.words.startswith("1 recipient has no town, so no e-mail is sent to them.")
    assert note.words.endswith('{{ town | "not known yet" }}.')
    assert listed(admin, note.url) == [lacks.pk]
    assert {one.heading: listed(admin, one.url) for one in email.counts[:2]} == {
        "Will get it": [has.pk],
        "No town": [lacks.pk],
    }


def test_the_list_says_who_they_are(admin: Browser) -> None:
    a_client(listings="sms")
    url = audience_lists.list_url(topic=a_topic(), channel=Channel.EMAIL, standing=Standing.NO_CONSENT)

    assert "have not agreed to Listings by e-mail" in admin.get(url).content.decode()


def test_without_a_link_the_filter_is_not_offered(admin: Browser) -> None:
    assert "by who" not in admin.get(reverse("admin:notifier_client_changelist")).content.decode().lower()


@pytest.mark.parametrize("value", ["x", "listings.email", "listings.fax.archived", "gone.email.archived", "a.b.c.d"])
def test_a_link_that_means_nothing_shows_nobody_and_says_so(admin: Browser, value: str) -> None:
    a_client(listings="both")
    url = reverse("admin:notifier_client_changelist", query={"reach": value})

    assert listed(admin, url) == []
    assert "this link is no longer valid" in admin.get(url).content.decode()


def test_who_may_not_see_clients_reads_the_counts_without_links(staff: LogIn) -> None:
    a_client(listings="both")
    browser = staff("notifier.view_notification", "notifier.send_broadcast")

    page = browser.get(f"{reverse('admin:notifier_notification_broadcast')}?ids={a_notification().pk}")

    assert "?reach=" not in page.content.decode()
    assert page.context["summary"].total == 2


# --- Of the recipients, those who lack a value ------------------------------------------------------------------------
@pytest.mark.parametrize("channel", Channel)
def test_the_numbers_of_who_lacks_a_value_lead_to_exactly_these(admin: Browser, channel: Channel) -> None:
    cher, teller = a_client(name="Cher", listings="both"), a_client(first_name="Teller", listings="both")
    ann = a_client(first_name="Ann", last_name="Lee", listings="both")
    a_client(name="Sade", listings="neither")

    def listed_as(which: str, *keys: str) -> list[int]:
        url = audience_lists.list_url(
            topic=a_topic(), channel=channel, standing=Standing.RECIPIENTS, which=which, keys=keys
        )
        return sorted(listed(admin, url))

    assert listed_as("lack", "first_name") == [cher.pk]
    assert listed_as("lack", "first_name", "last_name") == [cher.pk, teller.pk]
    assert listed_as("have", "first_name") == [teller.pk, ann.pk]
    assert listed_as("have", "first_name", "last_name") == [ann.pk]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "value",
    [
        *("listings.email.recipients.lack", "listings.email.recipients.lack.", "listings.email.recipients.lack.email"),
        *("listings.email.recipients.miss.first_name", "listings.email.recipients.lack.first_name.x", "....", ".", ""),
        "listings.email.recipients.lack.first_name-erased_at",
    ],
)
def test_a_value_that_no_text_needs_is_no_list(value: str) -> None:
    a_topic()

    assert audience_lists.read_reach(value) is None
