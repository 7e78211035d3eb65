from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from unittest.mock import patch

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from notifier.audience import readers
from notifier.messages.variants import Texts
from notifier.models import Channel, Client, ClientTag, Notification, SavedAudience, Tag
from notifier.saved_audiences import compiling, freezing
from notifier.saved_audiences.document import Line
from tests.support.factories import a_broadcast, a_client, a_delivery, a_notification, a_saved_audience, a_tag

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

EMAIL, SMS = Channel.EMAIL, Channel.SMS
TEN = datetime(2026, 11, 24, 22, tzinfo=UTC)
DAY = timedelta(days=1)


def had(client: Client, channel: Channel, ago: Iterable[timedelta]) -> None:
    for each in ago:
        a_delivery(client=client, channel=channel, state="SENT", settled_at=TEN - each)


def vips(*clients: Client) -> SavedAudience:
    tag = a_tag("VIP")
    ClientTag.objects.bulk_create(ClientTag(client=client, tag=tag) for client in clients)
    return a_saved_audience(Line("tag", "has", tag.pk))


def shown(text: Notification) -> tuple[Client | None, Client | None]:
    found = readers.of(text, now=TEN)
    return found[EMAIL], found[SMS]


def test_one_client_is_shown_both_where_one_gets_both() -> None:
    a_client(listings="email")
    a_client(listings="sms")
    both = a_client(listings="both")
    a_client(listings="both")

    assert shown(a_notification()) == (both, both)


def test_otherwise_each_is_shown_as_somebody_gets_it() -> None:
    by_sms, by_email = a_client(listings="sms"), a_client(listings="email")

    assert shown(a_notification()) == (by_email, by_sms)


def test_what_nobody_gets_is_shown_for_nobody() -> None:
    by_sms = a_client(listings="sms")

    assert shown(a_notification()) == (None, by_sms)
    assert readers.of(a_notification(email_body=""), now=TEN) == {SMS: by_sms}


def test_nobody_is_shown_what_the_cap_keeps_from_them(settings: Settings) -> None:
    settings.CAPS = {"email": (2, 7), "sms": None}
    full, other = a_client(listings="both"), a_client(listings="both")
    had(full, EMAIL, (DAY, 2 * DAY))
    had(other, EMAIL, (DAY, 8 * DAY))

    assert shown(a_notification()) == (other, other)
    had(other, EMAIL, (2 * DAY,))
    assert shown(a_notification()) == (None, full)


def test_the_cap_counts_when_it_is_their_turn(settings: Settings) -> None:
    settings.CAPS = {"email": (1, 7), "sms": None}
    client = a_client(phone=None, listings="email")
    had(client, EMAIL, (7 * DAY - timedelta(minutes=1),))
    assert readers.of(a_notification(sms_body=""), now=TEN) == {EMAIL: None}

    settings.QUIET_HOURS = {"email": (time(21), time(8)), "sms": None}

    assert readers.of(a_notification(sms_body=""), now=TEN) == {EMAIL: client}


def test_a_broadcast_that_has_begun_is_shown_to_those_who_got_it(settings: Settings) -> None:
    settings.CAPS = {"email": (1, 7), "sms": None}
    client = a_client(listings="email")
    broadcast = a_broadcast(notification=a_notification(sms_body=""), state="FINISHED")
    a_delivery(broadcast=broadcast, client=client, state="SENT", settled_at=timezone.now())

    assert readers.of(broadcast, now=timezone.now()) == {EMAIL: client}


def test_a_follow_up_is_shown_to_somebody_whom_the_other_missed() -> None:
    got, missed = a_client(listings="email"), a_client(listings="email")
    notification = a_notification(sms_body="")
    followed = a_broadcast(notification=notification, state="FINISHED", finished_at=TEN)
    a_delivery(broadcast=followed, client=got, state="SENT", settled_at=TEN)
    waiting = a_broadcast(notification=notification, state="AWAITING_APPROVAL", started_at=None, follows=followed)

    assert readers.of(waiting, now=TEN) == {EMAIL: missed}


def test_a_notification_is_shown_to_somebody_in_the_audience_that_it_would_go_to() -> None:
    a_client(listings="both")
    inside = a_client(listings="both")

    found = readers.of(a_notification(), now=TEN, within=compiling.of_saved(vips(inside), now=TEN))

    assert found == {EMAIL: inside, SMS: inside}


def test_a_broadcast_is_shown_to_somebody_in_its_own_audience_and_after_that_to_one_who_got_it() -> None:
    former = a_client(listings="both")
    inside = a_client(listings="both")
    broadcast = a_broadcast(**freezing.columns(vips(inside)))
    a_delivery(broadcast=broadcast, client=former, channel=EMAIL)
    assert readers.of(broadcast, now=timezone.now()) == {EMAIL: inside, SMS: inside}

    ClientTag.objects.all().delete()

    assert readers.of(broadcast, now=timezone.now()) == {EMAIL: former, SMS: None}


def test_nobody_is_shown_where_nobody_can_say_who_is_in_the_audience() -> None:
    broadcast = a_broadcast(**freezing.columns(vips(a_client(listings="both"))))
    ClientTag.objects.all().delete()
    Tag.objects.all().delete()

    assert readers.of(broadcast, now=timezone.now()) == {}


def test_nobody_is_shown_a_text_that_needs_a_value_which_they_lack() -> None:
    a_client(name="Cher", listings="both")
    ann = a_client(first_name="Ann", listings="both")

    assert shown(a_notification(email_body="Dear {{ first_name }}", sms_body="Hi {{ first_name }}")) == (ann, ann)


def test_each_language_is_shown_to_one_who_reads_it_and_where_nobody_does_to_one_who_gets_it() -> None:
    german, english = a_client(listings="both", language="de"), a_client(listings="both", language="en")
    text = a_notification(de=Texts("Hallo", "", "Hallo", "Hallo"), fr=Texts("Salut", "", "Salut", ""))

    found = readers.find(text, now=TEN)

    assert found.of() == {EMAIL: english, SMS: english}
    assert found.of("de") == {EMAIL: german, SMS: german}
    assert found.of("fr") == {EMAIL: german, SMS: german}
    # There is no other text for which somebody would have to be looked for.
    assert shown(a_notification()) == (german, german)


def test_of_all_who_are_looked_at_only_those_who_may_be_shown_are_read_as_clients() -> None:
    for language in ("en", "de", "de", "en", "fr"):
        a_client(listings="both", language=language)
    with patch.object(Client, "from_db", wraps=Client.from_db) as made:
        found = readers.find(a_notification(), now=TEN)

    assert made.call_count == 3
    assert [[client.language for client in clients] for clients in found.each.values()] == [["en", "de", "fr"]] * 2


def test_it_costs_as_much_for_many_as_for_few(settings: Settings) -> None:
    settings.CAPS = {"email": (1, 7), "sms": (1, 7)}
    notification = a_notification()
    a_client(listings="both")
    with CaptureQueriesContext(connection) as few:
        readers.of(notification, now=TEN)
    for _ in range(10):
        a_client(listings="both")

    with CaptureQueriesContext(connection) as many:
        readers.of(notification, now=TEN)

    assert len(many) == len(few) <= 5
