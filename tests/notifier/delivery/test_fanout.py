import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from notifier.broadcasts import lifecycle
from notifier.delivery import fanout, sweeps
from notifier.models import (
    Broadcast,
    Channel,
    Client,
    ClientTag,
    Delivery,
    Preference,
    Reason,
    SavedAudience,
    Suppression,
)
from notifier.saved_audiences import document as documents
from notifier.saved_audiences import freezing
from notifier.saved_audiences.document import BrokenAudience, Document, Line
from tests.notifier.delivery.calls import fresh
from tests.support.database.connections import OtherConnection, at_once, impatient
from tests.support.factories import a_broadcast, a_client, a_delivery, a_notification, a_saved_audience, a_tag, a_topic

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

State = Delivery.State
EMAIL, SMS = Channel.EMAIL, Channel.SMS
concurrent = pytest.mark.django_db(transaction=True)


def expand_all(broadcast: Broadcast, now: datetime) -> int:
    total = 0
    while (made := fanout.expand(broadcast_id=broadcast.pk, now=now)) is not None:
        total += made
    return total


def made(broadcast: Broadcast) -> set[tuple[int, str]]:
    rows = list(broadcast.deliveries.values_list("client_id", "channel"))
    assert len(rows) == len(set(rows))
    return set(rows)


# --- Expand -----------------------------------------------------------------------------------------------------------
def test_each_channel_that_a_client_consented_to_becomes_a_delivery_due_now(now: datetime) -> None:
    both, mail, text = a_client(listings="both"), a_client(listings="email"), a_client(listings="sms")
    a_client(listings="neither")
    a_client(offerings="both")
    a_client()
    broadcast = a_broadcast()

    number = expand_all(broadcast, now)

    assert number == 4
    assert made(broadcast) == {(both.pk, EMAIL), (both.pk, SMS), (mail.pk, EMAIL), (text.pk, SMS)}
    for row in broadcast.deliveries.select_related("client"):
        assert (row.state, row.due_at, row.settled_at) == (State.PENDING, now, None)
        assert (row.attempts, row.lease_token, row.detail, row.provider_id) == (0, None, "", "")
        assert row.address == str(row.client.email if row.channel == EMAIL else row.client.phone)


def test_the_cursor_and_the_audience_tell_what_was_made(now: datetime) -> None:
    clients = [a_client(listings="both") for _ in range(3)]
    broadcast = a_broadcast()

    expand_all(broadcast, now)

    broadcast.refresh_from_db()
    assert broadcast.cursor == broadcast.audience_upto == clients[-1].pk
    assert broadcast.audience == 6
    assert fanout.expand(broadcast_id=broadcast.pk, now=now) is None


def test_one_call_takes_one_chunk(now: datetime, settings: Settings) -> None:
    settings.EXPAND_CHUNK = 2
    clients = [a_client(listings="email") for _ in range(5)]
    broadcast = a_broadcast()
    seen = []

    while (number := fanout.expand(broadcast_id=broadcast.pk, now=now)) is not None:
        broadcast.refresh_from_db()
        seen.append((number, broadcast.cursor, broadcast.audience))

    assert seen == [(2, clients[1].pk, 2), (2, clients[3].pk, 4), (1, clients[4].pk, 5)]


def test_chunks_of_any_size_cover_everybody_once_across_gaps_in_the_ids(now: datetime, settings: Settings) -> None:
    settings.EXPAND_CHUNK = 7
    choice = random.Random(1)
    for _ in range(60):
        a_client(listings=choice.choice(["email", "sms", "both", "neither"]))
    gone = choice.sample(list(Client.objects.values_list("pk", flat=True)), 20)
    Client.objects.filter(pk__in=gone).delete()
    consents = Preference.objects.filter(topic__slug="listings")
    expected = {(p.client_id, c.value) for p in consents for c in Channel if getattr(p, c.value)}
    broadcast = a_broadcast()

    number = expand_all(broadcast, now)

    assert made(broadcast) == expected
    broadcast.refresh_from_db()
    assert number == broadcast.audience == len(expected)


def test_a_chunk_in_which_nobody_consents_moves_the_cursor(now: datetime, settings: Settings) -> None:
    settings.EXPAND_CHUNK = 2
    for _ in range(4):
        a_client()
    last = a_client(listings="email")
    broadcast = a_broadcast()

    assert fanout.expand(broadcast_id=broadcast.pk, now=now) == 0
    assert expand_all(broadcast, now) == 1
    assert made(broadcast) == {(last.pk, EMAIL)}


