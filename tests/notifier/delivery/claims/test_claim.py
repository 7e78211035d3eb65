import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from notifier.broadcasts import lifecycle
from notifier.clients import erasure
from notifier.consent import suppressions
from notifier.consent.suppressions import Evidence, Source
from notifier.delivery import claim_sql, claims, recovery, settlements, sweeps, tallies, tickets
from notifier.delivery.claims import Claim
from notifier.delivery.settlements import Outcome, Verdict
from notifier.messages import signed_links
from notifier.messages.signed_links import Link
from notifier.models import (
    Broadcast,
    Channel,
    Client,
    Delivery,
    Installation,
    Preference,
    Reason,
    Suppression,
    SuppressionChange,
)
from notifier.policies import breakers
from notifier.transport.database import DatabaseTransport
from tests.support.database.connections import OtherConnection, at_once, impatient
from tests.support.factories import a_broadcast, a_client, a_delivery, a_notification, a_topic, an_open_breaker

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State = Delivery.State
SECOND = timedelta(seconds=1)
concurrent = pytest.mark.django_db(transaction=True)


def claim(*rows: Delivery, now: datetime, token: uuid.UUID | None = None, **changes: Any) -> Claim:
    values: dict[str, Any] = {
        "broadcast_id": rows[0].broadcast_id,
        "channel": Channel(rows[0].channel),
        "delivery_ids": [row.pk for row in rows],
        "token": token or uuid.uuid4(),
        "now": now,
    }
    return claims.claim(**values | changes)


def settle(taken: Claim, verdict: Verdict, *, now: datetime, **details: Any) -> int:
    outcomes = [Outcome(message, verdict, **details) for message in taken.messages]
    return settlements.settle(claim=taken, outcomes=outcomes, now=now)


def fresh(row: Delivery) -> Delivery:
    return Delivery.objects.get(pk=row.pk)


def columns(row: Delivery) -> dict[str, Any]:
    return dict(Delivery.objects.filter(pk=row.pk).values().get())


def addressed(taken: Claim) -> list[int]:
    return [message.delivery_id for message in taken.messages]


# --- Claim ------------------------------------------------------------------------------------------------------------
def test_a_claim_takes_pending_rows_for_the_length_of_the_lease(now: datetime, settings: Settings) -> None:
    settings.LEASE_SECONDS = 77
    row = a_delivery(due_at=now)
    token = uuid.uuid4()

    taken = claim(row, now=now, token=token)

    assert taken.token == token
    assert taken.lease_ends_at == now + 77 * SECOND
    assert addressed(taken) == [row.pk]
    after = fresh(row)
    assert (after.state, after.lease_token, after.due_at) == (State.SENDING, token, now + 77 * SECOND)
    assert (after.attempts, after.settled_at) == (0, None)


def test_each_message_of_a_window_is_its_own_clients(now: datetime) -> None:
    broadcast = a_broadcast(notification=a_notification(email_body="Hello {{ name }}!"))
    clients = {name: a_client(name=name, listings="email") for name in ("Ann Example", "Bob Example")}
    rows = [a_delivery(broadcast=broadcast, client=client, due_at=now) for client in clients.values()]

    taken = claim(*rows, now=now)

    for message, row, (name, client) in zip(taken.messages, rows, clients.items(), strict=True):
        assert (message.delivery_id, message.address) == (row.pk, client.email)
        assert f"Hello {name}!" in message.body
        assert f"Hello {name}!" in message.html
        assert signed_links.read_token(message.link_token).client_id == client.pk


@pytest.mark.parametrize("state", [state for state in State if state != State.PENDING])
def test_a_claim_takes_nothing_that_is_not_pending(now: datetime, state: Delivery.State) -> None:
    row = a_delivery(state=state, due_at=now)
    before = columns(row)

    taken = claim(row, now=now)

    assert taken.messages == []
    assert columns(row) == before


def test_each_message_has_the_installations_code_which_no_other_database_has(now: datetime) -> None:
    Installation.objects.update_or_create(pk=1, defaults={"code": "0a1b2c3d4e", "records_began_at": now})

    assert [message.installation for message in claim(a_delivery(), now=now).messages] == ["0a1b2c3d4e"]

    Installation.objects.all().delete()
    assert [message.installation for message in claim(a_delivery(), now=now).messages] == [""]


def test_a_second_ticket_for_the_same_rows_claims_nothing(now: datetime) -> None:
    row = a_delivery()
    first = claim(row, now=now)

    second = claim(row, now=now)

    assert second.messages == []
    assert fresh(row).lease_token == first.token


def test_a_client_who_withdrew_consent_after_the_press_gets_nothing(now: datetime) -> None:
    row = a_delivery(channel=Channel.EMAIL)
    Preference.objects.filter(client=row.client).update(email=False)

    taken = claim(row, now=now)

    assert taken.messages == []
    after = fresh(row)
    assert (after.state, after.detail) == (State.SKIPPED, Reason.CONSENT_GONE)
    assert (after.due_at, after.settled_at, after.attempts) == (None, now, 0)


