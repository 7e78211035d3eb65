import re
import uuid
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import connection, transaction
from hypothesis import example, given
from hypothesis import strategies as st

from notifier.clients import archiving, erasure, names
from notifier.clients.imports import erasure as imports_erasure
from notifier.clients.imports import uploads
from notifier.consent import consents, digests, provider_events, suppressions
from notifier.consent.consents import Origin
from notifier.consent.provider_events import Event, Kind
from notifier.consent.suppressions import Evidence, Source
from notifier.delivery import claims, recovery
from notifier.fields import definitions, values
from notifier.fields.applying import ChangeOrigin
from notifier.files import packed
from notifier.models import (
    Channel,
    Client,
    ClientImport,
    ClientTag,
    ClientValues,
    ConsentChange,
    Delivery,
    ErasedAddress,
    InboundMessage,
    ProviderEvent,
    Receipt,
    Resolution,
    ResolvedDelivery,
    SoftBounces,
    Suppression,
    SuppressionChange,
    ValueChange,
)
from tests.support.checks.ledger import unaccounted
from tests.support.database.connections import OtherConnection, impatient
from tests.support.factories import (
    a_broadcast,
    a_client,
    a_delivery,
    a_field,
    a_tag,
    a_topic,
    a_user,
    an_open_breaker,
)
from tests.support.servers.processes import PATIENCE_SECONDS

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

concurrent = pytest.mark.django_db(transaction=True)
STAFF = ConsentChange.Source.STAFF


#: Each of their addresses as somebody may write it, and somebody else.
WITH_ZEBEDEE = b"""Name,E-mail,Phone
Cleo,cleo@example.com,+12025550143
Z,<First@Quux.example>,
Quux,,+46 70-174 06 05
"""


def everything_stored() -> dict[str, str]:
    """All that the database holds, by table."""
    found = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            found[table] = repr(cursor.fetchall())
    return found


def a_life(now: datetime) -> Client:
    """A client of whom every place knows something."""
    maria = a_user(username="maria")
    client = a_client(first_name="Zebedee", last_name="Quux", email="first@quux.example", phone="+46701740605")
    names.rename(client, first_name="Zebedee", last_name="Quux-Smith")
    client.email = "zebedee@quux.example"
    client.save()
    origin = Origin(STAFF, by=maria, detail="mail from Zebedee@Quux.example")
    consents.change(client=client, topic=a_topic(), wants={Channel.EMAIL: True}, origin=origin, now=now)
    (nickname,) = definitions.of(a_field(label="Nickname"))
    for name in ("Zebedee the first", "Zebedee the great"):
        source = ChangeOrigin(by=maria, reason="Zebedee rang")
        values.set_values(client_id=client.pk, values={nickname: name}, tags={a_tag(): True}, origin=source, now=now)
    broadcast = a_broadcast(state="FINISHED")
    detail = "550 <ZEBEDEE@quux.example>: unknown"
    failed = a_delivery(broadcast=broadcast, client=client, state="FAILED", detail=detail, provider_id="46701740605-1")
    sent = a_delivery(broadcast=broadcast, client=client, channel="sms", state="SENT")
    told = {"state": "DELIVERED", "provider": "twilio", "provider_id": "46701740605-2"}
    Receipt.objects.create(delivery=sent, broadcast=broadcast, channel="sms", at=now, **told)
    resolution = Resolution.objects.create(
        action="MARKED_SENT", by=maria, at=now, why="Zebedee Quux-Smith rang, or QUUX, Zebedee", number=1
    )
    ResolvedDelivery.objects.create(
        resolution=resolution, delivery=failed, state_before="FAILED", detail_before="to first@quux.example"
    )
    an_open_breaker(now=now, detail="550 zebedee@quux.example: unknown, eight of ten")
    evidence = Evidence(Source.BOUNCE, "550 zebedee@quux.example: no such mailbox")
    suppressions.suppress(channel=Channel.EMAIL, address="zebedee@quux.example", evidence=evidence, now=now)
    for address, kind in (("zebedee@quux.example", Kind.SOFT_BOUNCE), ("first@quux.example", Kind.COMPLAINT)):
        event = Event("esp", f"{kind}", kind, address, at=now, detail=f"of {address}")
        provider_events.record_event(event, now)
    InboundMessage.objects.create(
        provider="twilio", provider_id="1", sender="+46701740605", text="Zebedee here", outcome="KEPT", received_at=now
    )
    ClientImport.objects.create(
        file_name="Zebedee Quux-Smith.csv",
        reason="Zebedee Quux-Smith rang",
        content=b"",
        state="DONE",
        failed_rows="\ufeffLine,Why,Name,E-mail\r\n2,no,Zebedee Q,ZEBEDEE@quux.example\r\n3,no,Bob,bob@\r\n",
    )
    uploads.upload(file=BytesIO(WITH_ZEBEDEE), name="new.csv", by=maria, now=now)
    LogEntry.objects.log_actions(
        maria.pk, [client], CHANGE, '[{"changed": {"object": "Zebedee Quux \\u00b7 Listings"}}]'
    )
    return client


