import csv
import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook

from notifier.files import spreadsheets
from notifier.files.base import quoted, unquoted

#: Any text of one cell, with what begins a formula more often than chance would have it.
TEXTS = st.text(max_size=20) | st.builds(
    "".join, st.tuples(st.sampled_from("=+-@\t\r\n \u00a0＝"), st.text(max_size=10))
)
DANGEROUS = tuple("=+-@\t\r\n＝＋－＠")


def read_csv(pieces: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(pieces.decode("utf-8-sig"), newline="")))


def sheet_of(header: list[str], rows: list[list[object]]) -> list[list[object]]:
    file = io.BytesIO()
    spreadsheets.write_xlsx(header, rows, file)
    file.seek(0)
    sheet = load_workbook(file).active
    assert sheet is not None
    return [[cell.value for cell in row] for row in sheet.iter_rows()]


@pytest.mark.parametrize(
    "text",
    [
        '=HYPERLINK("https://evil.example","click")',
        "+1+cmd|' /C calc'!A0",
        "-2+3",
        "@SUM(A1)",
        "\tx",
        "\rx",
        "\nx",
        " =1+1",
        "＝1+1",
        "+44 7700 900123",
        "+",
        "+1e9",
    ],
)
def test_what_a_spreadsheet_would_run_gets_a_quote(text: str) -> None:
    assert spreadsheets.neutralised(text) == f"'{text}"


@pytest.mark.parametrize("separator", [";", "|", "\t", "\r", "\n"], ids=ascii)
@pytest.mark.parametrize(
    "formula", ['=HYPERLINK("https://evil.example")', " =1+1", '"=1+1', "'=1+1", "＝1", "-1", "@A1", "+1"]
)
def test_so_does_what_would_be_a_cell_of_its_own_where_cells_are_separated_otherwise(
    separator: str, formula: str
) -> None:
    text = f"550 5.1.1 no such user{separator}{formula}"

    written = b"".join(spreadsheets.stream_csv(["detail"], [[text]])).decode("utf-8-sig")

    assert f"{separator}{formula}" not in written
    assert f"{separator}'" in written
    # Read by what else may separate cells, none begins a formula; a ' is text.
    for line in written.splitlines():
        for cell in re.split(r"[;|\t\r\n]", line):
            assert not cell.lstrip(' "\u00a0\u3000').startswith(DANGEROUS)


@given(TEXTS | st.text("a;|\t\n'\" =+-@＝", max_size=12))
def test_every_text_comes_back_from_an_export_as_it_was(text: str) -> None:
    assert unquoted(spreadsheets.neutralised(quoted(text))) == text


@pytest.mark.parametrize(
    "text", ["", "Ann", "1=1", "a+b@example.com", "a; b|c", "550 5.1.1 no such user", "'", "é", "+447700900123"]
)
def test_everything_else_stays_as_it_is_and_so_does_a_phone_number(text: str) -> None:
    assert spreadsheets.neutralised(text) == text


@given(TEXTS)
def test_no_cell_ever_begins_like_a_formula_but_for_a_phone_number(text: str) -> None:
    cell = spreadsheets.neutralised(text)

    assert not cell.lstrip(" \u00a0\u3000").startswith(DANGEROUS) or cell[1:].isdecimal()
    assert unquoted(cell) in (text, text.removeprefix("'"))


@given(st.lists(st.lists(TEXTS, min_size=2, max_size=2), max_size=5))
def test_a_csv_reads_back_as_what_was_written(rows: list[list[str]]) -> None:
    written = b"".join(spreadsheets.stream_csv(["one", "two"], rows))

    assert read_csv(written) == [["one", "two"], *([spreadsheets.neutralised(cell) for cell in row] for row in rows)]


def test_a_csv_is_utf_8_with_a_mark_that_excel_understands_and_full_lines() -> None:
    written = b"".join(spreadsheets.stream_csv(["name"], [['Åsa, "the" boss'], [None], [7]]))

    assert written == '\ufeffname\r\n"Åsa, ""the"" boss"\r\n""\r\n7\r\n'.encode()


def test_a_csv_comes_in_pieces_while_its_rows_are_still_being_read() -> None:
    read = 0

    def rows() -> Iterator[list[str]]:
        nonlocal read
        for _ in range(5_000):
            read += 1
            yield ["x" * 10]

    pieces = spreadsheets.stream_csv(["name"], rows())
    next(pieces)
    first = next(pieces)

    assert read < 1_000
    assert len(first) < 20_000
    assert len(b"".join(pieces)) == (5_000 * 12 + 6) - len(first)


def test_times_are_local_and_carry_their_offset() -> None:
    moment = datetime(2026, 7, 1, 12, 30, 15, 123456, tzinfo=UTC)

    assert read_csv(b"".join(spreadsheets.stream_csv(["at"], [[moment]])))[1] == ["2026-07-01 12:30:15+00:00"]


def test_a_sheet_holds_text_only_even_where_it_looks_like_a_formula_or_a_number() -> None:
    rows: list[list[object]] = [["=1+1", "+447700900123", 42, None, "bell\x07"]]

    assert sheet_of(["a", "b", "c", "d", "e"], rows) == [
        ["a", "b", "c", "d", "e"],
        ["'=1+1", "+447700900123", "42", None, "bell\ufffd"],
    ]


def test_a_sheet_that_would_be_too_long_is_refused_and_not_cut() -> None:
    with patch.object(spreadsheets, "XLSX_ROWS", 3):
        assert len(sheet_of(["n"], [["1"], ["2"]])) == 3
        with pytest.raises(spreadsheets.SheetFull, match="A sheet holds 3 rows"):
            sheet_of(["n"], [["1"], ["2"], ["3"]])