def test_a_preference_that_was_deleted_is_consent_withdrawn(now: datetime) -> None:
    row = a_delivery()
    Preference.objects.filter(client=row.client).delete()

    taken = claim(row, now=now)

    assert taken.messages == []
    assert fresh(row).detail == Reason.CONSENT_GONE


def test_consent_to_another_topic_or_channel_is_none(now: datetime) -> None:
    client = a_client(listings="sms", offerings="both")
    row = a_delivery(client=client, channel=Channel.EMAIL)

    assert claim(row, now=now).messages == []
    assert fresh(row).detail == Reason.CONSENT_GONE


def test_a_suppressed_address_gets_nothing(now: datetime) -> None:
    row = a_delivery(channel=Channel.SMS)
    Suppression.objects.create(channel=Channel.SMS, address=row.address, reason="complained")

    taken = claim(row, now=now)

    assert taken.messages == []
    assert (fresh(row).state, fresh(row).detail) == (State.SKIPPED, Reason.SUPPRESSED)


@pytest.mark.parametrize(
    ("source", "seconds", "reason"),
    [
        ("CLIENT", 1, Reason.CONSENT_GONE),
        ("COMPLAINT", 1, Reason.CONSENT_GONE),
        ("ERASED", 1, Reason.CONSENT_GONE),
        ("BOUNCE", 1, Reason.SUPPRESSED),
        ("STAFF", 1, Reason.SUPPRESSED),
        ("CLIENT", -1, Reason.SUPPRESSED),
    ],
)
def test_who_refused_by_a_word_of_their_own_since_the_start_has_withdrawn_consent(
    now: datetime, source: str, seconds: int, reason: Reason
) -> None:
    row = a_delivery(broadcast=a_broadcast(started_at=now - timedelta(minutes=1)))
    evidence = Evidence(Source(source), "STOP")
    moment = now - timedelta(minutes=1) + timedelta(seconds=seconds)
    suppressions.suppress(channel=Channel.EMAIL, address=row.address, evidence=evidence, now=moment)

    assert claim(row, now=now).messages == []
    assert (fresh(row).state, fresh(row).detail) == (State.SKIPPED, reason)


def test_a_suppression_holds_on_its_own_channel_only(now: datetime) -> None:
    row = a_delivery(channel=Channel.SMS)
    Suppression.objects.create(channel=Channel.EMAIL, address=row.address, reason="no such mailbox")

    assert addressed(claim(row, now=now)) == [row.pk]


def test_an_archived_client_gets_nothing(now: datetime) -> None:
    row = a_delivery()
    Client.objects.filter(pk=row.client_id).update(is_active=False)

    taken = claim(row, now=now)

    assert taken.messages == []
    assert (fresh(row).state, fresh(row).detail) == (State.SKIPPED, Reason.ARCHIVED)


def test_one_who_may_not_be_sent_to_keeps_nobody_else_back(now: datetime) -> None:
    broadcast = a_broadcast()
    rows = [a_delivery(broadcast=broadcast) for _ in range(4)]
    Client.objects.filter(pk=rows[0].client_id).update(is_active=False)
    Preference.objects.filter(client=rows[2].client).update(email=False)

    taken = claim(*rows, now=now)

    assert addressed(taken) == [rows[1].pk, rows[3].pk]
    assert [fresh(row).state for row in rows] == [State.SKIPPED, State.SENDING, State.SKIPPED, State.SENDING]


def test_the_address_is_the_one_frozen_when_the_delivery_was_made(now: datetime) -> None:
    row = a_delivery(address="old@example.com")
    Client.objects.filter(pk=row.client_id).update(email="new@example.com")

    (message,) = claim(row, now=now).messages

    assert message.address == "old@example.com"


def test_a_message_is_rendered_for_its_client_from_the_frozen_text(now: datetime) -> None:
    topic = a_topic()
    notification = a_notification(
        topic=topic,
        subject="{{ topic }} for {{ first_name }}",
        email_body="Dear **{{ name }}**",
        sms_body="Hi {{ name }}",
    )
    broadcast = a_broadcast(notification=notification)
    client = a_client(name="Zoë {{ topic }} <b>", listings="both")
    mail = a_delivery(broadcast=broadcast, client=client, attempts=3)
    text = a_delivery(broadcast=broadcast, client=client, channel=Channel.SMS)
    notification.email_body = "edited meanwhile"
    notification.save()

    (message,) = claim(mail, now=now).messages
    (short,) = claim(text, now=now).messages

    assert message.subject == "Listings for Zoë"
    assert message.body.startswith("Dear Zoë {{ topic }} <b>\n")
    assert "Dear <strong>Zoë {{ topic }} &lt;b&gt;</strong>" in message.html
    assert (message.broadcast_id, message.channel, message.attempts) == (broadcast.pk, Channel.EMAIL, 3)
    assert (short.body, short.html) == ("Hi Zoë {{ topic }} <b>", "")
    assert (short.address, short.channel) == (str(client.phone), Channel.SMS)
    # By its own link each mail is refused, and an SMS by STOP.
    assert signed_links.read_token(message.link_token) == Link(client.pk, topic.pk, broadcast.pk)
    assert (message.list_id, short.link_token) == ("listings", "")
    for form in (message.body, message.html):
        assert signed_links.unsubscribe_url(message.link_token) in form
        assert signed_links.preferences_url(message.link_token) in form