def test_an_empty_chunk_sets_the_cursor_to_the_end(now: datetime) -> None:
    client = a_client(listings="email")
    broadcast = a_broadcast(audience_upto=client.pk + 1000, cursor=client.pk)

    assert fanout.expand(broadcast_id=broadcast.pk, now=now) == 0

    broadcast.refresh_from_db()
    assert broadcast.cursor == broadcast.audience_upto
    assert fanout.expand(broadcast_id=broadcast.pk, now=now) is None


def test_an_archived_client_is_not_in_it(now: datetime) -> None:
    a_client(listings="both", is_active=False)
    broadcast = a_broadcast()

    assert expand_all(broadcast, now) == 0


def test_a_suppressed_address_is_born_skipped_with_the_reason(now: datetime) -> None:
    client = a_client(listings="both")
    Suppression.objects.create(channel=EMAIL, address=client.email or "", reason="bounced")
    broadcast = a_broadcast()

    expand_all(broadcast, now)

    mail, text = broadcast.deliveries.get(channel=EMAIL), broadcast.deliveries.get(channel=SMS)
    assert (mail.state, mail.detail, mail.address) == (State.SKIPPED, Reason.SUPPRESSED, client.email)
    assert (mail.due_at, mail.settled_at) == (None, now)
    assert text.state == State.PENDING


@pytest.mark.parametrize(
    ("absent", "channel", "reason"), [("email", EMAIL, Reason.NO_EMAIL), ("phone", SMS, Reason.NO_PHONE)]
)
def test_consent_without_an_address_is_born_skipped_with_the_reason(
    now: datetime, absent: str, channel: Channel, reason: Reason
) -> None:
    client = a_client(listings="both", email=None) if absent == "email" else a_client(listings="both", phone=None)
    broadcast = a_broadcast()

    expand_all(broadcast, now)

    row = broadcast.deliveries.get(channel=channel)
    assert (row.client_id, row.state, row.detail, row.address) == (client.pk, State.SKIPPED, reason, "")
    assert (row.due_at, row.settled_at) == (None, now)
    assert broadcast.deliveries.exclude(channel=channel).get().state == State.PENDING


def test_a_landline_is_born_skipped_with_the_reason_and_gets_the_email(now: datetime) -> None:
    a_client(listings="both", phone="+493012345678")
    broadcast = a_broadcast()

    expand_all(broadcast, now)

    text = broadcast.deliveries.get(channel=SMS)
    assert (text.state, text.detail, text.address) == (State.SKIPPED, Reason.LANDLINE, "+493012345678")
    assert (text.due_at, text.settled_at) == (None, now)
    assert broadcast.deliveries.get(channel=EMAIL).state == State.PENDING


@pytest.mark.parametrize("chunk", [1, 2, 3, 100])
def test_clients_who_came_after_the_press_are_not_in_it(now: datetime, settings: Settings, chunk: int) -> None:
    settings.EXPAND_CHUNK = chunk
    early = a_client(listings="email")
    broadcast = a_broadcast()
    for _ in range(4):
        a_client(listings="both")

    expand_all(broadcast, now)

    assert made(broadcast) == {(early.pk, EMAIL)}


@pytest.mark.parametrize(("empty", "channel"), [(SMS, EMAIL), (EMAIL, SMS)])
def test_only_a_channel_with_a_text_is_used(now: datetime, empty: Channel, channel: Channel) -> None:
    client = a_client(listings="both")
    notification = a_notification(sms_body="") if empty == SMS else a_notification(email_body="")
    broadcast = a_broadcast(notification=notification)

    expand_all(broadcast, now)

    assert made(broadcast) == {(client.pk, channel)}


def test_a_text_of_blanks_is_none(now: datetime) -> None:
    client = a_client(listings="both")
    broadcast = a_broadcast(notification=a_notification(sms_body=" \n"))

    expand_all(broadcast, now)

    assert broadcast.channels == broadcast.notification.channels == [EMAIL]
    assert made(broadcast) == {(client.pk, EMAIL)}


