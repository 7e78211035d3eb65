"""Clients as a file: who may have it, which of them are in it, and that it can be imported again."""

import csv
import io
from typing import Any

import openpyxl
import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client as Browser
from django.urls import reverse

from notifier.files.reader import open_table
from notifier.models import Client, ClientImport, ConsentChange, Preference, Suppression
from tests.notifier.admin.conftest import LogIn
from tests.support.factories import a_client
from tests.support.forms import agree_to, form_of

pytestmark = pytest.mark.both_engines


def export(browser: Browser, kind: str = "csv", **query: str) -> Any:
    return agree_to(browser, reverse("admin:notifier_client_export", query=query or {"list": ""}), kind=kind)


def content(response: Any) -> bytes:
    return b"".join(response.streaming_content)


def rows_of(response: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content(response).decode("utf-8-sig"), newline="")))


def test_a_client_is_exported_with_what_they_agreed_to(admin: Browser) -> None:
    client = a_client(name="Ann", email="ann@example.com", phone="+12025550123", listings="email", offerings="both")
    Suppression.objects.create(channel="email", address="ann@example.com", reason="550 nobody", source="BOUNCE")

    response = export(admin)
    row = rows_of(response)[0]

    assert response.headers["Content-Disposition"].startswith('attachment; filename="clients-20')
    assert row.pop("Client since").startswith(str(client.created_at.year))
    assert row == {
        "Client number": str(client.pk),
        "Name": "Ann",
        "First name": "",
        "Last name": "",
        "E-mail": "ann@example.com",
        "Phone": "+12025550123",
        "Language": "",
        "Time zone": "",
        "Listings e-mail": "yes",
        "Listings SMS": "no",
        "Offerings e-mail": "yes",
        "Offerings SMS": "yes",
        "Client status": "active",
        "Suppressed": "e-mail: Bounce",
    }


def test_the_same_as_a_workbook(admin: Browser) -> None:
    a_client(name="=1+1", email="ann@example.com", phone=None)

    sheet = openpyxl.load_workbook(io.BytesIO(content(export(admin, "xlsx")))).active

    assert sheet is not None
    assert [cell.value for cell in sheet[2]][1:6] == ["'=1+1", None, None, "ann@example.com", None]
    assert sheet["B2"].data_type == "s"


def test_no_name_becomes_a_formula(admin: Browser) -> None:
    for number, name in enumerate(["=cmd()", "+1+1", "-1", "@SUM(A1)", "\t=1"]):
        a_client(name=name, email=f"a{number}@example.com", phone=None)

    assert {row["Name"][0] for row in rows_of(export(admin))} == {"'"}


def test_the_filters_of_the_list_and_its_search_hold(admin: Browser) -> None:
    a_client(name="Ann Example", listings="email")
    a_client(name="Ann Other")
    a_client(name="Bob Example", listings="email", is_active=False)

    def names(listed: str) -> list[str]:
        return [row["Name"] for row in rows_of(export(admin, list=listed))]

    assert names("q=ann") == ["Ann Example", "Ann Other"]
    assert names("wants=listings.email&state=active") == ["Ann Example"]
    assert names("state=archived") == ["Bob Example"]


def test_those_that_were_ticked_are_exported(admin: Browser) -> None:
    ann, _, cleo = (a_client(name=name) for name in ("Ann", "Bob", "Cleo"))
    action = {"action": "export_selected", "_selected_action": [ann.pk, cleo.pk], "index": 0}

    asked = admin.post(reverse("admin:notifier_client_changelist"), action)
    response = agree_to(admin, asked.headers["Location"], kind="csv")

    assert "2 clients that you selected" in admin.get(asked.headers["Location"]).content.decode()
    assert [row["Name"] for row in rows_of(response)] == ["Ann", "Cleo"]


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_importing_an_export_changes_nothing(admin: Browser, kind: str) -> None:
    a_client(name="=1+1", listings="both")
    a_client(name="'=1+1", phone=None, offerings="sms")
    a_client(name="Zoë “Zo” Müller; or, Zoe", email=None, listings="neither")
    Client.objects.filter(pk=a_client(name="Archived", is_active=False).pk).update(time_zone="Asia/Tokyo")
    a_client(first_name="Gabriela", last_name="García Márquez")
    a_client(first_name="Teller", name="")
    a_client(last_name="=2+2", name="")
    a_client(name="Moss, Mrs Fay")
    before = list(Client.objects.order_by("pk").values()), list(Preference.objects.order_by("pk").values())
    file = SimpleUploadedFile(f"clients.{kind}", content(export(admin, kind)))

    admin.post(reverse("admin:notifier_clientimport_upload"), {"file": file})
    row = ClientImport.objects.get()
    agree_to(admin, reverse("admin:notifier_clientimport_preview", args=[row.pk]))

    row.refresh_from_db()
    assert (row.state, row.counts["unchanged"], row.counts["rows"]) == ("DONE", 8, 8)
    assert (list(Client.objects.order_by("pk").values()), list(Preference.objects.order_by("pk").values())) == before
    assert not ConsentChange.objects.exists()
    assert Client.history.count() == 8


