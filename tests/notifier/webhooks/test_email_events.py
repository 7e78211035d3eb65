import json
import logging
from base64 import b64encode
from datetime import UTC, datetime
from hashlib import md5
from typing import Any

import psycopg
import pytest
from django.core.cache import cache
from django.db import OperationalError
from django.test import Client as Browser
from django.utils.module_loading import import_string

from notifier.consent import provider_events
from notifier.consent.provider_events import Kind
from notifier.models import ProviderEvent, Receipt, Suppression
from notifier.web.security_headers import Allowance
from notifier.webhooks import email_events
from tests.support.factories import a_delivery

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

POSTMARK = "anymail.backends.postmark.EmailBackend"
SECRET = "notifier:a-long-password"
HOOK = "/hooks/mail/postmark/tracking/"
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _nothing_counted() -> None:
    cache.clear()


@pytest.fixture
def provider(settings: Any) -> None:
    settings.EMAIL_BACKEND = POSTMARK
    settings.ANYMAIL = {"WEBHOOK_SECRET": [SECRET]}


def bounce(**fields: Any) -> dict[str, Any]:
    """As Postmark posts it; https://postmarkapp.com/developer/webhooks/bounce-webhook"""
    return {
        "RecordType": "Bounce",
        "ID": 42,
        "Type": "HardBounce",
        "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
        "Email": "Ann@Example.com",
        "BouncedAt": "2026-11-24T11:00:00Z",
        "Description": "The server was unable to deliver your message (ex: unknown user, mailbox not found).",
        "Details": "smtp;550 5.1.1 The email account that you tried to reach does not exist: ann@example.com",
        **fields,
    }


def post(browser: Browser, told: Any, *, secret: str = SECRET, to: str = HOOK) -> int:
    headers = {"authorization": f"Basic {b64encode(secret.encode()).decode()}"} if secret else {}
    answer = browser.post(to, json.dumps(told), content_type="application/json", headers=headers)
    return answer.status_code


@pytest.mark.usefixtures("provider")
def test_a_hard_bounce_suppresses_the_address_and_is_kept(client: Browser) -> None:
    delivery = a_delivery(state="SENT")
    told = bounce(Metadata={"delivery": f"{delivery.broadcast_id}.{delivery.pk}"})

    assert [post(client, told) for _ in range(2)] == [200, 200]

    assert Suppression.objects.get().address == "ann@example.com"
    event = ProviderEvent.objects.get()
    assert (event.provider, event.event_id, event.delivery_id) == ("Postmark", "bounced:42", delivery.pk)
    assert event.detail == "smtp;550 5.1.1 The email account that you tried to reach does not exist: …"
    assert event.at == datetime(2026, 11, 24, 11, 0, tzinfo=UTC)
    receipt = Receipt.objects.get()
    assert (receipt.delivery_id, receipt.state, receipt.code) == (delivery.pk, Receipt.State.BOUNCED, "5.1.1")
    assert (receipt.provider, receipt.at) == ("Postmark", event.at)


@pytest.mark.usefixtures("provider")
def test_unknown_is_settled_by_an_event(client: Browser) -> None:
    delivery = a_delivery(state="UNKNOWN", detail="its answer was lost")
    told = {
        "RecordType": "Delivery",
        "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
        "Recipient": "ann@example.com",
        "DeliveredAt": "2026-11-24T11:00:00Z",
        "Details": "250 2.0.0 OK",
        "Metadata": {"delivery": f"{delivery.broadcast_id}.{delivery.pk}"},
    }

    assert post(client, told) == 200

    delivery.refresh_from_db()
    assert (delivery.state, delivery.provider_id) == ("SENT", "883953f4-6105-42a2-a16a-77a8eac79483")
    assert Receipt.objects.get().is_proof


@pytest.mark.usefixtures("provider")
@pytest.mark.parametrize("secret", ["", "notifier:another", "notifier:", SECRET.upper()])
def test_whoever_does_not_know_the_secret_tells_nothing(client: Browser, secret: str) -> None:
    assert post(client, bounce(), secret=secret) == 403

    assert not ProviderEvent.objects.exists()
    assert not Suppression.objects.exists()


@pytest.mark.usefixtures("provider")
@pytest.mark.parametrize("to", ["/hooks/mail/mailgun/tracking/", "/hooks/mail/nobody/tracking/"])
def test_the_webhooks_of_other_providers_are_not_there(client: Browser, to: str) -> None:
    assert post(client, bounce(), to=to) == 404


