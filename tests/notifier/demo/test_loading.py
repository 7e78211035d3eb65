import re
from collections import Counter
from datetime import datetime
from io import StringIO
from itertools import islice
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Count, Q
from phonenumber_field.phonenumber import PhoneNumber

from notifier.addresses.phones import E164
from notifier.clients import erasure
from notifier.demo import loading as service
from notifier.demo import people
from notifier.messages import placeholders
from notifier.models import Client, ConsentChange, Notification, Preference, Suppression, SuppressionChange, Topic

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]


def load(**options: Any) -> str:
    output = StringIO()
    call_command("load_demo", stdout=output, **options)
    return output.getvalue().strip()


def everything() -> list[tuple[Any, ...]]:
    return [
        *Client.objects.order_by("id").values_list("name", "email", "is_active"),
        *((str(phone),) for phone in Client.objects.order_by("id").values_list("phone", flat=True)),
        *Preference.objects.order_by("client_id", "topic_id").values_list("topic__slug", "email", "sms"),
        *Suppression.objects.order_by("channel", "address").values_list("channel", "address", "reason"),
    ]


def forget_everyone() -> None:
    ConsentChange.objects.all().delete()
    Client.objects.all().delete()
    Suppression.objects.all().delete()


def test_an_address_that_stays_silent_since_its_client_was_erased_stays_so(now: datetime) -> None:
    load(clients=50)
    suppressed = Suppression.objects.values("address")
    client = Client.objects.active().exclude(email=None).exclude(email__in=suppressed).order_by("pk").first()
    assert client is not None
    email = client.email
    erasure.erase(client_id=client.pk, by=None, why="asked", now=now)
    assert not Suppression.objects.filter(address=email).exists()

    load(clients=50)

    assert Client.objects.filter(email=email).exists()
    assert Suppression.objects.get(address=email).source == "ERASED"


# --- The people -------------------------------------------------------------------------------------------------------
def test_the_same_seed_gives_the_same_people_and_fewer_are_the_first_of_more() -> None:
    many = list(people.invent(count=500, seed=7, topics=2))

    assert list(people.invent(count=500, seed=7, topics=2)) == many
    assert list(people.invent(count=100, seed=7, topics=2)) == many[:100]
    assert list(people.invent(count=500, seed=8, topics=2)) != many


def test_nobody_real_can_be_reached() -> None:
    for person in people.invent(count=30_000, seed=1, topics=2):
        if person.email:
            assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)?\.\d+@([a-z-]+\.)?example\.(com|org|net)", person.email)
        if person.phone:
            assert re.fullmatch(r"\+1[2-9]\d\d55501\d\d|\+999\d{9}", person.phone), person.phone


def test_colleagues_have_addresses_of_one_office_and_no_two_have_the_same() -> None:
    emails = [person.email for person in people.invent(count=1000, seed=1, topics=2) if person.email]
    ends = Counter(email.partition("@")[2] for email in emails)

    assert len(set(emails)) == len(emails)
    assert all(10 < ends[office] < 50 for office in people.OFFICES), ends


def test_a_million_phone_numbers_are_all_different_and_fit_the_column() -> None:
    numbers = {people.phone_number(number) for number in range(1_000_000)}

    assert len(numbers) == 1_000_000
    assert all(re.match(E164, number) for number in numbers)


def test_the_numbers_kept_for_fiction_are_valid_ones() -> None:
    assert len(set(people.AREA_CODES)) == 200
    for number in range(200):
        assert PhoneNumber.from_string(people.phone_number(number)).is_valid(), people.phone_number(number)


def test_names_come_from_everywhere() -> None:
    names = {person.name for person in people.invent(count=1000, seed=1, topics=2)}

    assert len(names) > 700
    assert any(not name.isascii() for name in names)
    assert all(first and last for first, last in people.CULTURES)


# --- The load ---------------------------------------------------------------------------------------------------------
def test_a_thousand_clients_by_default_about_a_quarter_each() -> None:
    said = load()

    assert said.startswith("Added 1,000 demo clients and 5 notifications in ")
    assert Client.objects.count() == 1000
    for slug in ("listings", "offerings"):
        chosen = Preference.objects.filter(topic__slug=slug)
        assert chosen.count() == 1000
        for email, sms in ((True, False), (False, True), (True, True), (False, False)):
            assert 200 < chosen.filter(email=email, sms=sms).count() < 300


def test_each_reason_not_to_send_is_there() -> None:
    load()

    assert 0 < Client.objects.archived().count() < 50
    assert 0 < Suppression.objects.filter(channel="email").count() < 30
    assert 0 < Suppression.objects.filter(channel="sms").count() < 30
    assert {s.source for s in Suppression.objects.all()} == {"BOUNCE", "COMPLAINT", "CLIENT"}
    told = SuppressionChange.objects.values_list("channel", "address", "source", "reason")
    assert set(told) == set(Suppression.objects.values_list("channel", "address", "source", "reason"))
    assert Client.objects.filter(email=None, preferences__email=True).exists()
    assert Client.objects.filter(phone=None, preferences__sms=True).exists()


