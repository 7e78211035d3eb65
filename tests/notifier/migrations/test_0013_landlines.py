"""The migration that tells which of the numbers of before are landlines'."""

from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection

from notifier.models import Client
from tests.support.factories import a_client

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db(transaction=True)]

MIGRATION = import_module("notifier.migrations.0013_landlines")


def test_each_number_of_before_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MIGRATION, "BATCH", 2)
    numbers = ["+493012345678", "+4915112345678", None, "+12025550123", "+493012345679", "+99912345678"]
    clients = [a_client(phone=number) for number in numbers]
    Client.objects.update(landline_ending=None)

    for _ in range(2):
        with connection.schema_editor(atomic=False) as editor:
            MIGRATION.tell_landlines(apps, editor)

    endings = dict(Client.objects.values_list("pk", "landline_ending"))
    assert [endings[client.pk] for client in clients] == ["5678", None, None, None, "5679", None]