def test_the_last_line_of_an_sms_says_how_to_end_them_and_that_of_a_mail_does_not(
    now: datetime, settings: Settings
) -> None:
    settings.SMS_STOP_LINE = "Reply STOP to end"
    broadcast = a_broadcast(notification=a_notification(sms_body="Hi {{ name }}"))
    client = a_client(name="Ann", listings="both")
    mail, text = (a_delivery(broadcast=broadcast, client=client, channel=channel) for channel in Channel)

    (rendered,) = claim(mail, now=now).messages
    (short,) = claim(text, now=now).messages

    assert short.body == "Hi Ann\nReply STOP to end"
    assert "Reply STOP" not in rendered.body + rendered.html


def test_a_name_of_two_lines_makes_no_header_of_its_own(now: datetime) -> None:
    broadcast = a_broadcast(notification=a_notification(subject="For {{ name }}"))
    client = a_client(name="Ann\r\nBcc: eve@example.com", listings="both")

    (message,) = claim(a_delivery(broadcast=broadcast, client=client), now=now).messages

    assert message.subject == "For Ann Bcc: eve@example.com"


def test_rows_of_a_paused_broadcast_are_left_and_due_at_once(now: datetime) -> None:
    row = a_delivery(broadcast=a_broadcast(state=Broadcast.State.PAUSED), due_at=now + timedelta(minutes=15))

    taken = claim(row, now=now)

    assert taken.messages == []
    assert (fresh(row).state, fresh(row).due_at) == (State.PENDING, now)


def test_a_row_given_back_for_later_keeps_its_time_through_a_pause(now: datetime) -> None:
    row = a_delivery()
    claims.release(delivery_ids=[row.pk], due_at=now + timedelta(minutes=1))
    lifecycle.pause(broadcast_id=row.broadcast_id)

    claim(row, now=now)

    assert fresh(row).due_at == now + timedelta(minutes=1)


@pytest.mark.parametrize("state", [Broadcast.State.CANCELLED, Broadcast.State.FINISHED])
def test_a_broadcast_that_is_over_sends_nothing_more(now: datetime, state: Broadcast.State) -> None:
    row = a_delivery(broadcast=a_broadcast(state=state))
    before = columns(row)

    taken = claim(row, now=now)

    assert taken.messages == []
    assert columns(row) == before


def test_rows_of_another_broadcast_or_channel_are_left_alone(now: datetime) -> None:
    row = a_delivery(channel=Channel.EMAIL)
    foreign, other_channel = a_delivery(), a_delivery(broadcast=row.broadcast, channel=Channel.SMS)
    before = [columns(foreign), columns(other_channel)]

    taken = claim(row, now=now, delivery_ids=[other_channel.pk, foreign.pk, row.pk, 2**62])

    assert addressed(taken) == [row.pk]
    assert [columns(foreign), columns(other_channel)] == before


def test_a_ticket_of_a_paused_broadcast_does_not_touch_a_foreign_row(now: datetime) -> None:
    paused, foreign = a_delivery(broadcast=a_broadcast(state=Broadcast.State.PAUSED)), a_delivery()
    before = columns(foreign)

    claim(paused, now=now, delivery_ids=[foreign.pk])

    assert columns(foreign) == before


@pytest.mark.parametrize("ids", [[2**62], [2**63 - 1, 1]])
def test_ids_that_are_nobodys_claim_nothing(now: datetime, ids: Sequence[int]) -> None:
    broadcast = a_broadcast()

    taken = claims.claim(
        broadcast_id=broadcast.pk, channel=Channel.EMAIL, delivery_ids=ids, token=uuid.uuid4(), now=now
    )

    assert taken.messages == []


def test_a_broadcast_that_does_not_exist_claims_nothing(now: datetime) -> None:
    row = a_delivery()

    assert claim(row, now=now, broadcast_id=row.broadcast_id + 1000).messages == []
    assert fresh(row).state == State.PENDING


