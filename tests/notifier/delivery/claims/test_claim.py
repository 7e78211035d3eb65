import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from notifier.broadcasts import lifecycle
from notifier.consent import suppressions
from notifier.consent.suppressions import Evidence, Source
from notifier.delivery import claims
from notifier.delivery.settlements import Verdict
from notifier.messages import signed_links
from notifier.messages.signed_links import Link
from notifier.models import Broadcast, Channel, Client, Delivery, Installation, Preference, Reason, Suppression
from tests.notifier.delivery.calls import addressed, claim, columns, fresh, settle
from tests.support.factories import a_brand, a_broadcast, a_client, a_delivery, a_notification, a_topic

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State = Delivery.State
SECOND = timedelta(seconds=1)


def test_a_claim_takes_pending_rows_for_the_length_of_the_lease(now: datetime, settings: Settings) -> None:
    settings.LEASE_SECONDS = 77
    row = a_delivery(due_at=now)
    token = uuid.uuid4()

    taken = claim(row, now=now, token=token)

    assert taken.token == token
    assert taken.lease_ends_at == now + 77 * SECOND
    assert addressed(taken) == [row.pk]
    after = fresh(row)
    assert (after.state, after.lease_token, after.due_at) == (State.SENDING, token, now + 77 * SECOND)
    assert (after.attempts, after.settled_at) == (0, None)


def test_each_message_of_a_window_is_its_own_clients(now: datetime) -> None:
    broadcast = a_broadcast(notification=a_notification(email_body="Hello {{ name }}!"))
    clients = {name: a_client(name=name, listings="email") for name in ("Ann Example", "Bob Example")}
    rows = [a_delivery(broadcast=broadcast, client=client, due_at=now) for client in clients.values()]

    taken = claim(*rows, now=now)

    for message, row, (name, client) in zip(taken.messages, rows, clients.items(), strict=True):
        assert (message.delivery_id, message.address) == (row.pk, client.email)
        assert f"Hello {name}!" in message.body
        assert f"Hello {name}!" in message.html
        assert signed_links.read_token(message.link_token).client_id == client.pk


@pytest.mark.parametrize("state", [state for state in State if state != State.PENDING])
def test_a_claim_takes_nothing_that_is_not_pending(now: datetime, state: Delivery.State) -> None:
    row = a_delivery(state=state, due_at=now)
    before = columns(row)

    taken = claim(row, now=now)

    assert taken.messages == []
    assert columns(row) == before


def test_each_message_has_the_installations_code_which_no_other_database_has(now: datetime) -> None:
    Installation.objects.update_or_create(pk=1, defaults={"code": "0a1b2c3d4e", "records_began_at": now})

    assert [message.installation for message in claim(a_delivery(), now=now).messages] == ["0a1b2c3d4e"]

    Installation.objects.all().delete()
    assert [message.installation for message in claim(a_delivery(), now=now).messages] == [""]


@pytest.mark.parametrize(("number", "reason"), [("+493012345678", Reason.LANDLINE), ("+4915112345678", "")])
def test_no_sms_is_claimed_for_a_landline(now: datetime, number: str, reason: str) -> None:
    """A dispatcher of the release before has made the delivery, or the number was known as a landline's only later."""
    client = a_client(listings="both", phone=number)
    text, mail = (a_delivery(client=client, channel=channel, due_at=now) for channel in (Channel.SMS, Channel.EMAIL))

    taken = [addressed(claim(row, now=now)) for row in (text, mail)]

    assert taken == [[] if reason else [text.pk], [mail.pk]]
    assert fresh(text).detail == reason


def test_a_second_ticket_for_the_same_rows_claims_nothing(now: datetime) -> None:
    row = a_delivery()
    first = claim(row, now=now)

    second = claim(row, now=now)

    assert second.messages == []
    assert fresh(row).lease_token == first.token


def test_a_client_who_withdrew_consent_after_the_press_gets_nothing(now: datetime) -> None:
    row = a_delivery(channel=Channel.EMAIL)
    Preference.objects.filter(client=row.client).update(email=False)

    taken = claim(row, now=now)

    assert taken.messages == []
    after = fresh(row)
    assert (after.state, after.detail) == (State.SKIPPED, Reason.CONSENT_GONE)
    assert (after.due_at, after.settled_at, after.attempts) == (None, now, 0)