@pytest.mark.parametrize(
    ("backend", "secrets"), [(POSTMARK, []), ("django.core.mail.backends.smtp.EmailBackend", [SECRET])]
)
def test_without_a_secret_or_a_provider_there_is_no_webhook(
    client: Browser, settings: Any, backend: str, secrets: list[str]
) -> None:
    settings.EMAIL_BACKEND, settings.ANYMAIL = backend, {"WEBHOOK_SECRET": secrets}

    assert post(client, bounce()) == 404


@pytest.mark.usefixtures("provider")
def test_what_is_no_event_is_refused(client: Browser) -> None:
    headers = {"authorization": f"Basic {b64encode(SECRET.encode()).decode()}"}

    answer = client.post(HOOK, "{", "application/json", headers=headers)

    assert answer.status_code == 400
    assert not ProviderEvent.objects.exists()


@pytest.mark.usefixtures("provider")
def test_wrong_secrets_are_throttled_by_address_and_logged_without_a_traceback(
    client: Browser, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(email_events, "MAX_WRONG_SECRETS", 3)
    monkeypatch.setattr(email_events, "complaints", Allowance(2))
    monkeypatch.setattr(logging.getLogger("notifier"), "propagate", True)

    statuses = [post(client, bounce(), secret=f"notifier:guess-{number}") for number in range(5)]
    right_from_there = post(client, bounce())
    elsewhere = post(Browser(REMOTE_ADDR="198.51.100.9"), bounce())

    assert (statuses, right_from_there, elsewhere) == ([403, 403, 403, 429, 429], 429, 200)
    ours = [record for record in caplog.records if record.name != "django.request"]
    assert [record.levelname for record in ours] == ["WARNING", "WARNING"]
    assert not any(record.exc_info for record in caplog.records)


def event_with(**fields: Any) -> bytes:
    return json.dumps(bounce(**fields)).encode()


ODD_BODIES: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"{",
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a list": b"[]",
    "a list of numbers": b"[1, 2]",
    "a number": b"7",
    "a huge number": b'{"RecordType": ' + b"9" * 5000 + b"}",
    "a text": b'"Bounce"',
    "null": b"null",
    "no UTF-8": b'{"RecordType": "\xff"}',
    "half a character": event_with(Email="\ud800@example.com"),
    "an address with a NUL": event_with(Email="ann\0@example.com"),
    "an overlong address": event_with(Email=f"{'a' * 300}@example.com"),
    "an address that is a number": event_with(Email=7),
    "an address that is a list": event_with(Email=["ann@example.com"]),
    "a moment that is a number": event_with(BouncedAt=7),
    "a type that is a list": event_with(Type=["HardBounce"]),
}


@pytest.mark.usefixtures("provider")
@pytest.mark.parametrize("body", ODD_BODIES.values(), ids=ODD_BODIES)
def test_whatever_is_posted_is_no_fault_of_ours(client: Browser, body: bytes) -> None:
    headers = {"authorization": f"Basic {b64encode(SECRET.encode()).decode()}"}

    answer = client.post(HOOK, body, "application/json", headers=headers)

    assert answer.status_code == 400
    assert not ProviderEvent.objects.exists()
    assert not Suppression.objects.exists()


@pytest.mark.usefixtures("provider")
def test_what_can_not_be_stored_of_an_event_is_left_out_of_it(client: Browser) -> None:
    told = bounce(ID="4\x002\ud800", Details="550 5.1.1\0 no \udfff mailbox", Metadata={"delivery": "1.\0"})

    assert post(client, told) == 200

    kept = ProviderEvent.objects.get()
    assert (kept.event_id, kept.detail) == ("bounced:42\ufffd", "550 5.1.1 no \ufffd mailbox")
    assert Suppression.objects.get().address == "ann@example.com"


def test_the_good_events_of_a_request_are_taken_beside_an_impossible_one(client: Browser, settings: Any) -> None:
    settings.EMAIL_BACKEND = "anymail.backends.mailjet.EmailBackend"
    settings.ANYMAIL = {"WEBHOOK_SECRET": [SECRET]}
    told = [
        {"email": address, "event": "spam", "MessageID": number, "time": 1_790_000_000}
        for number, address in enumerate(["a" * 300 + "@example.com", "ann@example.com"])
    ]

    # After a 400 the provider would deliver both again, for days.
    assert post(client, told, to="/hooks/mail/mailjet/tracking/") == 200

    assert [row.address for row in ProviderEvent.objects.all()] == ["ann@example.com"]


def mailjet_bounce(name: str) -> dict[str, Any]:
    """https://dev.mailjet.com/email/guides/webhooks/"""
    return {"event": "bounce", "email": f"{name}@example.com", "hard_bounce": True, "time": 1_764_000_000}