def test_a_window_costs_the_same_few_statements_whatever_its_size(now: datetime) -> None:
    broadcast = a_broadcast()
    rows = [a_delivery(broadcast=broadcast) for _ in range(30)]

    def statements(*some: Delivery) -> int:
        with CaptureQueriesContext(connection) as queries:
            settle(claim(*some, now=now), Verdict.SENT, now=now)
        return len(queries)

    assert statements(*rows[:2]) == statements(*rows[2:])


# --- Claim while the channel's breaker is open ------------------------------------------------------------------------
def test_while_the_breaker_is_open_nothing_is_claimed(now: datetime) -> None:
    broadcast = a_broadcast()
    rows = [a_delivery(broadcast=broadcast, due_at=now + SECOND) for _ in range(3)]
    before = [columns(row) for row in rows]
    an_open_breaker(now=now)

    taken = claim(*rows, now=now)

    assert (taken.breaker_open, taken.messages, taken.probe_of) == (True, [], None)
    assert [columns(row) for row in rows] == before


def test_an_open_breaker_holds_its_own_channel_only(now: datetime) -> None:
    an_open_breaker(now=now, channel=Channel.SMS)
    row = a_delivery(channel=Channel.EMAIL)

    taken = claim(row, now=now)

    assert (taken.breaker_open, addressed(taken)) == (False, [row.pk])


def test_a_breaker_that_closed_again_holds_nothing(now: datetime) -> None:
    an_open_breaker(now=now, opened_at=None)
    row = a_delivery(due_at=now + SECOND)

    taken = claim(row, now=now)

    assert (taken.breaker_open, addressed(taken)) == (False, [row.pk])


def test_the_probe_of_an_open_breaker_is_claimed_and_nothing_beside_it(now: datetime) -> None:
    breaker = an_open_breaker(now=now, probe_at=now + 30 * SECOND)
    broadcast = a_broadcast()
    other = a_delivery(broadcast=broadcast, due_at=now + 31 * SECOND)
    probe = a_delivery(broadcast=broadcast, due_at=now + 30 * SECOND)

    taken = claim(other, probe, now=now)

    assert (taken.breaker_open, taken.probe_of, addressed(taken)) == (True, breaker.opened_at, [probe.pk])
    assert (fresh(probe).state, fresh(other).state) == (State.SENDING, State.PENDING)


def test_a_probe_that_another_followed_is_none_any_more(now: datetime) -> None:
    an_open_breaker(now=now, probe_at=now + 60 * SECOND)
    overtaken = a_delivery(due_at=now + 30 * SECOND)

    taken = claim(overtaken, now=now)

    assert (taken.breaker_open, taken.messages, taken.probe_of) == (True, [], None)


def test_a_probe_that_comes_twice_is_sent_once(now: datetime) -> None:
    an_open_breaker(now=now, probe_at=now + 30 * SECOND)
    probe = a_delivery(due_at=now + 30 * SECOND)
    claim(probe, now=now)

    again = claim(probe, now=now)

    assert (again.messages, again.probe_of) == ([], None)


def test_a_probe_whose_client_opted_out_is_skipped_and_known_for_a_probe(now: datetime) -> None:
    breaker = an_open_breaker(now=now, probe_at=now + 30 * SECOND)
    probe = a_delivery(due_at=now + 30 * SECOND)
    Preference.objects.filter(client=probe.client).update(email=False)

    taken = claim(probe, now=now)

    assert (taken.breaker_open, taken.messages, taken.probe_of) == (True, [], breaker.opened_at)
    assert fresh(probe).state == State.SKIPPED


