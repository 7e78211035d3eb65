import codecs
import csv
import io
import zipfile
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notifier.files import spreadsheets
from notifier.files.base import IN_PAGE, NO_RESULT, FileError, Table, quoted, unquoted
from notifier.files.encodings import EncodingUnknown
from notifier.files.reader import open_table

#: Any text of one cell that a file can hold (neither NUL nor what ends a file of DOS), with what begins a formula or a
#: quotation more often than by chance.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\x1a"), max_size=15)
CELLS = TEXTS | st.builds("".join, st.tuples(st.sampled_from(["=", "'=", "''+", "-", '"', ";", "\n", " "]), TEXTS))


def opened(content: bytes, **options: Any) -> Table:
    return open_table(io.BytesIO(content), **options)


def cells_of(table: Table) -> list[list[str]]:
    return [table.header, *(row.cells for row in table.rows())]


def complaint(content: bytes) -> str:
    """Empty where it can be read. Any other error goes through."""
    try:
        cells_of(opened(content))
    except FileError as error:
        return str(error)
    return ""


def a_workbook(rows: Iterable[list[Any]], **other_sheets: Iterable[list[Any]]) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    for name, more in other_sheets.items():
        for row in more:
            (book[name] if name in book.sheetnames else book.create_sheet(name)).append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


# --- Letters and separators -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b""),
        ("utf-8", codecs.BOM_UTF8),
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
        ("cp1252", b""),
        ("latin-1", b""),
    ],
)
def test_any_common_kind_of_csv_reads_alike(delimiter: str, ending: str, encoding: str, mark: bytes) -> None:
    lines = [delimiter.join(cells) for cells in (["Name", "E-Mail"], ["Zoë Müller", "zoe@example.com"])]

    table = opened(mark + (ending.join(lines) + ending).encode(encoding))

    assert cells_of(table) == [["Name", "E-Mail"], ["Zoë Müller", "zoe@example.com"]]


def test_windows_letters_are_read_as_the_likeliest() -> None:
    assert cells_of(opened("Name\nRenée – “R”, 5 €".replace(",", ";").encode("cp1252")))[1] == ["Renée – “R”; 5 €"]
    assert opened("Name\nRenée".encode("cp1252")).encoding == "cp1252"
    assert opened("Name\nRenée".encode()).encoding == ""


@pytest.mark.parametrize(
    "text",
    ["Zoë", "O’Brien", "Œuvre à côté", "Jos\xe9 N\xfa\xf1ez", "5 €", "“R”", "col·lega", "ÉLAN", "naïve Þór"],
)
def test_what_windows_writes_in_western_europe_is_not_asked_about(text: str) -> None:
    assert cells_of(opened(f"Name;x\n{text};y".encode("cp1252")))[1] == [text, "y"]


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("mac_roman", "François Müller"),
        ("cp437", "Müller Jürgen"),
        ("cp850", "Jürgen à Paris"),
        ("cp932", "山田太郎"),
        ("gb18030", "王小明丽"),
        ("cp1251", "Иван"),
        ("cp1250", "Lech Wałęsa"),
        ("mac_roman", "José"),
        ("cp850", "Jörg"),
    ],
)
def test_letters_that_nobody_can_tell_are_asked_about(encoding: str, text: str) -> None:
    content = f"Name,E-Mail\n{text},a@example.com".encode(encoding)

    with pytest.raises(EncodingUnknown, match="characters on line 2 can be read in several ways"):
        opened(content)

    assert cells_of(opened(content, encoding=encoding))[1] == [text, "a@example.com"]


def test_an_encoding_that_does_not_have_all_letters_is_refused() -> None:
    with pytest.raises(FileError, match="Line 2 has characters that Latin-1"):
        opened(b"Name\nRen\x81e", encoding="cp1252")


def test_a_comma_inside_a_name_is_no_separator() -> None:
    assert cells_of(opened(b'Name;"E-mail, private"\n"Ann; or Anna";a@example.com'))[1] == [
        "Ann; or Anna",
        "a@example.com",
    ]