def test_a_preference_that_was_deleted_is_consent_withdrawn(now: datetime) -> None:
    row = a_delivery()
    Preference.objects.filter(client=row.client).delete()

    taken = claim(row, now=now)

    assert taken.messages == []
    assert fresh(row).detail == Reason.CONSENT_GONE


def test_consent_to_another_topic_or_channel_is_none(now: datetime) -> None:
    client = a_client(listings="sms", offerings="both")
    row = a_delivery(client=client, channel=Channel.EMAIL)

    assert claim(row, now=now).messages == []
    assert fresh(row).detail == Reason.CONSENT_GONE


def test_a_suppressed_address_gets_nothing(now: datetime) -> None:
    row = a_delivery(channel=Channel.SMS)
    Suppression.objects.create(channel=Channel.SMS, address=row.address, reason="complained")

    taken = claim(row, now=now)

    assert taken.messages == []
    assert (fresh(row).state, fresh(row).detail) == (State.SKIPPED, Reason.SUPPRESSED)


@pytest.mark.parametrize(
    ("source", "seconds", "reason"),
    [
        ("CLIENT", 1, Reason.CONSENT_GONE),
        ("COMPLAINT", 1, Reason.CONSENT_GONE),
        ("ERASED", 1, Reason.CONSENT_GONE),
        ("BOUNCE", 1, Reason.SUPPRESSED),
        ("STAFF", 1, Reason.SUPPRESSED),
        ("CLIENT", -1, Reason.SUPPRESSED),
    ],
)
def test_who_refused_by_a_word_of_their_own_since_the_start_has_withdrawn_consent(
    now: datetime, source: str, seconds: int, reason: Reason
) -> None:
    row = a_delivery(broadcast=a_broadcast(started_at=now - timedelta(minutes=1)))
    evidence = Evidence(Source(source), "STOP")
    moment = now - timedelta(minutes=1) + timedelta(seconds=seconds)
    suppressions.suppress(channel=Channel.EMAIL, address=row.address, evidence=evidence, now=moment)

    assert claim(row, now=now).messages == []
    assert (fresh(row).state, fresh(row).detail) == (State.SKIPPED, reason)


def test_a_suppression_holds_on_its_own_channel_only(now: datetime) -> None:
    row = a_delivery(channel=Channel.SMS)
    Suppression.objects.create(channel=Channel.EMAIL, address=row.address, reason="no such mailbox")

    assert addressed(claim(row, now=now)) == [row.pk]


def test_an_archived_client_gets_nothing(now: datetime) -> None:
    row = a_delivery()
    Client.objects.filter(pk=row.client_id).update(is_active=False)

    taken = claim(row, now=now)

    assert taken.messages == []
    assert (fresh(row).state, fresh(row).detail) == (State.SKIPPED, Reason.ARCHIVED)


def test_one_who_may_not_be_sent_to_keeps_nobody_else_back(now: datetime) -> None:
    broadcast = a_broadcast()
    rows = [a_delivery(broadcast=broadcast) for _ in range(4)]
    Client.objects.filter(pk=rows[0].client_id).update(is_active=False)
    Preference.objects.filter(client=rows[2].client).update(email=False)

    taken = claim(*rows, now=now)

    assert addressed(taken) == [rows[1].pk, rows[3].pk]
    assert [fresh(row).state for row in rows] == [State.SKIPPED, State.SENDING, State.SKIPPED, State.SENDING]


def test_the_address_is_the_one_frozen_when_the_delivery_was_made(now: datetime) -> None:
    row = a_delivery(address="old@example.com")
    Client.objects.filter(pk=row.client_id).update(email="new@example.com")

    (message,) = claim(row, now=now).messages

    assert message.address == "old@example.com"


