from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from notifier.clients import archiving
from notifier.models import Client
from tests.support.factories import a_client, a_user

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]


def versions(client: Client) -> list[Any]:
    return list(client.history.order_by("history_id"))


def test_archiving_many_writes_a_version_of_each_with_who_and_when(now: datetime) -> None:
    maria = a_user(username="maria")
    chosen, archived, other = [a_client() for _ in range(3)], a_client(is_active=False), a_client()

    number = archiving.archive(clients=Client.objects.exclude(pk=other.pk), by=maria, now=now)

    assert number == 3
    assert set(Client.objects.active()) == {other}
    for client in chosen:
        before, after = versions(client)
        assert (after.history_type, after.history_user, after.history_date) == ("~", maria, now)
        assert (before.is_active, after.is_active) == (True, False)
        assert (after.name, after.email, after.phone) == (client.name, client.email, client.phone)
    assert [len(versions(client)) for client in (archived, other)] == [1, 1]


def test_restoring_writes_versions_and_leaves_the_erased_alone(now: datetime) -> None:
    archived = a_client(is_active=False)
    erased = Client.objects.create(name="Erased client", is_active=False, erased_at=now)

    number = archiving.restore(clients=Client.objects.all(), by=None, now=now)

    assert number == 1
    assert set(Client.objects.active()) == {archived}
    assert versions(archived)[-1].history_user is None
    assert len(versions(erased)) == 1


def test_who_is_erased_while_a_list_returns_stays_away(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = a_client(is_active=False), a_client(is_active=False)
    monkeypatch.setattr(archiving, "CHUNK", 1)
    write = archiving.write_history

    def erase_the_second(**record: Any) -> None:
        write(**record)
        Client.objects.filter(pk=second.pk).update(erased_at=now)

    monkeypatch.setattr(archiving, "write_history", erase_the_second)

    number = archiving.restore(clients=Client.objects.all(), by=None, now=now)

    assert number == 1
    assert set(Client.objects.active()) == {first}


def test_a_whole_list_goes_chunk_by_chunk_and_is_done_completely(
    now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archiving, "CHUNK", 3)
    for _ in range(10):
        a_client()

    number = archiving.archive(clients=Client.objects.filter(name__contains="Ann"), by=None, now=now)

    assert number == 10
    assert not Client.objects.active().exists()
    assert Client.history.filter(history_type="~").count() == 10


def test_a_chunk_takes_as_many_queries_whatever_its_size(now: datetime) -> None:
    for _ in range(2):
        a_client()
    with CaptureQueriesContext(connection) as few:
        archiving.archive(clients=Client.objects.all(), by=None, now=now)
    for _ in range(30):
        a_client()

    with CaptureQueriesContext(connection) as many:
        archiving.archive(clients=Client.objects.all(), by=None, now=now)

    assert len(many) == len(few)


@pytest.mark.usefixtures("only_postgresql")
def test_postgresql_is_told_that_all_ids_are_read_and_nothing_of_it_lasts() -> None:
    """Otherwise it plans for the first tenth, and folds all names that come before those that are found."""
    ids = [a_client().pk for _ in range(3)]

    with CaptureQueriesContext(connection) as captured:
        found = archiving.ids_of(Client.objects.all())

    told = [sql for query in captured if (sql := query["sql"]).startswith(("SET LOCAL", "DECLARE"))]
    assert list(found) == ids
    assert [sql.split()[0] for sql in told] == ["SET", "DECLARE", "SET"]
    assert told[0] == "SET LOCAL cursor_tuple_fraction = 1"
    with connection.cursor() as cursor:
        cursor.execute("SHOW cursor_tuple_fraction")
        assert cursor.fetchone() == ("0.1",)