def test_excels_own_line_about_the_separator_is_no_header() -> None:
    table = opened(b"sep=|\r\nName|E-Mail\r\nAnn|a@example.com\r\n")

    assert cells_of(table) == [["Name", "E-Mail"], ["Ann", "a@example.com"]]
    assert [row.line for row in table.rows()] == [3]


@pytest.mark.parametrize("line", ["sep=;", '"sep=;"', "sep=;;;", "SEP=;  ", "sep=;,,"])
def test_the_line_about_the_separator_is_known_in_any_dress(line: str) -> None:
    assert cells_of(opened(f"{line}\r\nName;E-Mail\r\nAnn;a,b\r\n".encode())) == [["Name", "E-Mail"], ["Ann", "a,b"]]


def test_the_end_of_a_file_as_dos_had_it_is_no_row() -> None:
    assert cells_of(opened(b"Name,E-Mail\r\nAnn,a@example.com\r\n\x1a")) == [
        ["Name", "E-Mail"],
        ["Ann", "a@example.com"],
    ]
    assert cells_of(opened(b"Name,E-Mail\r\nAnn,a@example.com\x1a\x1a"))[1] == ["Ann", "a@example.com"]


def test_lines_are_those_of_the_file_and_blank_ones_are_no_rows() -> None:
    table = opened(b'\n\nName,Note\nAnn,"two\nlines"\n,,\n\nBob,x\n')

    assert [(row.line, row.cells[0]) for row in table.rows()] == [(4, "Ann"), (8, "Bob")]
    assert [row.line for row in table.rows()] == [4, 8]  # and again from the first


def test_columns_without_a_name_and_with_the_same_get_one_of_their_own() -> None:
    assert opened(b"Name,,Name, \nAnn").header == ["Name", "Column 2", "Name (2)"]


# --- Broken files -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "The file is empty"),
        (b"\n , ,\n", "The file is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "not a text file or an Excel workbook"),
        (b"\xd0\xcf\x11\xe0 old", "Save it as .xlsx or as CSV"),
        (b'Name,E-Mail\nAnn,a@example.com\n"Bob,b@example.com\nCleo', "line 3 has an opening quotation mark"),
        (b'Name\n"Ann" Example\n', "line 2 can’t be read: a closing"),
        ("Name\nZoë\nRenée\nJosé\n".encode() + b"Andr\xe9\n", "Line 5 has characters that can’t be read"),
        (codecs.BOM_UTF8 + b"Name\nAndr\xe9", "Line 2 has characters"),
        ("Name\nZoë\nZoë".encode()[:-1], "Line 3 has characters"),
        (codecs.BOM_UTF16_LE + b"N\0a", "is incomplete or damaged"),
        (b"PK\x03\x04 and nothing else", "This Excel workbook is incomplete"),
        (b"x," * 300, "more than 200 columns"),
        (b"Name\nAnn\0\nBob", "Line 2 has a character that is not text"),
        (codecs.BOM_UTF16_LE + "Name\nAnn\nB\0b".encode("utf-16-le"), "Line 3 has a character that is not text"),
        ("Name\nAnn Example\nBob".encode("utf-16-le"), "UTF-16 file that is not marked"),
        (b"Name\nAnn\n\x1aName\nBob", "Line 3 has an old end-of-file character"),
        (b"<html><table><tr><td>Name</td></tr></table></html>", "a web page"),
        (codecs.BOM_UTF8 + b"\r\n<TABLE border=1>", "a web page"),
        (b"<?xml version='1.0'?><Workbook/>", "This is XML"),
        (b"%PDF-1.7", "a PDF document"),
        (b"BEGIN:VCARD", "a list of contacts"),
        (b"Name\n" + b"\n" * 200_000, "more than 100,000 empty rows"),
    ],
)
def test_a_broken_file_is_refused_with_what_to_do(content: bytes, words: str) -> None:
    with pytest.raises(FileError, match=words):
        cells_of(opened(content))


