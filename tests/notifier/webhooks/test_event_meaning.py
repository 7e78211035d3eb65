from datetime import UTC, datetime
from typing import Any

import pytest
from anymail.signals import AnymailTrackingEvent

from notifier.consent.provider_events import Kind
from notifier.models import Installation
from notifier.webhooks import event_meaning

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def event(event_type: str, **fields: Any) -> AnymailTrackingEvent:
    values = {"recipient": "ann@example.com", "timestamp": NOW, "event_id": "1", "esp_event": {}, "metadata": {}}
    return AnymailTrackingEvent(event_type=event_type, **values | fields)


@pytest.mark.parametrize(
    ("event_type", "fields", "kind"),
    [
        ("bounced", {"reject_reason": "bounced"}, Kind.HARD_BOUNCE),
        ("bounced", {"reject_reason": "invalid"}, Kind.HARD_BOUNCE),
        ("bounced", {"reject_reason": "bounced", "mta_response": "550 5.1.1 nobody"}, Kind.HARD_BOUNCE),
        ("bounced", {"reject_reason": "bounced", "mta_response": "550 5.2.1 closed"}, Kind.HARD_BOUNCE),
        ("bounced", {"reject_reason": "bounced", "mta_response": "552 5.2.2 full"}, Kind.SOFT_BOUNCE),
        ("bounced", {"reject_reason": "bounced", "mta_response": "550 5.7.1 policy"}, Kind.REFUSED),
        ("bounced", {"reject_reason": "bounced", "mta_response": "550 5.1.0 sender rejected"}, Kind.REFUSED),
        ("bounced", {"reject_reason": "bounced", "mta_response": "[5.1.2.3] said: 452 mailbox full"}, Kind.SOFT_BOUNCE),
        ("bounced", {"mta_response": "[192.2.1.5] said: 550 5.1.1 nobody"}, Kind.HARD_BOUNCE),
        (
            "bounced",
            {"reject_reason": "bounced", "mta_response": "550 no", "description": "552 5.2.2 full"},
            Kind.SOFT_BOUNCE,
        ),
        ("bounced", {"reject_reason": "bounced", "description": "451 4.3.0 later"}, Kind.SOFT_BOUNCE),
        (
            "bounced",
            {"reject_reason": "bounced", "esp_event": {"bounce": {"bounceType": "Transient"}}},
            Kind.SOFT_BOUNCE,
        ),
        ("bounced", {"reject_reason": "bounced", "esp_event": {"hard_bounce": False}}, Kind.SOFT_BOUNCE),
        ("bounced", {"reject_reason": "blocked"}, Kind.REFUSED),
        ("bounced", {"reject_reason": "spam"}, Kind.REFUSED),
        ("bounced", {}, Kind.SOFT_BOUNCE),
        ("deferred", {}, Kind.SOFT_BOUNCE),
        ("deferred", {"mta_response": "451 4.7.1 greylisted"}, Kind.REFUSED),
        ("rejected", {"reject_reason": "invalid"}, Kind.HARD_BOUNCE),
        ("rejected", {"reject_reason": "bounced"}, Kind.HARD_BOUNCE),
        ("rejected", {"reject_reason": "spam"}, Kind.COMPLAINT),
        ("rejected", {"reject_reason": "unsubscribed"}, Kind.UNSUBSCRIBED),
        ("complained", {}, Kind.COMPLAINT),
        ("unsubscribed", {}, Kind.UNSUBSCRIBED),
        ("delivered", {}, None),
    ],
)
def test_each_event_in_our_words(event_type: str, fields: dict[str, Any], kind: Kind | None) -> None:
    told = event_meaning.translated(event(event_type, **fields), provider="Any", now=NOW)

    assert told is not None
    assert told.kind == kind


def test_a_time_without_its_zone_is_taken_for_utc_and_one_at_the_end_of_the_calendar_for_none() -> None:
    def at(moment: datetime) -> datetime:
        found = event_meaning.translated(event("bounced", timestamp=moment), provider="Any", now=NOW)
        assert found
        return found.at

    assert at(datetime(2026, 11, 24, 11)) == datetime(2026, 11, 24, 11, tzinfo=UTC)  # noqa: DTZ001
    assert at(datetime(9999, 12, 31, 23, tzinfo=UTC)) == NOW