def test_clients_and_notifications_are_such_as_staff_may_save() -> None:
    load()

    for client in Client.objects.all()[:200]:
        client.full_clean()
    for suppression in Suppression.objects.all():
        suppression.full_clean()
    for notification in Notification.objects.all():
        notification.full_clean()


def test_notifications_use_each_topic_each_placeholder_and_one_channel_or_both() -> None:
    load()

    notifications = Notification.objects.all()
    assert set(notifications.values_list("topic__slug", flat=True)) == {"listings", "offerings"}
    assert {tuple(each.channels) for each in notifications} == {("email", "sms"), ("email",), ("sms",)}
    texts = " ".join(f"{each.subject} {each.email_body} {each.sms_body}" for each in notifications)
    assert placeholders.used(texts) == ("name", "first_name", "budget", "town")
    assert placeholders.needed(texts) == ("name",)
    assert "{{ topic }}" in texts


def test_a_second_load_adds_nothing_and_says_so() -> None:
    load(clients=300)
    before = everything()

    said = load(clients=300)

    assert said.startswith("Added 0 demo clients and 0 notifications")
    assert said.endswith("300 already existed or have an address that is in use.")
    assert everything() == before


def test_a_larger_load_adds_the_rest() -> None:
    load(clients=300)
    load(clients=500)
    in_two = everything()
    forget_everyone()

    load(clients=500)

    assert everything() == in_two


def test_each_consent_has_its_evidence_and_each_client_a_first_version() -> None:
    load(clients=100)

    for channel in ("email", "sms"):
        consents = Preference.objects.filter(**{channel: True}).values_list("client", "topic")
        evidence = ConsentChange.objects.filter(channel=channel, agreed=True, source="COMMAND", detail="demo data")
        assert sorted(evidence.values_list("client", "topic")) == sorted(consents)
    versions = Client.history.filter(history_type="+").values_list("id", "name", "email", "is_active")
    assert sorted(versions) == sorted(Client.objects.values_list("id", "name", "email", "is_active"))


def test_what_staff_changed_stays() -> None:
    load(clients=50)
    client = Client.objects.exclude(email=None).order_by("id")[0]
    Client.objects.filter(pk=client.pk).update(name="Renamed", is_active=False)
    client.preferences.all().delete()

    load(clients=50)

    client.refresh_from_db()
    assert (client.name, client.is_active, client.preferences.count()) == ("Renamed", False, 0)


def test_another_seed_comes_beside_the_first() -> None:
    load(clients=200)

    load(clients=200, seed=2)

    assert Client.objects.count() > 200
    assert not Client.objects.annotate(rows=Count("preferences")).exclude(rows=2).exists()


def test_it_makes_the_topics_that_are_missing() -> None:
    Topic.objects.all().delete()

    load(clients=10)

    assert set(Topic.objects.values_list("slug", flat=True)) == {"listings", "offerings"}


def test_chunks_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    load(clients=100)
    in_one = everything()
    forget_everyone()
    monkeypatch.setattr(service, "CHUNK", 7)

    load(clients=100)

    assert everything() == in_one


def test_people_are_read_a_chunk_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory does not grow with the number: the second chunk is asked for after the first is stored."""
    stored_when_asked: list[int] = []

    def invent(**_: Any) -> Any:
        for number, person in enumerate(demo_people):
            if number % 10 == 0:
                stored_when_asked.append(Client.objects.count())
            yield person

    demo_people = list(islice(people.invent(count=30, seed=1, topics=2), 30))
    monkeypatch.setattr(people, "invent", invent)
    monkeypatch.setattr(service, "CHUNK", 10)

    load(clients=30)

    assert stored_when_asked == [0, 10, 20]


def test_new_clients_can_be_made_afterwards() -> None:
    load(clients=20)

    client = Client.objects.create(name="New", email="new@example.com")

    assert not Client.objects.filter(Q(pk__gte=client.pk) & ~Q(pk=client.pk)).exists()


@pytest.mark.parametrize(
    "options",
    [{"clients": "many"}, {"clients": "0"}, {"clients": "-5"}, {"clients": "10000001"}, {"seed": "x"}, {"seed": "-1"}],
)
def test_a_bad_argument_is_one_clear_line(options: dict[str, str]) -> None:
    with pytest.raises(CommandError) as caught:
        load(**options)

    assert len(str(caught.value).splitlines()) == 1
    assert f"--{next(iter(options))} must be a whole number" in str(caught.value)
    assert not Client.objects.exists()
