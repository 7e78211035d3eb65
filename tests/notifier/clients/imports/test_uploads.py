"""An upload's import locks nothing while its file is read."""

from collections.abc import Callable
from datetime import datetime
from io import BytesIO
from typing import Any

import pytest
from django.db import connection

from notifier.clients.imports import uploads
from notifier.clients.imports.staging import Staging
from notifier.models import Client, ClientImport
from tests.support.factories import a_user

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_engines]


def pending(now: datetime) -> ClientImport:
    file = BytesIO(b"Name,E-mail\nAnn,ann@example.com\nBob,bob@example.com\n")
    return uploads.upload(file=file, name="new.csv", by=a_user(username="maria"), now=now)


def before_reading(monkeypatch: pytest.MonkeyPatch, do: Callable[[], Any]) -> None:
    add = Staging.add
    monkeypatch.setattr(Staging, "add", lambda self, rows: (do(), add(self, rows))[1])


def test_the_file_is_read_before_the_transaction(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    within: list[bool] = []
    before_reading(monkeypatch, lambda: within.append(connection.in_atomic_block))
    row = pending(now)

    done = uploads.carry_out(pending=row, by=a_user(), reason="", evidence="signed at the fair", now=now)

    assert within == [False]
    assert (done.state, done.counts["added"], bytes(done.content)) == ("DONE", 2, b"")


def test_what_was_discarded_while_the_file_was_read_is_not_imported(
    now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = pending(now)
    before_reading(monkeypatch, lambda: uploads.discard(pending=row, now=now))

    with pytest.raises(uploads.AlreadyDone):
        uploads.carry_out(pending=row, by=a_user(), reason="", evidence="signed at the fair", now=now)

    assert not Client.objects.exists()
    assert ClientImport.objects.get(pk=row.pk).state == "DISCARDED"
