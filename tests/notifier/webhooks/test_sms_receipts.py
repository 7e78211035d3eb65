"""The address that Twilio calls with receipts: what is not its own changes nothing, and what is, ends in 204."""

from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import OperationalError
from django.test import Client as Browser
from pytest_django.fixtures import Settings

from notifier.clients import erasure
from notifier.messages import receipt_urls
from notifier.models import Channel, Delivery, Receipt
from notifier.receipts import taking
from notifier.runtime import clock
from notifier.web.security_headers import Allowance
from notifier.webhooks import sms_receipts
from tests.notifier.delivery.calls import fresh
from tests.support.factories import a_delivery
from tests.support.fakes import answers
from tests.support.fakes.sms import sms_url

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

PUBLIC = "https://notifier.example.com"
FORM = "application/x-www-form-urlencoded"
State = Receipt.State


@pytest.fixture(autouse=True)
def _by_twilio(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.PUBLIC_URL, settings.SMS_URL, settings.SMS_RECEIPTS = PUBLIC, sms_url(443), True
    settings.SECURE_SSL_REDIRECT = False
    monkeypatch.setattr(sms_receipts, "complaints", Allowance(10))


def a_sent_one(**fields: Any) -> Delivery:
    return a_delivery(**{"state": Delivery.State.SENT, "channel": Channel.SMS} | fields)


def path_of(row: Delivery) -> str:
    return receipt_urls.url(f"{row.broadcast_id}.{row.pk}", provider="twilio").removeprefix(PUBLIC)


def post(path: str, fields: dict[str, str], *, signed: str | None = None, **more: Any) -> Any:
    signed = answers.signature(PUBLIC + path, fields) if signed is None else signed
    values = {"content_type": FORM, "headers": {"X-Twilio-Signature": signed}} | more
    return Browser(enforce_csrf_checks=True).post(path, urlencode(fields), **values)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("queued", State.ACCEPTED),
        ("sending", State.ACCEPTED),
        ("sent", State.ACCEPTED),
        ("delivered", State.DELIVERED),
        ("read", State.DELIVERED),
        ("undelivered", State.UNDELIVERED),
        ("failed", State.UNDELIVERED),
    ],
)
def test_each_status_of_twilios_is_a_receipt(status: str, state: Receipt.State) -> None:
    row = a_sent_one()

    answer = post(path_of(row), answers.status(status, sid="SM5", ErrorCode="30005"))

    assert (answer.status_code, answer.content) == (204, b"")
    assert "no-store" in answer["Cache-Control"]
    receipt = Receipt.objects.get()
    assert (receipt.delivery_id, receipt.state, receipt.code) == (row.pk, state, "30005")
    assert (receipt.provider, receipt.provider_id) == ("twilio", "SM5")


def test_twice_and_late_is_taken_once_and_answered_well() -> None:
    row = a_sent_one()

    codes = [
        post(path_of(row), answers.status(status)).status_code
        for status in ("delivered", "sent", "delivered", "queued")
    ]

    assert codes == [204] * 4
    assert Receipt.objects.get().state == State.DELIVERED


def test_unknown_settles_itself() -> None:
    row = a_sent_one(state=Delivery.State.UNKNOWN, detail="its answer was lost")

    post(path_of(row), answers.status("sent", sid="SM5"))

    assert (fresh(row).state, fresh(row).provider_id) == (Delivery.State.SENT, "SM5")


def test_twilio_may_sign_what_asks_it_to_try_again() -> None:
    row = a_sent_one()
    fields = answers.status("delivered")
    signed = answers.signature(PUBLIC + path_of(row) + receipt_urls.TWILIO_RETRIES, fields)

    assert post(path_of(row), fields, signed=signed).status_code == 204


def test_for_an_erased_client_or_no_delivery_it_is_answered_well() -> None:
    row = a_sent_one()
    erasure.erase(client_id=row.client_id, by=None, why="they asked", now=clock.now())
    nobodys = receipt_urls.url(f"{row.broadcast_id}.{row.pk + 1}", provider="twilio").removeprefix(PUBLIC)

    assert post(path_of(row), answers.status("undelivered")).status_code == 204
    assert post(nobodys, answers.status("delivered")).status_code == 204

    assert Receipt.objects.get().delivery_id == row.pk


# --- Nonsense ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "change",
    [
        {"MessageStatus": "received"},
        {"MessageStatus": ""},
        {"MessageStatus": "DELIVERED"},
        {"MessageStatus": None},
        {"MessageSid": None},
        {"MessageSid": "SM 1\n"},
    ],
)
def test_what_is_no_receipt_is_400(change: dict[str, str | None]) -> None:
    row = a_sent_one()
    fields = {name: value for name, value in (answers.status("sent") | change).items() if value is not None}

    assert post(path_of(row), fields).status_code == 400
    assert not Receipt.objects.exists()


def test_a_token_that_is_not_ours_is_400() -> None:
    row, other = a_sent_one(), a_sent_one()
    number, _, signature = path_of(row).rpartition("/")[2].partition(":")
    forged = f"/hooks/sms/twilio/receipts/{other.broadcast_id}.{other.pk}:{signature}"

    assert number == f"{row.broadcast_id}.{row.pk}"
    assert post(forged, answers.status("undelivered")).status_code == 400
    assert not Receipt.objects.exists()


def test_what_twilio_did_not_sign_is_403_and_is_logged_a_few_times(caplog: pytest.LogCaptureFixture) -> None:
    row = a_sent_one()
    fields = answers.status("delivered")

    for signed in ("", "nonsense", answers.signature(PUBLIC + path_of(a_sent_one()), fields)):
        assert post(path_of(row), fields, signed=signed).status_code == 403
    for _ in range(20):
        post(path_of(row), fields, signed="")

    assert not Receipt.objects.exists()
    assert len([record for record in caplog.records if record.name == sms_receipts.logger.name]) == 10


def test_what_is_too_large_or_no_form_is_403() -> None:
    row = a_sent_one()

    assert post(path_of(row), answers.status("delivered", Body="x" * 70_000)).status_code == 403
    assert post(path_of(row), answers.status("delivered"), content_type="application/json").status_code == 403
    assert not Receipt.objects.exists()


def test_it_is_there_for_our_provider_alone_and_to_post_to(settings: Settings) -> None:
    row = a_sent_one()

    assert Browser().get(path_of(row)).status_code == 405
    assert post(path_of(row).replace("twilio", "other"), answers.status("sent")).status_code == 404
    settings.SMS_URL = "console://"
    assert post(path_of(row), answers.status("sent")).status_code == 404


def test_while_the_database_is_away_twilio_is_asked_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*arguments: Any, **options: Any) -> int:
        raise OperationalError("the connection is closed")

    row = a_sent_one()
    monkeypatch.setattr(taking, "take", away)

    assert post(path_of(row), answers.status("delivered")).status_code == 503