def test_a_message_is_rendered_for_its_client_from_the_frozen_text(now: datetime) -> None:
    topic = a_topic()
    notification = a_notification(
        topic=topic,
        subject="{{ topic }} for {{ first_name }}",
        email_body="Dear **{{ name }}**",
        sms_body="Hi {{ name }}",
        preheader="Only for {{ first_name }}",
    )
    broadcast = a_broadcast(notification=notification, brand={"name": "Acme Homes"})
    a_brand(name="Another")
    client = a_client(first_name="Zoë", last_name="{{ topic }} <b>", listings="both")
    mail = a_delivery(broadcast=broadcast, client=client, attempts=3)
    text = a_delivery(broadcast=broadcast, client=client, channel=Channel.SMS)
    notification.email_body = notification.preheader = "edited meanwhile"
    notification.save()

    (message,) = claim(mail, now=now).messages
    (short,) = claim(text, now=now).messages

    assert message.subject == "Listings for Zoë"
    assert message.body.startswith("Acme Homes\n\nDear Zoë {{ topic }} <b>\n")
    assert "Acme Homes" in message.html
    assert "Dear <strong>Zoë {{ topic }} &lt;b&gt;</strong>" in message.html
    assert ("Only for Zoë&zwnj;" in message.html, "Only for" in message.body + short.body) == (True, False)
    assert (message.broadcast_id, message.channel, message.attempts) == (broadcast.pk, Channel.EMAIL, 3)
    assert (short.body, short.html) == ("Hi Zoë {{ topic }} <b>", "")
    assert (short.address, short.channel) == (str(client.phone), Channel.SMS)
    # By its own link each mail is refused, and an SMS by STOP.
    assert signed_links.read_token(message.link_token) == Link(client.pk, topic.pk, broadcast.pk)
    assert (message.list_id, short.link_token) == ("listings", "")
    for form in (message.body, message.html):
        assert signed_links.unsubscribe_url(message.link_token) in form
        assert signed_links.preferences_url(message.link_token) in form


def test_the_last_line_of_an_sms_says_how_to_end_them_and_that_of_a_mail_does_not(
    now: datetime, settings: Settings
) -> None:
    settings.SMS_STOP_LINE = "Reply STOP to end"
    broadcast = a_broadcast(notification=a_notification(sms_body="Hi {{ name }}"))
    client = a_client(name="Ann", listings="both")
    mail, text = (a_delivery(broadcast=broadcast, client=client, channel=channel) for channel in Channel)

    (rendered,) = claim(mail, now=now).messages
    (short,) = claim(text, now=now).messages

    assert short.body == "Hi Ann\nReply STOP to end"
    assert "Reply STOP" not in rendered.body + rendered.html


def test_a_name_of_two_lines_makes_no_header_of_its_own(now: datetime) -> None:
    broadcast = a_broadcast(notification=a_notification(subject="For {{ name }}"))
    client = a_client(name="Ann\r\nBcc: eve@example.com", listings="both")

    (message,) = claim(a_delivery(broadcast=broadcast, client=client), now=now).messages

    assert message.subject == "For Ann Bcc: eve@example.com"


def test_rows_of_a_paused_broadcast_are_left_and_due_at_once(now: datetime) -> None:
    row = a_delivery(broadcast=a_broadcast(state=Broadcast.State.PAUSED), due_at=now + timedelta(minutes=15))

    taken = claim(row, now=now)

    assert taken.messages == []
    assert (fresh(row).state, fresh(row).due_at) == (State.PENDING, now)


def test_a_row_given_back_for_later_keeps_its_time_through_a_pause(now: datetime) -> None:
    row = a_delivery()
    claims.release(delivery_ids=[row.pk], due_at=now + timedelta(minutes=1))
    lifecycle.pause(broadcast_id=row.broadcast_id, now=now)

    claim(row, now=now)

    assert fresh(row).due_at == now + timedelta(minutes=1)


@pytest.mark.parametrize("state", [Broadcast.State.CANCELLED, Broadcast.State.FINISHED])
def test_a_broadcast_that_is_over_sends_nothing_more(now: datetime, state: Broadcast.State) -> None:
    row = a_delivery(broadcast=a_broadcast(state=state))
    before = columns(row)

    taken = claim(row, now=now)

    assert taken.messages == []
    assert columns(row) == before


def test_rows_of_another_broadcast_or_channel_are_left_alone(now: datetime) -> None:
    row = a_delivery(channel=Channel.EMAIL)
    foreign, other_channel = a_delivery(), a_delivery(broadcast=row.broadcast, channel=Channel.SMS)
    before = [columns(foreign), columns(other_channel)]

    taken = claim(row, now=now, delivery_ids=[other_channel.pk, foreign.pk, row.pk, 2**62])

    assert addressed(taken) == [row.pk]
    assert [columns(foreign), columns(other_channel)] == before


def test_a_ticket_of_a_paused_broadcast_does_not_touch_a_foreign_row(now: datetime) -> None:
    paused, foreign = a_delivery(broadcast=a_broadcast(state=Broadcast.State.PAUSED)), a_delivery()
    before = columns(foreign)

    claim(paused, now=now, delivery_ids=[foreign.pk])

    assert columns(foreign) == before


