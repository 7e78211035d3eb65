import csv
import io
from datetime import date
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test.utils import override_settings

from notifier.clients.imports import writing
from notifier.fields import definitions, tags, values
from notifier.models import Client, ClientImport, ConsentChange, Preference, ValueChange
from tests.support.factories import a_client, a_field, a_topic, a_user

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

GOOD = "name;email;listings\nAnn;ann@example.com;both\nBob;bob@example.com;sms\n"


@pytest.fixture(autouse=True)
def _first_topics(db: None) -> None:
    """A test that empties the tables, run before, takes those of the migration with it."""
    a_topic(slug="listings")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "clients.csv"


EVIDENCE = ("--evidence", "signed at the fair")


def run(*argv: object) -> str:
    said = io.StringIO()
    call_command("import_clients", *(str(part) for part in (*EVIDENCE, *argv)), stdout=said, stderr=io.StringIO())
    return said.getvalue()


def run_with_some_left(*argv: object) -> str:
    said = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("import_clients", *(str(part) for part in (*EVIDENCE, *argv)), stdout=said, stderr=io.StringIO())
    assert ended.value.code == 1
    return said.getvalue()


def refused(*argv: object) -> CommandError:
    with pytest.raises(CommandError) as caught:
        run(*argv)
    return caught.value


def test_it_imports_what_the_page_would_and_leaves_the_same_record(file: Path) -> None:
    user = a_user("notifier.import_client", username="eve")
    file.write_text(GOOD)

    said = run(file, "--user", "eve")

    row = ClientImport.objects.get()
    assert said.startswith("Imported. It has 2 added, 0 changed, 0 unchanged, 0 rejected: 2 rows in ")
    assert set(Client.objects.values_list("name", flat=True)) == {"Ann", "Bob"}
    assert (row.state, row.file_name, row.created_by, row.counts["added"]) == ("DONE", "clients.csv", user, 2)
    assert bytes(row.content) == b""
    assert row.finished_at is not None
    assert {change.by for change in ConsentChange.objects.all()} == {user}
    assert not file.with_suffix(".failed.csv").exists()


def test_what_adds_a_consent_needs_to_say_how_we_know(file: Path) -> None:
    file.write_text(GOOD)

    assert "Say how we know that they agreed" in str(refused(file, "--evidence", " "))
    assert not Client.objects.exists()
    assert run(file, "--evidence", "", "--dry-run").startswith("Dry run: nothing was imported.")

    run(file)
    assert {change.detail for change in ConsentChange.objects.all()} == {"clients.csv: signed at the fair"}

    file.write_text(GOOD.replace("both", "no").replace(";sms", ";no"))
    assert run(file, "--evidence", "").startswith("Imported. It has 0 added, 2 changed")
    assert {change.detail for change in ConsentChange.objects.filter(agreed=False)} == {"clients.csv"}


def test_rows_that_can_not_be_taken_go_into_a_file_and_the_others_are_taken(file: Path) -> None:
    file.write_text(f"{GOOD}Cleo;cleo@;both\n")

    said = run_with_some_left(file)

    failed = file.with_suffix(".failed.csv")
    assert said.startswith("Imported. It has 2 added")
    assert said.splitlines()[-1].startswith(f"1 row rejected and written to {failed} with the reason.")
    assert "CommandError" not in said
    assert Client.objects.count() == 2
    assert list(csv.reader(io.StringIO(failed.read_text("utf-8-sig")))) == [
        ["Line", "Reason for rejection", "name", "email", "listings"],
        ["4", "email: “cleo@” is not an e-mail address.", "Cleo", "cleo@", "both"],
    ]
    assert failed.stat().st_mode & 0o077 == 0
    failed.write_text(failed.read_text("utf-8-sig").replace("cleo@,", "cleo@example.com,"))
    assert "1 added" in run(failed)


def test_opt_outs_in_rejected_rows_are_applied_and_those_that_can_not_be_are_told_first(file: Path) -> None:
    client = a_client(email="ann@example.com", listings="both")
    file.write_text("name;email;listings\nCleo;cleo@;both\nAnn;mailto:ann@example.com;neither\nBob;bob@;neither\n")

    said = run_with_some_left(file).splitlines()

    assert said[0].startswith("1 opt-out could not be applied (see below). Imported. It has 0 added, 0 changed,")
    assert said[1].startswith("1 rejected row says no, and it is not clear whose no it is.")
    assert said[2] == "1 withdrew consent in rejected rows: that is applied, and nothing else in those rows."
    assert list(Preference.objects.filter(client=client).values_list("email", "sms")) == [(False, False)]
    assert ClientImport.objects.get().counts["lost"] == 1
    rows = list(csv.DictReader(file.with_suffix(".failed.csv").read_text(encoding="utf-8-sig").splitlines()))
    assert [row["name"] for row in rows] == ["Bob", "Cleo", "Ann"]
    assert rows[0]["Reason for rejection"].startswith("An opt-out that can’t be applied")


def test_a_dry_run_checks_everything_and_imports_nothing(file: Path, tmp_path: Path) -> None:
    file.write_text(f"{GOOD}Cleo;cleo@;both\n")

    run_with_some_left(file, "--dry-run", "--failed-rows", tmp_path / "bad.csv")

    assert "cleo@" in (tmp_path / "bad.csv").read_text()
    assert not Client.objects.exists()
    assert not ClientImport.objects.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "The file is empty"),
        (b'name,email\n"Ann', "never closed"),
        (b"wer,wo\nAnn,Berlin", "Choose the column with the e-mail address"),
        (b"PK\x03\x04", "This Excel workbook is incomplete"),
    ],
)
def test_a_broken_file_imports_nothing_and_says_why(file: Path, content: bytes, words: str) -> None:
    file.write_bytes(content)

    error = refused(file)

    assert error.returncode == 2
    assert str(error).startswith("Nothing was imported. ")
    assert words in str(error)


