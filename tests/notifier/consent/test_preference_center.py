"""What clients decide themselves: what changes by it, what stays, and what is written down."""

from datetime import datetime, timedelta

import pytest

from notifier.clients import erasure
from notifier.consent import consents, preference_center, suppressions
from notifier.consent.consents import Origin
from notifier.consent.preference_center import Choice
from notifier.models import Channel, Client, ConsentChange, Preference, Suppression, SuppressionChange, Topic
from tests.support.checks.ledger import unaccounted
from tests.support.database.connections import at_once
from tests.support.factories import a_client, a_topic

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

EMAIL, SMS = Channel.EMAIL, Channel.SMS
PAGE = Origin(ConsentChange.Source.PAGE, detail="broadcast 42", ip="192.0.2.7")
LINK = Origin(ConsentChange.Source.LINK, detail="broadcast 42", ip="192.0.2.7")


@pytest.fixture
def topics() -> tuple[Topic, Topic]:
    return a_topic(slug="listings"), a_topic(slug="offerings")


def who_agreed(now: datetime, *agreed: Choice, **fields: str | None) -> Client:
    client = a_client(**fields)  # type: ignore[arg-type]
    for topic_id, channel in agreed:
        topic = Topic.objects.get(pk=topic_id)
        consents.change(
            client=client, topic=topic, wants={channel: True}, origin=Origin(ConsentChange.Source.STAFF), now=now
        )
    return client


def agreed(client: Client) -> set[Choice]:
    return set(preference_center.current_consent(client).agreed)


def suppress(client: Client, source: Suppression.Source, now: datetime, channel: Channel = EMAIL) -> None:
    address = str(client.email if channel == EMAIL else client.phone)
    suppressions.suppress(channel=channel, address=address, evidence=suppressions.Evidence(source, "said so"), now=now)


def test_withdrawing_ends_that_topic_on_that_channel_alone(now: datetime, topics: tuple[Topic, Topic]) -> None:
    listings, offerings = topics
    client = who_agreed(now, (listings.pk, EMAIL), (listings.pk, SMS), (offerings.pk, EMAIL))

    first = preference_center.withdraw(client_id=client.pk, topic=listings, channel=EMAIL, origin=LINK, now=now)
    again = preference_center.withdraw(client_id=client.pk, topic=listings, channel=EMAIL, origin=LINK, now=now)

    assert (first, again) == (True, False)
    assert agreed(client) == {(listings.pk, SMS), (offerings.pk, EMAIL)}
    change = ConsentChange.objects.get(agreed=False)
    assert (change.source, change.ip, change.detail, change.at) == ("LINK", "192.0.2.7", "broadcast 42", now)
    assert unaccounted() == {}


def test_withdrawing_what_was_never_agreed_to_writes_nothing(now: datetime, topics: tuple[Topic, Topic]) -> None:
    client = a_client()

    assert not preference_center.withdraw(client_id=client.pk, topic=topics[0], channel=EMAIL, origin=LINK, now=now)
    assert not preference_center.withdraw(client_id=999_999, topic=topics[0], channel=EMAIL, origin=LINK, now=now)

    assert not Preference.objects.exists()
    assert not ConsentChange.objects.exists()


def test_stopping_everything_ends_all_of_it_and_writes_down_each(now: datetime, topics: tuple[Topic, Topic]) -> None:
    client = who_agreed(now, *[(topic.pk, channel) for topic in topics for channel in Channel])

    assert preference_center.stop_everything(client_id=client.pk, origin=PAGE, now=now) == 4
    assert preference_center.stop_everything(client_id=client.pk, origin=PAGE, now=now) == 0

    assert agreed(client) == set()
    assert ConsentChange.objects.filter(agreed=False, source="PAGE", ip="192.0.2.7").count() == 4
    assert unaccounted() == {}