@pytest.mark.parametrize("ids", [[2**62], [2**63 - 1, 1]])
def test_ids_that_are_nobodys_claim_nothing(now: datetime, ids: Sequence[int]) -> None:
    broadcast = a_broadcast()

    taken = claims.claim(
        broadcast_id=broadcast.pk, channel=Channel.EMAIL, delivery_ids=ids, token=uuid.uuid4(), now=now
    )

    assert taken.messages == []


def test_a_broadcast_that_does_not_exist_claims_nothing(now: datetime) -> None:
    row = a_delivery()

    assert claim(row, now=now, broadcast_id=row.broadcast_id + 1000).messages == []
    assert fresh(row).state == State.PENDING


def test_a_window_costs_the_same_few_statements_whatever_its_size(now: datetime) -> None:
    broadcast = a_broadcast()
    rows = [a_delivery(broadcast=broadcast) for _ in range(30)]

    def statements(*some: Delivery) -> int:
        with CaptureQueriesContext(connection) as queries:
            settle(claim(*some, now=now), Verdict.SENT, now=now)
        return len(queries)

    assert statements(*rows[:2]) == statements(*rows[2:])


# --- Values that a text needs -----------------------------------------------------------------------------------------
def needs_a_first_name(*, fallback: bool = False) -> Broadcast:
    first = '{{ first_name | "there" }}' if fallback else "{{ first_name }}"
    return a_broadcast(
        notification=a_notification(subject="Homes", email_body=f"Dear {first},", sms_body=f"Hi {first}")
    )


@pytest.mark.parametrize("channel", Channel)
def test_whoever_lacks_a_value_without_a_fallback_is_skipped_with_that_reason(now: datetime, channel: Channel) -> None:
    broadcast = needs_a_first_name()
    cher, ann = a_client(name="Cher", listings="both"), a_client(first_name="Ann", last_name="Lee", listings="both")
    rows = [a_delivery(broadcast=broadcast, client=client, channel=channel, due_at=now) for client in (cher, ann)]

    taken = claim(*rows, now=now)

    assert addressed(taken) == [rows[1].pk]
    after = fresh(rows[0])
    assert (after.state, after.detail, after.due_at, after.settled_at) == (State.SKIPPED, Reason.NO_VALUE, None, now)


@pytest.mark.parametrize("channel", Channel)
def test_with_a_fallback_everybody_gets_it(now: datetime, channel: Channel) -> None:
    broadcast = needs_a_first_name(fallback=True)
    cher, ann = a_client(name="Fay, Mrs", listings="both"), a_client(first_name="Ann", last_name="Lee", listings="both")
    rows = [a_delivery(broadcast=broadcast, client=client, channel=channel, due_at=now) for client in (cher, ann)]

    first, second = claim(*rows, now=now).messages

    greeting = "Dear {}," if channel == Channel.EMAIL else "Hi {}"
    assert greeting.format("there") in first.body
    assert greeting.format("Ann") in second.body
    assert "Fay" not in first.body + first.html


def test_a_subject_or_a_preheader_needs_its_values_by_e_mail_alone(now: datetime) -> None:
    notification = a_notification(subject="{{ first_name }}", preheader="{{ last_name }}", sms_body="Hi")
    broadcast = a_broadcast(notification=notification)
    client = a_client(first_name="Teller", listings="both")
    mail = a_delivery(broadcast=broadcast, client=client, due_at=now)
    text = a_delivery(broadcast=broadcast, client=client, channel=Channel.SMS, due_at=now)

    assert claim(mail, now=now).messages == []
    assert [message.body for message in claim(text, now=now).messages] == ["Hi"]


def test_a_first_name_that_was_given_or_taken_since_the_start_counts_as_it_is_at_the_claim(now: datetime) -> None:
    broadcast = needs_a_first_name()
    late, gone = a_client(name="Cher", listings="email"), a_client(first_name="Bea", listings="email")
    rows = [a_delivery(broadcast=broadcast, client=client, due_at=now) for client in (late, gone)]
    Client.objects.filter(pk=late.pk).update(first_name="Cher", last_name="Sarkisian", name="Cher Sarkisian")
    # As a process of the release before writes it.
    Client.objects.filter(pk=gone.pk).update(name="Moss, Mrs Bea")

    (message,) = claim(*rows, now=now).messages

    assert message.delivery_id == rows[0].pk
    assert "Dear Cher," in message.body
    assert fresh(rows[1]).detail == Reason.NO_VALUE