def test_who_was_erased_is_not_in_it(admin: Browser) -> None:
    client = a_client()
    Client.objects.filter(pk=client.pk).update(name="", email=None, phone=None, erased_at=client.created_at)

    assert rows_of(export(admin)) == []


def test_an_export_is_in_the_record(admin: Browser) -> None:
    export(admin, list="state=active&q=ann@example.com")
    export(admin, "xlsx").getvalue()
    client = a_client()
    export(admin, ids=str(client.pk))

    assert {entry.user.get_username() for entry in LogEntry.objects.all()} == {"root"}
    # What was searched for may be an address, and would outlive an erasure.
    assert [entry.change_message for entry in LogEntry.objects.order_by("pk")] == [
        "Exported clients as CSV: state=active, what a search found.",
        "Exported clients as XLSX: all.",
        f"Exported clients as CSV: selected {client.pk}.",
    ]


def test_the_page_tells_who_exported_lately(admin: Browser, staff: LogIn) -> None:
    for _ in range(6):
        export(admin, list="state=active")
    export(admin)

    page = staff("notifier.view_client", "notifier.export_client").get(
        reverse("admin:notifier_client_export", query={"list": ""})
    )

    text = page.content.decode()
    assert "Recent exports" in text
    assert text.count("Exported clients as CSV: all.") == 1
    assert text.count("Exported clients as CSV: state=active.") == 4
    assert text.count("<td>root</td>") == 5


def test_the_right_to_export_is_a_right_of_its_own(staff: LogIn) -> None:
    browser = staff("notifier.view_client", "notifier.change_client", "notifier.import_client")

    assert export(browser).status_code == 403
    assert browser.get(reverse("admin:notifier_client_export", query={"list": ""})).status_code == 403
    seen = browser.get(reverse("admin:notifier_client_changelist")).content.decode()
    assert "export-clients" not in seen
    assert "export_selected" not in seen
    assert export(staff("notifier.view_client", "notifier.export_client")).status_code == 200


def test_a_page_that_is_only_opened_exports_nothing(admin: Browser) -> None:
    a_client(name="Ann")

    page = admin.get(reverse("admin:notifier_client_export", query={"list": ""}))
    nonsense = export(admin, "exe")

    assert "1 client: everyone in this list." in page.content.decode()
    assert nonsense.headers["Content-Type"].startswith("text/html")
    assert admin.get(reverse("admin:notifier_client_export")).status_code == 302
    assert not LogEntry.objects.exists()


def test_an_export_reads_a_few_thousand_rows_at_a_time(
    admin: Browser, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: Any
) -> None:
    monkeypatch.setattr("notifier.clients.export.CHUNK", 10)
    for number in range(25):
        a_client(name=f"Client {number:02}", listings="both")

    url = reverse("admin:notifier_client_export", query={"list": ""})
    form = form_of(admin.get(url).content.decode())

    with django_assert_max_num_queries(26):
        rows = rows_of(admin.post(url, form))

    assert [row["Name"] for row in rows] == [f"Client {number:02}" for number in range(25)]
    assert {row["Listings SMS"] for row in rows} == {"yes"}


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
@pytest.mark.parametrize("email", ["'=y@example.com", "=y@example.com", "''+y@example.com"])
def test_an_address_like_a_formula_survives_an_export_and_an_import(admin: Browser, kind: str, email: str) -> None:
    """Otherwise the row would be another person's, who may not have agreed to anything."""
    a_client(name="Ann", email=email)

    table = open_table(io.BytesIO(content(export(admin, kind))))

    assert [row.cells[table.header.index("E-mail")] for row in table.rows()] == [email]


def test_who_joined_since_the_page_was_shown_is_asked_about_first(admin: Browser) -> None:
    url = reverse("admin:notifier_client_export", query={"list": ""})
    a_client()
    form = form_of(admin.get(url).content.decode())
    a_client()

    page = admin.post(url, form)

    assert "Nothing was exported" in page.content.decode()
    assert "2 clients: everyone in this list." in page.content.decode()
    assert not LogEntry.objects.exists()
    assert len(rows_of(admin.post(url, form_of(page.content.decode())))) == 2
