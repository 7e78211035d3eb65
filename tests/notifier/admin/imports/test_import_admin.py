"""The way of a file through the pages, and who may go it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from notifier.admin.imports import ownership
from notifier.clients.imports import retention
from notifier.consent import consents
from notifier.models import Channel, Client, ClientImport, ConsentChange, Preference
from tests.notifier.admin.conftest import LogIn
from tests.support import forms
from tests.support.factories import a_client, a_topic
from tests.support.forms import form_of

pytestmark = pytest.mark.both_engines(only_full=True)

FILE = (
    b"Name;E-Mail;Mobile;Listings\nAnn;ann@example.com;;both\nBob;bob@;;sms\nCleo;;+1 202 555 0123;sms\n"
    b"Ann again;ANN@example.com;;\n"
)


def page(name: str, pk: int) -> str:
    return reverse(f"admin:notifier_clientimport_{name}", args=[pk])


def upload(browser: Browser, content: bytes = FILE, name: str = "spring.csv") -> Any:
    return browser.post(reverse("admin:notifier_clientimport_upload"), {"file": SimpleUploadedFile(name, content)})


def agree_to(browser: Browser, address: str, **answers: Any) -> Any:
    """Says how we know, unless the test says otherwise."""
    return forms.agree_to(browser, address, **{"evidence": "signed at the fair"} | answers)


def pending(browser: Browser, content: bytes = FILE) -> ClientImport:
    response = upload(browser, content)
    row = ClientImport.objects.latest("pk")
    assert response.headers["Location"] == page("columns", row.pk)
    return row


def opted_out(now: Any, **fields: Any) -> Client:
    client = a_client(**fields)
    origin = consents.Origin(ConsentChange.Source.STAFF)
    for wish in (True, False):
        consents.change(client=client, topic=a_topic(), wants={Channel.EMAIL: wish}, origin=origin, now=now)
    return client


# --- The way ----------------------------------------------------------------------------------------------------------
def test_a_file_goes_from_its_upload_to_its_import_by_itself(importer: Browser) -> None:
    row = pending(importer)
    columns = importer.get(page("columns", row.pk))
    assert [(column.name, column.chosen, column.samples[0]) for column in columns.context["columns"]] == [
        ("Name", "name", "Ann"),
        ("E-Mail", "email", "ann@example.com"),
        ("Mobile", "phone", "+1 202 555 0123"),
        ("Listings", "listings.both", "both"),
    ]
    chosen = {f"column-{column.number}": column.chosen for column in columns.context["columns"]}
    assert importer.post(page("columns", row.pk), chosen).headers["Location"] == page("preview", row.pk)

    preview = importer.get(page("preview", row.pk))
    assert Client.objects.count() == 0
    assert "Import 2 clients" in preview.content.decode()
    assert [one["line"] for one in preview.context["refused"]] == [3, 5]
    assert "The same e-mail address is already on line 2." in preview.content.decode()
    result = agree_to(importer, page("preview", row.pk), follow=True)

    assert result.redirect_chain == [(page("change", row.pk), 302)]
    assert "Imported: 2 added, 0 changed, 0 unchanged. Rejected: 2 rows." in result.content.decode()
    assert set(Client.objects.values_list("name", flat=True)) == {"Ann", "Cleo"}
    assert Preference.objects.count() == 2


def test_what_is_left_of_a_file_is_the_record_and_the_rows_that_were_not_taken(importer: Browser) -> None:
    row = pending(importer)
    agree_to(importer, page("preview", row.pk))

    row.refresh_from_db()
    written = importer.get(page("failed_rows", row.pk))
    text = b"".join(written).decode("utf-8-sig")

    assert (row.state, bytes(row.content), row.counts["added"], row.counts["failed"]) == ("DONE", b"", 2, 2)
    assert written.headers["Content-Disposition"] == 'attachment; filename="spring - rejected.csv"'
    assert text.splitlines() == [
        "Line,Reason for rejection,Name,E-Mail,Mobile,Listings",
        '3,"An opt-out that can’t be applied, because it is not clear whose it is. Correct the row and import it '
        'again, or turn the consent off on the client’s page. E-Mail: “bob@” is not an e-mail address.",Bob,bob@,,sms',
        "5,E-Mail: The same e-mail address is already on line 2.,Ann again,ANN@example.com,,",
    ]


def test_the_rows_that_can_not_be_taken_can_be_had_before_the_import(importer: Browser) -> None:
    row = pending(importer)

    text = b"".join(importer.get(page("failed_rows", row.pk))).decode("utf-8-sig")

    assert [line[:2] for line in text.splitlines()[1:]] == ["3,", "5,"]
    row.refresh_from_db()
    assert row.state == "UPLOADED"


def test_an_opt_out_that_can_not_be_applied_comes_first_and_is_counted_first(importer: Browser) -> None:
    row = pending(importer, b"name,email,listings\nAnn,x,both\nBob,y,neither\nCleo,cleo@example.com,both\n")
    before = importer.get(page("preview", row.pk))

    agree_to(importer, page("preview", row.pk))
    text = importer.get(page("change", row.pk)).content.decode()

    assert [one["line"] for one in before.context["refused"]] == [3, 2]
    assert before.context["figures"][0] == ("lost", "Opt-outs not applied", 1)
    assert "1 rejected row has an opt-out that can’t be applied" in before.content.decode()
    assert "1 opt-out could not be applied. Imported: 1 added, 0 changed, 0 unchanged. Rejected: 2 rows." in text


def test_a_file_of_which_only_opt_outs_are_applied_can_be_imported(importer: Browser) -> None:
    client = a_client(email="ann@example.com", listings="both")
    row = pending(importer, b"name,email,listings\nAnn,Ann <ann@example.com>,neither\n")
    before = importer.get(page("preview", row.pk))

    agree_to(importer, page("preview", row.pk))

    assert before.context["button"] == "Apply the opt-outs"
    assert "1 client withdraws consent in a rejected row." in before.content.decode()
    assert "disabled>Nothing to import" not in before.content.decode()
    assert list(Preference.objects.filter(client=client).values_list("email", "sms")) == [(False, False)]


def test_columns_that_do_not_go_together_are_told_and_nothing_is_kept(importer: Browser) -> None:
    row = pending(importer)

    response = importer.post(page("columns", row.pk), {"column-0": "name", "column-3": "listings.both"})

    assert "Choose the column with the e-mail address" in response.content.decode()
    row.refresh_from_db()
    assert row.mapping["E-Mail"] == "email"


def test_what_was_chosen_for_a_header_stands_there_again_and_waits_for_staff(importer: Browser) -> None:
    content = b"Wer;Wo;Ja\nAnn;ann@example.com;yes\n"
    row = pending(importer, content)
    chosen = {"column-0": "name", "column-1": "email", "column-2": "listings.email", "region": "SE"}
    importer.post(page("columns", row.pk), chosen)
    agree_to(importer, page("preview", row.pk))

    again = pending(importer, content.replace(b"ann", b"bob"))
    shown = importer.get(page("columns", again.pk))

    assert [column.chosen for column in shown.context["columns"]] == ["name", "email", "listings.email"]
    assert shown.context["region"] == "SE"
    assert "Matched as in the import of spring.csv by" in shown.content.decode()
    assert Client.objects.get().email == "ann@example.com"
    changed = importer.post(page("columns", again.pk), chosen | {"column-2": "", "column-0": "gone"})
    assert "Matched as in the import" not in changed.content.decode()


def test_a_column_that_is_recognised_by_its_values_says_so_until_it_is_changed(importer: Browser) -> None:
    row = pending(importer, b"Name;Emial;Reach on\nAnn;ann@example.com;+1 202 555 0123\n")

    shown = importer.get(page("columns", row.pk))
    changed = importer.post(page("columns", row.pk), {"column-0": "name", "column-2": "phone", "column-1": "name"})

    assert [column.chosen for column in shown.context["columns"]] == ["name", "email", "phone"]
    assert shown.content.decode().count("Recognised by its values") == 2
    assert "Two columns are" in changed.content.decode()
    assert changed.content.decode().count("Recognised by its values") == 1


def test_the_country_of_numbers_without_a_code_is_asked_for(importer: Browser) -> None:
    row = pending(importer, b"Name;Phone\nAnn;070-174 06 05\n")
    shown = " ".join(importer.get(page("columns", row.pk)).content.decode().split())
    chosen = {"column-0": "name", "column-1": "phone"}

    refused = importer.post(page("columns", row.pk), chosen | {"region": "XX"}).content.decode()
    importer.post(page("columns", row.pk), chosen | {"region": "SE"})
    agree_to(importer, page("preview", row.pk))

    assert '<option value="" selected>No country' in shown
    assert "Sweden (+46)" in shown
    assert '<a href="#region">Choose a country from the list.</a>' in refused
    assert 'aria-describedby="region_error"' in refused
    assert str(Client.objects.get().phone) == "+46701740605"


def test_another_country_chosen_in_another_tab_is_shown_before_anything_is_imported(importer: Browser) -> None:
    row = pending(importer, b"Name;Phone\nAnn;070-174 06 05\nBob;+46701740606\n")
    form = form_of(importer.get(page("preview", row.pk)).content.decode())
    importer.post(page("columns", row.pk), {"column-0": "name", "column-1": "phone", "region": "SE"})

    response = importer.post(page("preview", row.pk), form)

    assert "the columns or some of these clients have changed since you opened the page" in response.content.decode()
    assert not Client.objects.exists()


def test_columns_nobody_knows_are_asked_about(importer: Browser) -> None:
    row = pending(importer, b"wer,wo\nAnn,ann@example.com\nBob,bob@\n")

    assert importer.get(page("preview", row.pk)).headers["Location"] == page("columns", row.pk)
    importer.post(page("columns", row.pk), {"column-0": "name", "column-1": "email"})
    agree_to(importer, page("preview", row.pk))

    assert Client.objects.get().email == "ann@example.com"


def test_a_second_press_of_the_button_imports_nothing_more(importer: Browser) -> None:
    row = pending(importer)
    agree_to(importer, page("preview", row.pk))
    Client.objects.update(name="Renamed since")

    again = agree_to(importer, page("preview", row.pk))

    assert again.headers["Location"] == page("change", row.pk)
    assert set(Client.objects.values_list("name", flat=True)) == {"Renamed since"}


def test_a_discarded_file_is_gone(importer: Browser) -> None:
    row = pending(importer)

    importer.post(page("discard", row.pk))

    row.refresh_from_db()
    assert (row.state, bytes(row.content)) == ("DISCARDED", b"")
    assert agree_to(importer, page("preview", row.pk)).status_code == 302
    assert Client.objects.count() == 0
    assert importer.get(page("discard", row.pk)).status_code == 405


def test_a_yes_that_is_left_out_for_an_unreadable_row_is_told_before_and_after(importer: Browser) -> None:
    row = pending(importer, b"Name,E-Mail,Listings e-mail\nAnn,ann@example.com,yes\nAnn,ann@example.com,maybe\n")

    preview = importer.get(page("preview", row.pk)).content.decode()
    result = agree_to(importer, page("preview", row.pk), follow=True).content.decode()

    told = "1 client says yes in one row, and something in another row that can’t be read and may mean no."
    assert told in preview
    assert "because another row can’t be read: Listings by e-mail" in preview
    assert told in result
    assert not Preference.objects.exists()


@pytest.mark.parametrize("may_see", [True, False])
def test_the_clients_of_a_conflict_are_named_and_linked(staff: LogIn, may_see: bool) -> None:
    ann = a_client(name="Ann <b>", email="ann@example.com")
    bob = a_client(name="Bob", phone="+12025550123")
    browser = staff("notifier.import_client", *["notifier.view_client"] * may_see)
    row = pending(browser, b"E-mail,Phone\nann@example.com,+12025550123\n")

    text = browser.get(page("preview", row.pk)).content.decode()

    for client, words in ((ann, f"Ann &lt;b&gt; (client {ann.pk})"), (bob, f"Bob (client {bob.pk})")):
        link = f'<a href="{reverse("admin:notifier_client_change", args=[client.pk])}">{words}</a>'
        assert (link in text) is may_see
        assert words in text
    failed = b"".join(browser.get(page("failed_rows", row.pk))).decode()
    assert f"belongs to Ann <b> (client {ann.pk}), but the phone number belongs to Bob (client {bob.pk})." in failed


# --- Who opted out ----------------------------------------------------------------------------------------------------
AGAIN = b"E-Mail,Listings e-mail\nann@example.com,yes\n"


def test_who_opted_out_is_shown_and_left_out(importer: Browser) -> None:
    client = opted_out(timezone.now(), email="ann@example.com")
    row = pending(importer, AGAIN)

    preview = importer.get(page("preview", row.pk)).content.decode()
    agree_to(importer, page("preview", row.pk))

    assert "1 client opted out before." in preview
    assert "stays off: Listings by e-mail" in preview
    assert not Preference.objects.get(client=client).email
    assert "resubscribe" not in preview


def test_a_file_that_adds_a_consent_needs_to_say_how_we_know(importer: Browser) -> None:
    row = pending(importer)

    refused = agree_to(importer, page("preview", row.pk), evidence=" ")

    assert refused.context["form"].errors == {
        "evidence": ["Say how we know that they agreed. It is recorded with the consent."]
    }
    assert not Client.objects.exists()

    assert agree_to(importer, page("preview", row.pk)).status_code == 302
    assert {change.detail for change in ConsentChange.objects.all()} == {"spring.csv: signed at the fair"}


def test_a_file_that_only_takes_consent_away_needs_no_evidence(importer: Browser) -> None:
    a_client(email="ann@example.com", listings="email")
    row = pending(importer, b"E-Mail;Listings\nann@example.com;no\n")

    shown = importer.get(page("preview", row.pk)).content.decode()
    done = agree_to(importer, page("preview", row.pk), evidence="")

    assert "How do we know?" not in shown
    assert done.status_code == 302
    assert [change.agreed for change in ConsentChange.objects.all()] == [False]


def test_subscribing_again_takes_the_right_and_a_reason(staff: LogIn) -> None:
    client = opted_out(timezone.now(), email="ann@example.com")
    browser = staff("notifier.import_client", "notifier.resubscribe_client")
    row = pending(browser, AGAIN)
    assert "Subscribe this client again" in browser.get(page("preview", row.pk)).content.decode()

    without = agree_to(browser, page("preview", row.pk), resubscribe="on", reason=" ")
    assert "Say why they are subscribed again" in without.content.decode()
    assert not Preference.objects.get(client=client).email
    agree_to(browser, page("preview", row.pk), resubscribe="on", reason="signed the form")

    row.refresh_from_db()
    assert Preference.objects.get(client=client).email
    assert ConsentChange.objects.latest("pk").detail == "spring.csv: signed the form"
    assert (row.resubscribes, row.reason) == (True, "signed the form")


def test_without_the_right_a_forged_form_subscribes_nobody(importer: Browser) -> None:
    client = opted_out(timezone.now(), email="ann@example.com")
    row = pending(importer, AGAIN)

    response = agree_to(importer, page("preview", row.pk), resubscribe="on", reason="because I can")

    assert response.status_code == 403
    assert not Preference.objects.get(client=client).email


# --- Rights -----------------------------------------------------------------------------------------------------------
STEPS = ("columns", "preview", "failed_rows")


def test_without_the_right_there_is_no_way_in(staff: LogIn, admin: Browser) -> None:
    row = pending(admin)
    browser = staff("notifier.view_client", "notifier.change_client", "notifier.add_client", "notifier.export_client")

    assert browser.get(reverse("admin:notifier_clientimport_upload")).status_code == 403
    assert upload(browser).status_code == 403
    assert {browser.get(page(step, row.pk)).status_code for step in STEPS} == {403}
    assert {browser.post(page(step, row.pk)).status_code for step in (*STEPS, "discard")} == {403}
    assert "import-clients" not in browser.get(reverse("admin:notifier_client_changelist")).content.decode()
    assert ClientImport.objects.count() == 1


def test_the_file_of_somebody_else_is_nobodys_business(staff: LogIn) -> None:
    row = pending(staff("notifier.import_client"))
    other = staff("notifier.import_client")

    assert {other.get(page(step, row.pk)).status_code for step in STEPS} == {403}
    assert {other.post(page(step, row.pk)).status_code for step in ("preview", "discard")} == {403}
    assert "ann@example.com" not in other.get(page("change", row.pk)).content.decode()
    assert Client.objects.count() == 0


def test_who_may_look_sees_the_record_and_no_row_of_it(staff: LogIn, admin: Browser) -> None:
    row = pending(admin)
    agree_to(admin, page("preview", row.pk))
    auditor = staff("notifier.view_clientimport")

    seen = auditor.get(page("change", row.pk)).content.decode()

    assert "spring.csv" in auditor.get(reverse("admin:notifier_clientimport_changelist")).content.decode()
    assert "New clients" in seen
    assert page("failed_rows", row.pk) not in seen
    assert auditor.get(page("failed_rows", row.pk)).status_code == 403


# --- Cost and keeping -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("step", "most"), [("columns", 11), ("preview", 41)])
def test_a_page_takes_as_many_queries_for_many_rows_as_for_few(importer: Browser, step: str, most: int) -> None:
    def queries(rows: int) -> int:
        text = "name,email,listings\n" + "".join(f"A,{rows}.{number}@example.com,both\n" for number in range(rows))
        row = pending(importer, text.encode())
        with CaptureQueriesContext(connection) as captured:
            assert importer.get(page(step, row.pk)).status_code == 200
        return len(captured)

    few, many = queries(3), queries(300)

    assert few == many <= most


def test_what_has_been_kept_for_long_enough_is_emptied(importer: Browser) -> None:
    forgotten, done, fresh = (pending(importer) for _ in range(3))
    agree_to(importer, page("preview", done.pk))
    now = timezone.now()
    ClientImport.objects.filter(pk=forgotten.pk).update(created_at=now - retention.KEEP_UPLOADED - timedelta(minutes=1))
    ClientImport.objects.filter(pk=done.pk).update(finished_at=now - retention.KEEP_FAILED_ROWS - timedelta(minutes=1))

    importer.get(reverse("admin:notifier_clientimport_upload"))

    for row in (forgotten, done, fresh):
        row.refresh_from_db()
    assert (forgotten.state, bytes(forgotten.content)) == ("DISCARDED", b"")
    assert (done.state, done.failed_rows, done.counts["added"]) == ("DONE", "", 2)
    assert fresh.state == "UPLOADED"
    assert b"ann@example.com" in bytes(fresh.content)
    assert importer.get(page("failed_rows", done.pk)).status_code == 404


# --- Letters and sheets -----------------------------------------------------------------------------------------------
def test_the_page_asks_for_the_encoding_and_shows_how_each_reads(importer: Browser) -> None:
    row = pending(importer, "Name;E-Mail;Stra\u00dfe\nFran\u00e7ois;f@example.com;x\n".encode("mac_roman"))
    shown = importer.get(page("columns", row.pk)).content.decode()
    assert "Western European (old Mac): Straße, François" in shown

    again = importer.post(page("columns", row.pk), {"encoding": "mac_roman"}, follow=True)
    # The same page once more, and it says why.
    assert "The text is now read as Western European (old Mac)." in again.content.decode()
    chosen = {f"column-{column.number}": column.chosen for column in again.context["columns"]}
    assert [column.name for column in again.context["columns"]] == ["Name", "E-Mail", "Straße"]
    importer.post(page("columns", row.pk), {**chosen, "encoding": "mac_roman"})
    agree_to(importer, page("preview", row.pk))

    assert Client.objects.get().name == "François"


def test_without_an_encoding_nothing_is_imported(importer: Browser) -> None:
    row = pending(importer, "Name;E-Mail\nFran\u00e7ois;f@example.com\n".encode("mac_roman"))

    response = importer.post(page("preview", row.pk), {}, follow=True)

    assert "Choose the text encoding of the file." in response.content.decode()
    assert not Client.objects.exists()


def test_what_windows_wrote_is_read_so_and_may_be_read_otherwise(importer: Browser) -> None:
    row = pending(importer, "Name;E-Mail\nIşık;i@example.com\n".encode("cp1254"))

    shown = importer.get(page("columns", row.pk))
    importer.post(page("columns", row.pk), {"encoding": "cp1254"})
    agree_to(importer, page("preview", row.pk))

    assert shown.context["encoding"] == "cp1252"
    assert Client.objects.get().name == "Işık"


def test_a_workbook_is_unpacked_once(importer: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    content = (Path(__file__).parents[2] / "clients/imports/cases/pg_x3_hidden_first_sheet.xlsx").read_bytes()
    row = pending(importer, content)
    monkeypatch.setattr("notifier.files.workbook.opened", lambda *_: pytest.fail("was unpacked again"))

    columns = importer.get(page("columns", row.pk)).content.decode()
    assert importer.get(page("preview", row.pk)).context["takes"] == 1
    agree_to(importer, page("preview", row.pk))

    assert "sheet “Clients”; 1 hidden sheet is not read" in columns
    assert Client.objects.count() == 1


# --- Since the preview was shown --------------------------------------------------------------------------------------
def test_what_a_second_tab_mapped_otherwise_is_shown_before_it_is_imported(importer: Browser) -> None:
    row = pending(importer, b"Name,Second name,E-Mail\nAnn,Zoe,ann@example.com\n")
    importer.post(page("columns", row.pk), {"column-0": "name", "column-2": "email"})
    form = form_of(importer.get(page("preview", row.pk)).content.decode())
    importer.post(page("columns", row.pk), {"column-1": "name", "column-2": "email"})

    shown = importer.post(page("preview", row.pk), form)

    assert not Client.objects.exists()
    assert "Nothing was imported: the columns or some of these clients have changed" in shown.content.decode()
    importer.post(page("preview", row.pk), form_of(shown.content.decode()))
    assert Client.objects.get().name == "Zoe"


def test_clients_that_were_changed_since_are_shown_again(importer: Browser) -> None:
    client = a_client(name="Ann", email="ann@example.com", phone=None)
    row = pending(importer)
    form = form_of(importer.get(page("preview", row.pk)).content.decode())
    Client.objects.filter(pk=client.pk).update(name="Ann Married")

    shown = importer.post(page("preview", row.pk), form)

    assert "Nothing was imported" in shown.content.decode()
    assert Client.objects.get().name == "Ann Married"
    row.refresh_from_db()
    assert row.state == "UPLOADED"


def test_nobody_is_subscribed_again_who_was_not_among_those_shown(staff: LogIn, now: Any) -> None:
    importer = staff("notifier.import_client", "notifier.resubscribe_client")
    client = opted_out(now, email="ann@example.com")
    other = a_client(email="bob@example.com")
    row = pending(importer, b"Name,E-Mail,Listings\nAnn,ann@example.com,e-mail\nBob,bob@example.com,e-mail\n")
    form = form_of(importer.get(page("preview", row.pk)).content.decode())
    again = {"resubscribe": "on", "reason": "signed at the fair"}
    origin = consents.Origin(ConsentChange.Source.STAFF)
    for wish in (True, False):
        consents.change(client=other, topic=a_topic(), wants={Channel.EMAIL: wish}, origin=origin, now=now)

    shown = importer.post(page("preview", row.pk), form | again)

    assert not Preference.objects.filter(email=True).exists()
    assert form_of(shown.content.decode())["reason"] == ["signed at the fair"]
    importer.post(page("preview", row.pk), form_of(shown.content.decode()))
    assert set(Preference.objects.filter(email=True).values_list("client", flat=True)) == {client.pk, other.pk}


def test_a_file_that_was_imported_in_the_same_moment_is_not_discarded(
    importer: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = pending(importer)
    before = ClientImport.objects.get(pk=row.pk)
    agree_to(importer, page("preview", row.pk))
    monkeypatch.setattr(ownership, "get_pending", lambda request, pk: before)

    assert importer.post(page("discard", row.pk)).headers["Location"] == page("change", row.pk)

    row.refresh_from_db()
    assert row.state == "DONE"