@pytest.mark.parametrize("state", [Broadcast.State.PAUSED, Broadcast.State.CANCELLED, Broadcast.State.FINISHED])
def test_a_broadcast_that_does_not_run_is_not_expanded(now: datetime, state: Broadcast.State) -> None:
    a_client(listings="both")
    broadcast = a_broadcast(state=state)

    assert fanout.expand(broadcast_id=broadcast.pk, now=now) is None

    assert made(broadcast) == set()
    broadcast.refresh_from_db()
    assert (broadcast.cursor, broadcast.audience) == (0, 0)


@pytest.mark.parametrize(("command", "ordinal"), [("INSERT", 1), ("INSERT", 2), ("UPDATE", 1)])
def test_dying_in_the_middle_of_a_chunk_leaves_nothing_of_it(now: datetime, command: str, ordinal: int) -> None:
    client = a_client(listings="both")
    broadcast = a_broadcast()
    seen = 0

    class Killed(Exception):
        pass

    def die_after(execute: Any, sql: str, *rest: Any) -> Any:
        nonlocal seen
        result = execute(sql, *rest)
        seen += sql.strip().startswith(command)
        if seen == ordinal:
            raise Killed
        return result

    with pytest.raises(Killed), connection.execute_wrapper(die_after):
        fanout.expand(broadcast_id=broadcast.pk, now=now)

    broadcast.refresh_from_db()
    assert (made(broadcast), broadcast.cursor, broadcast.audience) == (set(), 0, 0)
    assert expand_all(broadcast, now) == 2
    assert made(broadcast) == {(client.pk, EMAIL), (client.pk, SMS)}


def test_a_row_that_is_there_already_is_neither_doubled_nor_counted(now: datetime) -> None:
    client = a_client(listings="both")
    broadcast = a_broadcast()
    sent = a_delivery(broadcast=broadcast, client=client, channel=EMAIL, state=State.SENT)

    assert expand_all(broadcast, now) == 1

    assert made(broadcast) == {(client.pk, EMAIL), (client.pk, SMS)}
    assert fresh(sent).state == State.SENT
    broadcast.refresh_from_db()
    assert broadcast.audience == 1


def test_a_chunk_takes_the_same_number_of_statements_however_many_clients(now: datetime, settings: Settings) -> None:
    settings.EXPAND_CHUNK = 20
    for _ in range(22):
        a_client(listings="both")
    # Not the first chunk: that one refreshes the statistics too.
    broadcast = a_broadcast(audience=1)

    rows, statements = [], []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            rows.append(fanout.expand(broadcast_id=broadcast.pk, now=now))
        statements.append(len(queries))

    assert rows == [40, 4]
    assert statements[0] == statements[1] < 10


# --- Two at once ------------------------------------------------------------------------------------------------------
@concurrent
def test_dispatchers_that_expand_at_once_make_each_row_once(now: datetime, settings: Settings) -> None:
    settings.EXPAND_CHUNK = 3
    for _ in range(20):
        a_client(listings="both")
    broadcast = a_broadcast()

    def expand_until_done() -> None:
        while Broadcast.objects.to_expand().exists():
            fanout.expand(broadcast_id=broadcast.pk, now=now)

    assert at_once(*[expand_until_done] * 3) == [None] * 3

    broadcast.refresh_from_db()
    assert broadcast.audience == len(made(broadcast)) == 40


@concurrent
@pytest.mark.usefixtures("only_postgresql")
def test_a_broadcast_that_another_dispatcher_expands_is_passed_over(now: datetime, settings: Settings) -> None:
    settings.EXPAND_CHUNK = 1
    clients = [a_client(listings="email") for _ in range(2)]
    broadcast = a_broadcast()

    with OtherConnection() as other:
        other.begin()
        assert other.call(lambda: fanout.expand(broadcast_id=broadcast.pk, now=now)) == 1
        with impatient():
            assert fanout.expand(broadcast_id=broadcast.pk, now=now) is None
        other.commit()

    assert fanout.expand(broadcast_id=broadcast.pk, now=now) == 1
    assert made(broadcast) == {(client.pk, EMAIL) for client in clients}


