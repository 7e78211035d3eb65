"""What became of one broadcast: the head of its deliveries, the filters, the export, what to do next, the wall."""

import csv
import io
import logging
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from openpyxl import load_workbook

from notifier.admin.deliveries import results
from notifier.broadcasts import skip_reasons
from notifier.consent import consents
from notifier.consent.consents import Origin
from notifier.delivery import tallies
from notifier.models import Broadcast, Channel, ConsentChange, Delivery, Reason
from tests.notifier.admin.broadcasts.test_broadcast_admin import a_told_broadcast, page_of, poll, text_of
from tests.notifier.admin.conftest import LogIn
from tests.support.factories import a_broadcast, a_client, a_delivery

pytestmark = pytest.mark.both_engines

LIST, EXPORT = "notifier.view_delivery", "notifier.export_delivery"
FULL = "552 5.2.2 mailbox full"


def list_of(broadcast: Broadcast, **filters: str) -> str:
    return results.list_of(broadcast, **filters)


def export_of(kind: str, broadcast: Broadcast | None, **filters: str) -> str:
    owner = {"broadcast__id__exact": str(broadcast.pk)} if broadcast else {}
    return reverse("admin:notifier_delivery_export", args=[kind], query=owner | filters)


def an_ended(**fields: Any) -> Broadcast:
    return a_told_broadcast(state="FINISHED", finished_at=timezone.now(), **fields)


def csv_of(response: Any) -> list[list[str]]:
    return list(csv.reader(io.StringIO(response.getvalue().decode("utf-8-sig"), newline="")))


def found(browser: Browser, address: str) -> list[Delivery]:
    return list(browser.get(address).context["cl"].result_list)


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

    assert f'<a href="{list_of(broadcast).replace("&", "&amp;")}&amp;state__exact=UNKNOWN">3</a>' in text


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
    assert f"LIMIT {skip_reasons.MAX_COUNTED}" in skip_reasons._REASONS


# --- Export -----------------------------------------------------------------------------------------------------------
def test_the_export_has_a_row_for_each_delivery_that_the_list_finds(admin: Browser) -> None:
    broadcast = an_ended()
    client = a_client(name='=HYPERLINK("x")', phone="+12025550123")
    settled_at = timezone.now().replace(microsecond=0)
    for wish, since in ((True, 9), (False, -9), (True, -10)):
        origin = Origin(ConsentChange.Source.STAFF, detail="by phone")
        at = settled_at - timedelta(seconds=since)
        consents.change(client=client, topic=broadcast.topic, wants={Channel.SMS: wish}, origin=origin, now=at)
    agreed = (settled_at - timedelta(seconds=9)).isoformat(sep=" ")
    mail = a_delivery(broadcast=broadcast, client=client, state="FAILED", detail=FULL, settled_at=settled_at)
    a_delivery(broadcast=broadcast, client=client, channel="sms", state="SENT", provider_id="SM1")
    a_delivery(broadcast=an_ended())

    everything = admin.get(export_of("csv", broadcast))
    failed = csv_of(admin.get(export_of("csv", broadcast, state__exact="FAILED")))

    header, *rows = csv_of(everything)
    assert everything["Content-Disposition"] == f'attachment; filename="broadcast-{broadcast.pk}-deliveries.csv"'
    assert everything["Content-Type"] == "text/csv; charset=utf-8"
    assert header == list(results.HEADER)
    moment = settled_at.isoformat(sep=" ")
    name = '\'=HYPERLINK("x")'
    assert rows[0] == [str(client.pk), name, "email", mail.address, "Failed", FULL, "0", moment, "", "", ""]
    assert [row[2:5] + row[8:] for row in rows[1:]] == [
        ["sms", "+12025550123", "Sent", "SM1", agreed, "Staff: by phone"]
    ]
    assert failed == [header, rows[0]]


def test_the_xlsx_holds_the_same(admin: Browser) -> None:
    broadcast = an_ended()
    a_delivery(broadcast=broadcast, client=a_client(phone="+12025550123"), channel="sms", state="SENT")

    response: Any = admin.get(export_of("xlsx", broadcast))

    sheet = load_workbook(io.BytesIO(response.getvalue())).active
    response.close()
    assert sheet is not None
    rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert rows[0] == list(results.HEADER)
    assert rows[1][2:5] == ["sms", "+12025550123", "Sent"]
    assert response["Content-Disposition"].endswith('.xlsx"')