def sendgrid_bounce(name: str) -> dict[str, Any]:
    """https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event"""
    return {
        "event": "bounce",
        "email": f"{name}@example.com",
        "timestamp": 1_764_000_000,
        "sg_event_id": name,
        "reason": "550 5.1.1 user unknown",
        "type": "bounce",
    }


def sparkpost_bounce(name: str) -> dict[str, Any]:
    """https://developers.sparkpost.com/api/webhooks/"""
    event = {"type": "bounce", "raw_rcpt_to": f"{name}@example.com", "event_id": name, "bounce_class": "10"}
    return {"msys": {"message_event": event | {"timestamp": "1764000000", "raw_reason": "550 5.1.1 user unknown"}}}


UNISENDER_KEY = "x"


def unisender_bounce(name: str) -> dict[str, Any]:
    """https://godocs.unisender.ru/web-api-ref#callback-format"""
    data = {
        "status": "hard_bounced",
        "email": f"{name}@example.com",
        "job_id": name,
        "event_time": "2025-11-24 16:00:00",
        "delivery_info": {"delivery_status": "err_user_unknown", "destination_response": "550 5.1.1 user unknown"},
    }
    return {"event_name": "transactional_email_status", "event_data": data}


def unisender_batch(*parts: Any) -> dict[str, Any]:
    """Signed: the digest of the whole, with the key where the digest will stand."""
    batch = {"auth": UNISENDER_KEY * 32, "events_by_user": parts}
    digest = md5(json.dumps(batch).replace(UNISENDER_KEY * 32, UNISENDER_KEY).encode(), usedforsecurity=False)
    return batch | {"auth": digest.hexdigest()}


#: What can't be read as an event, beside two that can.
BATCHES = {
    "mailjet": [mailjet_bounce("ann"), None, mailjet_bounce("bob") | {"time": "soon"}, mailjet_bounce("cid")],
    "sendgrid": [sendgrid_bounce("ann"), 7, sendgrid_bounce("bob") | {"timestamp": []}, sendgrid_bounce("cid")],
    "unisender_go": unisender_batch(
        {
            "user_id": 1,
            "events": [
                unisender_bounce("ann"),
                7,
                None,
                {"event_name": "transactional_email_status"},
                {"event_name": "transactional_email_status", "event_data": {"status": "hard_bounced"}},
                {"event_data": unisender_bounce("bob")["event_data"]},
            ],
        },
        {"user_id": 2, "events": [{"event_name": "transactional_spam_block"}, unisender_bounce("cid")]},
        {"user_id": 3, "events": 3},
        4,
    ),
    "sparkpost": [
        sparkpost_bounce("ann"),
        7,
        {"msys": {"one": {}, "two": {}}},
        {"msys": {"message_event": {"raw_rcpt_to": "bob@example.com"}}},
        sparkpost_bounce("cid"),
    ],
    "mailtrap": {
        "events": [
            {
                "event": "bounce",
                "email": "ann@example.com",
                "event_id": "1",
                "message_id": "m1",
                "timestamp": 1_764_000_000,
            },
            {"event": "bounce", "email": "bob@example.com", "event_id": "2", "message_id": "m2", "timestamp": "soon"},
            {
                "event": "bounce",
                "email": "cid@example.com",
                "event_id": "3",
                "message_id": "m3",
                "timestamp": 1_764_000_000,
            },
        ]
    },
}


