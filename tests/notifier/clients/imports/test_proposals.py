"""What was chosen for a header is chosen for the next file with it, and never more than shown."""

from datetime import datetime
from io import BytesIO
from typing import Any

import pytest
from django.contrib.auth.models import User

from notifier.clients import erasure
from notifier.clients.imports import proposals, uploads
from notifier.fields import definitions
from notifier.fields.definitions import FieldInUse
from notifier.models import Client, ClientField, ClientImport, Topic
from tests.notifier.clients.imports.conftest import a_table
from tests.support.factories import a_client, a_field, a_topic, a_user

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

HEADER = "Wer,Wo,Rentals,E-mail"
CHOSEN = {"Wer": "name", "Wo": "", "Rentals": "rentals.sms", "E-mail": "email"}


def upload(now: datetime, header: str = HEADER, *, by: User | None = None, row: str = "Ann,,,a@example.com") -> Any:
    file = BytesIO(f"{header}\n{row}\n".encode())
    return uploads.upload(file=file, name="clients.csv", by=by or a_user(), now=now)


def imported(now: datetime, *, mapping: dict[str, str] | None = None, region: str = "SE", **fields: Any) -> Any:
    row = upload(now, **fields)
    uploads.set_mapping(pending=row, mapping=mapping or CHOSEN, region=region)
    row.refresh_from_db()
    return uploads.carry_out(pending=row, by=row.created_by, reason="", evidence="signed at the fair", now=now)


@pytest.fixture(autouse=True)
def _rentals(db: None) -> None:
    a_topic(slug="rentals", name="Lettings")


@pytest.mark.parametrize(
    ("header", "meanings"),
    [
        (HEADER, ["name", "", "rentals.sms", "email"]),
        ("WER, wo ,RENTALS,E MAIL", ["name", "", "rentals.sms", "email"]),
        ("E-mail,Rentals,Wo,Wer", ["email", "rentals.sms", "", "name"]),
    ],
)
def test_a_file_of_the_same_header_is_read_as_the_last_one_was(now: datetime, header: str, meanings: list[str]) -> None:
    imported(now, mapping=CHOSEN | {"Wer": "last_name"})
    done = imported(now)

    found = proposals.propose(a_table(f"{header}\n,,,"), by_id=None)

    assert list(found.mapping.values()) == meanings
    assert (found.as_in, found.region) == (done, "SE")
    assert upload(now, header).mapping == found.mapping
    assert not found.by_contents


@pytest.mark.parametrize("header", ["Wer,Wo,Rentals", "Wer,Wo,Rentals,E-mail,Extra", "Wer,Wo,Rental,E-mail"])
def test_another_header_is_guessed(now: datetime, header: str) -> None:
    imported(now)

    found = proposals.propose(a_table(f"{header}\n,,,"), by_id=None)

    assert found.as_in is None
    assert found.mapping["Wer"] == ""


def test_what_was_discarded_or_waits_is_not_remembered(now: datetime) -> None:
    for last in ("waits", "discarded"):
        row = upload(now)
        uploads.set_mapping(pending=row, mapping=CHOSEN, region="SE")
        if last == "discarded":
            uploads.discard(pending=row, now=now)

        assert proposals.propose(a_table(f"{HEADER}\n,,,"), by_id=row.created_by_id).as_in is None


def test_a_topic_that_is_gone_or_called_otherwise_is_guessed_anew_or_left_out(now: datetime) -> None:
    imported(now)
    Topic.objects.filter(slug="rentals").update(slug="lettings")
    assert proposals.propose(a_table(f"{HEADER}\n,,,"), by_id=None).mapping == CHOSEN | {"Rentals": ""}

    Topic.objects.filter(slug="lettings").update(name="Rentals")
    assert proposals.propose(a_table(f"{HEADER}\n,,,"), by_id=None).mapping == CHOSEN | {"Rentals": "lettings.both"}

    Topic.objects.filter(slug="lettings").delete()
    found = proposals.propose(a_table(f"{HEADER}\n,,,"), by_id=None)
    assert found.mapping == CHOSEN | {"Rentals": ""}


def test_what_is_guessed_anew_never_stands_beside_what_it_contradicts(now: datetime) -> None:
    header, first = "E-mail,Rentals,Lettings", {"E-mail": "email", "Rentals": "gone.sms", "Lettings": "rentals.sms"}
    a_topic(slug="gone")
    imported(now, header=header, row="a@example.com,,", mapping=first)
    Topic.objects.filter(slug="gone").delete()

    # “Rentals” is a word for the topic “Lettings”, which has its column.
    assert proposals.propose(a_table(f"{header}\n,,"), by_id=None).mapping == first | {"Rentals": ""}