@concurrent
@pytest.mark.usefixtures("only_postgresql")
def test_a_cancel_waits_for_a_chunk_under_way_and_none_of_it_is_sent(now: datetime) -> None:
    a_client(listings="email")
    broadcast = a_broadcast()

    with OtherConnection() as expanding, OtherConnection() as staff:
        expanding.begin()
        expanding.call(lambda: fanout.expand(broadcast_id=broadcast.pk, now=now))
        cancelled = staff.start_and_wait_until_blocked(lambda: lifecycle.cancel(broadcast_id=broadcast.pk))
        expanding.commit()
        cancelled.result(30)
    sweeps.sweep(now=now)

    broadcast.refresh_from_db()
    assert broadcast.audience == 1
    assert [row.state for row in broadcast.deliveries.all()] == [State.CANCELLED]


def test_topics_are_told_apart(now: datetime) -> None:
    client = a_client(listings="email", offerings="sms")
    broadcast = a_broadcast(notification=a_notification(topic=a_topic(slug="offerings")))

    expand_all(broadcast, now)

    assert made(broadcast) == {(client.pk, SMS)}


@concurrent
@pytest.mark.usefixtures("only_postgresql")
def test_statistics_do_not_wait_for_a_vacuum(now: datetime) -> None:
    """A vacuum holds this lock, and the dispatcher's heartbeat would stand still with it."""
    a_client(listings="email")
    broadcast = a_broadcast()
    with OtherConnection() as vacuum:
        vacuum.begin()
        vacuum.call(lambda: connection.cursor().execute(f"LOCK TABLE {fanout.TABLE} IN SHARE UPDATE EXCLUSIVE MODE"))
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '2s'")

        made = fanout.expand(broadcast_id=broadcast.pk, now=now)

        vacuum.commit()
    with connection.cursor() as cursor:
        cursor.execute("RESET lock_timeout")
    assert made == 1


# --- To a saved audience ----------------------------------------------------------------------------------------------
def to_audience(*lines: Line, **fields: Any) -> Broadcast:
    return a_broadcast(**freezing.columns(a_saved_audience(*lines)), **fields)


def test_only_those_in_the_audience_become_deliveries(now: datetime, settings: Settings) -> None:
    settings.EXPAND_CHUNK = 2
    vip = a_tag()
    clients = [a_client(listings="both") for _ in range(7)]
    members = clients[::3]
    ClientTag.objects.bulk_create(ClientTag(client=one, tag=vip) for one in members)
    silent = a_client()
    ClientTag.objects.create(client=silent, tag=vip)
    broadcast, opposite = to_audience(Line("tag", "has", vip.pk)), to_audience(Line("tag", "has", vip.pk, (), True))

    assert expand_all(broadcast, now) == 6
    assert expand_all(opposite, now) == 8

    assert made(broadcast) == {(one.pk, channel) for one in members for channel in (EMAIL, SMS)}
    assert made(opposite) == {(one.pk, channel) for one in clients if one not in members for channel in (EMAIL, SMS)}


def test_who_is_in_it_is_read_with_each_chunk(now: datetime, settings: Settings) -> None:
    settings.EXPAND_CHUNK = 1
    vip = a_tag()
    first, second, third = (a_client(listings="email") for _ in range(3))
    ClientTag.objects.bulk_create(ClientTag(client=one, tag=vip) for one in (first, second))
    broadcast = to_audience(Line("tag", "has", vip.pk))
    fanout.expand(broadcast_id=broadcast.pk, now=now)

    ClientTag.objects.all().delete()
    ClientTag.objects.create(client=third, tag=vip)
    expand_all(broadcast, now)

    assert made(broadcast) == {(first.pk, EMAIL), (third.pk, EMAIL)}


def test_a_dispatcher_that_knows_no_audiences_expands_none(now: datetime) -> None:
    """As that of the release before, while it still runs."""
    broadcast, plain = to_audience(Line("time_zone", "known")), a_broadcast()

    with pytest.raises(IntegrityError, match="broadcast_audience"), transaction.atomic():
        Broadcast.objects.filter(pk=broadcast.pk, cursor=0).update(cursor=7, audience=F("audience") + 3)
    Broadcast.objects.filter(pk=plain.pk, cursor=0).update(cursor=7, audience=F("audience") + 3)

    broadcast.refresh_from_db()
    plain.refresh_from_db()
    assert (broadcast.cursor, broadcast.audience, plain.cursor) == (0, 0, 7)


