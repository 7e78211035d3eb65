"""What the database groups is as long, letter by letter, as what each client reads."""

import re
from collections import Counter
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as h_settings
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from notifier.audience import estimates, value_shapes
from notifier.delivery import fanout
from notifier.fields import definitions
from notifier.languages import offered
from notifier.messages import placeholders, sms_segments
from notifier.messages.variants import Texts
from notifier.models import Channel, Client, ClientField, ClientValues, Delivery
from notifier.models.fields import folded_column
from notifier.policies import client_values
from notifier.values.amounts import MAX_DECIMAL, MAX_WHOLE
from notifier.values.dates import FIRST, LAST
from tests.notifier.delivery.calls import claim
from tests.support.factories import a_broadcast, a_client, a_field, a_notification, a_topic

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

#: Labels of GSM-7's basic set, of its extension, beyond it, and above U+FFFF.
OPTIONS = ["House", "Flat", "Büro", "Cosy [attic]", "Zamość", "Garden 🏡", "x" * 40]
LANGUAGES = ["en", "de", "fr", "es"]


@pytest.fixture
def fields() -> list[ClientField]:
    """One of each kind."""
    plain = [a_field(kind=kind, key=f"a_{kind.lower()}") for kind in ("TEXT", "WHOLE", "DECIMAL", "DATE", "YES_NO")]
    money = [a_field(kind="MONEY", key=code.lower(), currency=code) for code in ("EUR", "GBP", "JPY", "KWD", "INR")]
    lists = [a_field(kind=kind, key=f"of_{kind.lower()}", options=OPTIONS) for kind in ("CHOICE", "CHOICES")]
    return [*plain, *money, *lists]


def a_value(kind: str, currency: str) -> st.SearchStrategy[Any]:
    places = {"JPY": 0, "KWD": 3}.get(currency, 2)
    found: dict[str, st.SearchStrategy[Any]] = {
        "TEXT": st.text(alphabet="ab éÄ€{}[]^\\~|-'\"ł中’😀", min_size=1, max_size=8).map(str.strip).filter(bool),
        "WHOLE": st.integers(-MAX_WHOLE, MAX_WHOLE) | st.integers(-1100, 1100),
        "DECIMAL": st.decimals(-MAX_DECIMAL, MAX_DECIMAL, places=6) | st.decimals(-20, 20, places=1),
        "MONEY": st.decimals(-MAX_DECIMAL, MAX_DECIMAL, places=places) | st.integers(-1100, 1100).map(Decimal),
        "DATE": st.dates(FIRST, LAST),
        "YES_NO": st.booleans(),
        "CHOICE": st.integers(1, len(OPTIONS)),
        "CHOICES": st.sets(st.integers(1, len(OPTIONS)), min_size=1),
    }
    return st.none() | found[kind]


#: Before and after the placeholders; some end where a segment does.
PIECES = ["€", "😀", "a" * 60, "b" * 153, "word ", "c" * 30, "d" * 7, "e" * 67, "f" * 145]
#: What stands around each placeholder, and in no value: with nothing between them somebody reads a gap.
HOLE = "<{}>"
NAMES = st.sampled_from(["", "", "Ann", "Zoë", "Łukasz", "A[b]", "😀", "n" * 60, "€" * 20])


def a_text(keys: list[str]) -> st.SearchStrategy[str]:
    # Every other one is a text, which may end a segment early.
    placeholder = (st.sampled_from(["a_text", "first_name"]) | st.sampled_from(keys)).flatmap(
        lambda key: st.sampled_from([f"{{{{ {key} }}}}", f'{{{{ {key} | "none" }}}}', f'{{{{ {key} | "ł€" }}}}'])
    )
    some = st.lists(placeholder.map(HOLE.format) | st.sampled_from(PIECES), min_size=1, max_size=7)
    return some.map("".join)


@pytest.fixture
def languages(settings: Settings) -> None:
    """Once for all examples: settings that are set over and over lie one upon the other."""
    settings.CLIENT_LANGUAGES = LANGUAGES


def to_the_brim(text: str, client: Client, keys: list[str]) -> st.SearchStrategy[int]:
    """With how many more letters it just fits in so many segments for this client, or just doesn't."""
    values = client_values.of_client(client, topic="Listings", keys=keys, language=client.language, channel=Channel.SMS)
    size = sms_segments.measure(placeholders.sms(text, values))
    full = (160, 306, 459) if size.encoding == "GSM-7" else (70, 134, 201)
    return st.sampled_from([max(0, units - size.units + more) for units in full for more in (-2, -1, 0, 1)])