def erase(client: Client, now: datetime, **fields: Any) -> erasure.Erased:
    return erasure.erase(client_id=client.pk, by=fields.get("by"), why="ticket 4711", now=now)


@concurrent
def test_files_are_read_before_anything_is_locked(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    maria = a_user(username="maria")
    client = a_client(name="Zebedee Quux", email="first@quux.example")
    uploads.upload(file=BytesIO(WITH_ZEBEDEE), name="new.csv", by=maria, now=now)
    within: list[bool] = []
    unpack = packed.unpack

    def unpack_and_note(content: bytes) -> Any:
        within.append(connection.in_atomic_block)
        return unpack(content)

    monkeypatch.setattr(packed, "unpack", unpack_and_note)

    erasure.erase(client_id=client.pk, by=maria, why="asked for it", now=now)

    assert within
    assert not any(within)
    (upload,) = ClientImport.objects.all()
    assert b"first@quux.example" not in bytes(upload.content).lower()


@concurrent
def test_a_file_that_comes_while_the_others_are_read_is_erased_from_as_well(
    now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    maria = a_user(username="maria")
    client = a_client(name="Zebedee Quux", email="first@quux.example")
    find_rows = imports_erasure.find_rows

    def find_and_upload(**arguments: Any) -> Any:
        found = find_rows(**arguments)
        uploads.upload(file=BytesIO(WITH_ZEBEDEE), name="new.csv", by=maria, now=now)
        return found

    monkeypatch.setattr(imports_erasure, "find_rows", find_and_upload)

    erasure.erase(client_id=client.pk, by=maria, why="asked for it", now=now)

    (upload,) = ClientImport.objects.all()
    assert b"first@quux.example" not in bytes(upload.content).lower()
    assert b"cleo@example.com" in bytes(upload.content)


def rows_of(upload: ClientImport) -> list[list[str]]:
    return [row.cells for row in uploads.table_of(upload).rows()]


def tables_that_know(*known: str) -> set[str]:
    return {table for table, text in everything_stored().items() if any(k in text.lower() for k in known)}


def test_nothing_in_the_database_knows_the_client_any_more(now: datetime) -> None:
    client = a_life(now)
    known = ("zebedee", "quux", "70174060", "first@")
    assert len(tables_that_know(*known)) >= 13

    erase(client, now + timedelta(minutes=1))

    assert tables_that_know(*known) == set()
    assert rows_of(ClientImport.objects.get(state="UPLOADED")) == [["Cleo", "cleo@example.com", "+12025550143"]]
    assert ClientImport.objects.get(state="DONE").failed_rows.splitlines()[1:] == ["3,no,Bob,bob@"]


def test_fields_tags_and_what_was_in_them_are_gone(now: datetime) -> None:
    client, other = a_life(now), a_client()
    vip = a_tag("VIP")
    for one in (client, other):
        values.set_values(client_id=one.pk, values={}, tags={vip: True}, origin=ChangeOrigin(), now=now)

    erase(client, now + timedelta(minutes=1))

    for rows in (ClientValues.objects, ClientTag.objects, ValueChange.objects):
        assert not rows.filter(client=client).exists()
    assert ClientTag.objects.filter(client=other, tag=vip).exists()


def test_the_evidence_about_its_addresses_stays_under_their_digests(now: datetime) -> None:
    client = a_life(now)

    erase(client, now + timedelta(minutes=1))

    latest, first = (digests.digest(Channel.EMAIL, f"{name}@quux.example") for name in ("zebedee", "first"))
    number = digests.digest(Channel.SMS, "+46701740605")
    had = ErasedAddress.objects.filter(client=client).values_list("channel", "digest")
    assert set(had) == {("email", latest), ("email", first), ("sms", number)}
    assert set(Suppression.objects.values_list("address", "source")) == {
        (latest, "ERASED"),
        (number, "ERASED"),
        (first, "COMPLAINT"),
    }
    changes = SuppressionChange.objects.filter(address=latest).order_by("pk")
    assert list(changes.values_list("source", "reason")) == [
        ("BOUNCE", "550 [erased]: no such mailbox"),
        ("ERASED", "personal data was erased"),
    ]
    assert set(ProviderEvent.objects.values_list("address", "detail")) == {
        (latest, "of [erased]"),
        (first, "of [erased]"),
    }
    assert [(m.sender, m.text) for m in InboundMessage.objects.all()] == [(number, "")]
    assert not SoftBounces.objects.exists()


def test_what_somebody_else_has_or_had_stays_readable_for_them(now: datetime) -> None:
    client, other = a_client(email="shared@example.com"), a_client(email="other@example.com")
    evidence = Evidence(Source.BOUNCE, "no such mailbox")
    suppressions.suppress(channel=Channel.EMAIL, address="shared@example.com", evidence=evidence, now=now)
    client.email = None
    client.save()
    other.email = "shared@example.com"
    other.save()

    erase(client, now)

    assert Suppression.objects.filter(address="shared@example.com", source="BOUNCE").exists()
    assert SuppressionChange.objects.filter(address="shared@example.com").exists()
    assert ErasedAddress.objects.filter(digest=digests.digest(Channel.EMAIL, "shared@example.com")).exists()


def test_what_is_told_of_an_erased_address_later_is_kept_by_its_digest(now: datetime) -> None:
    client = a_client(email="late@example.com", phone=None)
    erase(client, now)
    event = Event("esp", "1", Kind.HARD_BOUNCE, "late@example.com", at=now)

    assert provider_events.record_event(event, now)

    assert tables_that_know("late@example") == set()
    assert ProviderEvent.objects.get().address == digests.digest(Channel.EMAIL, "late@example.com")


def test_erasing_twice_with_another_key_finds_what_is_there(now: datetime, settings: Any) -> None:
    """The same address, entered again by somebody who is then erased as well."""
    erase(a_client(email="again@example.com", phone=None), now)
    second = a_client(email="again@example.com", phone=None)
    suppressions.restore_plaintext(channel=Channel.EMAIL, addresses=["again@example.com"])
    settings.CONSENT_KEY = "another"

    erase(second, now)

    assert [s.source for s in Suppression.objects.all()] == ["ERASED"]
    assert ErasedAddress.objects.count() == 2


def test_the_numbers_stay_and_the_version_says_who_erased_and_why(now: datetime) -> None:
    client, maria = a_life(now), a_user(username="moritz")

    erased = erase(client, now + timedelta(minutes=1), by=maria)

    client.refresh_from_db()
    assert (client.name, client.email, client.phone) == (f"Erased client {client.pk}", None, None)
    assert (client.is_active, client.erased_at) == (False, now + timedelta(minutes=1))
    assert client.deliveries.count() == erased.deliveries == 2
    assert (erased.versions, erased.consents_ended) == (2, 1)
    newest = client.history.latest()
    assert (newest.history_user, newest.history_change_reason) == (maria, "erased: ticket 4711")
    assert [(c.agreed, c.source, c.detail) for c in client.consent_changes.order_by("at")] == [
        (True, "STAFF", "mail from [erased]"),
        (False, "STAFF", "erased"),
    ]
    assert unaccounted() == {}


def test_others_keep_theirs(now: datetime) -> None:
    client, other = a_life(now), a_client(name="Ann Example", listings="both")
    delivery = a_delivery(client=other, state="FAILED", detail="550 <zebedee@quux.example>: unknown")

    erase(client, now)

    other.refresh_from_db()
    delivery.refresh_from_db()
    assert other.name == "Ann Example"
    assert delivery.address == other.email
    assert "zebedee" in delivery.detail


def test_it_is_refused_while_something_is_being_sent(now: datetime) -> None:
    client = a_client()
    a_delivery(client=client, state="SENDING")

    with pytest.raises(erasure.NotErased, match="is being sent right now"):
        erase(client, now)

    client.refresh_from_db()
    assert client.email


def test_it_is_done_once(now: datetime) -> None:
    client = a_client()
    erase(client, now)

    with pytest.raises(erasure.NotErased):
        erase(client, now)

    assert client.history.filter(history_change_reason__startswith="erased").count() == 1


def test_an_erased_client_does_not_return(now: datetime) -> None:
    client = a_client()
    erase(client, now)

    assert archiving.restore(clients=Client.objects.all(), by=None, now=now) == 0


@pytest.mark.parametrize("name", ["Er", "erased", "[erased]", ".*", "Erased client"])
def test_odd_names_are_erased_too(now: datetime, name: str) -> None:
    client = a_client(name=name, email="odd@example.com")
    a_delivery(client=client, state="FAILED", detail=f"no {name} here, nor odd@example.com")

    erase(client, now)

    assert "odd@example.com" not in client.deliveries.get().detail


# --- What was cut in the middle of an address -------------------------------------------------------------------------
@pytest.mark.parametrize("kept", range(1, 21))
def test_what_is_left_of_an_address_where_a_text_was_cut_is_erased_too(now: datetime, kept: int) -> None:
    client = a_client(name="Zebedee Quux", email="zebedee@quux.example")
    words = "550 unknown: ".ljust(300 - kept, ".")
    failed = a_delivery(client=client, state="FAILED", detail=words + "ZEBEDEE@quux.example"[:kept])

    erase(client, now)

    failed.refresh_from_db()
    assert failed.detail == (words + erasure.GONE)[:300]


def test_what_was_not_cut_keeps_its_last_letters(now: datetime) -> None:
    client = a_client(name="Nancy", email="nancy@example.com")
    failed = a_delivery(client=client, state="FAILED", detail="550 5.1.1 unknown")

    erase(client, now)

    failed.refresh_from_db()
    assert failed.detail == "550 5.1.1 unknown"


#: Letters that neither the other words nor what stands in the place of an address have.
addresses = st.text("xyXY@.", min_size=3, max_size=12)
words = st.text("0123 :", max_size=12)


@given(known=st.lists(addresses, min_size=1, max_size=3), before=words, cut=st.integers(1, 12), flip=st.booleans())
@example(known=["xyx", "yx@x.y"], before="", cut=6, flip=False)
def test_however_it_is_cut_nothing_of_it_stays(known: list[str], before: str, cut: int, flip: bool) -> None:
    last = known[0].swapcase() if flip else known[0]
    text = f"{before}{known[-1]}{before} {last}"[: -cut if cut < len(last) else None]

    cleaned = erasure.without(text, known, len(text))

    assert not set(cleaned.lower()) & set("xy@.")


@given(known=st.lists(addresses, min_size=2, max_size=2), text=st.text("xyXY@. ", max_size=30), is_cut=st.booleans())
def test_what_overlaps_goes_as_a_whole(known: list[str], text: str, is_cut: bool) -> None:
    """Everything else stays as it was, in its order."""
    cleaned = erasure.without(text, known, len(text) if is_cut else 300)

    pieces = cleaned.split(erasure.GONE)
    assert not any(one.lower() in piece.lower() for one in known for piece in pieces)
    if not is_cut:
        assert re.fullmatch(".+".join(map(re.escape, pieces)), text, re.DOTALL)


def claim(delivery: Delivery, now: datetime) -> claims.Claim:
    return claims.claim(
        broadcast_id=delivery.broadcast_id,
        channel=Channel.EMAIL,
        delivery_ids=[delivery.pk],
        token=uuid.uuid4(),
        now=now,
    )


def test_what_waits_for_an_erased_client_is_skipped_at_the_claim(now: datetime) -> None:
    delivery = a_delivery(state="PENDING")
    erase(delivery.client, now)

    claimed = claim(delivery, now)

    delivery.refresh_from_db()
    assert claimed.messages == []
    assert (delivery.state, delivery.detail, delivery.address) == ("SKIPPED", "client archived", "")


def test_sending_again_reaches_no_erased_client(now: datetime) -> None:
    delivery = a_delivery(broadcast=a_broadcast(state="FINISHED"), state="FAILED")
    erase(delivery.client, now)
    recovery.send_again(deliveries=Delivery.objects.all(), by=None, why="again", now=now)

    assert claim(delivery, now).messages == []


@concurrent
@pytest.mark.usefixtures("only_postgresql")
def test_a_claim_under_way_is_waited_for_and_then_nothing_is_erased(now: datetime) -> None:
    delivery = a_delivery()

    with OtherConnection() as other:
        with transaction.atomic():
            assert claim(delivery, now).messages
            erasing = other.start_and_wait_until_blocked(lambda: erase(delivery.client, now))
        with pytest.raises(erasure.NotErased):
            erasing.result(PATIENCE_SECONDS)

    assert Delivery.objects.get().address


@concurrent
@pytest.mark.usefixtures("only_postgresql")
def test_while_somebody_is_being_erased_nothing_is_claimed_for_them(now: datetime) -> None:
    delivery = a_delivery()

    with OtherConnection() as other:
        other.begin()
        other.call(lambda: erase(delivery.client, now))
        with impatient():
            during = claim(delivery, now)
        other.commit()

    assert during.messages == claim(delivery, now).messages == []
