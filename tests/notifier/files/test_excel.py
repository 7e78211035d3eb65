"""Workbooks as other programs write them, and as no program should: each is read, or refused in words."""

import io
import zipfile
from dataclasses import replace

import pytest

from notifier.files import excel
from notifier.files.base import IN_PAGE, NO_RESULT, FileError, Limits, Table
from notifier.files.reader import open_table

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
KINDS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PARTS = "http://schemas.openxmlformats.org/package/2006/relationships"


def related(*relations: tuple[str, str]) -> str:
    """Kind and target of each."""
    inside = "".join(
        f'<Relationship Id="r{number}" Type="{KINDS}/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(relations, start=1)
    )
    return f'<Relationships xmlns="{PARTS}">{inside}</Relationships>'


def a_sheet(rows: str) -> str:
    return f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'


def a_row(number: int, *texts: str, more: str = "") -> str:
    cells = "".join(f'<c t="inlineStr"><is><t>{text}</t></is></c>' for text in texts)
    return f'<row r="{number}" {more}>{cells}</row>'


def zipped(parts: dict[str, str | bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


def a_workbook(rows: str, *, strings: str = "", workbook: str = "", **more: str) -> bytes:
    book = workbook or f'<sheet name="Clients" sheetId="1" xmlns:r="{KINDS}" r:id="r1"/>'
    return zipped(
        {
            "_rels/.rels": related(("officeDocument", "xl/workbook.xml")),
            "xl/workbook.xml": f'<workbook xmlns="{MAIN}"><sheets>{book}</sheets></workbook>',
            "xl/_rels/workbook.xml.rels": related(
                ("worksheet", "worksheets/sheet1.xml"), ("sharedStrings", "sharedStrings.xml")
            ),
            "xl/worksheets/sheet1.xml": a_sheet(rows),
            "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}">{strings}</sst>',
            **more,
        }
    )


def opened(content: bytes, limits: Limits = IN_PAGE) -> Table:
    return open_table(io.BytesIO(content), limits=limits)


def cells_of(content: bytes, limits: Limits = IN_PAGE) -> list[list[str]]:
    table = opened(content, limits)
    return [table.header, *(row.cells for row in table.rows())]


def complaint(content: bytes, limits: Limits = IN_PAGE) -> str:
    with pytest.raises(FileError) as caught:
        cells_of(content, limits)
    return str(caught.value)


HEADER = a_row(1, "Name", "E-mail")


# --- What a workbook says ---------------------------------------------------------------------------------------------
def test_hidden_rows_are_read_and_counted() -> None:
    table = opened(
        a_workbook(HEADER + a_row(2, "Ann", more='hidden="1"') + a_row(3, "Bob") + '<row r="4" hidden="true"/>')
    )

    assert [row.cells for row in table.rows()] == [["Ann"], ["Bob"]]
    assert table.hidden_rows() == 1


def test_a_formula_that_was_saved_without_its_result_is_no_blank() -> None:
    cells = '<c><f>A1</f></c><c><f>A1</f><v/></c><c r="C2" t="str"><f>""</f><v></v></c><c r="D2"><v>1</v></c>'

    assert cells_of(a_workbook(f'{HEADER}<row r="2">{cells}</row>'))[1] == [NO_RESULT, NO_RESULT, "", "1"]


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("Ann_x000D_", "Ann\r"),
        ("_x005F_x000D_", "_x000D_"),
        ("_xD83D_", "\ufffd"),
        ("_x0000_", "\ufffd"),
        ("an_xylophone", "an_xylophone"),
    ],
)
def test_characters_that_xml_has_no_place_for_are_what_they_mean(written: str, text: str) -> None:
    rows = f'{HEADER}<row r="2"><c t="s"><v>0</v></c></row>'

    assert cells_of(a_workbook(rows, strings=f"<si><t>{written}</t></si>"))[1] == [text]
    assert cells_of(a_workbook(HEADER + a_row(2, written)))[1] == [text]


def test_a_text_of_several_styles_is_one_and_its_reading_is_none() -> None:
    strings = "<si><r><t>An</t></r><r><t>n</t></r><rPh><t>reading</t></rPh></si>"

    assert cells_of(a_workbook(f'{HEADER}<row r="2"><c t="s"><v>0</v></c></row>', strings=strings))[1] == ["Ann"]