def test_a_breaker_that_closes_within_a_claim_holds_that_one_still(
    now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaker = an_open_breaker(now=now)
    row = a_delivery(due_at=now)
    look = claim_sql.running_content

    def look_and_close(*arguments: Any) -> Any:
        found = look(*arguments)
        assert breaker.opened_at
        breakers.judge(channel=Channel.EMAIL, opened_at=breaker.opened_at, succeeded=True, detail="", now=now)
        return found

    monkeypatch.setattr(claim_sql, "running_content", look_and_close)

    assert (claim(row, now=now).breaker_open, fresh(row).state) == (True, State.PENDING)


# --- Settle -----------------------------------------------------------------------------------------------------------
def test_what_was_sent_is_sent(now: datetime) -> None:
    row = a_delivery(detail="busy", attempts=2)
    taken = claim(row, now=now)

    settled = settle(taken, Verdict.SENT, now=now + SECOND, provider_id="SM1")

    assert settled == 1
    after = fresh(row)
    assert (after.state, after.attempts, after.provider_id, after.detail) == (State.SENT, 3, "SM1", "")
    assert (after.due_at, after.settled_at) == (None, now + SECOND)


def test_each_sent_row_gets_its_own_providers_id_cut_to_what_fits(now: datetime) -> None:
    broadcast = a_broadcast()
    rows = [a_delivery(broadcast=broadcast) for _ in range(3)]
    taken = claim(*rows, now=now)
    ids = ["first'; --", "", "x" * 300]
    outcomes = [Outcome(m, Verdict.SENT, provider_id=ids[n]) for n, m in enumerate(taken.messages)]

    assert settlements.settle(claim=taken, outcomes=outcomes, now=now) == 3

    assert [fresh(row).provider_id for row in rows] == ["first'; --", "", "x" * 100]


def test_a_permanent_failure_is_failed_with_its_reason(now: datetime) -> None:
    row = a_delivery()

    settle(claim(row, now=now), Verdict.PERMANENT, now=now, detail="550 no such user " + "x" * 400)

    after = fresh(row)
    assert (after.state, after.attempts, after.due_at, after.settled_at) == (State.FAILED, 1, None, now)
    assert after.detail.startswith("550 no such user")
    assert len(after.detail) == 300


def test_a_lost_answer_is_unknown_and_waits_for_staff(now: datetime) -> None:
    row = a_delivery()

    settle(claim(row, now=now), Verdict.UNKNOWN, now=now, detail="the connection broke after the text")

    after = fresh(row)
    assert (after.state, after.attempts, after.due_at, after.settled_at) == (State.UNKNOWN, 1, None, now)
    assert after.detail == "the connection broke after the text"


def test_a_temporary_failure_is_tried_again_after_a_doubling_wait(now: datetime, settings: Settings) -> None:
    settings.RETRY_BASE_SECONDS = 10
    row = a_delivery(attempts=2)

    settle(claim(row, now=now), Verdict.TEMPORARY, now=now, detail="451 busy")

    after = fresh(row)
    assert (after.state, after.attempts, after.detail, after.settled_at) == (State.RETRYING, 3, "451 busy", None)
    assert after.due_at is not None
    assert timedelta(seconds=32) <= after.due_at - now <= timedelta(seconds=48)


def test_a_wait_that_the_provider_asked_for_is_kept(now: datetime) -> None:
    row = a_delivery()

    settle(claim(row, now=now), Verdict.TEMPORARY, now=now, wait=timedelta(seconds=123))

    assert fresh(row).due_at == now + timedelta(seconds=123)


def test_after_the_last_attempt_a_temporary_failure_is_failed(now: datetime, settings: Settings) -> None:
    settings.MAX_ATTEMPTS = 4
    broadcast = a_broadcast()
    last, one_left = a_delivery(broadcast=broadcast, attempts=3), a_delivery(broadcast=broadcast, attempts=2)

    settle(claim(last, one_left, now=now), Verdict.TEMPORARY, now=now, detail="451 busy")

    after = fresh(last)
    assert (after.state, after.attempts, after.due_at, after.settled_at) == (State.FAILED, 4, None, now)
    assert after.detail == "gave up after 4 attempts: 451 busy"
    assert fresh(one_left).state == State.RETRYING


def test_what_was_never_handed_over_is_released_and_uses_no_attempt(now: datetime) -> None:
    row = a_delivery(attempts=2)

    settle(claim(row, now=now), Verdict.RELEASED, now=now, wait=timedelta(seconds=8), detail="connection refused")

    after = fresh(row)
    assert (after.state, after.attempts, after.due_at) == (State.PENDING, 2, now + timedelta(seconds=8))
    assert (after.settled_at, after.detail) == (None, "connection refused")


def test_released_without_a_wait_is_due_at_once(now: datetime) -> None:
    row = a_delivery()

    settle(claim(row, now=now), Verdict.RELEASED, now=now)

    assert fresh(row).due_at == now


def test_a_window_with_every_ending_is_settled_in_one_go(now: datetime) -> None:
    broadcast = a_broadcast()
    rows = [a_delivery(broadcast=broadcast) for _ in Verdict]
    taken = claim(*rows, now=now)
    outcomes = [Outcome(m, verdict) for m, verdict in zip(taken.messages, Verdict, strict=True)]

    settled = settlements.settle(claim=taken, outcomes=outcomes, now=now)

    assert settled == len(Verdict)
    assert [fresh(row).state for row in rows] == ["SENT", "RETRYING", "FAILED", "UNKNOWN", "PENDING", "SKIPPED"]


def test_who_has_opted_out_at_the_provider_is_skipped_and_suppressed_by_their_own_word(now: datetime) -> None:
    row = a_delivery(channel=Channel.SMS)
    said = "400: 21610 Attempt to send to unsubscribed recipient"

    settle(claim(row, now=now), Verdict.REFUSED, now=now, detail=said, suppress=Evidence(Source.CLIENT, said))

    after = fresh(row)
    assert (after.state, after.detail) == (State.SKIPPED, Reason.OPTED_OUT)
    assert (after.attempts, after.due_at, after.settled_at) == (1, None, now)
    found = Suppression.objects.get()
    assert (found.channel, found.address, found.source, found.reason) == ("sms", row.address, "CLIENT", said)
    assert SuppressionChange.objects.get().at == now


@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict is not Verdict.SENT])
def test_an_address_is_suppressed_where_the_outcome_says_so_and_nowhere_else(now: datetime, verdict: Verdict) -> None:
    broadcast = a_broadcast()
    gone, well = a_delivery(broadcast=broadcast), a_delivery(broadcast=broadcast)
    taken = claim(gone, well, now=now)
    evidence = Evidence(Source.BOUNCE, "550 5.1.1 no such user")
    outcomes = [Outcome(taken.messages[0], verdict, suppress=evidence), Outcome(taken.messages[1], verdict)]

    settlements.settle(claim=taken, outcomes=outcomes, now=now)

    assert list(Suppression.objects.values_list("address", "source")) == [(gone.address, "BOUNCE")]