@h_settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_the_segments_that_the_database_tells_are_those_that_are_sent(
    data: st.DataObject, fields: list[ClientField], languages: None, now: datetime
) -> None:
    Delivery.objects.all().delete()
    ClientValues.objects.all().delete()
    Client.objects.all().delete()
    types = {one.field: one.type for one in definitions.of(*fields)}
    for _ in range(data.draw(st.integers(1, 4))):
        language = data.draw(st.sampled_from([None, *LANGUAGES]))
        client = a_client(listings="sms", language=language, first_name=data.draw(NAMES), last_name="Example")
        drawn = {field: data.draw(a_value(field.kind, field.currency)) for field in fields}
        columns = {field.column: types[field].store(value) for field, value in drawn.items() if value is not None}
        folded = {folded_column(column): value for column, value in columns.items() if column.startswith("t")}
        ClientValues.objects.create(client=client, **columns, **folded)
    texts = a_text([*(field.key for field in fields), "first_name", "topic"])
    text, german = data.draw(texts), data.draw(st.none() | texts)
    text += "x" * data.draw(to_the_brim(text, Client.objects.order_by("pk")[0], [field.key for field in fields]))
    notification = a_notification(sms_body=text, de=Texts(sms_body=german or ""))
    broadcast = a_broadcast(notification=notification)

    fanout.expand(broadcast_id=broadcast.pk, now=now)
    rows = Delivery.objects.filter(broadcast=broadcast, channel=Channel.SMS)
    sent = [message.body for message in claim(*rows, now=now).messages]

    found = estimates.segments(
        text=text, topic=notification.topic, recipients=len(sent), others={"de": german} if german else {}
    )
    assert found.is_exact
    assert found.total == sum(sms_segments.measure(one).segments for one in sent)
    assert not any(re.search(r"<\s*>|\{\{ [a-z]|\[no ", body) for body in sent), sent


def _travels(text: str) -> tuple[bool, tuple[int, ...]]:
    """Whether it is GSM-7, and how many units each letter takes in it or else in UCS-2."""
    is_gsm = not sms_segments.beyond_gsm(text)
    wide = sms_segments.EXTENSION if is_gsm else {char for char in text if ord(char) > 0xFFFF}
    return is_gsm, tuple(2 if char in wide else 1 for char in text)


def decimals(numbers: str) -> list[Decimal]:
    return [Decimal(number) for number in numbers.split()]


EACH: dict[str, list[Any]] = {
    "a_text": ["Leeds", "York", "Zamość", "a [b]", "€5", "🏡 home"],
    "a_whole": [0, 7, -7, 9, 10, 99, 100, 999, 1000, -1000, 10**6, MAX_WHOLE, -MAX_WHOLE],
    "a_decimal": decimals("0 0.5 -0.5 0.05 0.000001 9.99 10 10.1 1000.125 -1234567.8 999999999999 1.2345 -1.23456"),
    "a_date": [date(2026, month, day) for month in (1, 2, 5, 8, 12) for day in (1, 9, 10, 28)],
    "a_yes_no": [True, False],
    "eur": decimals("0 0.5 9 9.99 10 999 1000 1000.01 -1000 999999999999"),
    "jpy": decimals("0 9 10 999 1000 -1000"),
    "kwd": decimals("0.125 9 10.001 -1000.1"),
    "inr": decimals("9.99 1000"),
    "of_choice": list(range(1, len(OPTIONS) + 1)),
    "of_choices": [{1}, {2}, {1, 2}, {3}, {4}, {1, 4}, {5}, {1, 5}, {4, 5}, {6}, {5, 6}, set(range(1, 8))],
}


@pytest.mark.parametrize("key", EACH)
def test_each_value_is_counted_with_one_that_travels_alike(key: str, fields: list[ClientField]) -> None:
    field = next(one for one in fields if one.key == key)
    (definition,) = definitions.of(field)
    for value in EACH[key]:
        stored = definition.type.store(value)
        folded = {folded_column(field.column): stored} if field.is_text else {}
        client = a_client(listings="sms", language="fr")
        ClientValues.objects.create(client=client, **{field.column: stored}, **folded)

    groups = value_shapes.of_recipients(topic=a_topic(), keys=[key], needed=[key], language="fr")

    counted = Counter[Any]()
    for values, number in groups:
        counted[_travels(values[key])] += number
    told = (definition.type.tell(value, language="fr", is_sms=True) for value in EACH[key])
    assert counted == Counter(map(_travels, told))


@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "it", "pl", "nl", "pt", "cs", "sv", "fi", "hu", "ar"])
def test_all_days_of_a_month_with_as_many_digits_are_alike_in_every_language(language: str) -> None:
    (type_,) = [one.type for one in definitions.of(a_field(kind="DATE"))]

    for month in range(1, 13):
        for days in (range(1, 10), range(10, 29)):
            told = [type_.tell(date(2026, month, day), language=language, is_sms=True) for day in days]
            assert len({_travels(one) for one in told}) == 1, told


def test_a_million_numbers_make_a_handful_of_groups() -> None:
    field = a_field(kind="WHOLE", key="member")
    for number in range(50):
        client = a_client(listings="sms")
        ClientValues.objects.create(client=client, **{field.column: number * 7})

    found = Counter[int]()
    for values, number in value_shapes.of_recipients(topic=a_topic(), keys=["member"], needed=["member"]):
        found[len(values["member"])] += number

    assert found == {1: 2, 2: 13, 3: 35}
    assert offered.default() == "en"
