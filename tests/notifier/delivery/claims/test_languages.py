"""A claim reads the client's language last, and picks the text and its end by it."""

from datetime import datetime

import pytest
from pytest_django.fixtures import Settings

from notifier.broadcasts import lifecycle
from notifier.messages.variants import Texts
from notifier.models import Broadcast, Channel, Client, Delivery, Notification, Reason
from tests.notifier.delivery.calls import claim, fresh
from tests.support.factories import a_broadcast, a_client, a_delivery, a_notification

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

GERMAN = Texts("Hallo {{ name }}", "Vorab", "Guten Tag, **{{ name }}**", "Hallo, {{ name }}!")
FRENCH = Texts("Bonjour", "", "Cher {{ name }}")


def a_told_broadcast() -> Broadcast:
    return a_broadcast(
        notification=a_notification(
            subject="Hello {{ name }}", email_body="Dear {{ name }}", sms_body="Hi {{ name }}", de=GERMAN, fr=FRENCH
        )
    )


def test_everyone_of_one_window_gets_the_text_in_their_language(now: datetime) -> None:
    broadcast = a_told_broadcast()
    languages = (None, "de", "fr", "es", "de")
    clients = [a_client(name=f"Ann {number}", listings="both", language=one) for number, one in enumerate(languages)]
    rows = [a_delivery(broadcast=broadcast, client=client, due_at=now) for client in clients]

    taken = claim(*rows, now=now)

    told = [(message.subject, message.body.splitlines()[0]) for message in taken.messages]
    assert told == [
        ("Hello Ann 0", "Dear Ann 0"),
        ("Hallo Ann 1", "Guten Tag, Ann 1"),
        ("Bonjour", "Cher Ann 2"),
        # Nothing is written in Spanish.
        ("Hello Ann 3", "Dear Ann 3"),
        ("Hallo Ann 4", "Guten Tag, Ann 4"),
    ]
    ends = [message.body.partition("\n-- \n")[2].split(" ")[0] for message in taken.messages]
    assert ends == ["You", "Sie", "Vous", "Recibe", "Sie"]
    assert [message.html.split('<html lang="')[1][:2] for message in taken.messages] == ["en", "de", "fr", "en", "de"]
    assert [fresh(row).language for row in rows] == list(languages)


def test_a_text_that_is_not_complete_for_the_channel_is_not_sent_on_it(now: datetime, settings: Settings) -> None:
    settings.SMS_STOP_LINE = "Reply STOP to end"
    broadcast = a_told_broadcast()
    clients = [a_client(name="Ann", listings="both", language=one) for one in ("de", "fr", None)]
    rows = [a_delivery(broadcast=broadcast, client=one, channel=Channel.SMS, due_at=now) for one in clients]

    taken = claim(*rows, now=now)

    assert [message.body.split("\n") for message in taken.messages] == [
        ["Hallo, Ann!", "Abmelden: STOP"],
        ["Hi Ann", "STOP pour ne plus recevoir"],
        ["Hi Ann", "Reply STOP to end"],
    ]


def test_the_language_is_read_at_the_claim_and_the_texts_were_frozen_before(now: datetime) -> None:
    broadcast = a_told_broadcast()
    client = a_client(name="Ann", listings="both")
    row = a_delivery(broadcast=broadcast, client=client, due_at=now)
    Client.objects.update(language="de")
    Notification.objects.update(variants="")

    (message,) = claim(row, now=now).messages

    assert message.subject == "Hallo Ann"


def test_a_claim_of_a_client_who_has_no_language_any_more_records_none(now: datetime) -> None:
    client = a_client(listings="both")
    row = a_delivery(broadcast=a_told_broadcast(), client=client, due_at=now, language="de")

    claim(row, now=now)

    assert fresh(row).language is None


def test_a_broadcast_freezes_every_language(now: datetime) -> None:
    n = a_notification(de=GERMAN)

    assert lifecycle.frozen_columns(n)["variants"] == n.variants
    assert n.variants


def test_one_of_before_there_were_languages_is_told_as_ever(now: datetime) -> None:
    broadcast = a_broadcast(notification=a_notification(subject="Hello"))
    row = a_delivery(broadcast=broadcast, client=a_client(listings="both", language="de"), due_at=now)

    (message,) = claim(row, now=now).messages

    assert message.subject == "Hello"
    assert "Abmelden" in message.html


def test_a_value_that_one_language_needs_is_needed_of_everybody_and_never_a_gap(now: datetime) -> None:
    german = Texts("Hallo {{ first_name }}", "", "Guten Tag")
    broadcast = a_broadcast(notification=a_notification(subject='Hi {{ first_name | "there" }}', de=german))
    clients = [
        *(a_client(name="Cher", listings="both", language=one) for one in ("de", None)),
        a_client(first_name="Ann", listings="both", language="de"),
    ]
    rows = [a_delivery(broadcast=broadcast, client=client, due_at=now) for client in clients]

    (message,) = claim(*rows, now=now).messages

    assert message.subject == "Hallo Ann"
    skipped = [(fresh(row).state, fresh(row).detail) for row in rows[:2]]
    assert skipped == [(Delivery.State.SKIPPED, Reason.NO_VALUE)] * 2


def test_what_a_language_needs_that_is_not_complete_is_not_asked_for(now: datetime) -> None:
    # Without its SMS, what German says by e-mail alone is no matter.
    german = Texts("Hallo {{ first_name }}", "", "Guten Tag")
    broadcast = a_broadcast(notification=a_notification(sms_body="Hi", de=german))
    row = a_delivery(
        broadcast=broadcast,
        client=a_client(name="Cher", listings="both", language="de"),
        channel=Channel.SMS,
        due_at=now,
    )

    assert [message.body for message in claim(row, now=now).messages] == ["Hi"]
