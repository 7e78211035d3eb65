"""What the database itself refuses, on both engines: past forms, past `clean`, past the model."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, models, transaction
from django.utils import timezone
from phonenumber_field.phonenumber import PhoneNumber
from pytest_django.fixtures import Settings

from notifier.models import Broadcast, Channel, Client, Delivery, Notification, Preference, Suppression, Topic
from tests.support.factories import a_broadcast, a_client, a_delivery, a_notification, a_topic

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

EMAIL, SMS = Channel.EMAIL, Channel.SMS


def refused(write: Callable[[], object]) -> bool:
    try:
        with transaction.atomic():
            write()
    except IntegrityError:
        return True
    return False


def insert(model: type[models.Model], **values: Any) -> None:
    """Past the model: as another program, or a careless migration, would."""
    table = connection.ops.quote_name(model._meta.db_table)
    columns = ", ".join(connection.ops.quote_name(name) for name in values)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({columns}) VALUES ({', '.join(['%s'] * len(values))})", list(values.values())
        )


def insert_client(**values: Any) -> None:
    moment = connection.ops.adapt_datetimefield_value(timezone.now())
    insert(Client, **{"name": "Ann", "created_at": moment, "updated_at": moment} | values)


# --- Clients ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("given", ["Ann@Example.COM", " ann@example.com ", "ANN@EXAMPLE.COM"])
def test_an_email_is_stored_lower_cased_whichever_way_it_comes(given: str) -> None:
    made = Client.objects.create(name="one", email=given)
    assert Client.objects.get(pk=made.pk).email == "ann@example.com"
    made.delete()

    Client.objects.bulk_create([Client(name="two", email=given)])
    assert Client.objects.get().email == "ann@example.com"

    Client.objects.update(email=None, phone="+14155550100")
    Client.objects.update(email=given)
    assert Client.objects.get(email=given).email == "ann@example.com"


def test_letters_beyond_ascii_are_lower_cased_alike_on_both_engines() -> None:
    Client.objects.bulk_create([Client(name="Zoé", email="ÉLAN@exÄmple.com")])

    assert Client.objects.get(email="Élan@Exämple.com").email == "élan@exämple.com"
    assert refused(lambda: Client.objects.create(name="other", email="éLAN@EXÄMPLE.com"))


@pytest.mark.parametrize("email", ["Ann@example.com", "ann@EXAMPLE.com", "nonsense", ""])
def test_the_database_refuses_an_email_that_is_not_lower_cased_or_none(email: str) -> None:
    assert refused(lambda: insert_client(email=email))
    assert not refused(lambda: insert_client(email="ann@example.com"))


@pytest.mark.parametrize(
    "phone", ["", "14155550100", "+1 415 555 0100", "+0123456789", "tel:+14155550100", "+1415555010012345", "+12345"]
)
def test_the_database_refuses_a_phone_that_is_not_e164(phone: str) -> None:
    assert refused(lambda: insert_client(phone=phone))
    assert not refused(lambda: insert_client(phone="+14155550100"))


@pytest.mark.parametrize("phone", ["+1 (415) 555-0100", "+1-415-555-0100", "+14155550100"])
def test_a_phone_is_stored_as_e164_whichever_way_it_comes(phone: str) -> None:
    Client.objects.bulk_create([Client(name="Ann", phone=PhoneNumber.from_string(phone))])

    with connection.cursor() as cursor:
        cursor.execute("SELECT phone FROM notifier_client")
        assert cursor.fetchone() == ("+14155550100",)


def test_a_phone_that_is_none_never_gets_in() -> None:
    assert refused(lambda: Client.objects.bulk_create([Client(name="Ann", phone="hello")]))
    assert refused(lambda: Client.objects.create(name="Ann", phone="415 555 0100"))


def test_a_client_needs_an_address() -> None:
    assert refused(lambda: insert_client())
    assert refused(lambda: Client.objects.bulk_create([Client(name="nobody")]))
    client = a_client()
    assert refused(lambda: Client.objects.filter(pk=client.pk).update(email=None, phone=None))


@pytest.mark.parametrize("absent", ["", "   "])
def test_an_absent_email_is_null_and_so_many_may_lack_one(absent: str) -> None:
    for number in range(2):
        a_client(email=absent, phone=f"+1415555010{number}")

    assert list(Client.objects.values_list("email", flat=True)) == [None, None]


def test_many_may_lack_a_phone() -> None:
    for _ in range(2):
        a_client(phone=None)

    assert list(Client.objects.values_list("phone", flat=True)) == [None, None]


def test_two_clients_never_share_an_address() -> None:
    ann = a_client()

    assert refused(lambda: a_client(email=str(ann.email).upper()))
    assert refused(lambda: a_client(phone=str(ann.phone)))
    assert refused(lambda: insert_client(email=ann.email))


def test_the_form_says_which_address_is_taken() -> None:
    ann = a_client()

    with pytest.raises(ValidationError) as caught:
        Client(name="Other", email=str(ann.email).upper(), phone=str(ann.phone)).full_clean()

    assert set(caught.value.message_dict) == {"email", "phone"}


def test_the_form_says_that_an_address_is_needed() -> None:
    with pytest.raises(ValidationError, match="A client needs an e-mail address or a phone number"):
        Client(name="Ann").full_clean()


def test_a_number_without_a_country_needs_the_default_region(settings: Settings) -> None:
    with pytest.raises(ValidationError):
        Client(name="Ann", phone="020 7946 0000").full_clean()

    settings.PHONENUMBER_DEFAULT_REGION = "GB"
    client = Client(name="Ann", phone="020 7946 0000")
    client.full_clean()
    client.save()
    assert str(Client.objects.get().phone) == "+442079460000"


def test_an_archived_client_may_return() -> None:
    client = a_client(is_active=False)
    assert list(Client.objects.archived()) == [client]

    Client.objects.update(is_active=True)
    assert list(Client.objects.active()) == [client]


def test_a_client_with_deliveries_is_not_deleted() -> None:
    row = a_delivery()

    with pytest.raises(models.ProtectedError):
        row.client.delete()


# --- Preferences and suppressions -------------------------------------------------------------------------------------
def test_a_client_has_one_preference_a_topic() -> None:
    client = a_client(listings="email")

    assert refused(lambda: Preference.objects.create(client=client, topic=a_topic()))
    assert refused(lambda: insert(Preference, client_id=client.pk, topic_id=a_topic().pk))
    assert not refused(lambda: Preference.objects.create(client=client, topic=a_topic(slug="offerings")))


def test_a_preference_says_no_unless_told_otherwise() -> None:
    client = a_client()

    insert(Preference, client_id=client.pk, topic_id=a_topic().pk)

    preference = Preference.objects.get()
    assert (preference.email, preference.sms) == (False, False)


def insert_suppression(channel: str, address: str) -> None:
    moment = connection.ops.adapt_datetimefield_value(timezone.now())
    insert(Suppression, channel=channel, address=address, reason="a test", created_at=moment)


@pytest.mark.parametrize(
    ("channel", "address"),
    [(EMAIL, "Ann@example.com"), (SMS, "415 555 0100"), (SMS, "+1 415 555 0100"), (SMS, "ann@example.com"), (SMS, "")],
)
def test_the_database_refuses_a_suppression_that_could_never_match(channel: Channel, address: str) -> None:
    assert refused(lambda: insert_suppression(channel, address))
    assert refused(
        lambda: Suppression.objects.bulk_create([Suppression(channel=channel, address=address, reason="a test")])
    )


def test_an_address_is_suppressed_once_a_channel() -> None:
    insert_suppression(EMAIL, "ann@example.com")

    assert refused(lambda: insert_suppression(EMAIL, "ann@example.com"))
    assert not refused(lambda: insert_suppression(SMS, "+14155550100"))


@pytest.mark.parametrize(
    ("channel", "typed", "stored"),
    [
        (EMAIL, " Ann@Example.COM ", "ann@example.com"),
        (SMS, "+44 20 7946 0000", "+442079460000"),
        (SMS, " +1 (415) 555-2671", "+14155552671"),
    ],
)
def test_a_typed_suppression_is_stored_as_clients_addresses_are(channel: Channel, typed: str, stored: str) -> None:
    suppression = Suppression(channel=channel, address=typed, reason="a test")

    suppression.full_clean()
    suppression.save()

    assert Suppression.objects.get().address == stored


@pytest.mark.parametrize(
    ("channel", "typed"),
    [(EMAIL, "+442079460000"), (EMAIL, "nonsense"), (SMS, "ann@example.com"), (SMS, "12"), (SMS, "")],
)
def test_a_typed_suppression_of_the_wrong_kind_is_refused_at_its_field(channel: Channel, typed: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Suppression(channel=channel, address=typed, reason="a test").full_clean()

    assert "address" in caught.value.message_dict


def test_a_suppression_outlives_its_client() -> None:
    client = a_client()
    Suppression.objects.create(channel=EMAIL, address=str(client.email), reason="a test")

    client.delete()

    assert Suppression.objects.count() == 1


# --- Notifications and broadcasts -------------------------------------------------------------------------------------
def test_the_database_refuses_a_notification_without_a_text_or_subject() -> None:
    assert refused(lambda: a_notification(email_body="", sms_body=""))
    assert refused(lambda: a_notification(subject=""))
    assert refused(lambda: Notification.objects.bulk_create([Notification(topic=a_topic(), subject="Homes")]))
    assert not refused(lambda: a_notification(email_body=""))


def test_a_notification_is_cleaned_of_blanks_around_its_texts() -> None:
    notification = Notification(topic=a_topic(), subject="Homes", email_body="\n Hello \n", sms_body="  ")

    notification.full_clean()

    assert (notification.email_body, notification.sms_body) == ("Hello", "")
    assert notification.channels == [EMAIL]


def test_a_notification_of_blanks_is_refused() -> None:
    with pytest.raises(ValidationError, match="Write an e-mail text, an SMS text, or both"):
        Notification(topic=a_topic(), subject="Homes", email_body=" ", sms_body="\n").full_clean()


@pytest.mark.parametrize("field", ["subject", "email_body", "sms_body"])
def test_an_unknown_placeholder_is_refused_at_its_field(field: str) -> None:
    texts = {"subject": "Homes", "email_body": "Hello", "sms_body": "Hello"} | {field: "Dear {{ nmae }}"}

    with pytest.raises(ValidationError) as caught:
        Notification(topic=a_topic(), **texts).full_clean()

    assert set(caught.value.message_dict) == {field}
    assert "There is no placeholder {{ nmae }}" in caught.value.message_dict[field][0]


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("subject", "\u200b"),
        ("subject", " \u2800 "),
        ("email_body", "#"),
        ("email_body", "\u200b"),
        ("sms_body", "\ufeff"),
    ],
)
def test_a_text_of_which_nothing_would_be_seen_is_refused(field: str, text: str) -> None:
    texts = {"subject": "Homes", "email_body": "Hello", "sms_body": "Hello"} | {field: text}
    with pytest.raises(ValidationError) as caught:
        Notification(topic=a_topic(), **texts).full_clean()

    (said,) = caught.value.message_dict[field]
    assert said.startswith("Nothing in this")


def test_a_link_to_nowhere_is_refused_at_the_e_mail() -> None:
    with pytest.raises(ValidationError) as caught:
        Notification(topic=a_topic(), subject="Homes", email_body="[look](www.example.com)").full_clean()

    assert list(caught.value.message_dict) == ["email_body"]


@pytest.mark.parametrize(
    "subject", ["two\nlines", "two\r\nlines", "Homes\nBcc: eve@example.com", "a\tb", "a\u2028b", "a\x0bb"]
)
def test_a_subject_is_one_line(subject: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Notification(topic=a_topic(), subject=subject, email_body="Hello").full_clean()

    assert caught.value.message_dict == {
        "subject": ["A subject must be one line, without tabs or other control characters."]
    }


def test_a_preheader_is_one_line_with_placeholders_of_the_list() -> None:
    for preheader, wrong in {
        "two\nlines": "A preheader must be one line, without tabs or other control characters.",
        "for {{ nmae }}": "There is no placeholder {{ nmae }}. Use one of {{ name }}, {{ first_name }}, "
        "{{ last_name }}, {{ topic }}.",
    }.items():
        with pytest.raises(ValidationError) as caught:
            Notification(topic=a_topic(), subject="Homes", preheader=preheader, email_body="Hello").full_clean()

        assert caught.value.message_dict == {"preheader": [wrong]}


def test_a_good_notification_is_accepted() -> None:
    Notification(
        topic=a_topic(), subject="{{ topic }}", preheader="For {{ name }}", email_body="Dear {{ name }}", sms_body=""
    ).full_clean()


def test_what_was_sent_is_not_deleted() -> None:
    row = a_delivery()

    for kept in (row.broadcast, row.broadcast.notification, row.broadcast.topic):
        with pytest.raises(models.ProtectedError):
            kept.delete()


def test_a_client_has_one_delivery_a_broadcast_and_channel() -> None:
    row = a_delivery()

    assert refused(lambda: a_delivery(broadcast=row.broadcast, client=row.client, channel=EMAIL))
    assert not refused(lambda: a_delivery(broadcast=row.broadcast, client=row.client, channel=SMS))
    assert not refused(lambda: a_delivery(client=row.client, channel=EMAIL))


def test_a_delivery_that_only_names_whom_it_is_for_waits() -> None:
    broadcast = a_broadcast()

    insert(Delivery, broadcast_id=broadcast.pk, client_id=a_client().pk, channel="email")

    row = Delivery.objects.get()
    assert (row.state, row.address, row.attempts, row.detail) == (Delivery.State.PENDING, "", 0, "")


def test_one_request_makes_one_broadcast() -> None:
    request = uuid.uuid4()
    a_broadcast(request_id=request)

    assert refused(lambda: a_broadcast(request_id=request))


def test_topics_are_told_apart_by_name_and_slug() -> None:
    a_topic()

    assert refused(lambda: Topic.objects.create(name="Listings", slug="other"))
    assert refused(lambda: Topic.objects.create(name="Other", slug="listings"))


@pytest.mark.parametrize(
    ("filter_name", "states"),
    [
        ("running", {"RUNNING"}),
        ("to_settle", {"RUNNING", "CANCELLED"}),
        ("to_sweep", {"RUNNING", "CANCELLED", "PAUSED"}),
        ("to_finish", {"RUNNING", "CANCELLED"}),
        ("to_expand", set()),
    ],
)
def test_the_dispatcher_looks_after_the_broadcasts_that_it_must(filter_name: str, states: set[str]) -> None:
    for state in Broadcast.State:
        a_broadcast(state=state, tallied_at=timezone.now())
        a_broadcast(state=state, tallied_at=timezone.now(), finished_at=timezone.now())

    found = getattr(Broadcast.objects, filter_name)()

    assert {broadcast.state for broadcast in found} == states
    assert not any(b.finished_at for b in found if b.state == Broadcast.State.CANCELLED)


@pytest.mark.parametrize("channel", Channel)
def test_a_channels_address_is_in_the_clients_field_that_it_names(channel: Channel) -> None:
    client = a_client(email="ann@example.com", phone="+12125550123")

    assert str(getattr(client, channel.address_field)) == {"email": "ann@example.com", "sms": "+12125550123"}[channel]
