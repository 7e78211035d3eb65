"""A broadcast's deliveries as a file."""

import csv
import io
import logging
import re
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

from notifier.admin.deliveries import export
from notifier.clients import export as clients_export
from notifier.consent import consents
from notifier.consent.consents import Origin
from notifier.models import Broadcast, Channel, ConsentChange, Receipt
from tests.notifier.admin.broadcasts.test_broadcast_admin import text_of
from tests.notifier.admin.conftest import LogIn
from tests.notifier.admin.deliveries.test_results import an_ended, list_of
from tests.support.factories import a_client, a_delivery

pytestmark = pytest.mark.both_engines

LIST, EXPORT = "notifier.view_delivery", "notifier.export_delivery"
FULL = "552 5.2.2 mailbox full"


def export_of(kind: str, broadcast: Broadcast | None, **filters: str) -> str:
    owner = {"broadcast__id__exact": str(broadcast.pk)} if broadcast else {}
    return reverse("admin:notifier_delivery_export", args=[kind], query=owner | filters)


def csv_of(response: Any) -> list[list[str]]:
    return list(csv.reader(io.StringIO(response.getvalue().decode("utf-8-sig"), newline="")))


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
    sms = a_delivery(broadcast=broadcast, client=client, channel="sms", state="SENT", provider_id="SM1")
    a_delivery(broadcast=an_ended())
    told = {"state": "UNDELIVERED", "at": settled_at, "code": "30005", "provider": "twilio"}
    Receipt.objects.create(delivery=sms, broadcast=broadcast, channel="sms", **told)

    everything = admin.get(export_of("csv", broadcast))
    failed = csv_of(admin.get(export_of("csv", broadcast, state__exact="FAILED")))

    header, *rows = csv_of(everything)
    assert everything["Content-Disposition"] == f'attachment; filename="broadcast-{broadcast.pk}-messages.csv"'
    assert everything["Content-Type"] == "text/csv; charset=utf-8"
    assert header == list(export.HEADER)
    moment = settled_at.isoformat(sep=" ")
    name = '\'=HYPERLINK("x")'
    assert rows[0] == [str(client.pk), name, "email", mail.address, "Failed", FULL, "0", moment, *[""] * 6]
    assert [row[2:5] + row[8:] for row in rows[1:]] == [
        ["sms", "+12025550123", "Sent", "SM1", agreed, "Staff: by phone", "Undelivered", moment, "30005"]
    ]
    assert failed == [header, rows[0]]


def test_who_took_addresses_out_is_on_record_for_staff(admin: Browser, staff: LogIn) -> None:
    broadcast, other = an_ended(), an_ended()
    admin.get(export_of("csv", broadcast)).getvalue()
    admin.get(export_of("xlsx", broadcast, state__exact="FAILED", q="ann@example.com")).getvalue()
    refused = staff(LIST).get(export_of("csv", broadcast))

    reader = staff(LIST, "notifier.view_broadcast")
    listed = text_of(reader.get(list_of(broadcast)))
    pages = [reverse("admin:notifier_broadcast_history", args=[one.pk]) for one in (broadcast, other)]
    shown, of_other = (text_of(reader.get(page)) for page in pages)

    assert refused.status_code == 403
    assert f'href="{pages[0]}"' in listed
    assert shown.count("Exported messages as") == 2
    assert "Exported messages as CSV." in shown
    assert "Exported messages as XLSX, of which state__exact=FAILED, what a search found." in shown
    assert "root" in shown
    # It would outlive an erasure.
    assert "ann@example.com" not in shown
    assert "Exported" not in of_other


def test_the_xlsx_holds_the_same(admin: Browser) -> None:
    broadcast = an_ended()
    a_delivery(broadcast=broadcast, client=a_client(phone="+12025550123"), channel="sms", state="SENT")

    response: Any = admin.get(export_of("xlsx", broadcast))

    sheet = load_workbook(io.BytesIO(response.getvalue())).active
    response.close()
    assert sheet is not None
    rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert rows[0] == list(export.HEADER)
    assert rows[1][2:5] == ["sms", "+12025550123", "Sent"]
    assert response["Content-Disposition"].endswith('.xlsx"')


@pytest.mark.parametrize("chunk", [3, 4, 5, 100])
def test_no_row_is_lost_or_doubled_where_one_chunk_ends_and_the_next_begins(db: None, chunk: int) -> None:
    broadcast = an_ended()
    for number in range(8):
        client = a_client()
        for channel in ("email", "sms")[: 1 + number % 2]:
            a_delivery(broadcast=broadcast, client=client, channel=channel, state="SENT")

    with patch.object(export, "CHUNK", chunk):
        exported = [row[:3] for row in export.rows(broadcast.deliveries.all())]

    wanted = broadcast.deliveries.order_by("client_id", "channel").values_list("client_id", "client__name", "channel")
    assert exported == list(wanted)


def test_the_export_reads_no_more_than_it_gives(admin: Browser) -> None:
    broadcast = an_ended()
    for _ in range(12):
        a_delivery(broadcast=broadcast, state="SENT")

    with patch.object(export, "CHUNK", 3), CaptureQueriesContext(connection) as captured:
        next(iter(export.rows(broadcast.deliveries.all())))

    # The topic, the rows, and what their clients agreed to.
    assert len(captured) == 3


def test_a_sheet_that_would_take_too_long_is_refused_with_what_to_do(admin: Browser) -> None:
    broadcast = an_ended()
    for _ in range(3):
        a_delivery(broadcast=broadcast, state="SENT")

    with patch.object(export, "MAX_XLSX", 2):
        page = admin.get(export_of("xlsx", broadcast), follow=True)
        whole = admin.get(export_of("csv", broadcast))

    assert "More than 2 rows are too many for XLSX. Choose CSV, or filter the list first." in text_of(page)
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
    assert "Nothing was exported: the list has no such filter" in text_of(page)
    assert page.context["owner"] == broadcast


def test_who_exported_what_is_in_the_log_without_any_address(
    admin: Browser, superuser: Any, caplog: pytest.LogCaptureFixture
) -> None:
    row = a_delivery(broadcast=an_ended(), state="SENT")

    with caplog.at_level(logging.INFO, "notifier"):
        admin.get(export_of("csv", row.broadcast, q=str(row.client.email)))

    assert caplog.messages == [f"user {superuser.pk} exports deliveries of broadcast {row.broadcast_id} as csv"]


def test_the_headers_of_exports_are_in_the_words_of_the_screens() -> None:
    for name in (*export.HEADER, *clients_export.LEADING_COLUMNS, *clients_export.TRAILING_COLUMNS):
        assert not re.search(r"\b(?:state|delivery|email|id)\b", name, re.IGNORECASE) or name == "Provider ID"
        assert name[0].isupper()
