"""The list of one broadcast's deliveries: its head, its filters, and the reasons."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from notifier.admin.deliveries import results
from notifier.clients import record_file
from notifier.models import Broadcast, Delivery, Reason, Receipt, ReceiptCounts, Resolution, ResolvedDelivery
from notifier.progress import skip_reasons
from tests.notifier.admin.broadcasts.test_broadcast_admin import a_told_broadcast, page_of, text_of
from tests.notifier.admin.conftest import LogIn
from tests.support.factories import a_broadcast, a_client, a_delivery

pytestmark = pytest.mark.both_engines


LIST, EXPORT = "notifier.view_delivery", "notifier.export_delivery"
FULL = "552 5.2.2 mailbox full"


def list_of(broadcast: Broadcast, **filters: str) -> str:
    return results.list_of(broadcast, **filters)


def an_ended(**fields: Any) -> Broadcast:
    return a_told_broadcast(state="FINISHED", finished_at=timezone.now(), **fields)


def found(browser: Browser, address: str) -> list[Delivery]:
    return list(browser.get(address).context["cl"].result_list)


# --- The list by itself -----------------------------------------------------------------------------------------------
def test_who_may_not_see_clients_neither_reads_their_names_nor_finds_their_numbers(staff: LogIn) -> None:
    ann = a_client(name="Ann Example", email="ann@example.com", phone="+12025550123")
    row = a_delivery(client=ann, state="UNKNOWN")
    everything = reverse("admin:notifier_delivery_changelist")
    search = f"{everything}?q=%2B1303555"

    seeing = staff(LIST, "notifier.view_client")
    assert found(seeing, search) == []
    assert "Ann Example" in text_of(seeing.get(everything))

    unseeing = staff(LIST)
    told = text_of(unseeing.get(everything))
    assert found(unseeing, search) == [row]  # as if nothing had been searched for
    assert "Ann Example" not in told
    assert f">#{row.client_id}</a>" in told
    assert 'name="q"' not in told

    asked = reverse("admin:notifier_delivery_resolve", args=["send-again"], query={"ids": row.pk})
    for page in (reverse("admin:notifier_delivery_change", args=[row.pk]), asked):
        assert "Ann Example" in text_of(staff(LIST, "notifier.resolve_delivery", "notifier.view_client").get(page))
        told = text_of(staff(LIST, "notifier.resolve_delivery").get(page))
        assert "Ann Example" not in told
        assert f"#{row.client_id}" in told


# --- The list under its broadcast -------------------------------------------------------------------------------------
def test_the_list_begins_with_the_broadcast_and_its_numbers_by_state(admin: Browser) -> None:
    broadcast = a_told_broadcast()

    page = admin.get(list_of(broadcast, state__exact="FAILED"))

    assert page_of(broadcast) in text_of(page)
    parts = [(part.state, part.number, part.is_chosen) for part in page.context["parts"]]
    assert parts == [
        ("PENDING", 800, False),
        ("SENT", 1165, False),
        ("FAILED", 12, True),
        ("UNKNOWN", 3, False),
        ("SKIPPED", 18, False),
    ]
    assert page.context["parts"][2].url == list_of(broadcast, state__exact="FAILED")


def test_the_progress_page_leads_to_the_rows_behind_each_number(admin: Browser) -> None:
    broadcast = a_told_broadcast()

    text = text_of(admin.get(page_of(broadcast)))

    assert f'href="{list_of(broadcast).replace("&", "&amp;")}&amp;state__exact=UNKNOWN">3</a>' in text


def test_the_list_of_all_deliveries_and_of_a_broadcast_that_is_not_there_have_no_head(admin: Browser) -> None:
    a_delivery()

    for query in ("", "?broadcast__id__exact=99", "?broadcast__id__exact=99999999999999999999"):
        page = admin.get(reverse("admin:notifier_delivery_changelist") + query, follow=True)
        assert page.status_code == 200
        assert "owner" not in page.context


def test_it_is_filtered_by_state_channel_and_reason_and_searched(admin: Browser) -> None:
    broadcast = an_ended()
    full = a_delivery(broadcast=broadcast, state="FAILED", detail=FULL, client=a_client(name="Åsa Svensson"))
    gone = a_delivery(broadcast=broadcast, state="FAILED", detail="550 gone")
    text = a_delivery(broadcast=broadcast, state="SKIPPED", detail=FULL, channel="sms")
    a_delivery(broadcast=an_ended(), state="FAILED", detail=FULL)

    assert found(admin, list_of(broadcast)) == [full, gone, text]
    assert found(admin, list_of(broadcast, state__exact="FAILED")) == [full, gone]
    assert found(admin, list_of(broadcast, channel__exact="sms")) == [text]
    assert found(admin, list_of(broadcast, reason=FULL)) == [full, text]
    assert found(admin, list_of(broadcast, reason=FULL, state__exact="FAILED")) == [full]
    assert found(admin, list_of(broadcast, q="svensson")) == [full]
    assert found(admin, list_of(broadcast, q=str(gone.client.email))) == [gone]


def test_a_row_that_waits_for_its_next_try_is_not_found_by_a_reason(admin: Browser) -> None:
    broadcast = an_ended()
    a_delivery(broadcast=broadcast, state="RETRYING", detail=FULL)

    assert found(admin, list_of(broadcast, reason=FULL)) == []


def test_the_reasons_are_offered_with_their_numbers(admin: Browser) -> None:
    broadcast = an_ended()
    for state, detail in [("FAILED", FULL)] * 2 + [("SKIPPED", "no phone number"), ("SENT", ""), ("FAILED", "")]:
        a_delivery(broadcast=broadcast, state=state, detail=detail)

    everything = text_of(admin.get(list_of(broadcast)))
    skipped = text_of(admin.get(list_of(broadcast, state__exact="SKIPPED")))

    for words in (f"{FULL} (2 failed)", "no phone number (1 skipped)", "no reason given (1 failed)"):
        assert words in everything
    assert "no phone number (1 skipped)" in skipped
    assert FULL not in skipped


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason.value not in reason.label])
def test_a_stored_reason_reads_alike_on_every_page_and_in_every_file(admin: Browser, reason: Reason) -> None:
    client = a_client(listings="both")
    broadcast = an_ended()
    row = a_delivery(broadcast=broadcast, client=client, state="SKIPPED", detail=str(reason), settled_at=timezone.now())
    decision = Resolution.objects.create(action="SENT_AGAIN", at=timezone.now(), why="asked to")
    ResolvedDelivery.objects.create(
        resolution=decision, delivery=row, state_before="SKIPPED", detail_before=str(reason)
    )

    pages = [
        page_of(broadcast),
        list_of(broadcast),
        list_of(broadcast, reason=str(reason)),
        reverse("admin:notifier_delivery_change", args=[row.pk]),
        reverse("admin:notifier_delivery_resolve", args=["send-again"], query={"ids": row.pk}),
        reverse("admin:notifier_client_change", args=[client.pk]),
        reverse("admin:notifier_delivery_export", args=["csv"], query={results.OWNER: broadcast.pk}),
    ]
    texts = {page: shown_text(admin.get(page)) for page in pages}
    texts["record"] = f"{record_file.full_record(client=client, now=timezone.now())}"

    assert [page for page, text in texts.items() if reason.label not in text] == []
    assert [page for page, text in texts.items() if reason.value in text.replace(reason.label, "")] == []


def shown_text(page: Any) -> str:
    """What people read of a page, or a file as it is."""
    content: bytes = page.getvalue()
    return " ".join(re.sub(r"<[^>]*>", "", content.decode()).split())


def test_the_list_takes_as_many_queries_for_many_rows_and_reasons_as_for_few(admin: Browser) -> None:
    broadcast = an_ended()

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert admin.get(list_of(broadcast)).status_code == 200
        return len(captured)

    a_delivery(broadcast=broadcast, state="FAILED", detail="one")
    few = queries()
    for number in range(30):
        a_delivery(broadcast=broadcast, state=Delivery.UNSENT[number % 4], detail=f"reason {number}")

    assert queries() == few <= 16


def test_under_a_broadcast_the_order_is_that_of_its_unique_key(admin: Browser) -> None:
    broadcast = an_ended()
    first, second = a_client(), a_client()
    rows = [a_delivery(broadcast=broadcast, client=client, channel="sms") for client in (second, first)]

    with CaptureQueriesContext(connection) as captured:
        assert found(admin, list_of(broadcast)) == rows[::-1]

    listed = [query["sql"] for query in captured if "LIMIT 50" in query["sql"] and "notifier_delivery" in query["sql"]]
    assert all('"notifier_delivery"."id" DESC' not in sql for sql in listed)


# --- Reasons ----------------------------------------------------------------------------------------------------------
def test_only_what_was_not_sent_of_that_broadcast_has_reasons(db: None) -> None:
    broadcast = a_broadcast()
    for state in Delivery.State:
        a_delivery(broadcast=broadcast, state=state, detail="some reason")
    a_delivery(state="FAILED", detail="of another")

    assert {(reason.state, reason.detail, reason.number) for reason in skip_reasons.of_broadcast(broadcast.pk)} == {
        (state, "some reason", 1) for state in Delivery.UNSENT
    }


def test_the_most_frequent_reason_comes_first(db: None) -> None:
    broadcast = a_broadcast()
    for detail in ("a", "b", "b", "c"):
        a_delivery(broadcast=broadcast, state="FAILED", detail=detail)

    assert [reason.detail for reason in skip_reasons.of_broadcast(broadcast.pk)] == ["b", "a", "c"]


def test_neither_the_reasons_nor_their_counts_grow_without_end(db: None) -> None:
    broadcast = a_broadcast()
    for number in range(20):
        a_delivery(broadcast=broadcast, state="FAILED", detail=f"reason {number:02}")

    assert [reason.detail for reason in skip_reasons.of_broadcast(broadcast.pk)] == [
        f"reason {number:02}" for number in range(skip_reasons.MAX_SHOWN)
    ]
    assert skip_reasons.ReasonCount(Delivery.State.FAILED, "x", skip_reasons.MAX_COUNTED).in_words == "more than 10,000"
    assert f"LIMIT {skip_reasons.MAX_COUNTED}" in skip_reasons._COUNTED


def test_the_first_reasons_of_each_state_are_told_without_counting(db: None) -> None:
    broadcast = a_broadcast()
    for state, detail in (("FAILED", "b"), ("FAILED", "a"), ("FAILED", "c"), ("UNKNOWN", "a"), ("SENT", "a")):
        a_delivery(broadcast=broadcast, state=state, detail=detail)
    a_delivery(state="FAILED", detail="of another")

    with CaptureQueriesContext(connection) as captured:
        found = skip_reasons.reasons(broadcast.pk, most=2)

    assert set(found) == {("FAILED", "a"), ("FAILED", "b"), ("UNKNOWN", "a")}
    assert "COUNT(" not in captured[0]["sql"]


# --- Receipts ---------------------------------------------------------------------------------------------------------
def a_receipt(row: Delivery, state: str, **fields: Any) -> Receipt:
    values = {"broadcast": row.broadcast, "channel": row.channel, "at": timezone.now(), "provider": "twilio"}
    return Receipt.objects.create(delivery=row, state=state, **values | fields)


def test_the_list_is_filtered_by_receipts(admin: Browser) -> None:
    broadcast = an_ended()
    rows = [a_delivery(broadcast=broadcast, channel="sms", state="SENT") for _ in range(3)]
    a_receipt(rows[0], "DELIVERED")
    a_receipt(rows[1], "UNDELIVERED")
    ReceiptCounts.objects.create(
        broadcast=broadcast, told_at=timezone.now(), counts={"sms": {"DELIVERED": 1, "UNDELIVERED": 1}}
    )

    assert found(admin, list_of(broadcast, receipt="arrived")) == [rows[0]]
    assert found(admin, list_of(broadcast, receipt="missed")) == [rows[1]]
    assert found(admin, list_of(broadcast, receipt="waiting")) == [rows[2]]
    assert "Not delivered (1)" in text_of(admin.get(list_of(broadcast)))
    # Without a broadcast no index would find them.
    everything = reverse("admin:notifier_delivery_changelist", query={"receipt": "missed"})
    assert found(admin, everything) == []


def test_a_messages_page_says_what_the_provider_said(admin: Browser) -> None:
    row = a_delivery(state="SENT")
    page = reverse("admin:notifier_delivery_change", args=[row.pk])
    assert "Waiting for a receipt" not in text_of(admin.get(page))

    a_receipt(row, "BOUNCED", code="5.1.1", delivered_at=timezone.now(), is_proof=True)

    text = text_of(admin.get(page))
    assert "Bounced" in text
    assert "(code 5.1.1)" in text
    assert "that it was delivered. This settled the message." in text