@pytest.mark.parametrize("chunk", [3, 4, 5, 100])
def test_no_row_is_lost_or_doubled_where_one_chunk_ends_and_the_next_begins(db: None, chunk: int) -> None:
    broadcast = an_ended()
    for number in range(8):
        client = a_client()
        for channel in ("email", "sms")[: 1 + number % 2]:
            a_delivery(broadcast=broadcast, client=client, channel=channel, state="SENT")

    with patch.object(results, "CHUNK", chunk):
        exported = [row[:3] for row in results.rows(broadcast.deliveries.all())]

    wanted = broadcast.deliveries.order_by("client_id", "channel").values_list("client_id", "client__name", "channel")
    assert exported == list(wanted)


def test_the_export_reads_no_more_than_it_gives(admin: Browser) -> None:
    broadcast = an_ended()
    for _ in range(12):
        a_delivery(broadcast=broadcast, state="SENT")

    with patch.object(results, "CHUNK", 3), CaptureQueriesContext(connection) as captured:
        next(iter(results.rows(broadcast.deliveries.all())))

    # The topic, the rows, and what their clients agreed to.
    assert len(captured) == 3


def test_a_sheet_that_would_take_too_long_is_refused_with_what_to_do(admin: Browser) -> None:
    broadcast = an_ended()
    for _ in range(3):
        a_delivery(broadcast=broadcast, state="SENT")

    with patch.object(results, "MAX_XLSX", 2):
        page = admin.get(export_of("xlsx", broadcast), follow=True)
        whole = admin.get(export_of("csv", broadcast))

    assert "More than 2 rows are too much for XLSX. Take CSV, or filter the list first." in text_of(page)
    assert page.redirect_chain == [(list_of(broadcast), 302)]
    assert len(csv_of(whole)) == 4


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_exporting_needs_its_own_right_and_that_to_see(staff: LogIn, kind: str) -> None:
    broadcast = an_ended()
    address = export_of(kind, broadcast)

    for permissions in ((), (LIST,), (EXPORT,), (LIST, "notifier.export_client")):
        assert staff(*permissions).get(address).status_code == 403
    assert not staff(LIST).get(list_of(broadcast)).context["exports"]
    browser = staff(LIST, EXPORT)
    assert len(browser.get(list_of(broadcast)).context["exports"]) == 2
    allowed: Any = browser.get(address)
    assert allowed.status_code == 200
    assert allowed.getvalue()
    allowed.close()


def test_an_export_needs_a_broadcast_and_a_kind_that_there_is(admin: Browser) -> None:
    broadcast = an_ended()

    assert admin.get(export_of("pdf", broadcast)).status_code == 404
    assert "Choose a broadcast first" in text_of(admin.get(export_of("csv", None), follow=True))
    page = admin.get(export_of("csv", broadcast, nonsense="1"), follow=True)
    assert "Choose a broadcast first" in text_of(page)


def test_who_exported_what_is_in_the_log_without_any_address(
    admin: Browser, superuser: Any, caplog: pytest.LogCaptureFixture
) -> None:
    row = a_delivery(broadcast=an_ended(), state="SENT")

    with caplog.at_level(logging.INFO, "notifier"):
        admin.get(export_of("csv", row.broadcast, q=str(row.client.email)))

    assert caplog.messages == [f"user {superuser.pk} exports deliveries of broadcast {row.broadcast_id} as csv"]


# --- What next --------------------------------------------------------------------------------------------------------
def steps_of(browser: Browser, broadcast: Broadcast) -> dict[str, str]:
    return {step.name: step.label for step in browser.get(page_of(broadcast)).context["steps"]}


def test_what_has_ended_says_what_to_do_next_with_numbers(admin: Browser) -> None:
    assert steps_of(admin, an_ended()) == {
        "resolve": "Resolve 3 unknown…",
        "retry": "Retry 12 failed…",
        "follow": "Look who of the 30 can still get it…",
        "export": "Export 1,998 deliveries",
    }


