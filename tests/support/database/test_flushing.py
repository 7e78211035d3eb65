from typing import Any
from unittest.mock import Mock

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.test import TransactionTestCase

from notifier.models import Client, Topic
from tests.support.database.flushing import Flush
from tests.support.factories import a_client, a_user

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