def test_what_suppresses_an_address_is_kept_even_if_its_row_is_no_longer_ours(now: datetime) -> None:
    row = a_delivery()
    taken = claim(row, now=now)
    evidence = Evidence(Source.BOUNCE, "550 5.1.1 no such user")

    settled = settle(replace(taken, token=uuid.uuid4()), Verdict.PERMANENT, now=now, suppress=evidence)

    assert settled == 0
    assert Suppression.objects.get().address == row.address


def test_a_late_result_does_not_bring_back_the_address_of_an_erased_client(now: datetime) -> None:
    row = a_delivery(channel=Channel.SMS)
    taken = claim(row, now=now)
    late = taken.lease_ends_at + SECOND
    sweeps.sweep(now=late)
    erasure.erase(client_id=row.client_id, by=None, why="they asked", now=late)

    settle(taken, Verdict.REFUSED, now=late, suppress=Evidence(Source.CLIENT, "opted out"))

    assert fresh(row).state == State.SKIPPED
    assert not Suppression.objects.filter(address=taken.messages[0].address).exists()


def test_what_suppresses_an_address_is_undone_with_the_rest_of_its_window(
    now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = a_delivery()
    taken = claim(row, now=now)

    def breaks(**_: Any) -> bool:
        raise OperationalError("the disk is full")

    monkeypatch.setattr(suppressions, "suppress", breaks)
    with pytest.raises(OperationalError):
        settle(taken, Verdict.REFUSED, now=now, suppress=Evidence(Source.CLIENT, "opted out"))

    assert fresh(row).state == State.SENDING


def test_settling_twice_changes_nothing_the_second_time(now: datetime) -> None:
    row = a_delivery()
    taken = claim(row, now=now)
    settle(taken, Verdict.SENT, now=now)

    again = settle(taken, Verdict.PERMANENT, now=now)

    assert again == 0
    assert (fresh(row).state, fresh(row).attempts) == (State.SENT, 1)


@pytest.mark.parametrize("verdict", Verdict)
def test_a_foreign_token_settles_nothing(now: datetime, verdict: Verdict) -> None:
    row = a_delivery()
    taken = claim(row, now=now)
    stranger = replace(taken, token=uuid.uuid4())
    before = columns(row)

    settled = settle(stranger, verdict, now=now)

    assert settled == 0
    assert columns(row) == before


def test_a_claim_that_was_retried_by_staff_and_taken_anew_is_not_settled_by_the_old_one(now: datetime) -> None:
    row = a_delivery()
    slow = claim(row, now=now)
    late = slow.lease_ends_at + SECOND
    sweeps.sweep(now=late)
    recovery.send_again(deliveries=Delivery.objects.filter(pk=row.pk), by=None, why="they asked", now=late)
    second = claim(row, now=late)

    settled = settle(slow, Verdict.PERMANENT, now=late)

    assert settled == 0
    assert (fresh(row).state, fresh(row).lease_token) == (State.SENDING, second.token)


@pytest.mark.parametrize(
    ("verdict", "state", "attempts"),
    [
        (Verdict.SENT, State.SENT, 1),
        (Verdict.PERMANENT, State.FAILED, 1),
        (Verdict.TEMPORARY, State.FAILED, 1),
        (Verdict.RELEASED, State.FAILED, 0),
        (Verdict.UNKNOWN, State.UNKNOWN, 1),
        (Verdict.REFUSED, State.SKIPPED, 1),
    ],
)
def test_a_late_result_decides_its_own_unknown_row_for_good(
    now: datetime, verdict: Verdict, state: Delivery.State, attempts: int
) -> None:
    row = a_delivery()
    taken = claim(row, now=now)
    late = taken.lease_ends_at + SECOND
    assert sweeps.sweep(now=late) == 1
    assert fresh(row).state == State.UNKNOWN

    settled = settle(taken, verdict, now=late + SECOND, detail="late")

    after = fresh(row)
    assert settled == 1
    assert (after.state, after.attempts) == (state, attempts)
    # Its broadcast may be finished: a row with a due time would wait for ever.
    assert (after.due_at, after.settled_at) == (None, late + SECOND)


@pytest.mark.parametrize("behind", [timedelta(), timedelta(hours=1)], ids=["one clock", "a clock that is behind"])
def test_a_late_result_asks_for_a_new_tally_of_a_finished_broadcast(now: datetime, behind: timedelta) -> None:
    """Also where the dispatcher's clock has jumped, and the consumer's not yet."""
    row = a_delivery(broadcast=a_broadcast(audience_upto=0))
    taken = claim(row, now=now)
    late = taken.lease_ends_at + SECOND
    sweeps.sweep(now=late)
    assert tallies.finish(broadcast_id=row.broadcast_id, now=late)
    assert not Broadcast.objects.to_tally().exists()

    settle(taken, Verdict.SENT, now=late - behind)

    (asking,) = Broadcast.objects.to_tally()
    tallies.tally(broadcast_id=asking.pk, now=late)
    asking.refresh_from_db()
    assert asking.tally["counts"] == {"email": {"SENT": 1}}
    assert not Broadcast.objects.to_tally().exists()


def test_a_result_in_time_asks_for_no_tally(now: datetime) -> None:
    row = a_delivery(broadcast=a_broadcast(tallied_at=now))

    settle(claim(row, now=now), Verdict.SENT, now=now)

    assert Broadcast.objects.get().tallied_at == now


# --- Disclaim and give back -------------------------------------------------------------------------------------------
def test_a_claim_whose_commit_was_in_doubt_is_undone_by_its_token(now: datetime) -> None:
    broadcast = a_broadcast()
    ours, theirs = a_delivery(broadcast=broadcast), a_delivery(broadcast=broadcast)
    taken, other = claim(ours, now=now), claim(theirs, now=now)

    undone = claims.release_claim(token=taken.token, delivery_ids=[ours.pk, theirs.pk], due_at=now + SECOND)

    assert undone == 1
    assert (fresh(ours).state, fresh(ours).due_at, fresh(ours).attempts) == (State.PENDING, now + SECOND, 0)
    assert (fresh(theirs).state, fresh(theirs).lease_token) == (State.SENDING, other.token)


def test_a_claim_that_was_never_made_needs_no_undoing(now: datetime) -> None:
    row = a_delivery()
    before = columns(row)

    assert claims.release_claim(token=uuid.uuid4(), delivery_ids=[row.pk], due_at=now) == 0
    assert columns(row) == before


def test_what_a_consumer_gives_back_is_due_when_it_says(now: datetime) -> None:
    broadcast = a_broadcast()
    waiting, sending = a_delivery(broadcast=broadcast), a_delivery(broadcast=broadcast)
    claim(sending, now=now)

    given = claims.release(delivery_ids=[waiting.pk, sending.pk], due_at=now + SECOND)

    assert given == 1
    assert (fresh(waiting).state, fresh(waiting).due_at) == (State.PENDING, now + SECOND)
    assert fresh(waiting).lease_token is not None
    assert fresh(sending).state == State.SENDING


def test_what_was_given_back_once_is_not_hurried_by_a_repeated_ticket(now: datetime) -> None:
    row = a_delivery()
    claims.release(delivery_ids=[row.pk], due_at=now + timedelta(minutes=5))

    assert claims.release(delivery_ids=[row.pk], due_at=now) == 0
    assert fresh(row).due_at == now + timedelta(minutes=5)


# --- The wait ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("attempts", range(20))
def test_the_wait_doubles_up_to_an_hour_and_is_spread_by_a_fifth(settings: Settings, attempts: int) -> None:
    settings.RETRY_BASE_SECONDS = 15
    middle = min(3600.0, 15.0 * 2**attempts)

    waits = [settlements.retry_delay(attempts).total_seconds() for _ in range(200)]

    assert middle * 0.8 <= min(waits) < middle * 0.9
    assert middle * 1.1 < max(waits) <= middle * 1.2


# --- Two at once ------------------------------------------------------------------------------------------------------
@concurrent
def test_each_row_goes_to_one_of_many_consumers(now: datetime) -> None:
    broadcast = a_broadcast()
    rows = [a_delivery(broadcast=broadcast) for _ in range(40)]

    for _ in range(5):
        taken_at_once = at_once(*[lambda: claim(*rows, now=now)] * 3)
        taken = [number for one in taken_at_once for number in addressed(one)]
        # With SKIP LOCKED a consumer may leave rows that another then took: together they took each once.
        assert sorted(taken) == [row.pk for row in rows]
        for one in taken_at_once:
            owned = Delivery.objects.filter(lease_token=one.token).order_by("pk").values_list("pk", flat=True)
            assert list(owned) == addressed(one)
        Delivery.objects.update(state=State.PENDING, lease_token=None)


@concurrent
@pytest.mark.usefixtures("only_postgresql")
def test_a_claim_does_not_wait_for_another_and_takes_none_of_its_rows(now: datetime) -> None:
    broadcast = a_broadcast()
    rows = [a_delivery(broadcast=broadcast) for _ in range(4)]

    with OtherConnection() as other:
        other.begin()
        theirs = other.call(lambda: claim(*rows[:2], now=now))
        with impatient():
            ours = claim(*rows, now=now)
        other.commit()

    assert addressed(theirs) == [rows[0].pk, rows[1].pk]
    assert addressed(ours) == [rows[2].pk, rows[3].pk]
    assert [fresh(row).lease_token for row in rows] == [theirs.token] * 2 + [ours.token] * 2


@concurrent
@pytest.mark.usefixtures("only_postgresql")
def test_what_is_being_claimed_is_not_issued_again(now: datetime) -> None:
    broadcast = a_broadcast()
    claimed, free = a_delivery(broadcast=broadcast, due_at=now), a_delivery(broadcast=broadcast, due_at=now)

    with OtherConnection() as other:
        other.begin()
        taken = other.call(lambda: claim(claimed, now=now))
        with impatient():
            issued = tickets.issue_tickets(channel=Channel.EMAIL, transport=DatabaseTransport("database://"), now=now)
        other.commit()

    assert issued == 1
    assert (fresh(claimed).state, fresh(claimed).lease_token) == (State.SENDING, taken.token)
    assert (fresh(free).state, fresh(free).lease_token) == (State.PENDING, None)


@concurrent
def test_claiming_and_issuing_at_once_never_leaves_a_row_to_two(now: datetime) -> None:
    broadcast = a_broadcast()
    rows = [a_delivery(broadcast=broadcast, due_at=now) for _ in range(30)]
    transport = DatabaseTransport("database://")

    for _ in range(5):
        taken, issued = at_once(
            lambda: claim(*rows, now=now),
            lambda: tickets.issue_tickets(channel=Channel.EMAIL, transport=transport, now=now),
        )
        assert isinstance(issued, int), issued
        sending = Delivery.objects.filter(state=State.SENDING).values_list("pk", "lease_token")
        assert sorted(sending) == [(number, taken.token) for number in addressed(taken)]
        assert Delivery.objects.exclude(state=State.SENDING).filter(lease_token=None, state=State.PENDING).count() == (
            len(rows) - len(taken.messages)
        )
        Delivery.objects.update(state=State.PENDING, lease_token=None, due_at=now)


@concurrent
def test_a_cancel_beside_a_claim_leaves_each_row_sending_or_cancelled(now: datetime) -> None:
    for _ in range(5):
        broadcast = a_broadcast()
        rows = [a_delivery(broadcast=broadcast, due_at=now) for _ in range(10)]

        at_once(
            partial(claim, *rows, now=now),
            partial(lifecycle.cancel, broadcast_id=broadcast.pk),
        )
        sweeps.sweep(now=now)

        states = {fresh(row).state for row in rows}
        assert len(states) == 1
        assert states <= {State.SENDING, State.CANCELLED}
        assert claim(*rows, now=now).messages == []


@concurrent
@pytest.mark.usefixtures("only_postgresql")
def test_a_cancel_does_not_wait_for_a_claim_and_what_was_claimed_is_settled(now: datetime) -> None:
    row = a_delivery(due_at=now)

    with OtherConnection() as other:
        other.begin()
        taken = other.call(lambda: claim(row, now=now))
        with impatient():
            lifecycle.cancel(broadcast_id=row.broadcast_id)
            assert sweeps.sweep(now=now) == 0
        other.commit()
    settle(taken, Verdict.SENT, now=now)

    assert fresh(row).state == State.SENT


@concurrent
@pytest.mark.usefixtures("only_postgresql")
@pytest.mark.parametrize("verdict", [Verdict.SENT, Verdict.PERMANENT])
def test_a_late_result_during_the_finish_waits_for_it_and_asks_for_a_new_tally(now: datetime, verdict: Verdict) -> None:
    row = a_delivery(broadcast=a_broadcast(audience_upto=0))
    taken = claim(row, now=now)
    late = taken.lease_ends_at + SECOND
    sweeps.sweep(now=late)

    with OtherConnection() as dispatcher, OtherConnection() as consumer:
        dispatcher.begin()
        assert dispatcher.call(lambda: tallies.finish(broadcast_id=row.broadcast_id, now=late))
        settled = consumer.start_and_wait_until_blocked(lambda: settle(taken, verdict, now=late))
        dispatcher.commit()
        assert settled.result(30) == 1

    (asking,) = Broadcast.objects.to_tally()
    assert asking.state == Broadcast.State.FINISHED