def test_each_chunk_for_an_audience_has_to_be_asked_for(now: datetime, settings: Settings) -> None:
    settings.EXPAND_CHUNK = 1
    a_client(listings="email", time_zone="Europe/Berlin")
    a_client(listings="email", time_zone="Europe/Berlin")
    broadcast = to_audience(Line("time_zone", "known"))
    fanout.expand(broadcast_id=broadcast.pk, now=now)
    broadcast.refresh_from_db()
    assert broadcast.cursor

    with pytest.raises(IntegrityError, match="broadcast_audience"), transaction.atomic():
        Broadcast.objects.filter(pk=broadcast.pk).update(cursor=broadcast.audience_upto)

    assert fanout.expand(broadcast_id=broadcast.pk, now=now) == 1


def test_nobody_follows_a_broadcast_to_an_audience_up_to_everybody_else(now: datetime) -> None:
    """As pages of the release before would."""
    broadcast, plain = to_audience(Line("time_zone", "known")), a_broadcast()

    with pytest.raises(IntegrityError, match="broadcast_audience"), transaction.atomic():
        a_broadcast(follows=broadcast)

    assert a_broadcast(follows=broadcast, **freezing.columns_of(broadcast)).audience_of
    assert a_broadcast(follows=plain).audience_of is None


def test_a_broadcast_that_lost_its_conditions_goes_to_nobody(now: datetime) -> None:
    a_client(listings="email", time_zone="Europe/Berlin")
    broadcast = to_audience(Line("time_zone", "known"))
    Broadcast.objects.filter(pk=broadcast.pk).update(audience_document=None)

    with pytest.raises(BrokenAudience):
        fanout.expand(broadcast_id=broadcast.pk, now=now)

    assert made(broadcast) == set()


def test_an_edit_of_the_audience_changes_nothing_of_what_runs(now: datetime, settings: Settings) -> None:
    settings.EXPAND_CHUNK = 1
    clients = [a_client(listings="email", time_zone="Europe/Berlin") for _ in range(2)]
    broadcast = to_audience(Line("time_zone", "known"))
    fanout.expand(broadcast_id=broadcast.pk, now=now)

    SavedAudience.objects.update(document=documents.as_json(Document((Line("time_zone", "known", 0, (), True),))))
    expand_all(broadcast, now)

    assert made(broadcast) == {(one.pk, EMAIL) for one in clients}


def test_conditions_that_nobody_can_read_make_no_delivery(now: datetime) -> None:
    vip = a_tag()
    ClientTag.objects.create(client=a_client(listings="both"), tag=vip)
    gone, unknown = to_audience(Line("tag", "has", vip.pk)), to_audience(Line("tag", "has", vip.pk))
    Broadcast.objects.filter(pk=unknown.pk).update(audience_document={"version": 99})
    ClientTag.objects.all().delete()
    vip.delete()

    for broadcast in (gone, unknown):
        with pytest.raises(BrokenAudience):
            fanout.expand(broadcast_id=broadcast.pk, now=now)
        assert not made(broadcast)
        broadcast.refresh_from_db()
        assert broadcast.cursor == 0


def test_days_are_counted_from_the_start_for_every_chunk(now: datetime) -> None:
    client = a_client(listings="email")
    Client.objects.filter(pk=client.pk).update(created_at=now - timedelta(days=10))
    line = Line("created", "last_days", 0, (10,))
    on_time, late = to_audience(line, started_at=now), to_audience(line, started_at=now + timedelta(seconds=1))

    expand_all(on_time, now + timedelta(hours=3))
    expand_all(late, now + timedelta(hours=3))

    assert made(on_time) == {(client.pk, EMAIL)}
    assert not made(late)


def test_a_chunk_for_an_audience_takes_one_insert_a_channel_however_many_clients(now: datetime) -> None:
    def statements(number: int) -> list[str]:
        broadcast = to_audience(Line("time_zone", "known"))
        for _ in range(number):
            a_client(listings="both", time_zone="Europe/Berlin")
        Broadcast.objects.filter(pk=broadcast.pk).update(audience_upto=10**9)
        with CaptureQueriesContext(connection) as captured:
            fanout.expand(broadcast_id=broadcast.pk, now=now)
        return [query["sql"].split()[0] for query in captured.captured_queries]

    assert statements(2) == statements(30)
    assert statements(2).count("INSERT") == 2
