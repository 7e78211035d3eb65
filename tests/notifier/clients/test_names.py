import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from notifier.clients import names
from notifier.models import Client
from tests.support.factories import a_client

PART = st.text(min_size=1, max_size=20).map(str.strip)


@given(first=PART, last=PART)
def test_a_full_name_is_both_parts_with_a_blank_between_or_the_one_that_is_known(first: str, last: str) -> None:
    expected = f"{first} {last}" if first and last else first + last

    assert names.full_name(first_name=first, last_name=last) == expected


def test_a_name_without_parts_is_kept_as_it_is_written() -> None:
    client = Client(first_name="Ann", last_name="Lee", name="Ann Lee")

    names.rename(client, name="Moss, Mrs Fay")

    assert (client.first_name, client.last_name, client.name) == ("", "", "Moss, Mrs Fay")


# --- The database holds it --------------------------------------------------------------------------------------------
@pytest.mark.both_engines
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("first", "last", "name"),
    [("Ann", "Lee", "Ann Lee"), ("Teller", "", "Teller"), ("", "Lee", "Lee"), ("", "", "X Y")],
)
def test_what_is_in_step_is_taken(first: str, last: str, name: str) -> None:
    client = a_client(name="Somebody Else")

    names.rename(client, first_name=first, last_name=last, name=name)
    client.save()

    client.refresh_from_db()
    assert (client.first_name, client.last_name, client.name) == (first, last, name)


@pytest.mark.both_engines
@pytest.mark.django_db
@pytest.mark.parametrize(
    "wrong",
    [
        {"first_name": "Bea"},
        {"last_name": ""},
        {"first_name": "Bea", "name": "Bea Moss"},
        {"first_name": "Bea", "last_name": "Moss", "name": "Moss Bea"},
    ],
)
def test_a_part_that_is_not_in_the_full_name_is_refused(wrong: dict[str, str]) -> None:
    client = a_client(first_name="Ann", last_name="Lee")

    with pytest.raises(IntegrityError, match="client_name_of_parts"), transaction.atomic():
        Client.objects.filter(pk=client.pk).update(**wrong)
    with pytest.raises(IntegrityError, match="client_name_of_parts"), transaction.atomic():
        Client.objects.create(first_name="Ann", last_name="Lee", name="Ann", email="new@example.com")

    client.refresh_from_db()
    assert (client.first_name, client.last_name, client.name) == ("Ann", "Lee", "Ann Lee")


@pytest.mark.both_engines
@pytest.mark.django_db
def test_an_old_process_that_writes_a_full_name_alone_is_heard_and_leaves_no_part_of_another() -> None:
    """It knows of no parts, so what it writes has none."""
    client, other = a_client(first_name="Ann", last_name="Lee"), a_client(first_name="Bea", last_name="Moss")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE notifier_client SET name = 'Fay Hart' WHERE id = %s", [client.pk])
        cursor.execute("UPDATE notifier_client SET name = name, is_active = false WHERE id = %s", [other.pk])
        cursor.execute(
            "INSERT INTO notifier_client (name, email, is_active, created_at, updated_at) "
            "SELECT 'Old Writer', 'old@example.com', true, created_at, updated_at FROM notifier_client WHERE id = %s",
            [client.pk],
        )

    found = list(Client.objects.order_by("pk").values_list("name", "first_name", "last_name"))

    assert found == [("Fay Hart", "", ""), ("Bea Moss", "Bea", "Moss"), ("Old Writer", "", "")]
