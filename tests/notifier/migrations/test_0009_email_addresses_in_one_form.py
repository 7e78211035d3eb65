"""The migration that puts e-mail addresses of before into their one form."""

from datetime import datetime
from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection

from notifier.models import Channel, Client, Delivery, ProviderEvent, SoftBounces, Suppression, SuppressionChange
from tests.support.factories import a_client, a_delivery

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db(transaction=True)]

MIGRATION = import_module("notifier.migrations.0009_email_addresses_in_one_form")
EMAIL = Channel.EMAIL


def migrate() -> None:
    with connection.schema_editor(atomic=False) as editor:
        for operation in MIGRATION.Migration.operations:
            operation.code(apps, editor)


def write_email(client: Client, address: str) -> Client:
    """Past the field, as the release before did."""
    for table in ("notifier_client", "notifier_historicalclient"):
        with connection.cursor() as cursor:
            cursor.execute(f"UPDATE {table} SET email = %s WHERE id = %s", [address, client.pk])
    return client


def email_of(client: Client) -> str | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT email FROM notifier_client WHERE id = %s", [client.pk])
        (found,) = cursor.fetchone()
    return found  # type: ignore[no-any-return]


def suppress(address: str, source: str = "STAFF", reason: str = "asked") -> None:
    Suppression.objects.create(channel=EMAIL, address=address, source=source, reason=reason)


def addresses() -> dict[str, str]:
    return dict(Suppression.objects.values_list("address", "source"))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("ann@example.com\u200b", "ann@example.com"),
        ("ann@exam\u00adple.com", "ann@example.com"),
        ("ann@xn--bcher-kva.example", "ann@bücher.example"),
        ("ann@bu\u0308cher.example", "ann@bücher.example"),
        ('"ann"@example.com', "ann@example.com"),
        ("ann@example.com", "ann@example.com"),
    ],
)
def test_an_address_of_before_is_put_into_the_one_form(before: str, after: str, now: datetime) -> None:
    ann = write_email(a_client(), before)
    suppress(before, "CLIENT")
    SuppressionChange.objects.create(channel=EMAIL, address=before, action="SUPPRESSED", source="CLIENT", at=now)
    ProviderEvent.objects.create(provider="x", event_id="1", kind="COMPLAINT", address=before, at=now)
    SoftBounces.objects.create(channel=EMAIL, address=before, in_a_row=2, last_at=now)

    migrate()
    migrate()  # it may be run again

    assert email_of(ann) == after
    assert addresses() == {after: "CLIENT"}
    for model in (SuppressionChange, ProviderEvent, SoftBounces):
        assert model.objects.get().address == after
    assert ann.history.filter(email=after).exists()


def test_what_waits_to_be_sent_goes_to_the_one_form() -> None:
    row = a_delivery()
    write_email(row.client, "ann@xn--bcher-kva.example")
    Delivery.objects.update(address="ann@xn--bcher-kva.example")

    migrate()

    assert Delivery.objects.get().address == "ann@bücher.example"


def test_of_two_suppressions_that_become_one_the_clients_own_stays(now: datetime) -> None:
    suppress("ann@example.com", "BOUNCE", "full")
    suppress("ann@example.com\u200b", "CLIENT", "STOP")
    for address, number in (("ann@example.com", 1), ("ann@example.com\u200b", 3)):
        SoftBounces.objects.create(channel=EMAIL, address=address, in_a_row=number, last_at=now)

    migrate()

    assert addresses() == {"ann@example.com": "CLIENT"}
    assert SoftBounces.objects.get().in_a_row == 3


def test_two_clients_with_one_mailbox_are_reported_and_written_to_once(capsys: pytest.CaptureFixture[str]) -> None:
    first = a_client(email="bob@bücher.example")
    second = write_email(a_client(), "bob@xn--bcher-kva.example")

    migrate()
    told = capsys.readouterr().out
    migrate()

    assert f"Client {second.pk} and client {first.pk} have one e-mail address" in told
    assert "bob" not in told
    assert (email_of(first), email_of(second)) == ("bob@bücher.example", "bob@xn--bcher-kva.example")
    assert addresses() == {"bob@xn--bcher-kva.example": "STAFF"}


def test_who_opted_out_in_one_spelling_is_silent_in_both() -> None:
    a_client(email="bob@bücher.example")
    write_email(a_client(), "bob@xn--bcher-kva.example")
    suppress("bob@xn--bcher-kva.example", "CLIENT")

    migrate()

    assert addresses() == {"bob@bücher.example": "CLIENT", "bob@xn--bcher-kva.example": "STAFF"}


def test_an_address_that_no_mail_can_go_to_is_reported_and_left(capsys: pytest.CaptureFixture[str]) -> None:
    client = write_email(a_client(), "ann\u200b@example.com")

    migrate()

    assert f"Client {client.pk}: mail can’t go to this e-mail address" in capsys.readouterr().out