@pytest.mark.filterwarnings("ignore::anymail.exceptions.AnymailWarning")
@pytest.mark.parametrize("name", BATCHES)
def test_an_event_that_can_not_be_read_takes_none_beside_it_along(
    client: Browser, settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    monkeypatch.setattr(email_events, "complaints", Allowance(10))
    monkeypatch.setattr(logging.getLogger("notifier"), "propagate", True)
    settings.EMAIL_BACKEND = f"anymail.backends.{name}.EmailBackend"
    settings.ANYMAIL = {"WEBHOOK_SECRET": [SECRET], "UNISENDER_GO_API_KEY": UNISENDER_KEY}

    assert post(client, BATCHES[name], to=f"/hooks/mail/{name}/tracking/") == 200

    kept = ProviderEvent.objects.order_by("pk").values_list("address", flat=True)
    assert list(kept) == ["ann@example.com", "cid@example.com"]
    (told,) = [record.getMessage() for record in caplog.records if record.name == email_events.__name__]
    assert "beside 2 that were taken" in told
    assert "@" not in told


def test_where_no_event_can_be_read_the_provider_is_told(client: Browser, settings: Any) -> None:
    settings.EMAIL_BACKEND = "anymail.backends.mailjet.EmailBackend"
    settings.ANYMAIL = {"WEBHOOK_SECRET": [SECRET]}

    assert post(client, [None, 7], to="/hooks/mail/mailjet/tracking/") == 400

    assert post(client, [], to="/hooks/mail/mailjet/tracking/") == 200
    assert not ProviderEvent.objects.exists()


#: Without two that need packages of their own, and the name that Brevo had before.
PROVIDERS = sorted(
    {
        pattern.name.removesuffix("_tracking_webhook")
        for pattern in import_string("anymail.urls.urlpatterns")
        if pattern.name.endswith("_tracking_webhook")
    }
    - {"amazon_ses", "postal", "sendinblue"}
)
#: What some of them check besides the secret.
KEYS = ("MAILGUN_API_KEY", "MANDRILL_API_KEY", "MAILERSEND_SIGNING_SECRET", "UNISENDER_GO_API_KEY")


@pytest.mark.filterwarnings("ignore::anymail.exceptions.AnymailWarning")
@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("body", [b"[[[", b"7", b"[7]", b'{"a": 1}', b"[" * 100_000, b"mandrill_events=%00"])
def test_no_provider_s_webhook_fails_for_what_it_is_sent(
    client: Browser, settings: Any, name: str, body: bytes
) -> None:
    settings.EMAIL_BACKEND = f"anymail.backends.{name}.EmailBackend"
    settings.ANYMAIL = {"WEBHOOK_SECRET": [SECRET], **dict.fromkeys(KEYS, "x")}
    headers = {"authorization": f"Basic {b64encode(SECRET.encode()).decode()}"}

    for content_type in ("application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = client.post(f"/hooks/mail/{name}/tracking/", body, content_type, headers=headers)
        # A batch may be empty, or tell what none of our events is.
        assert answer.status_code in (200, 400, 403), content_type


@pytest.mark.usefixtures("provider")
def test_a_get_changes_nothing(client: Browser) -> None:
    assert client.get(HOOK).status_code == 405


@pytest.mark.usefixtures("provider")
def test_a_soft_bounce_that_the_provider_calls_a_bounce_is_one_for_now(client: Browser) -> None:
    post(client, bounce(Type="SoftBounce"))

    assert ProviderEvent.objects.get().kind == Kind.SOFT_BOUNCE
    assert not Suppression.objects.exists()


def test_one_event_that_can_not_be_recorded_does_not_hinder_those_beside_it(
    client: Browser, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EMAIL_BACKEND = "anymail.backends.mailjet.EmailBackend"
    settings.ANYMAIL = {"WEBHOOK_SECRET": [SECRET]}
    record = provider_events.record_event

    def fail_for_bob(event: provider_events.Event, now: datetime) -> bool:
        if event.address == "bob@example.com":
            raise ValueError("odd")
        return record(event, now)

    monkeypatch.setattr(provider_events, "record_event", fail_for_bob)
    # https://dev.mailjet.com/email/guides/webhooks/
    error = {"event": "bounce", "hard_bounce": True, "error": "user unknown", "time": 1_764_000_000, "MessageID": 1}
    told = [error | {"email": f"{name}@example.com"} for name in ("ann", "bob", "cid")]

    assert post(client, told, to="/hooks/mail/mailjet/tracking/") == 200

    assert set(Suppression.objects.values_list("address", flat=True)) == {"ann@example.com", "cid@example.com"}


@pytest.mark.parametrize("name", ["mailersend", "unisender_go"])
def test_without_the_key_that_a_provider_signs_with_it_is_asked_to_come_again(
    client: Browser, settings: Any, name: str
) -> None:
    settings.EMAIL_BACKEND = f"anymail.backends.{name}.EmailBackend"
    settings.ANYMAIL = {"WEBHOOK_SECRET": [SECRET]}

    assert post(client, {}, to=f"/hooks/mail/{name}/tracking/") == 503


@pytest.mark.parametrize("cause", [None, psycopg.errors.QueryCanceled("statement timeout")])
def test_while_the_database_takes_nothing_the_provider_is_asked_to_come_again(
    client: Browser, settings: Any, monkeypatch: pytest.MonkeyPatch, cause: Exception | None
) -> None:
    def be_away(*arguments: Any) -> bool:
        raise OperationalError("the connection is closed") from cause

    settings.EMAIL_BACKEND, settings.ANYMAIL = POSTMARK, {"WEBHOOK_SECRET": [SECRET]}
    monkeypatch.setattr(provider_events, "record_event", be_away)

    assert post(client, bounce()) == 503