@pytest.mark.parametrize(
    ("event_type", "fields"),
    [
        ("opened", {}),
        ("clicked", {}),
        ("queued", {}),
        ("failed", {}),
        ("rejected", {"reject_reason": "blocked"}),
        ("rejected", {}),
        ("bounced", {"recipient": None}),
    ],
)
def test_what_says_nothing_of_the_address_is_passed_over(event_type: str, fields: dict[str, Any]) -> None:
    assert event_meaning.translated(event(event_type, **fields), provider="Any", now=NOW) is None


def test_an_event_without_an_id_is_known_by_what_it_tells() -> None:
    def event_id(**fields: Any) -> str:
        told = event_meaning.translated(event("complained", event_id=None, **fields), provider="Any", now=NOW)
        assert told is not None
        return told.event_id

    assert event_id() == event_id()
    assert event_id() != event_id(recipient="bob@example.com")
    assert "ann" not in event_id()


@pytest.mark.parametrize(
    ("fields", "reference"),
    [
        ({"metadata": {"delivery": "7.12"}}, "7.12"),
        ({"message_id": "<7.12@example.com>"}, "7.12"),
        ({"message_id": "<7.12.0a1b2c3d4e@example.com>"}, "7.12"),
        ({"message_id": "<7.12.ffffffffff@example.com>"}, ""),
        ({"message_id": "883953f4"}, ""),
        ({"metadata": ["odd"], "message_id": None}, ""),
    ],
)
def test_our_number_is_read_from_the_metadata_or_from_the_message_id(fields: dict[str, Any], reference: str) -> None:
    Installation.objects.update_or_create(pk=1, defaults={"code": "0a1b2c3d4e", "records_began_at": NOW})
    told = event_meaning.translated(event("complained", **fields), provider="Any", now=NOW)

    assert told is not None
    assert told.reference == reference


# --- Of the message ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("event_type", "fields", "state", "code"),
    [
        ("queued", {}, "ACCEPTED", ""),
        ("sent", {}, "ACCEPTED", ""),
        ("deferred", {"mta_response": "451 4.7.1 greylisted"}, "ACCEPTED", "4.7.1"),
        ("delivered", {"mta_response": "250 2.0.0 ok"}, "DELIVERED", ""),
        ("autoresponded", {}, "DELIVERED", ""),
        ("bounced", {"reject_reason": "bounced", "mta_response": "550 5.1.1 nobody"}, "BOUNCED", "5.1.1"),
        ("bounced", {"mta_response": "smtp;550-5.1.1 <ann@192.2.1.5> nobody"}, "BOUNCED", "5.1.1"),
        ("bounced", {"reject_reason": "blocked"}, "BOUNCED", "blocked"),
        ("bounced", {"reject_reason": "bounced", "mta_response": "552 5.2.2 full"}, "UNDELIVERED", "5.2.2"),
        ("bounced", {"reject_reason": "bounced", "mta_response": "452 full"}, "UNDELIVERED", "452"),
        ("rejected", {"reject_reason": "invalid"}, "UNDELIVERED", "invalid"),
        ("failed", {}, "UNDELIVERED", ""),
        ("complained", {"reject_reason": "spam"}, "COMPLAINED", ""),
    ],
)
def test_each_event_as_a_receipt(event_type: str, fields: dict[str, Any], state: str, code: str) -> None:
    told = event_meaning.receipt(
        event(event_type, metadata={"delivery": "7.12"}, message_id="883953f4", **fields), provider="Any", now=NOW
    )

    assert told is not None
    assert (told.reference, told.channel, told.state, told.code) == ("7.12", "email", state, code)
    assert (told.provider, told.provider_id, told.at) == ("Any", "883953f4", NOW)


@pytest.mark.parametrize("event_type", ["opened", "clicked", "unsubscribed", "subscribed", "unknown", "inbound"])
def test_what_says_nothing_of_the_message_is_no_receipt(event_type: str) -> None:
    told = event(event_type, metadata={"delivery": "7.12"})

    assert event_meaning.receipt(told, provider="Any", now=NOW) is None
    assert event_meaning.receipt(event("delivered"), provider="Any", now=NOW) is None