def test_dates_and_truths_are_as_a_person_sees_them() -> None:
    styles = (
        f'<styleSheet xmlns="{MAIN}"><numFmts><numFmt numFmtId="170" formatCode="dd.mm.yyyy"/></numFmts>'
        '<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="170"/></cellXfs></styleSheet>'
    )
    rels = related(("worksheet", "worksheets/sheet1.xml"), ("styles", "styles.xml"))
    cells = '<c s="1"><v>45000</v></c><c s="2"><v>45000.5</v></c><c t="b"><v>1</v></c><c t="e"><v>#N/A</v></c>'
    more = {"xl/styles.xml": styles, "xl/_rels/workbook.xml.rels": rels}

    assert cells_of(a_workbook(f'{HEADER}<row r="2">{cells}</row>', **more))[1] == [
        "2023-03-15T00:00:00",
        "2023-03-15T12:00:00",
        "yes",
        "#N/A",
    ]


def test_parts_are_found_however_they_are_called() -> None:
    content = zipped(
        {
            "_RELS/.rels": related(("officeDocument", "/Book/Main.XML")),
            "book/main.xml": f'<x:workbook xmlns:x="{MAIN}" xmlns:r="{KINDS}"><x:sheets>'
            '<x:sheet name="S" r:id="r1"/></x:sheets></x:workbook>',
            "book/_rels/main.xml.rels": related(("worksheet", "..\\pages\\one.xml")),
            "pages/one.xml": a_sheet(HEADER + a_row(2, "Ann"))
            .replace("<", "<x:")
            .replace("<x:/", "</x:")
            .replace("xmlns=", "xmlns:x="),
        }
    )

    assert cells_of(content) == [["Name", "E-mail"], ["Ann"]]


def test_what_is_read_and_what_is_not_is_told() -> None:
    sheets = "".join(
        f'<sheet name="{name}" state="{state}" xmlns:r="{KINDS}" r:id="r1"/>'
        for name, state in (("Old", "veryHidden"), ("Clients", "visible"), ("More", "visible"), ("Notes", ""))
    )

    assert opened(a_workbook(HEADER, workbook=sheets)).kind == (
        "Excel workbook, sheet “Clients”; 2 other sheets and 1 hidden sheet are not read"
    )


# --- What no program should write -------------------------------------------------------------------------------------
def test_empty_rows_without_number_end_at_a_limit() -> None:
    content = a_workbook(HEADER + "<row/>" * 1_000_000)
    assert len(content) < 20_000

    assert "more than 100,000 empty rows" in complaint(content)


def test_a_row_far_down_costs_nothing_and_one_beyond_any_sheet_is_none() -> None:
    assert cells_of(a_workbook(HEADER + a_row(1_048_576, "Ann"))) == [["Name", "E-mail"], ["Ann"]]
    assert "This Excel workbook is incomplete" in complaint(a_workbook(HEADER + a_row(1_000_000_000, "Ann")))
    assert "This Excel workbook is incomplete" in complaint(a_workbook('<row r="1"><c r="ZZZZZZ1"><v>1</v></c></row>'))


def test_cells_without_number_end_at_a_limit() -> None:
    rows = HEADER + "".join(f'<row r="{number}">{"<c/>" * 150}x</row>' for number in range(2, 20))

    assert "more than 1,000 cells" in complaint(a_workbook(rows), replace(IN_PAGE, cells=1_000))


def test_texts_without_number_end_at_a_limit() -> None:
    assert "more than 1,000 different texts" in complaint(
        a_workbook(HEADER, strings="<si><t>x</t></si>" * 1_001), replace(IN_PAGE, strings=1_000)
    )


@pytest.mark.parametrize("strings", ["", "<si><t>x</t></si>"])
def test_a_file_that_takes_too_long_ends_at_a_limit(strings: str) -> None:
    assert "takes longer than 0 seconds. Save only" in complaint(
        a_workbook(HEADER, strings=strings), replace(IN_PAGE, seconds=0.0)
    )


