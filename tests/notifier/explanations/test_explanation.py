"""Tables of what happened, and the sentence that each makes; whatever happened, none says what the state does not."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from notifier.clients import archiving, erasure
from notifier.consent import consents
from notifier.consent.consents import Origin
from notifier.explanations import explanation
from notifier.models import (
    Broadcast,
    Channel,
    Client,
    ConsentChange,
    Delivery,
    Installation,
    Reason,
    Resolution,
    ResolvedDelivery,
    Suppression,
)
from notifier.policies import quiet_hours_sql
from tests.support.factories import a_broadcast, a_client, a_delivery, a_notification, a_topic, a_user, an_open_breaker

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

EMAIL, SMS = Channel.EMAIL, Channel.SMS
Source = ConsentChange.Source

#: When the records begin, and a day of the story that follows.
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
MAY, JUNE = datetime(2026, 5, 2, 9, 12, tzinfo=UTC), datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
PRESS = datetime(2026, 11, 3, 14, 0, tzinfo=UTC)
SENT_AT = PRESS + timedelta(minutes=3)
END = PRESS + timedelta(minutes=10)
NOW = PRESS + timedelta(days=1)


@pytest.fixture(autouse=True)
def _records_begin(db: None) -> Iterator[None]:
    Installation.objects.update_or_create(pk=1, defaults={"records_began_at": BEGAN})
    with timezone.override(UTC):
        yield


@pytest.fixture
def maria() -> User:
    return a_user(username="maria")


@pytest.fixture
def ann() -> Client:
    """There since April."""
    client = a_client(name="Ann")
    client.history.update(history_date=MAY - timedelta(days=30))
    Client.objects.update(created_at=MAY - timedelta(days=30))
    return client


def consent(client: Client, at: datetime, agreed: bool = True, channel: Channel = EMAIL, **origin: Any) -> None:
    where = Origin(origin.pop("source", Source.STAFF), **origin)
    consents.change(client=client, topic=a_topic(), wants={channel: agreed}, origin=where, now=at)


def sent(client: Client, *, state: str = "FINISHED", **fields: Any) -> Broadcast:
    """A broadcast that has passed the client by, unless a delivery says otherwise."""
    values: dict[str, Any] = {
        "cursor": client.pk,
        "started_at": PRESS,
        "finished_at": END if state == "FINISHED" else None,
    }
    return a_broadcast(state=state, **values | fields)


def told(client: Client, broadcast: Broadcast, channel: Channel = EMAIL) -> str:
    return next(
        a.sentence for a in explanation.explain(client=client, broadcast=broadcast, now=NOW) if a.channel == channel
    )


# --- With a delivery --------------------------------------------------------------------------------------------------
def test_a_sent_one_names_the_consent_that_it_rested_on(ann: Client, maria: User) -> None:
    consent(ann, MAY, by=maria)
    broadcast = sent(ann)
    a_delivery(broadcast=broadcast, client=ann, state="SENT", settled_at=SENT_AT, attempts=1)

    assert told(ann, broadcast) == (
        "Ann got the e-mail at 14:03 on 3 Nov 2026: they had agreed to Listings by e-mail at 09:12 on 2 May 2026 "
        "(Staff, maria)."
    )


def _agreed(client: Client, maria: User) -> None:
    consent(client, MAY, by=maria)


def _before_records(client: Client, maria: User) -> None:
    ConsentChange.objects.create(
        client=client, topic=a_topic(), channel="email", agreed=True, at=BEGAN, source=Source.EARLIER
    )


def _withdrawn_on_the_way(client: Client, maria: User) -> None:
    consent(client, MAY, by=maria)
    consent(client, SENT_AT - timedelta(minutes=1), False, by=maria, detail="rang")


def _agreed_again(client: Client, maria: User) -> None:
    consent(client, MAY, by=maria)
    consent(client, JUNE, False)
    consent(client, JUNE + timedelta(hours=1), source=Source.IMPORT, by=maria, detail="fair.csv")


def _nothing(client: Client, maria: User) -> None:
    pass


SENT = [
    (_agreed, {"attempts": 1}, "at 14:03 on 3 Nov 2026: they had agreed to Listings by e-mail at 09:12 on 2 May 2026"),
    (_agreed, {"attempts": 3}, "at 14:03 on 3 Nov 2026, at attempt 3: they had agreed"),
    (_before_records, {}, "they had agreed to Listings by e-mail before records began (1 Jan 2026)."),
    (_withdrawn_on_the_way, {}, "and withdrew it at 14:02 on 3 Nov 2026, when it was on its way."),
    (_agreed_again, {}, "they had agreed to Listings by e-mail at 09:00 on 1 Jun 2026 (Import, maria: fair.csv)."),
    (_nothing, {}, "but the records don’t say when (they begin at 00:00 on 1 Jan 2026)."),
]


@pytest.mark.parametrize(("before", "fields", "expected"), SENT)
def test_sent(
    ann: Client,
    maria: User,
    before: Callable[[Client, User], None],
    fields: dict[str, Any],
    expected: str,
) -> None:
    before(ann, maria)
    broadcast = sent(ann)
    a_delivery(broadcast=broadcast, client=ann, state="SENT", settled_at=SENT_AT, **fields)

    assert told(ann, broadcast).startswith("Ann got the e-mail ")
    assert expected in told(ann, broadcast)


NOT_SENT = [
    (
        {"state": "FAILED", "attempts": 8, "detail": "gave up after 8 attempts: 451 greylisted"},
        "Ann did not get the e-mail: sending failed at 14:03 on 3 Nov 2026 after 8 attempts: 451 greylisted.",
    ),
    (
        {"state": "FAILED", "attempts": 1, "detail": "550 no such mailbox"},
        "Ann did not get the e-mail: sending failed at 14:03 on 3 Nov 2026: 550 no such mailbox.",
    ),
    ({"state": "FAILED", "detail": ""}, "the provider gave no reason."),
    (
        {"state": "UNKNOWN", "attempts": 1, "detail": "the answer was lost"},
        "It is not known whether Ann received the e-mail. Last status at 14:03 on 3 Nov 2026: the answer was lost. It "
        "is not sent again automatically: staff decide.",
    ),
    (
        {"state": "SKIPPED", "detail": Reason.NO_EMAIL, "address": ""},
        "Ann did not get the e-mail: they had no e-mail address at 14:03 on 3 Nov 2026.",
    ),
    (
        {"state": "SKIPPED", "detail": Reason.SUPPRESSED},
        "the address was suppressed at 14:03 on 3 Nov 2026; that suppression is no longer on record.",
    ),
    (
        {"state": "SKIPPED", "detail": Reason.SUPPRESSED, "address": ""},
        "the address was suppressed at 14:03 on 3 Nov 2026; the address itself has been erased since.",
    ),
    (
        {"state": "SKIPPED", "detail": Reason.LANDLINE},
        "their phone number was a landline at 14:03 on 3 Nov 2026, and no SMS is sent to those.",
    ),
    (
        {"state": "SKIPPED", "detail": Reason.ARCHIVED},
        "Ann did not get the e-mail: they were archived when its turn came, at 14:03 on 3 Nov 2026.",
    ),
    (
        {"state": "SKIPPED", "detail": Reason.CONSENT_GONE},
        "was withdrawn after sending began; this was noticed at 14:03 on 3 Nov 2026.",
    ),
    (
        {"state": "SKIPPED", "detail": Reason.OPTED_OUT},
        "did not get the e-mail: they had opted out with the provider, which said so at 14:03 on 3 Nov 2026.",
    ),
    (
        {"state": "SKIPPED", "detail": Reason.REACHED},
        "it had already been sent to them in an earlier broadcast; this was noticed at 14:03 on 3 Nov 2026.",
    ),
    (
        {"state": "SKIPPED", "detail": "some reason of tomorrow"},
        "did not get the e-mail: some reason of tomorrow (at 14:03 on 3 Nov 2026).",
    ),
    ({"state": "SKIPPED", "detail": ""}, "it was skipped, and no reason was recorded (at 14:03 on 3 Nov 2026)."),
    (
        {"state": "CANCELLED"},
        "Ann did not get the e-mail: the broadcast was cancelled before it was sent at 14:03 on 3 Nov 2026.",
    ),
    ({"state": "PENDING"}, "Ann has not got the e-mail yet: it is still waiting to be sent."),
    ({"state": "PENDING", "detail": "no connection."}, "waiting to be sent (the last attempt: no connection)."),
    ({"state": "SENDING"}, "Ann has not got the e-mail yet: it is being sent now."),
    (
        {"state": "RETRYING", "attempts": 2, "detail": "451 later", "due_at": END},
        "not got the e-mail yet: 2 attempts failed, the last with “451 later”; the next is due at 14:10 on 3 Nov 2026.",
    ),
    (
        {"state": "RETRYING", "attempts": 1, "due_at": END},
        "yet: 1 attempt failed; the next is due at 14:10 on 3 Nov 2026.",
    ),
]


@pytest.mark.parametrize(("fields", "expected"), NOT_SENT)
def test_not_sent(ann: Client, maria: User, fields: dict[str, Any], expected: str) -> None:
    consent(ann, MAY, by=maria)
    waits = fields["state"] in ("PENDING", "SENDING", "RETRYING")
    broadcast = sent(ann, state="RUNNING" if waits else "FINISHED")
    a_delivery(**{"broadcast": broadcast, "client": ann, "settled_at": None if waits else SENT_AT} | fields)

    assert expected in told(ann, broadcast)


def test_a_suppression_is_told_with_its_reason(ann: Client) -> None:
    suppression = Suppression.objects.create(channel="email", address=str(ann.email), reason="Complained.")
    Suppression.objects.filter(pk=suppression.pk).update(created_at=JUNE)
    broadcast = sent(ann)
    a_delivery(broadcast=broadcast, client=ann, state="SKIPPED", detail=Reason.SUPPRESSED, settled_at=SENT_AT)

    assert told(ann, broadcast).endswith("the address was suppressed: Complained (since 1 Jun 2026).")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hi {{ first_name }}", "they had no first name at 14:03 on 3 Nov 2026, and {{ first_name }} has no fallback"),
        (
            "{{ first_name }} {{ last_name }}",
            "they had no first name or last name at 14:03 on 3 Nov 2026, and {{ first_name }} and {{ last_name }} have "
            "no fallback",
        ),
    ],
)
def test_which_value_of_the_text_they_lacked_is_told(ann: Client, text: str, expected: str) -> None:
    broadcast = sent(ann, notification=a_notification(email_body=text))
    a_delivery(broadcast=broadcast, client=ann, state="SKIPPED", detail=Reason.NO_VALUE, settled_at=SENT_AT)

    assert told(ann, broadcast) == f"Ann did not get the e-mail: {expected} in the text."


def test_who_archived_the_client_is_told(ann: Client, maria: User) -> None:
    archiving.archive(clients=Client.objects.all(), by=maria, now=PRESS + timedelta(minutes=1))
    broadcast = sent(ann)
    a_delivery(broadcast=broadcast, client=ann, state="SKIPPED", detail=Reason.ARCHIVED, settled_at=SENT_AT)

    assert told(ann, broadcast) == (
        "Ann did not get the e-mail: they had been archived at 14:01 on 3 Nov 2026 by maria."
    )


def test_who_withdrew_the_consent_is_told(ann: Client, maria: User) -> None:
    consent(ann, MAY)
    consent(ann, PRESS + timedelta(minutes=1), False, by=maria, detail="rang")
    broadcast = sent(ann)
    a_delivery(broadcast=broadcast, client=ann, state="SKIPPED", detail=Reason.CONSENT_GONE, settled_at=SENT_AT)

    assert told(ann, broadcast).endswith(
        "was withdrawn after sending began, at 14:01 on 3 Nov 2026 (Staff, maria: rang)."
    )


@pytest.mark.parametrize(
    ("state", "delivery_state", "expected"),
    [
        ("PAUSED", "PENDING", "it is still waiting, because the broadcast is paused."),
        ("CANCELLED", "PENDING", "the broadcast was cancelled, so it will not be sent."),
        ("PAUSED", "RETRYING", "1 attempt failed, and it is still waiting, because the broadcast is paused."),
    ],
)
def test_what_waits_tells_for_what(ann: Client, state: str, delivery_state: str, expected: str) -> None:
    broadcast = sent(ann, state=state)
    a_delivery(broadcast=broadcast, client=ann, state=delivery_state, attempts=1)

    assert expected in told(ann, broadcast)


def test_a_channel_that_paused_itself_is_told(ann: Client) -> None:
    broadcast = sent(ann, state="RUNNING")
    a_delivery(broadcast=broadcast, client=ann)
    an_open_breaker(now=NOW)

    assert told(ann, broadcast).endswith("it is still waiting, because e-mail was paused automatically.")


def test_a_reason_for_the_end_is_told(ann: Client) -> None:
    broadcast = sent(ann, state="CANCELLED", ended_because="it expired")
    a_delivery(broadcast=broadcast, client=ann, state="CANCELLED", settled_at=SENT_AT)

    assert "the broadcast was cancelled before it was sent (it expired)" in told(ann, broadcast)


def decided(delivery: Delivery, action: str, by: User | None, before: str) -> None:
    resolution = Resolution.objects.create(action=action, by=by, at=END, why="their log shows it", number=1)
    ResolvedDelivery.objects.create(
        resolution=resolution, delivery=delivery, state_before=before, detail_before="550 no"
    )


def test_what_staff_marked_as_sent_is_told_as_such(ann: Client, maria: User) -> None:
    broadcast = sent(ann)
    delivery = a_delivery(broadcast=broadcast, client=ann, state="SENT", settled_at=SENT_AT)
    decided(delivery, "MARKED_SENT", maria, "UNKNOWN")

    assert told(ann, broadcast) == (
        "Ann is recorded as having got the e-mail: maria marked it as sent at 14:10 on 3 Nov 2026, because “their log "
        "shows it”. Before that it was unknown (550 no)."
    )


def test_what_was_sent_again_tells_of_before(ann: Client) -> None:
    consent(ann, MAY)
    broadcast = sent(ann)
    delivery = a_delivery(broadcast=broadcast, client=ann, state="SENT", settled_at=END)
    decided(delivery, "SENT_AGAIN", None, "FAILED")

    answer = explanation.explain(client=ann, broadcast=broadcast, now=NOW)[0]

    assert answer.sentence.startswith("Ann got the e-mail at 14:10")
    assert answer.decisions == [
        "The command line had it sent again at 14:10 on 3 Nov 2026, because “their log shows it”. Before that it was "
        "failed (550 no)."
    ]


# --- Without a delivery -----------------------------------------------------------------------------------------------
def test_without_a_text_nobody_gets_one(ann: Client) -> None:
    broadcast = sent(ann, notification=a_notification(sms_body=""))

    assert told(ann, broadcast, SMS) == "Ann did not get the SMS: the broadcast has no SMS text."


@pytest.mark.parametrize(
    ("state", "fields", "expected"),
    [
        ("AWAITING_APPROVAL", {}, "Ann has not got the e-mail yet: the broadcast is awaiting approval."),
        (
            "SCHEDULED",
            {"scheduled_for": NOW},
            "has not got the e-mail yet: the broadcast is scheduled, to start at 14:00 on 4 Nov 2026.",
        ),
        (
            "CANCELLED",
            {"started_at": None, "ended_because": "not approved."},
            "Ann did not get the e-mail: the broadcast was cancelled before it began (not approved).",
        ),
        ("PAUSED", {"cursor": 0}, "Ann has not got the e-mail yet: the broadcast was paused before their turn came."),
        ("RUNNING", {"cursor": 0}, "yet: the audience is still being worked out, and their turn has not come yet."),
        ("CANCELLED", {"cursor": 0}, "did not get the e-mail: the broadcast was cancelled before their turn came."),
    ],
)
def test_a_broadcast_that_has_not_come_so_far(ann: Client, state: str, fields: dict[str, Any], expected: str) -> None:
    consent(ann, MAY)

    assert expected in told(ann, sent(ann, state=state, **fields))


def test_a_client_who_was_added_later_was_not_in_it(ann: Client) -> None:
    broadcast = sent(ann, audience_upto=ann.pk)
    late = a_client(name="Late")
    Client.objects.filter(pk=late.pk).update(created_at=END)
    late.refresh_from_db()

    assert told(late, broadcast) == (
        "Late did not get the e-mail: they were added at 14:10 on 3 Nov 2026, after the broadcast had started."
    )


@pytest.mark.parametrize(("state", "got"), [("SENT", "had got"), ("UNKNOWN", "may have got")])
def test_a_follow_up_passes_by_those_who_had_the_first(ann: Client, state: str, got: str) -> None:
    consent(ann, MAY)
    first = sent(ann)
    a_delivery(broadcast=first, client=ann, state=state, settled_at=SENT_AT)

    sentence = told(ann, sent(ann, follows=first))

    assert sentence.endswith(f"it went only to those who had not got broadcast #{first.pk}, and they {got} it.")


def test_a_follow_up_passes_by_a_number_that_may_not_be_sent_to(ann: Client, settings: Any) -> None:
    settings.SMS_COUNTRIES = ("GB",)
    consent(ann, MAY, channel=Channel.SMS)
    first = sent(ann)

    sentence = told(ann, sent(ann, follows=first), channel=Channel.SMS)

    assert sentence.endswith("did not get the SMS: SMS may not be sent to numbers of US.")


def test_a_follow_up_passes_by_a_landline(ann: Client) -> None:
    consent(ann, MAY, channel=Channel.SMS)
    Client.objects.filter(pk=ann.pk).update(phone="+493012345678", landline_ending="5678")
    ann.refresh_from_db()
    first = sent(ann)

    sentence = told(ann, sent(ann, follows=first), channel=Channel.SMS)

    assert sentence.endswith("did not get the SMS: their phone number is a landline, and no SMS is sent to those.")


def _archived_before(client: Client, maria: User) -> None:
    consent(client, MAY)
    archiving.archive(clients=Client.objects.all(), by=maria, now=JUNE)


def _archived_before_their_turn(client: Client, maria: User) -> None:
    consent(client, MAY)
    archiving.archive(clients=Client.objects.all(), by=maria, now=PRESS + timedelta(minutes=1))


def _archived_before_records(client: Client, maria: User) -> None:
    """As nothing wrote versions then, only consent is on record."""
    consent(client, MAY)
    client.history.all().delete()


def _withdrawn(client: Client, maria: User) -> None:
    consent(client, MAY)
    consent(client, JUNE, False, by=maria)


def _withdrawn_before_their_turn(client: Client, maria: User) -> None:
    consent(client, MAY)
    consent(client, PRESS + timedelta(minutes=1), False, by=maria)


def _agreed_later(client: Client, maria: User) -> None:
    consent(client, END)


def _erased(client: Client, maria: User) -> None:
    consent(client, MAY)
    erasure.erase(client_id=client.pk, by=maria, why="asked to", now=JUNE)
    client.refresh_from_db()
    client.name = "Ann"


def _agreed_all_the_time(client: Client, maria: User) -> None:
    consent(client, MAY)


LEFT_OUT = [
    (_nothing, "no consent to Listings by e-mail at the time (they had never agreed to it)."),
    (_withdrawn, "no consent to Listings by e-mail at the time (withdrawn at 08:00 on 1 Jun 2026 (Staff, maria))."),
    (_agreed_later, "no consent to Listings by e-mail at the time (they agreed only later, at 14:10 on 3 Nov 2026)."),
    (_archived_before, "they had been archived at 08:00 on 1 Jun 2026 by maria."),
    (_erased, "they had been archived and their personal data erased at 08:00 on 1 Jun 2026 by maria."),
    (_archived_before_their_turn, "archived at 14:01 on 3 Nov 2026 by maria, before their turn came."),
    (_withdrawn_before_their_turn, "was withdrawn at 14:01 on 3 Nov 2026 (Staff, maria), before their turn came."),
    (_archived_before_records, "so they must have been archived; the records don’t say when."),
    (_agreed_all_the_time, "the records don’t explain it, because they had agreed and were active."),
]


@pytest.mark.parametrize(("before", "expected"), LEFT_OUT)
def test_left_out(ann: Client, maria: User, before: Callable[[Client, User], None], expected: str) -> None:
    before(ann, maria)

    sentence = told(ann, sent(ann))

    assert sentence.startswith("Ann did not get the e-mail: ")
    assert expected in sentence


def test_before_records_began_nothing_is_made_up(ann: Client) -> None:
    before = BEGAN - timedelta(days=1)
    broadcast = sent(ann, started_at=before, finished_at=before)

    assert told(ann, broadcast) == (
        "Ann did not get the e-mail: they had not agreed to Listings by e-mail, or were archived; the records (they "
        "begin at 00:00 on 1 Jan 2026) don’t say which."
    )


def test_consent_to_another_topic_or_channel_is_none(ann: Client) -> None:
    consent(ann, MAY, channel=SMS)
    offerings = a_topic(slug="offerings")
    consents.change(client=ann, topic=offerings, wants={EMAIL: True}, origin=Origin(Source.STAFF), now=MAY)

    assert "no consent to Listings by e-mail" in told(ann, sent(ann))


def test_the_name_is_the_one_of_today_and_an_erased_client_has_none(ann: Client, maria: User) -> None:
    consent(ann, MAY)
    broadcast = sent(ann)
    a_delivery(broadcast=broadcast, client=ann, state="SENT", settled_at=SENT_AT)
    erasure.erase(client_id=ann.pk, by=maria, why="asked to", now=NOW)
    ann.refresh_from_db()

    assert told(ann, broadcast).startswith(f"Erased client {ann.pk} got the e-mail at 14:03")


# --- Whatever happened ------------------------------------------------------------------------------------------------
BEGINNINGS = {
    "SENT": ("Ann got the ", "Ann is recorded as having got the "),
    "UNKNOWN": ("It is not known whether Ann received the ",),
    **dict.fromkeys(("FAILED", "SKIPPED", "CANCELLED"), ("Ann did not get the ",)),
    **dict.fromkeys(("PENDING", "SENDING", "RETRYING"), ("Ann has not got the ",)),
    "": ("Ann did not get the ", "Ann has not got the "),
}
moments = st.datetimes(datetime(2025, 12, 1), datetime(2026, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    state=st.sampled_from(list(BEGINNINGS)),
    broadcast_state=st.sampled_from(Broadcast.State.values),
    channel=st.sampled_from(list(Channel)),
    detail=st.sampled_from(["", *Reason.values, "550 Ann got the e-mail.", "gave up after 8 attempts: 451"]),
    changes=st.lists(st.tuples(moments, st.booleans(), st.sampled_from(Source.values)), max_size=4),
    archived=st.lists(st.tuples(moments, st.booleans()), max_size=3),
    times=st.tuples(moments, moments, st.integers(0, 9)),
    reached=st.booleans(),
)
def test_no_sentence_says_what_the_state_does_not(
    ann: Client,
    state: str,
    broadcast_state: str,
    channel: Channel,
    detail: str,
    changes: list[tuple[datetime, bool, str]],
    archived: list[tuple[datetime, bool]],
    times: tuple[datetime, datetime, int],
    reached: bool,
) -> None:
    ConsentChange.objects.filter(client=ann).delete()
    ann.history.filter(history_type="~").delete()
    for at, agreed, source in changes:
        ConsentChange.objects.create(client=ann, topic=a_topic(), channel=channel, agreed=agreed, at=at, source=source)
    for at, is_active in archived:
        ann.history.create(
            id=ann.pk, name="Ann", is_active=is_active, created_at=MAY, history_date=at, history_type="~"
        )
    started, settled, attempts = times
    broadcast = sent(ann, state=broadcast_state, started_at=started, cursor=ann.pk if reached else 0)
    if state:
        waits = state in ("PENDING", "SENDING", "RETRYING")
        a_delivery(
            broadcast=broadcast,
            client=ann,
            channel=channel,
            state=state,
            detail=detail,
            attempts=attempts,
            settled_at=None if waits else settled,
        )

    sentence = told(ann, broadcast, channel)

    assert sentence.startswith(BEGINNINGS[state])
    assert f"the {channel.in_words}" in sentence
    assert sentence.endswith(".")
    assert "None" not in sentence


# --- Quiet hours and caps ---------------------------------------------------------------------------------------------
def test_one_that_waits_for_the_morning_says_when_that_is(ann: Client) -> None:
    broadcast = sent(ann, state="RUNNING")
    morning = NOW + timedelta(hours=10)
    a_delivery(broadcast=broadcast, client=ann, due_at=morning, detail=quiet_hours_sql.WAITS, lease_token=uuid4())

    assert told(ann, broadcast) == (
        "Ann has not got the e-mail yet: it is waiting until their quiet hours end, at 00:00 on 5 Nov 2026."
    )
    Delivery.objects.update(due_at=NOW)
    assert told(ann, broadcast) == "Ann has not got the e-mail yet: it is still waiting to be sent."
    Broadcast.objects.update(state="PAUSED")
    broadcast.refresh_from_db()
    Delivery.objects.update(due_at=morning)
    assert told(ann, broadcast) == (
        "Ann has not got the e-mail yet: it is still waiting, because the broadcast is paused."
    )


def test_one_that_was_over_the_cap_says_so(ann: Client, settings: Settings) -> None:
    settings.CAPS = {"email": (3, 7), "sms": None}
    broadcast = sent(ann)
    a_delivery(broadcast=broadcast, client=ann, state="SKIPPED", detail=Reason.FREQUENCY_CAP, settled_at=SENT_AT)

    assert told(ann, broadcast) == (
        "Ann did not get the e-mail: they had reached the frequency cap for e-mails (now 3 in 7 days) "
        "at 14:03 on 3 Nov 2026."
    )