@pytest.mark.parametrize(
    ("counts", "tone", "label"),
    [
        ({"SENT": 9, "FAILED": 1}, "primary", "Look whether the one can still get it…"),
        ({"SENT": 9, "SKIPPED": 63}, "secondary", "Look who of the 63 can still get it…"),
        ({"FAILED": 2, "SKIPPED": 61}, "primary", "Look who of the 63 can still get it…"),
    ],
)
def test_the_way_to_those_who_were_missed_stands_out_only_where_some_had_failed(
    admin: Browser, counts: dict[str, int], tone: str, label: str
) -> None:
    broadcast = an_ended(tally={"audience": sum(counts.values()), "counts": {"email": counts}})

    step = next(s for s in admin.get(page_of(broadcast)).context["steps"] if s.name == "follow")

    assert (step.tone, step.label) == (tone, label)


def test_nothing_is_offered_while_it_runs_nor_on_the_wall(admin: Browser) -> None:
    assert steps_of(admin, a_told_broadcast()) == {}
    assert "What next" not in text_of(admin.get(page_of(an_ended()), {"wall": "1"}))


def test_each_step_is_offered_to_those_who_may_take_it(staff: LogIn) -> None:
    broadcast = an_ended()
    see = "notifier.view_broadcast"

    assert steps_of(staff(see), broadcast) == {}
    assert steps_of(staff(see, "notifier.control_broadcast"), broadcast) == {}
    assert list(steps_of(staff(see, "notifier.send_broadcast"), broadcast)) == ["follow"]
    assert list(steps_of(staff(see, LIST, "notifier.resolve_delivery"), broadcast)) == ["resolve", "retry"]
    assert list(steps_of(staff(see, LIST, EXPORT), broadcast)) == ["export"]


def test_an_expired_one_offers_no_retry_and_says_why(admin: Browser) -> None:
    broadcast = an_ended(expires_at=timezone.now())

    page = admin.get(page_of(broadcast))

    assert list(steps_of(admin, broadcast)) == ["resolve", "follow", "export"]
    assert page.context["buttons"] == []
    assert "so nothing of it is retried any more" in text_of(page)


def test_one_that_has_not_expired_yet_is_retried(admin: Browser) -> None:
    broadcast = an_ended(expires_at=timezone.now() + timedelta(hours=1))

    page = admin.get(page_of(broadcast))

    assert "retry" in steps_of(admin, broadcast)
    assert [order.name for order, _ in page.context["buttons"]] == ["retry"]
    assert "so nothing of it is retried any more" not in text_of(page)


def test_a_broadcast_that_everybody_got_says_so(admin: Browser) -> None:
    got = an_ended(tally={"audience": 2, "counts": {"email": {"SENT": 2}}})

    assert steps_of(admin, got) == {"follow": "Send to those who joined since…", "export": "Export 2 deliveries"}
    assert "Everybody in it got it: nothing is left to do." in text_of(admin.get(page_of(got)))


def test_one_that_was_followed_leads_on_and_is_neither_retried_nor_followed_again(admin: Browser) -> None:
    original = an_ended()
    follower = a_told_broadcast(notification=original.notification, follows=original)

    page = admin.get(page_of(original))

    assert list(steps_of(admin, original)) == ["resolve", "export"]
    assert [order.name for order, _ in page.context["buttons"]] == []
    assert page_of(follower) in text_of(page)
    assert page_of(original) in text_of(admin.get(page_of(follower)))


# --- The wall, and what is said aloud ---------------------------------------------------------------------------------
def test_the_wall_has_the_numbers_and_nothing_to_press(admin: Browser) -> None:
    broadcast = a_told_broadcast()

    text = text_of(admin.get(page_of(broadcast), {"wall": "1"}))

    assert "1,198 of 1,998" in text
    assert f'hx-get="{page_of(broadcast)}?wall=1"' in text
    for absent in ('id="menu"', 'class="breadcrumbs"', 'id="controls"', "order-cancel", "all-deliveries"):
        assert absent not in text


def test_a_poll_of_the_wall_brings_nothing_to_press_either(admin: Browser) -> None:
    text = text_of(poll(admin, a_told_broadcast(), wall="1"))

    assert "controls" not in text
    assert "number-retry" not in text