@pytest.mark.parametrize(
    "rows",
    [
        "<x>" * 1_000 + "</x>" * 1_000,
        f"{HEADER}<row r='x'/>",
        f"{HEADER}<row r='2'><c t='s'><v>7</v></c></row>",
        f"{HEADER}<row r='2'><c><v>one</v></c></row>",
        f"{HEADER}<row",
        f"{HEADER}{a_row(2, 'Ann')}{a_row(2, 'Bob')}",
        f"{HEADER}{a_row(9, 'Ann')}{a_row(5, 'Bob')}",
        f"{HEADER}<row r='2'><c r='B2'><v>1</v></c><c r='B2'><v>2</v></c></row>",
        f"{HEADER}<!--{'x' * 2_000_000}-->",
    ],
)
def test_xml_that_no_spreadsheet_writes_is_refused(rows: str) -> None:
    assert "This Excel workbook is incomplete" in complaint(a_workbook(rows))


@pytest.mark.parametrize(("reference", "is_refused"), [("C2:C3", True), ("$A$3:$B$3", True), ("A1:C1", False)])
def test_what_is_merged_below_the_header_is_refused(reference: str, is_refused: bool) -> None:
    """A no that was merged over two rows stands in the first of them alone."""
    sheet = a_sheet(f"{HEADER}{a_row(2, 'Ann')}{a_row(3, 'Bob')}")
    merged = f'<mergeCells count="1"><mergeCell ref="{reference}"/></mergeCells></worksheet>'
    content = a_workbook("", **{"xl/worksheets/sheet1.xml": sheet.replace("</worksheet>", merged)})

    if is_refused:
        assert f"The cells {reference} are merged" in complaint(content)
    else:
        assert len(cells_of(content)) == 3


def test_the_parts_that_hold_no_cells_are_read_in_the_same_time_and_small() -> None:
    outline = {"xl/_rels/workbook.xml.rels": related(("worksheet", "worksheets/sheet1.xml")) + " " * 2_000_000}
    assert "This Excel workbook is incomplete" in complaint(a_workbook(HEADER, **outline))

    after = a_sheet(HEADER).replace("</worksheet>", "<x/>" * 100_000 + "</worksheet>")
    late = complaint(a_workbook("", **{"xl/worksheets/sheet1.xml": after}), replace(IN_PAGE, seconds=0.0))
    assert "takes longer than 0 seconds" in late


def test_of_a_format_no_more_is_looked_at_than_excel_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr(excel, "is_date_format", lambda text: seen.append(len(text)))
    styles = (
        f'<styleSheet xmlns="{MAIN}"><numFmts><numFmt numFmtId="200" formatCode="'
        + "[" * 100_000
        + '"/></numFmts><cellXfs>'
        + '<xf numFmtId="200"/>' * 3
        + "</cellXfs></styleSheet>"
    )
    rels = related(("worksheet", "worksheets/sheet1.xml"), ("styles", "styles.xml"))

    cells_of(a_workbook(HEADER, **{"xl/styles.xml": styles, "xl/_rels/workbook.xml.rels": rels}))

    assert max(seen) == 255
    assert seen.count(255) <= 2  # once for the header, and once for the rows


def test_entities_of_a_files_own_are_never_unfolded() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>' + a_sheet(a_row(1, "&b;"))

    assert "This Excel workbook is incomplete" in complaint(a_workbook("", **{"xl/worksheets/sheet1.xml": bomb}))


# --- Other kinds ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (
            {"mimetype": "application/vnd.oasis.opendocument.spreadsheet"},
            "an OpenDocument spreadsheet",
        ),
        ({"xl/workbook.bin": "x", "[Content_Types].xml": "x"}, "an Excel binary workbook (.xlsb)"),
        ({"Index/Document.iwa": "x"}, "a document of Apple Numbers"),
        ({"word/document.xml": "x", "[Content_Types].xml": "x"}, "a Word document"),
        ({"clients.csv": "Name,E-mail"}, "a ZIP archive, not a workbook. Unpack it"),
        ({"xl/worksheets/sheet1.xml": "x"}, "This Excel workbook is incomplete"),
    ],
)
def test_another_kind_of_file_is_named_with_what_to_do(parts: dict[str, str | bytes], words: str) -> None:
    said = complaint(zipped(parts))

    assert words in said
    assert "choose" in said
