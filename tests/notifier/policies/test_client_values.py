from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from notifier.fields import applying, definitions, values
from notifier.messages import placeholders
from notifier.models import Channel, Client, ClientField
from notifier.policies import client_values
from notifier.runtime import clock
from notifier.values.base import FieldKind
from tests.support.factories import a_client, a_field, a_notification

MISSABLE = client_values.missable(client_values.BUILT_IN)


def given(client: Client, field: ClientField, value: Any) -> None:
    (definition,) = definitions.of(field)
    origin = applying.ChangeOrigin()
    values.set_values(client_id=client.pk, values={definition: value}, origin=origin, now=clock.now())


def test_every_placeholder_that_is_built_in_has_a_source_but_the_topic() -> None:
    assert client_values.BUILT_IN.keys() == placeholders.PLACEHOLDERS.keys() - {"topic"}


@pytest.mark.both_engines
@pytest.mark.django_db
@pytest.mark.parametrize("key", MISSABLE)
def test_what_the_database_counts_as_missing_is_what_a_claim_has_no_value_for(key: str) -> None:
    for first_name, last_name in (("Ann", "Lee"), ("Teller", ""), ("", "Lee"), ("", "")):
        a_client(name="Cher", first_name=first_name, last_name=last_name)

    lacking = Client.objects.filter(client_values.missing([key]))
    having = Client.objects.filter(*client_values.present([key]))

    missing = {one for one in Client.objects.all() if not client_values.of_client(one, topic="")[key]}
    assert set(lacking) == missing
    assert set(having) == set(Client.objects.all()) - missing
    assert len(missing) == 2


#: Of each kind a value, and how a client reads it in an e-mail in English, and in an SMS in French.
VALUES: list[tuple[str, Any, str, str]] = [
    ("TEXT", "Leeds", "Leeds", "Leeds"),
    ("WHOLE", 1234567, "1,234,567", "1 234 567"),
    ("WHOLE", 0, "0", "0"),
    ("DECIMAL", Decimal("-1234.5"), "-1,234.5", "-1 234,5"),
    ("MONEY", Decimal("400000"), "€400,000", "400 000 €"),
    ("MONEY", Decimal("12.5"), "€12.50", "12,50 €"),
    ("DATE", date(2026, 12, 1), "1 Dec 2026", "1 décembre 2026"),
    ("YES_NO", True, "yes", "oui"),
    ("YES_NO", False, "no", "non"),
    ("CHOICE", 2, "Flat", "Flat"),
    ("CHOICES", (1, 2), "House, Flat", "House, Flat"),
]


@pytest.mark.both_engines
@pytest.mark.django_db
@pytest.mark.parametrize(("kind", "value", "english", "french"), VALUES)
def test_a_field_reads_as_the_clients_language_has_it(kind: str, value: Any, english: str, french: str) -> None:
    options = ["House", "Flat", "Plot"] if kind.startswith("CHOICE") else []
    field = a_field(kind=kind, key="wish", options=options)
    has, lacks, never = a_client(), a_client(), a_client()
    given(has, field, value)
    given(lacks, field, value)
    given(lacks, field, None)

    assert set(Client.objects.filter(client_values.missing(["wish"]))) == {lacks, never}
    assert set(Client.objects.filter(*client_values.present(["wish"]))) == {has}
    told = [
        client_values.of_client(client, topic="", keys=["wish"], language=language, channel=channel)["wish"]
        for client in (Client.objects.get(pk=has.pk), lacks, never)
        for language, channel in (("en", Channel.EMAIL), ("fr", Channel.SMS))
    ]
    assert told == [english, french, "", "", "", ""]


@pytest.mark.django_db
def test_a_key_that_no_field_has_is_missing_for_everybody() -> None:
    client = a_client()

    assert list(Client.objects.filter(client_values.missing(["gone"]))) == [client]
    assert list(Client.objects.filter(*client_values.present(["name", "gone"]))) == []
    assert client_values.of_client(client, topic="", keys=["gone"])["gone"] == ""


@pytest.mark.django_db
@pytest.mark.parametrize("kind", FieldKind.values)
def test_the_invented_client_has_an_example_of_each_kind(kind: str) -> None:
    a_field(kind=kind, key="wish", options=["House", "Flat"] if kind.startswith("CHOICE") else [])

    assert client_values.of_client(Client(), topic="", keys=["wish"])["wish"]


@pytest.mark.django_db
def test_a_key_is_known_where_a_field_has_it() -> None:
    field = a_field(key="town")
    definitions.retire(field_id=field.pk, now=clock.now())

    assert client_values.are_known(["name", "town"])
    assert not client_values.are_known(["name", "email"])
    assert not client_values.are_known([""])


@pytest.mark.django_db
def test_names_alone_ask_for_no_field() -> None:
    with CaptureQueriesContext(connection) as queries:
        client_values.read(["name", "first_name"])

    assert len(queries) == 0


@pytest.mark.django_db
def test_a_text_with_a_field_that_was_retired_or_never_there_can_not_be_asked_for() -> None:
    field = a_field(key="town")
    text = a_notification(subject="Homes", email_body="In {{ town }}", sms_body="Hi {{ nothing }}")
    assert len(client_values.unusable_in(text)) == 1

    definitions.retire(field_id=field.pk, now=clock.now())

    retired, unknown = client_values.unusable_in(text)
    assert retired.startswith("{{ town }} can’t be used any more, because the field was retired.")
    assert unknown.startswith("There is no placeholder {{ nothing }}.")
