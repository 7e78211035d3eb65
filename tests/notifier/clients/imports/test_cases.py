"""Small files as people really have them, each of which went wrong once."""

import io
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from notifier.clients.imports import columns, importer, uploads
from notifier.clients.imports.columns import MappingError
from notifier.clients.imports.writing import ImportOrigin
from notifier.consent import suppressions
from notifier.consent.suppressions import Evidence, Source
from notifier.files.base import FileError, Table
from notifier.files.reader import open_table
from notifier.models import Channel, Client, ConsentChange, Suppression
from tests.notifier.clients.imports.conftest import told
from tests.support.factories import a_client, a_user

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

CASES = Path(__file__).parent / "cases"
Do = Callable[[str], dict[str, int]]


def table(name: str) -> Table:
    return open_table(io.BytesIO((CASES / name).read_bytes()))


@pytest.fixture
def take(now: datetime) -> Do:
    """Imports one of the files with its columns as they are guessed; returns the counts that are not nought."""

    def run(name: str) -> dict[str, int]:
        found, topics = table(name), importer.topics()
        layout = columns.arrange(columns.guess(found.header, topics), topics)
        origin = ImportOrigin(name, ConsentChange.Source.IMPORT)
        with importer.run(table=found, layout=layout, origin=origin, now=now) as done:
            return told(done.counts)

    return run


def complaints(name: str) -> dict[int, str]:
    """What is said of each row that would not be taken, by its line."""
    found, topics = table(name), importer.topics()
    layout = columns.arrange(columns.guess(found.header, topics), topics)
    refused = importer.plan(table=found, layout=layout, shown=100).refused
    return {one.row.line: importer.why(one.mistakes, found.header) for one in refused}


def stop(*addresses: str, now: datetime) -> None:
    for address in addresses:
        evidence = Evidence(Source.CLIENT, "asked by phone")
        suppressions.suppress(channel=Channel.EMAIL, address=address, evidence=evidence, now=now)


# --- Addresses --------------------------------------------------------------------------------------------------------
def test_a_suppressed_address_in_disguise_is_refused_or_known(take: Do, now: datetime) -> None:
    ann = a_client(name="Ann", email="ann@example.com", phone=None, listings="email")
    bob = a_client(name="Bob", email="bob@bücher.example", phone=None, listings="email")
    stop("ann@example.com", "bob@bücher.example", now=now)

    said = complaints("bypass.csv")
    counts = take("bypass.csv")

    assert "invisible character after “…com” (U+200B zero width space)" in said[2]
    assert "invisible character after “…xam” (U+00AD soft hyphen)" in said[3]
    assert "invisible character after “…com” (U+200B zero width space)" in said[5] or "invisible" in said[5]
    # In full-width letters, in Punycode, and with a combining mark: each of them is known to be suppressed.
    assert set(Client.objects.values_list("email", flat=True)) == {ann.email, bob.email, "cyd@example.com"}
    assert counts["added"] == 1
    assert counts["suppressed"] == 2


@pytest.mark.parametrize("spelling", ["bob@xn--bcher-kva.example", "BOB@BU\u0308CHER.example"])
def test_a_suppression_in_another_spelling_is_of_the_same_address(spelling: str, now: datetime) -> None:
    bob = a_client(email="bob@bücher.example", listings="email")

    stop(spelling, now=now)

    assert Suppression.objects.filter(address=bob.email).exists()
    assert not suppressions.suppress(
        channel=Channel.EMAIL, address=str(bob.email), evidence=Evidence(Source.CLIENT, "again"), now=now
    )
    lifted = Evidence(Source.STAFF, "asked to")
    assert suppressions.lift(channel=Channel.EMAIL, address="bob@xn--BCHER-kva.example", evidence=lifted, now=now)


