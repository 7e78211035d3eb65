from datetime import datetime, timedelta
from typing import Any

import pytest

from notifier.consent import provider_events, suppressions
from notifier.consent.provider_events import Event, Kind
from notifier.consent.suppressions import Evidence, Source
from notifier.models import Channel, ProviderEvent, SoftBounces, Suppression, SuppressionChange
from tests.support.factories import a_client, a_delivery

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

ANN = "ann@example.com"
SECOND = timedelta(seconds=1)


def take(kind: Kind | None, now: datetime, number: int = 1, **more: Any) -> bool:
    event = Event("Postmark", f"{kind}-{number}", kind, more.pop("address", ANN), more.pop("at", now), **more)
    return provider_events.record_event(event, now)


def suppressed() -> list[tuple[str, str, str]]:
    return list(Suppression.objects.order_by("pk").values_list("address", "source", "reason"))


def test_an_event_with_what_no_database_stores_is_recorded_once(now: datetime) -> None:
    strange = Event(
        "Postmark", "id\0\udfff", Kind.COMPLAINT, f"{ANN}\0", now, detail="550 \ud800 no\0", reference="7.\0"
    )

    for _ in range(2):
        provider_events.record_event(strange, now)

    event = ProviderEvent.objects.get()
    assert (event.event_id, event.detail, event.address) == ("id\ufffd", "550 \ufffd no", ANN)


@pytest.mark.parametrize(
    ("kind", "source", "reason"),
    [
        (Kind.HARD_BOUNCE, "BOUNCE", "the mailbox does not exist or refuses for good: 550 no"),
        (Kind.COMPLAINT, "COMPLAINT", "reported as spam: 550 no"),
        (Kind.UNSUBSCRIBED, "CLIENT", "unsubscribed at the provider: 550 no"),
    ],
)
def test_what_is_for_good_suppresses_the_address_with_the_evidence(
    now: datetime, kind: Kind, source: str, reason: str
) -> None:
    a_client(email=ANN)

    assert take(kind, now, detail="550 no")

    assert suppressed() == [(ANN, source, reason)]
    assert SuppressionChange.objects.get().at == now
    event = ProviderEvent.objects.get()
    assert (event.provider, event.kind, event.address, event.detail, event.at) == ("Postmark", kind, ANN, "550 no", now)


def test_a_refusal_of_the_message_is_kept_and_never_suppresses(now: datetime, settings: Any) -> None:
    settings.SOFT_BOUNCES = 2

    for number in range(5):
        take(Kind.REFUSED, now, number, detail="550 5.7.1 you are on a list")

    assert suppressed() == []
    assert not SoftBounces.objects.exists()
    assert ProviderEvent.objects.count() == 5


def test_an_event_is_taken_once(now: datetime) -> None:
    assert take(Kind.HARD_BOUNCE, now)
    suppressions.lift(channel=Channel.EMAIL, address=ANN, evidence=Evidence(Source.STAFF, "it is back"), now=now)

    assert not take(Kind.HARD_BOUNCE, now)

    assert suppressed() == []
    assert ProviderEvent.objects.count() == 1


def test_an_address_that_nobody_has_is_suppressed_all_the_same(now: datetime) -> None:
    take(Kind.HARD_BOUNCE, now, address=" Nobody@Example.com ")

    assert [address for address, _, _ in suppressed()] == ["nobody@example.com"]


def test_an_event_without_an_address_is_nothing(now: datetime) -> None:
    assert not take(Kind.HARD_BOUNCE, now, address=" ")
    assert not ProviderEvent.objects.exists()


# --- In a row ---------------------------------------------------------------------------------------------------------
def test_bounces_for_now_suppress_only_after_so_many_in_a_row(now: datetime, settings: Any) -> None:
    settings.SOFT_BOUNCES = 3
    for number in (1, 2):
        take(Kind.SOFT_BOUNCE, now, number)
    assert suppressed() == []

    take(Kind.SOFT_BOUNCE, now, 3, detail="452 full")

    assert suppressed() == [(ANN, "BOUNCE", "bounced 3 times in a row: 452 full")]
    assert not SoftBounces.objects.exists()


def test_a_message_that_arrives_ends_the_row(now: datetime, settings: Any) -> None:
    settings.SOFT_BOUNCES = 2
    take(Kind.SOFT_BOUNCE, now, 1)

    assert take(None, now, at=now + SECOND)
    take(Kind.SOFT_BOUNCE, now, 2)

    assert suppressed() == []
    assert not ProviderEvent.objects.exclude(kind=Kind.SOFT_BOUNCE).exists()


def test_what_had_arrived_before_the_last_bounce_ends_no_row(now: datetime, settings: Any) -> None:
    settings.SOFT_BOUNCES = 2
    take(Kind.SOFT_BOUNCE, now, 1)

    assert not take(None, now, at=now - SECOND)
    take(Kind.SOFT_BOUNCE, now, 2)

    assert len(suppressed()) == 1


def test_one_message_counts_once_however_often_its_provider_tries(now: datetime, settings: Any) -> None:
    settings.SOFT_BOUNCES = 2
    first = a_delivery(state="SENT", client=a_client(email=ANN))
    second = a_delivery(state="SENT", client=first.client)
    for number in range(4):
        take(Kind.SOFT_BOUNCE, now, number, reference=f"{first.broadcast_id}.{first.pk}")
    assert SoftBounces.objects.get().in_a_row == 1

    take(Kind.SOFT_BOUNCE, now, 9, reference=f"{second.broadcast_id}.{second.pk}")

    assert len(suppressed()) == 1
    assert ProviderEvent.objects.count() == 5


def test_the_same_soft_bounce_told_twice_counts_once(now: datetime, settings: Any) -> None:
    settings.SOFT_BOUNCES = 2
    assert [take(Kind.SOFT_BOUNCE, now, 1) for _ in range(3)] == [True, False, False]
    assert suppressed() == []


# --- Which delivery ---------------------------------------------------------------------------------------------------
def test_the_delivery_is_found_by_its_reference(now: datetime) -> None:
    delivery = a_delivery(state="SENT")

    take(Kind.HARD_BOUNCE, now, reference=f"{delivery.broadcast_id}.{delivery.pk}")

    assert ProviderEvent.objects.get().delivery_id == delivery.pk


@pytest.mark.parametrize("reference", ["", "1", "1.", ".2", "a.b", "0.{0}", "{0}.99999999999999999999", "²."])
def test_a_forged_reference_names_no_delivery(now: datetime, reference: str) -> None:
    delivery = a_delivery(state="SENT")

    take(Kind.HARD_BOUNCE, now, reference=reference.format(delivery.pk))

    assert ProviderEvent.objects.get().delivery_id is None
    assert len(suppressed()) == 1