def test_who_stops_everything_has_said_so_for_good_even_with_nothing_to_end(
    now: datetime, topics: tuple[Topic, Topic]
) -> None:
    listings, offerings = topics
    client = who_agreed(now)

    assert preference_center.stop_everything(client_id=client.pk, origin=PAGE, now=now) == 0

    client.refresh_from_db()
    assert client.stopped_at == now
    assert consents.refusals(client).at(listings.pk, EMAIL) == now
    # What they switch on themselves is their own word again, also if it is switched off by somebody else.
    later = now + timedelta(days=1)
    preference_center.choose(client_id=client.pk, on=[(listings.pk, EMAIL)], off=[], origin=PAGE, now=later)
    consents.change(
        client=client, topic=listings, wants={EMAIL: False}, origin=Origin(ConsentChange.Source.STAFF), now=later
    )
    refusals = consents.refusals(client)
    assert (refusals.at(listings.pk, EMAIL), refusals.at(offerings.pk, EMAIL)) == (None, now)


def test_what_clients_ended_themselves_is_told_from_what_staff_did(now: datetime, topics: tuple[Topic, Topic]) -> None:
    listings, offerings = topics
    client = who_agreed(now, (listings.pk, EMAIL), (listings.pk, SMS), (offerings.pk, EMAIL))
    preference_center.withdraw(client_id=client.pk, topic=listings, channel=EMAIL, origin=LINK, now=now)
    consents.change(
        client=client, topic=offerings, wants={EMAIL: False}, origin=Origin(ConsentChange.Source.STAFF), now=now
    )

    refusals = consents.refusals(client)

    assert refusals.at(listings.pk, EMAIL) == now
    assert refusals.at(listings.pk, SMS) is None
    assert refusals.at(offerings.pk, EMAIL) is None


def test_what_has_no_switch_is_not_switched_on(now: datetime, topics: tuple[Topic, Topic]) -> None:
    listings, _ = topics
    client = who_agreed(now, phone=None)

    assert preference_center.choose(client_id=client.pk, on=[(listings.pk, SMS)], off=[], origin=PAGE, now=now) == 0

    assert agreed(client) == set()
    assert not ConsentChange.objects.exists()


def test_only_what_was_moved_is_changed(now: datetime, topics: tuple[Topic, Topic]) -> None:
    listings, offerings = topics
    client = who_agreed(now, (listings.pk, EMAIL), (offerings.pk, SMS))

    moved = preference_center.choose(
        client_id=client.pk, on={(listings.pk, SMS)}, off={(listings.pk, EMAIL)}, origin=PAGE, now=now
    )

    assert moved == 2
    assert agreed(client) == {(listings.pk, SMS), (offerings.pk, SMS)}
    assert unaccounted() == {}


def test_what_is_asked_for_and_stands_already_is_no_change(now: datetime, topics: tuple[Topic, Topic]) -> None:
    client = who_agreed(now, (topics[0].pk, EMAIL))

    moved = preference_center.choose(
        client_id=client.pk, on={(topics[0].pk, EMAIL)}, off={(topics[1].pk, SMS)}, origin=PAGE, now=now
    )

    assert moved == 0
    assert ConsentChange.objects.filter(source="PAGE").count() == 0


def test_a_topic_that_is_gone_is_passed_over(now: datetime) -> None:
    client = a_client()

    assert preference_center.choose(client_id=client.pk, on={(999_999, EMAIL)}, off=(), origin=PAGE, now=now) == 0


def test_whoever_was_erased_meanwhile_agrees_to_nothing(now: datetime, topics: tuple[Topic, Topic]) -> None:
    client = a_client()
    erasure.erase(client_id=client.pk, by=None, why="asked", now=now)

    assert preference_center.choose(client_id=client.pk, on={(topics[0].pk, EMAIL)}, off=(), origin=PAGE, now=now) == 0

    assert agreed(client) == set()
    assert unaccounted() == {}


# --- By their own word ------------------------------------------------------------------------------------------------
def test_who_stopped_all_mail_and_switches_one_topic_on_gets_that_one_alone(
    now: datetime, topics: tuple[Topic, Topic]
) -> None:
    listings, offerings = topics
    client = who_agreed(now, (listings.pk, EMAIL), (offerings.pk, EMAIL), (offerings.pk, SMS))
    suppress(client, Suppression.Source.CLIENT, now)
    # All of it was shown as off, whatever had been ticked before.
    assert preference_center.current_consent(client).shown == {(offerings.pk, SMS)}

    moved = preference_center.choose(client_id=client.pk, on={(listings.pk, EMAIL)}, off=(), origin=PAGE, now=now)

    assert moved == 1
    assert not Suppression.objects.exists()
    assert preference_center.current_consent(client).shown == {(listings.pk, EMAIL), (offerings.pk, SMS)}
    lifting = SuppressionChange.objects.get(action="LIFTED")
    assert (lifting.source, lifting.reason) == ("CLIENT", "switched on again: preference page")
    assert unaccounted() == {}