def test_a_file_that_is_not_there_is_told_in_one_line(file: Path) -> None:
    error = refused(file)

    assert error.returncode == 2
    assert str(error) == f"Nothing was imported. {file}: No such file or directory."


def test_without_room_for_the_failed_rows_nothing_is_imported(file: Path, tmp_path: Path) -> None:
    file.write_text(f"{GOOD}Cleo;cleo@;both\n")

    error = refused(file, "--failed-rows", tmp_path / "nowhere" / "bad.csv")

    assert error.returncode == 2
    assert not Client.objects.exists()
    assert not ClientImport.objects.exists()


def test_what_fails_at_the_end_leaves_no_record_of_an_import(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(GOOD)

    def somebody_was_faster(writer: object) -> None:
        raise writing.ClientsChanged

    monkeypatch.setattr(writing._Writer, "record_consent", somebody_was_faster)
    error = refused(file)

    assert (error.returncode, "Run it again." in str(error)) == (2, True)
    assert not Client.objects.exists()
    assert not ClientImport.objects.exists()


def test_columns_can_be_named(file: Path) -> None:
    file.write_text("wer,wo,was\nAnn,ann@example.com,yes\n")

    run(file, "--map", "wer=name", "--map", "wo=email", "--map", "was=listings.email")

    assert Preference.objects.get(client__name="Ann").email
    assert "The columns are: wer, wo, was." in str(refused(file, "--map", "wie=name"))
    assert "“nomen” is not something a column can contain." in str(refused(file, "--map", "wer=nomen"))


def test_the_file_itself_is_never_overwritten(file: Path) -> None:
    file.write_text(f"{GOOD}Cleo;cleo@;both\n")

    assert refused(file, "--failed-rows", file).returncode == 2

    assert file.read_text().startswith(GOOD)


def test_numbers_are_read_by_the_region_of_the_setting(file: Path) -> None:
    file.write_text("name,phone\nAnn,020 7946 0018\n")

    with override_settings(PHONE_DEFAULT_REGION="GB"):
        run(file)

    assert str(Client.objects.get().phone) == "+442079460018"


# --- On whose behalf --------------------------------------------------------------------------------------------------
def test_who_may_not_import_is_not_named(file: Path) -> None:
    file.write_text(GOOD)
    a_user("notifier.view_client", username="adam")

    assert "adam doesn’t have permission to import clients." in str(refused(file, "--user", "adam"))
    assert "There is no active user nobody" in str(refused(file, "--user", "nobody"))
    assert not Client.objects.exists()


def test_subscribing_again_takes_a_reason_and_somebody_who_may(file: Path) -> None:
    client = a_client(email="ann@example.com", listings="neither")
    a_user("notifier.import_client", username="adam")
    a_user("notifier.import_client", "notifier.resubscribe_client", username="eve")
    file.write_text("email,listings\nann@example.com,both\n")
    # Kept in one line, whatever the shell gave.
    reason = ("--reason", "signed\u2028the form")

    for argv in (["--resubscribe"], ["--resubscribe", *reason], ["--resubscribe", *reason, "--user", "adam"], reason):
        assert refused(file, *argv).returncode == 2
    assert "1 of them had opted out before: that consent stays off." in run(file)
    assert not Preference.objects.get(client=client).email
    said = run(file, "--resubscribe", *reason, "--user", "eve")

    assert "1 of them had opted out before, and are subscribed again." in said
    assert Preference.objects.get(client=client).email
    assert ConsentChange.objects.latest("pk").detail == "clients.csv: signed the form"


def test_a_file_with_a_header_alone_is_an_error_and_leaves_no_record(file: Path) -> None:
    file.write_text("name;email;listings\n")

    error = refused(file)

    assert "a header row but no clients below it" in str(error)
    assert error.returncode == 2
    assert not ClientImport.objects.exists()


def test_an_encoding_that_nobody_can_tell_is_asked_for(file: Path) -> None:
    file.write_bytes("name;email\nFrançois;f@example.com\n".encode("mac_roman"))

    assert "--encoding with one of cp1252, mac_roman" in str(refused(file))
    run(file, "--encoding", "mac_roman")

    assert Client.objects.get().name == "François"


def test_it_imports_fields_and_adds_tags_for_who_may_add_them(file: Path) -> None:
    a_field(kind="DATE", label="Member since", key="member_since")
    a_user("notifier.import_client", username="eve")
    ted = a_user("notifier.import_client", "notifier.add_tag", username="ted")
    file.write_text("name;email;joined;tags\nAnn;ann@example.com;31.12.2025;VIP\n")
    joined = ("--map", "joined=field:member_since")

    for by in ((), ("--user", "eve")):
        run_with_some_left(file, *joined, *by)
        assert "you may not add tags" in file.with_suffix(".failed.csv").read_text("utf-8-sig")
    run(file, *joined, "--user", "ted")

    ann = Client.objects.get()
    assert list(values.of_client(ann.pk, definitions.every()).values()) == [date(2025, 12, 31)]
    assert [tag.name for tag in tags.of_client(ann.pk)] == ["VIP"]
    assert ValueChange.objects.get().by == ted
    assert ClientImport.objects.latest("pk").mapping["joined"] == "field:member_since"