def test_what_is_said_aloud_changes_with_each_tenth_and_is_not_said_twice(admin: Browser) -> None:
    broadcast = a_told_broadcast()
    said = admin.get(page_of(broadcast)).context["said"]

    silent = text_of(poll(admin, broadcast, said=said))
    counts = {"email": {"SENT": 1900, "PENDING": 98}}
    Broadcast.objects.update(tally={"audience": 1998, "counts": counts})
    spoken = text_of(poll(admin, broadcast, said=said))
    Broadcast.objects.update(finished_at=timezone.now() + timedelta(seconds=1), state="FINISHED")
    ended = text_of(poll(admin, broadcast, said="Running: 90 % settled."))

    assert said == "Running: 50 % settled."
    assert 'id="said"' not in silent
    assert '<div id="said" hx-swap-oob="innerHTML">' in spoken
    assert "Running: 90 % settled." in spoken
    assert "Finished: 1,900 sent." in ended


def test_cancelling_says_how_many_never_will_be_sent(admin: Browser) -> None:
    broadcast = a_told_broadcast()

    progress = text_of(admin.get(page_of(broadcast)))
    asked = text_of(admin.get(reverse("admin:notifier_broadcast_order", args=[broadcast.pk, "cancel"])))

    assert '(<span id="number-cancel">800</span> not yet sent)' in progress
    assert "Cancel: 800 not yet sent will never be" in asked


def test_cancelling_names_no_number_before_everybody_was_looked_at(admin: Browser) -> None:
    broadcast = a_told_broadcast()
    Broadcast.objects.update(cursor=10, audience_upto=100)

    progress = text_of(admin.get(page_of(broadcast)))
    asked = text_of(admin.get(reverse("admin:notifier_broadcast_order", args=[broadcast.pk, "cancel"])))

    assert 'id="order-cancel"' in progress
    assert 'id="number-cancel"' not in progress
    # What is polled brings the whole button once there is a number, for a number alone would find no place.
    before = admin.get(page_of(broadcast)).context["controls"]
    assert 'id="number-cancel"' not in text_of(poll(admin, broadcast, controls=before))
    Broadcast.objects.update(cursor=100)
    after = text_of(poll(admin, broadcast, controls=before))
    assert 'id="order-cancel"' in after
    assert 'id="number-cancel"' in after
    assert "How many have not gone out yet is not known: only 10 % of the clients have been looked at." in asked
    assert "Cancel the broadcast" in asked


# --- The list of broadcasts -------------------------------------------------------------------------------------------
def test_the_list_of_broadcasts_leads_to_what_needs_a_look(admin: Browser) -> None:
    broadcast = a_told_broadcast()

    text = text_of(admin.get(reverse("admin:notifier_broadcast_changelist")))

    for state in ("FAILED", "UNKNOWN"):
        assert list_of(broadcast, state__exact=state).replace("&", "&amp;") in text
    assert "59 %" in text


def test_without_broadcasts_the_list_says_where_one_begins(admin: Browser) -> None:
    text = text_of(admin.get(reverse("admin:notifier_broadcast_changelist")))

    assert "A broadcast begins on a notification’s page." in text
    assert reverse("admin:notifier_notification_changelist") in text


# --- The last moment --------------------------------------------------------------------------------------------------
def test_the_broadcast_says_how_many_were_spared_and_who(admin: Browser) -> None:
    broadcast = a_told_broadcast()
    assert "spared" not in admin.get(page_of(broadcast)).content.decode()
    spared = [a_delivery(broadcast=broadcast, state="SKIPPED", detail=Reason.CONSENT_GONE) for _ in range(2)]
    a_delivery(broadcast=broadcast, state="SKIPPED", detail=Reason.SUPPRESSED)
    a_delivery(state="SKIPPED", detail=Reason.CONSENT_GONE)
    tallies.tally(broadcast_id=broadcast.pk, now=timezone.now())

    page = admin.get(page_of(broadcast))

    text = " ".join(page.content.decode().split())
    assert "2 were spared</a>: consent withdrawn after the send began." in text
    listed = admin.get(page.context["spared_url"]).context["cl"].result_list
    assert {row.pk for row in listed} == {row.pk for row in spared}