def test_a_number_that_became_a_decimal_is_nobody_elses(take: Do) -> None:
    said = complaints("m3_pandas_float.csv")
    take("m3_pandas_float.csv")

    found = {name: str(phone) for name, phone in Client.objects.values_list("name", "phone")}
    assert found == {"Bob": "+436641234568", "Cyd": "+393471234567", "Dee": "+6421123456"}
    assert "Include the country code" in said[2]
    assert "“nan” is not a valid phone number" in said[6]
    assert "“nan” is not a name" in said[7]


# --- What a row says --------------------------------------------------------------------------------------------------
def test_of_a_yes_and_a_no_the_no_wins(take: Do) -> None:
    assert take("m6_yes_then_no.csv") == {"added": 1, "failed": 1}

    assert not ConsentChange.objects.exists()


def test_a_blank_last_name_leaves_the_name(take: Do) -> None:
    ann = a_client(name="Ann Example", email="ann@example.com")

    assert take("k7_first_only.csv") == {"unchanged": 1}
    assert Client.objects.get().name == "Ann Example"
    ann.delete()
    assert take("k7_first_only.csv") == {"added": 1}
    assert Client.objects.get().name == "Ann"


@pytest.mark.parametrize("name", ["g1_google2024.csv", "g12_name_and_family.csv"])
def test_the_columns_of_an_address_book_are_understood(take: Do, name: str) -> None:
    assert take(name) == {"added": 1}

    assert Client.objects.values_list("name", "email").get() == ("Ann Example", "ann@example.com")


# --- Workbooks --------------------------------------------------------------------------------------------------------
def test_a_stray_cell_at_the_end_of_a_sheet_costs_nothing(take: Do) -> None:
    found = table("stray.xlsx")

    assert [found.header, *(row.cells for row in found.rows())] == [["Name", "E-mail"], ["Ann", "stray@example.com"]]
    assert take("stray.xlsx") == {"added": 1}


def test_a_hidden_sheet_is_not_read_and_is_told(take: Do) -> None:
    kind = table("pg_x3_hidden_first_sheet.xlsx").kind

    assert take("pg_x3_hidden_first_sheet.xlsx") == {"added": 1}
    assert kind == "Excel workbook, sheet “Clients”; 1 hidden sheet is not read"
    assert "hidden" not in str(Client.objects.get().email)


def test_strict_open_xml_is_read(take: Do) -> None:
    assert take("x10_strict.xlsx") == {"added": 1}
    assert Client.objects.values_list("name", "email").get() == ("Ann", "ann@example.com")


def test_an_escaped_line_end_is_no_part_of_a_name(take: Do) -> None:
    take("m4_x000D_name.xlsx")

    assert Client.objects.get().name == "Ann"


# --- Texts ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "encoding", "clients"),
    [
        ("c04_macroman.csv", "mac_roman", {"François Müller", "José Núñez"}),
        ("c04h_cp437_dos.csv", "cp437", {"Müller Jürgen"}),
    ],
)
def test_letters_that_nobody_can_tell_are_asked_about(
    now: datetime, name: str, encoding: str, clients: set[str]
) -> None:
    pending = uploads.upload(file=io.BytesIO((CASES / name).read_bytes()), name=name, by=a_user(), now=now)

    with pytest.raises(MappingError, match="Choose the text encoding"):
        uploads.plan(pending=pending, shown=1)
    offered = uploads.encodings_of(pending)
    uploads.set_encoding(pending=pending, encoding=encoding)
    pending.refresh_from_db()
    uploads.carry_out(pending=pending, by=a_user(), reason="", evidence="signed at the fair", now=now)

    assert set(Client.objects.values_list("name", flat=True)) == clients
    assert offered[encoding].endswith(", ".join(sorted(clients)))
    assert "cp1252" not in offered


@pytest.mark.parametrize("name", ["c01b_sep_quoted.csv", "c01c_sep_trailing.csv", "c14_pipe.csv"])
def test_a_separator_is_found_however_it_is_named(take: Do, name: str) -> None:
    assert take(name) == {"added": 1}


def test_a_nul_is_named_with_its_line() -> None:
    with pytest.raises(FileError, match="Line 2 has a character that is not text"):
        table("c08_nul.csv")
