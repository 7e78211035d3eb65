from typing import Any
from unittest.mock import Mock

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import TransactionTestCase
from django.test.utils import CaptureQueriesContext

from notifier.models import Client, Topic
from tests.support.database.connections import OtherConnection
from tests.support.database.flushing import Flush
from tests.support.factories import a_client, a_user
from tests.support.servers.processes import PATIENCE_SECONDS

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_engines]


@pytest.fixture
def whole() -> Mock:
    """Django's own way."""
    return Mock(__name__="_fixture_teardown")


@pytest.fixture
def case() -> Any:
    return TransactionTestCase()


def test_everything_goes_but_permissions_and_content_types(whole: Mock, case: Any) -> None:
    kept = [list(model.objects.order_by("pk").values_list()) for model in (Permission, ContentType)]
    flush = Flush(whole)
    a_client()
    a_user().user_permissions.add(Permission.objects.earliest("pk"))

    flush.as_method()(case)

    assert not Client.objects.exists()
    assert not Topic.objects.exists()
    assert [list(model.objects.order_by("pk").values_list()) for model in (Permission, ContentType)] == kept
    assert len(kept[0]) > 100
    whole.assert_not_called()


def test_a_table_without_rows_is_left_alone(whole: Mock, case: Any) -> None:
    flush = Flush(whole)
    a_client()

    with CaptureQueriesContext(connection) as queries:
        flush.as_method()(case)

    changes = " ".join(query["sql"] for query in queries if query["sql"].startswith(("TRUNCATE", "DELETE")))
    assert '"notifier_client"' in changes
    assert '"notifier_picture"' not in changes


def test_what_is_being_written_is_waited_for(whole: Mock, case: Any) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("on SQLite nobody else writes within a transaction")
    flush = Flush(whole)
    with OtherConnection() as other, OtherConnection() as flushing:
        other.begin()
        other.call(a_client)
        emptied = flushing.start_and_wait_until_blocked(flush.empty)
        other.commit()

        assert emptied.result(PATIENCE_SECONDS)

    assert not Client.objects.exists()


def test_where_a_test_changed_them_django_makes_them_anew(whole: Mock, case: Any) -> None:
    whole.side_effect = lambda case: Permission.objects.filter(codename="of_a_test").delete()
    method = Flush(whole).as_method()
    a_client()
    Permission.objects.create(
        codename="of_a_test", name="Of a test", content_type=ContentType.objects.get_for_model(Client)
    )

    method(case)

    whole.assert_called_once_with(case)
    assert Client.objects.exists()

    method(case)

    whole.assert_called_once_with(case)
    assert not Client.objects.exists()


def test_whoever_asks_for_a_way_of_their_own_has_it(whole: Mock, case: Any) -> None:
    case.serialized_rollback = True

    Flush(whole).as_method()(case)

    whole.assert_called_once_with(case)
