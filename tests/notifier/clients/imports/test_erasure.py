from datetime import datetime
from io import BytesIO
from typing import Any

import pytest

from notifier.clients.imports import uploads
from notifier.clients.imports.erasure import erase_rows
from notifier.files import spreadsheets
from notifier.models import Channel, ClientImport
from tests.support.factories import a_user

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

HEADER = ["Name", "E-mail", "Phone", "Listings"]
OTHER = ["Cleo", "cleo@example.com", "+12025550143", "both"]
ADDRESSES = [(Channel.EMAIL, "ann@example.com"), (Channel.SMS, "+442071838750")]


def an_upload(now: datetime, *rows: list[str], header: list[str] = HEADER) -> ClientImport:
    lines = "\n".join(";".join(row) for row in [header, *rows])
    return uploads.upload(file=BytesIO(lines.encode()), name="clients.csv", by=a_user(), now=now)


def left_of(upload: ClientImport) -> list[list[str]]:
    upload.refresh_from_db()
    return [row.cells for row in uploads.table_of(upload).rows()] if upload.content else []


@pytest.mark.parametrize(
    "named",
    [
        ["Ann", "ann@example.com"],
        ["Ann", "ANN@Example.com"],
        ["Ann", "Ann Example <ann@example.com>"],
        ["mailto:ann@example.com", "", "x"],
        ["Ann", "", "+44 20 7183 8750"],
        ["Ann", "", "(020) 7183-8750"],
        ["Ann", "", "0207 183 8750 in the evening"],
    ],
)
def test_a_row_that_names_one_of_the_addresses_goes(now: datetime, settings: Any, named: list[str]) -> None:
    settings.PHONE_DEFAULT_REGION = "GB"
    upload = an_upload(now, named, OTHER)

    erase_rows(addresses=ADDRESSES, now=now)

    assert left_of(upload) == [OTHER]
    assert upload.state == "UPLOADED"
    assert uploads.plan(pending=upload, shown=5).counts["added"] == 1


@pytest.mark.parametrize(
    "spelling", ["bob@xn--bcher-kva.example", "Bob <BOB@bu\u0308cher.example>", "bob@bü\u00adcher.example"]
)
def test_an_address_in_another_spelling_is_named_as_well(now: datetime, spelling: str) -> None:
    upload = an_upload(now, ["Bob", spelling], OTHER)

    erase_rows(addresses=[(Channel.EMAIL, "bob@bücher.example")], now=now)

    assert left_of(upload) == [OTHER]


@pytest.mark.parametrize(
    "other",
    [
        ["Joann", "joann@example.com"],
        ["Ann", "ann@example.com.au"],
        ["Ann", "not-ann@example.com"],
        ["Ann", "", "+12137838750"],
        ["Ann Example", "", "", "both"],
    ],
)
def test_a_row_that_names_somebody_else_stays_as_it_came(now: datetime, other: list[str]) -> None:
    upload = an_upload(now, other, OTHER)
    before = bytes(upload.content)

    erase_rows(addresses=ADDRESSES, now=now)

    upload.refresh_from_db()
    assert bytes(upload.content) == before


def test_a_file_with_no_row_left_is_discarded(now: datetime) -> None:
    upload = an_upload(now, ["Ann", "ann@example.com"])

    erase_rows(addresses=ADDRESSES, now=now)

    assert left_of(upload) == []
    assert (upload.state, upload.finished_at) == ("DISCARDED", now)


def test_a_file_without_a_header_does_not_keep_its_first_row_as_one(now: datetime) -> None:
    upload = an_upload(now, OTHER, header=["Ann", "ann@example.com"])

    erase_rows(addresses=ADDRESSES, now=now)

    assert left_of(upload) == []
    assert upload.mapping == {}


def test_a_workbook_loses_its_row_too(now: datetime) -> None:
    file = BytesIO()
    spreadsheets.write_xlsx(
        HEADER, [["Ann", "ann@example.com", "", "both"], OTHER, ["=Dora", "dora@example.com"]], file
    )
    upload = uploads.upload(file=file, name="clients.xlsx", by=a_user(), now=now)

    erase_rows(addresses=ADDRESSES, now=now)

    assert left_of(upload) == [OTHER, ["=Dora", "dora@example.com"]]


def test_nothing_is_left_of_the_rows_that_were_not_taken(now: datetime) -> None:
    done = ClientImport.objects.create(
        file_name="x", content=b"", state="DONE", failed_rows="\ufeffLine,E-mail\r\n2,ann@example.com\r\n"
    )

    erase_rows(addresses=ADDRESSES, now=now)

    done.refresh_from_db()
    assert (done.state, done.failed_rows) == ("DONE", "")


def test_a_file_whose_encoding_was_chosen_keeps_it(now: datetime) -> None:
    content = "Name;E-mail\nFrançois;f@example.com\nAnn;ann@example.com\n".encode("mac_roman")
    upload = uploads.upload(file=BytesIO(content), name="clients.csv", by=a_user(), now=now)
    uploads.set_encoding(pending=upload, encoding="mac_roman")

    erase_rows(addresses=ADDRESSES, now=now)

    assert left_of(upload) == [["François", "f@example.com"]]
    assert [row.line for row in uploads.table_of(upload).rows()] == [2]