def test_columns_that_were_erased_with_a_client_are_not_remembered(now: datetime) -> None:
    """In a file without a header the first row of data was taken for one."""
    client = a_client(email="ann@example.com", phone=None)
    header = "Ann,ann@example.com"
    imported(now, header=header, row="Bob,bob@example.com", mapping={"Ann": "name", "ann@example.com": "email"})

    erasure.erase(client_id=client.pk, by=None, why="asked", now=now)

    assert list(ClientImport.objects.values_list("mapping", "header_digest")) == [({}, "")]
    assert proposals.propose(a_table(f"{header}\nBob,bob@example.com"), by_id=None).as_in is None


def test_two_columns_that_can_not_be_told_apart_are_not_remembered() -> None:
    assert proposals.header_digest(["E-mail", "E mail"]) == ""


# --- The country of numbers without a code ----------------------------------------------------------------------------
def test_the_country_is_that_of_the_users_last_import_and_otherwise_the_settings(now: datetime, settings: Any) -> None:
    settings.PHONE_DEFAULT_REGION = "GB"
    ann, bob = a_user(), a_user()
    imported(now, by=ann, region="SE")
    imported(now, by=bob, region="")

    others = {by: upload(now, "Name,Phone,E-mail", by=by).phone_region for by in (ann, bob, a_user())}

    assert list(others.values()) == ["SE", "", "GB"]
    # A file of a header that was imported before has that file's, whoever chose it.
    assert upload(now, by=ann).phone_region == ""


def test_a_number_without_a_code_is_of_the_chosen_country(now: datetime, settings: Any) -> None:
    settings.PHONE_DEFAULT_REGION = "GB"
    row = upload(now, "Name,Phone", row="Ann,070-174 06 05")
    assert uploads.plan(pending=row, shown=1).refused

    uploads.set_mapping(pending=row, mapping=row.mapping, region="SE")
    row.refresh_from_db()
    uploads.carry_out(pending=row, by=row.created_by, reason="", evidence="signed at the fair", now=now)

    assert str(Client.objects.get().phone) == "+46701740605"


def test_a_file_from_before_there_was_a_choice_is_read_by_the_setting(now: datetime, settings: Any) -> None:
    settings.PHONE_DEFAULT_REGION = "SE"
    row = upload(now, "Name,Phone", row="Ann,070-174 06 05")
    ClientImport.objects.update(phone_region=None)
    row.refresh_from_db()

    assert uploads.plan(pending=row, shown=1).first[0].phone == "+46701740605"


def test_an_erased_client_goes_from_a_file_whichever_country_was_chosen_for_it(now: datetime, settings: Any) -> None:
    settings.PHONE_DEFAULT_REGION = "GB"
    client = a_client(phone="+46701740605", email=None)
    row = upload(now, "Name,Phone", row="Ann,070-174 06 05\nBob,070-174 06 06")

    erasure.erase(client_id=client.pk, by=None, why="asked", now=now)

    row.refresh_from_db()
    assert [found.cells[0] for found in uploads.table_of(row).rows()] == ["Bob"]


# --- What a remembered column keeps -----------------------------------------------------------------------------------
def test_a_field_that_a_remembered_column_names_stays_and_is_told_why(now: datetime) -> None:
    field = a_field(kind="TEXT", key="town", label="Town")
    imported(now, mapping=CHOSEN | {"Wo": "field:town"}, row="Ann,,,a@example.com")
    said = "because it is used by the columns of the import “clients"

    with pytest.raises(FieldInUse, match=said):
        definitions.delete(field_id=field.pk)
    field.key = "city"
    with pytest.raises(FieldInUse, match="the columns of the import"):
        definitions.save(field)


def test_a_column_that_a_later_import_has_otherwise_keeps_no_field(now: datetime) -> None:
    field = a_field(kind="TEXT", key="town", label="Town")
    imported(now, mapping=CHOSEN | {"Wo": "field:town"}, row="Ann,,,a@example.com")
    imported(now, mapping=CHOSEN)

    definitions.delete(field_id=field.pk)

    assert not ClientField.objects.exists()


def test_a_file_that_is_being_prepared_keeps_a_field(now: datetime) -> None:
    field = a_field(kind="TEXT", key="town", label="Town")
    a_field(kind="TEXT", key="town_2", label="Town 2")
    uploads.set_mapping(pending=upload(now), mapping=CHOSEN | {"Wo": "field:town"}, region="SE")

    with pytest.raises(FieldInUse, match="the columns of the import “clients"):
        definitions.delete(field_id=field.pk)
    definitions.delete(field_id=ClientField.objects.get(key="town_2").pk)
