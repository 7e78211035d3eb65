from datetime import datetime

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from notifier.fields import definitions, usage, values
from notifier.fields.applying import ChangeOrigin
from notifier.fields.definitions import FieldInUse, OptionChange
from notifier.messages import placeholders
from notifier.models import ClientField, ClientValues, FieldOption
from tests.support.factories import a_client, a_field

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]


def refusal(field: ClientField) -> dict[str, list[str]]:
    with pytest.raises(ValidationError) as refused:
        definitions.save(field)
    return dict(refused.value.message_dict)


@pytest.mark.parametrize("key", sorted({*placeholders.PLACEHOLDERS, "email", "language", "tags"}))
def test_no_field_takes_a_name_that_means_something_else(key: str) -> None:
    assert "means something else" in refusal(ClientField(key=key, label="Mine", kind="TEXT"))["key"][0]
    assert not ClientField.objects.exists()


def test_two_fields_cannot_have_one_label_however_it_is_capitalised() -> None:
    a_field(label="Straße")

    assert "STRASSE" in refusal(ClientField(key="other", label="STRASSE", kind="TEXT"))["label"][0]


def test_a_key_is_made_of_a_label() -> None:
    assert definitions.suggested_key("Member since (year)") == "member_since_year"
    assert definitions.suggested_key("2nd phone") == "nd_phone"
    assert definitions.suggested_key("Name") == "name_field"
    assert definitions.suggested_key("Größe") == "grosse"
    assert definitions.suggested_key("город") == ""


@pytest.mark.parametrize("key", ["", "Ann", "9lives", "with-dash", "ä", "_x", "a b"])
def test_the_database_refuses_a_key_that_no_placeholder_can_have(key: str) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        ClientField.objects.create(key=key, label="Any", folded="any", kind="TEXT", column="t1")


@pytest.mark.parametrize(("kind", "column", "currency"), [("TEXT", "n1", ""), ("DATE", "t1", ""), ("MONEY", "n1", "")])
def test_the_database_refuses_a_column_or_a_currency_of_another_kind(kind: str, column: str, currency: str) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        ClientField.objects.create(key="any", label="Any", folded="any", kind=kind, column=column, currency=currency)


def test_each_field_has_a_column_to_itself_and_one_that_was_deleted_gives_it_back() -> None:
    one, other, text = a_field(kind="DATE"), a_field(kind="WHOLE"), a_field()
    assert (one.column, other.column, text.column) == ("n1", "n2", "t1")

    definitions.delete(field_id=one.pk)

    assert a_field(kind="YES_NO").column == "n1"


def test_there_are_only_so_many_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(definitions, "TEXTS", ("t1",))
    a_field()

    assert "already" in refusal(ClientField(key="more", label="More", kind="TEXT"))["kind"][0]
    a_field(kind="DATE")


def test_what_clients_have_is_not_deleted_but_retired(now: datetime) -> None:
    field = a_field(label="City")
    (definition,) = definitions.of(field)
    for _ in range(2):
        values.set_values(client_id=a_client().pk, values={definition: "Bonn"}, origin=ChangeOrigin(), now=now)

    with pytest.raises(
        FieldInUse, match=r"“City” can’t be deleted, because it is used by 2 clients\. You can retire it"
    ):
        definitions.delete(field_id=field.pk)

    assert definitions.retire(field_id=field.pk, now=now)
    assert not definitions.retire(field_id=field.pk, now=now)
    assert [one.label for one in definitions.active()] == []
    assert [one.label for one in definitions.every()] == ["City"]
    assert definitions.restore(field_id=field.pk)


def test_whatever_uses_a_field_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    field = a_field(label="City")
    found = [f"the audience “{name}”" for name in ("Berlin", "Bonn", "Köln", "Rom")]
    monkeypatch.setattr(usage, "_finder", lambda name: lambda thing: found)
    monkeypatch.setattr(usage, "FINDERS", ("any",))

    assert definitions.reason_to_keep(field) == (
        "“City” can’t be deleted, because it is used by the audience “Berlin”, the audience “Bonn”, "
        "the audience “Köln” and 1 more. You can retire it instead."
    )


@pytest.mark.parametrize("name", usage.FINDERS)
def test_each_who_may_use_a_field_can_be_asked(name: str) -> None:
    assert list(usage._finder(name)(a_field())) == []


def test_the_key_of_a_field_that_is_used_stays(now: datetime) -> None:
    field = a_field(key="city")
    field.key = "town"
    definitions.save(field)
    (definition,) = definitions.of(field)
    values.set_values(client_id=a_client().pk, values={definition: "Bonn"}, origin=ChangeOrigin(), now=now)

    field.key = "place"
    with pytest.raises(FieldInUse, match=r"The key of .* can’t be changed, because it is used by 1 client"):
        definitions.save(field)

    field.key, field.label = "town", "Town"
    definitions.save(field)
    assert ClientField.objects.get().label == "Town"


def test_the_type_of_a_field_never_changes() -> None:
    field = a_field(kind="WHOLE")
    field.kind = "DATE"

    with pytest.raises(FieldInUse, match="type"):
        definitions.save(field)


# --- Options ----------------------------------------------------------------------------------------------------------
def labels(field: ClientField) -> list[str]:
    return list(FieldOption.objects.filter(field=field).order_by("position").values_list("label", flat=True))


def test_options_change_places_and_labels_and_keep_their_numbers(now: datetime) -> None:
    field = a_field(kind="CHOICE", options=["Small", "Large"])
    (before,) = definitions.of(field)
    client = a_client()
    values.set_values(client_id=client.pk, values={before: 1}, origin=ChangeOrigin(), now=now)

    definitions.set_options(
        field=field, options=[OptionChange(2, "Small"), OptionChange(1, "Large"), OptionChange(None, "Huge")], now=now
    )

    (after,) = definitions.of(field)
    assert labels(field) == ["Small", "Large", "Huge"]
    assert after.type.show(values.of_client(client.pk, definitions.every())[field.pk]) == "Large"


def test_an_option_that_is_not_named_stays(now: datetime) -> None:
    field = a_field(kind="CHOICE", options=["Small", "Large"])

    definitions.set_options(field=field, options=[OptionChange(2, "Large", is_retired=True)], now=now)

    assert labels(field) == ["Large", "Small"]
    assert [one.label for one in next(iter(definitions.of(field))).type.offered()] == ["Small"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("wrong", [["A", "a"], ["A; B"], ["A|B"], ["-"], ["x" * 81]])
def test_labels_that_a_file_could_not_tell_apart_are_refused(wrong: list[str], now: datetime) -> None:
    field = a_field(kind="CHOICES", options=["First"])

    with pytest.raises(ValidationError):
        definitions.set_options(field=field, options=[OptionChange(None, label) for label in wrong], now=now)

    assert labels(field) == ["First"]


def test_several_of_a_list_can_have_as_many_options_as_a_number_has_bits(now: datetime) -> None:
    field = a_field(kind="CHOICES", options=[f"Option {number}" for number in range(62)])
    (definition,) = definitions.of(field)
    client = a_client()
    every = tuple(range(1, 63))

    values.set_values(client_id=client.pk, values={definition: every}, origin=ChangeOrigin(), now=now)

    assert values.of_client(client.pk, definitions.every()) == {field.pk: every}
    assert ClientValues.objects.get(client=client).n1 == 2**62 - 1  # type: ignore[attr-defined]
    with pytest.raises(ValidationError, match="62 options"):
        definitions.set_options(field=field, options=[OptionChange(None, "One more")], now=now)