@pytest.mark.parametrize("source", [source for source in Suppression.Source if source != "CLIENT"])
def test_what_others_suppressed_is_not_lifted_by_a_switch(
    now: datetime, topics: tuple[Topic, Topic], source: Suppression.Source
) -> None:
    client = a_client()
    suppress(client, source, now)

    preference_center.choose(client_id=client.pk, on={(topics[0].pk, EMAIL)}, off=(), origin=PAGE, now=now)

    assert Suppression.objects.get().source == source
    assert preference_center.current_consent(client).suppressed == {EMAIL: source}


def test_a_stop_by_sms_is_not_lifted_by_a_switch(now: datetime, topics: tuple[Topic, Topic]) -> None:
    """The carrier has stopped it as well, and takes no word of ours for the client's."""
    client = a_client()
    suppress(client, Suppression.Source.CLIENT, now, channel=SMS)

    preference_center.choose(client_id=client.pk, on={(topics[0].pk, SMS)}, off=(), origin=PAGE, now=now)

    assert Suppression.objects.filter(channel=SMS).exists()


def test_switching_off_lifts_nothing(now: datetime, topics: tuple[Topic, Topic]) -> None:
    client = who_agreed(now, (topics[0].pk, EMAIL))
    suppress(client, Suppression.Source.CLIENT, now)

    preference_center.choose(client_id=client.pk, on=(), off={(topics[0].pk, EMAIL)}, origin=PAGE, now=now)

    assert Suppression.objects.exists()


# --- How often --------------------------------------------------------------------------------------------------------
def test_a_script_at_a_switch_is_stopped_on_the_way_in_and_never_on_the_way_out(
    now: datetime, topics: tuple[Topic, Topic], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preference_center, "MAX_AGREED_AN_HOUR", 2)
    client, choice = a_client(), {(topics[0].pk, EMAIL)}
    for _ in range(2):
        preference_center.choose(client_id=client.pk, on=choice, off=(), origin=PAGE, now=now)
        preference_center.choose(client_id=client.pk, on=(), off=choice, origin=PAGE, now=now)

    with pytest.raises(preference_center.TooManyAgreements):
        preference_center.choose(client_id=client.pk, on=choice, off=(), origin=PAGE, now=now)

    assert agreed(client) == set()
    assert ConsentChange.objects.count() == 4
    later = now + timedelta(hours=1)
    assert preference_center.choose(client_id=client.pk, on=choice, off=(), origin=PAGE, now=later) == 1
    assert unaccounted() == {}


# --- At once ----------------------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_a_link_that_is_used_many_times_at_once_writes_one_change(now: datetime, topics: tuple[Topic, Topic]) -> None:
    client = who_agreed(now, (topics[0].pk, EMAIL))

    def withdraw() -> bool:
        return preference_center.withdraw(client_id=client.pk, topic=topics[0], channel=EMAIL, origin=LINK, now=now)

    assert sorted(at_once(*[withdraw] * 4)) == [False, False, False, True]

    assert ConsentChange.objects.filter(agreed=False).count() == 1
    assert unaccounted() == {}


@pytest.mark.django_db(transaction=True)
def test_a_client_who_is_erased_while_they_agree_ends_with_no_consent(
    now: datetime, topics: tuple[Topic, Topic]
) -> None:
    for _ in range(5):
        client = a_client()
        outcomes = at_once(
            lambda pk=client.pk: preference_center.choose(  # type: ignore[misc]
                client_id=pk, on={(topics[0].pk, EMAIL)}, off=(), origin=PAGE, now=now
            ),
            lambda pk=client.pk: erasure.erase(client_id=pk, by=None, why="asked", now=now),  # type: ignore[misc]
        )

        assert [outcome for outcome in outcomes if isinstance(outcome, Exception)] == []
        assert agreed(client) == set()
    assert unaccounted() == {}