def test_a_workbook_that_was_cut_short_is_refused() -> None:
    content = a_workbook([["Name"], *([f"Ann {number}"] for number in range(500))])

    with pytest.raises(FileError, match="This Excel workbook is incomplete"):
        cells_of(opened(content[: len(content) // 2]))


def test_a_workbook_whose_sheet_is_damaged_is_refused() -> None:
    good, bad = zipfile.ZipFile(io.BytesIO(a_workbook([["Name"], ["Ann"]]))), io.BytesIO()
    with zipfile.ZipFile(bad, "w") as archive:
        for name in good.namelist():
            part = good.read(name)
            archive.writestr(name, part[: len(part) // 2] if "sheet1" in name else part)

    with pytest.raises(FileError, match="This Excel workbook is incomplete"):
        cells_of(opened(bad.getvalue()))


def test_a_workbook_that_unpacks_to_far_more_is_refused_before_it_does() -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * 20_000_000)
    assert len(bomb.getvalue()) < 100_000

    with pytest.raises(FileError, match="unpacks to 20 MB, and 10 MB is the limit"):
        opened(bomb.getvalue(), limits=replace(IN_PAGE, unpacked_bytes=10_000_000))


# --- Workbooks --------------------------------------------------------------------------------------------------------
def test_of_a_workbook_the_first_sheet_is_read_as_a_person_sees_it() -> None:
    content = a_workbook([["Name", "Phone", "Wants"], ["Ann", 12025550123, True], [], ["Bob", 3.0]], Other=[["x"]])

    table = opened(content)

    assert cells_of(table) == [["Name", "Phone", "Wants"], ["Ann", "12025550123", "yes"], ["Bob", "3"]]
    assert [row.line for row in table.rows()] == [2, 4]


def test_of_a_formula_the_value_is_read_and_never_the_formula() -> None:
    table = opened(a_workbook([["Name", "E-Mail"], ['=HYPERLINK("http://evil.example")', "a@example.com"]]))

    # This one was saved without it.
    assert cells_of(table)[1] == [NO_RESULT, "a@example.com"]


# --- Whatever comes ---------------------------------------------------------------------------------------------------
@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400) | st.builds(b"".join, st.lists(st.sampled_from([b'"', b",", b"\n", b"a", b"\xe9"]))))
def test_any_bytes_are_read_or_refused_in_words(content: bytes) -> None:
    assert complaint(content) == "" or complaint(content).endswith((".", "?"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_workbook_damaged_anywhere_is_read_or_refused_in_words(data: st.DataObject) -> None:
    content = bytearray(WORKBOOK)
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(4, len(content) - 1))] = data.draw(st.integers(0, 255))
    assert complaint(bytes(content)) == "" or complaint(bytes(content)).endswith((".", "?"))


WORKBOOK = a_workbook([["Name", "E-Mail"], ["Ann", "ann@example.com"]])


@settings(deadline=None)
@given(st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=5))
def test_any_text_survives_an_export_and_an_import(rows: list[list[str]]) -> None:
    written = b"".join(
        spreadsheets.stream_csv(["one", "two", "three"], [[quoted(cell) for cell in row] for row in rows])
    )

    read = [row.cells for row in opened(written).rows()]

    assert [filled(row) for row in read] == [filled(row) for row in rows if any(cell.strip() for cell in row)]


def filled(row: list[str]) -> list[str]:
    """Without the blank cells behind the last: a reader can't tell them from none."""
    while row and not row[-1].strip():
        row = row[:-1]
    return row


@settings(deadline=None)
@given(
    st.lists(
        st.lists(st.text("abcé,;\t\"' ", max_size=6), min_size=2, max_size=2).filter(
            lambda row: any(map(str.strip, row))
        ),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
)
def test_what_a_spreadsheet_saves_is_what_is_read(rows: list[list[str]], delimiter: str, encoding: str) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows([["Name", "Note"], *rows])

    read = [row.cells for row in opened(text.getvalue().encode(encoding)).rows()]

    expected = [filled([unquoted(cell) for cell in row]) for row in rows]
    assert [filled(row) for row in read] == [row for row in expected if row]
