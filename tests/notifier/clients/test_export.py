"""An export with fields and tags, and that an import reads it as what it was."""

import io
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notifier.clients import export
from notifier.clients.imports import columns, importer
from notifier.clients.imports.writing import ImportOrigin
from notifier.fields import definitions, tags, values
from notifier.fields.applying import ChangeOrigin
from notifier.fields.definitions import Definition, OptionChange
from notifier.files import spreadsheets
from notifier.files.reader import open_table
from notifier.models import Client, ClientField, ClientTag, ClientValues, ConsentChange, ValueChange
from notifier.runtime import clock
from tests.support.factories import a_client, a_field, a_tag, a_topic

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

OPTIONS = ("North", "=South", "'-East", "West, upper", "12")
TAGS = ("VIP", "=1+1", "'quoted", "N/A", "-5", "Spring fair 2026")


def fields() -> dict[str, ClientField]:
    made = {kind: a_field(kind=kind, label=f"A {kind.lower()}", key=f"a_{kind.lower()}") for kind in PLAIN}
    for kind in ("CHOICE", "CHOICES"):
        made[kind] = a_field(kind=kind, label=f"A {kind.lower()}", key=f"a_{kind.lower()}", options=OPTIONS)
    return made


PLAIN = ("TEXT", "WHOLE", "DECIMAL", "MONEY", "DATE", "YES_NO")
TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30) | st.sampled_from(
    ["=1+1", "-5", "'=1", "a;=1", "+44 20", "１", "true", "1,234", "03/04/2026", "NULL", "0012", "1e5", "\u00a0x"]
)
WRITTEN: dict[str, st.SearchStrategy[str]] = {
    "TEXT": TEXTS,
    "WHOLE": st.integers(-(10**15) + 1, 10**15 - 1).map(str),
    "DECIMAL": st.decimals(-(10**12) + 1, 10**12 - 1, places=6).map(lambda one: f"{one:f}"),
    "MONEY": st.decimals(-(10**12) + 1, 10**12 - 1, places=2).map(lambda one: f"{one:f}"),
    "DATE": st.dates(date(1000, 1, 1)).map(date.isoformat),
    "YES_NO": st.sampled_from(["yes", "no"]),
    "CHOICE": st.sampled_from(OPTIONS),
    "CHOICES": st.lists(st.sampled_from(OPTIONS), min_size=1, unique=True).map("; ".join),
}
CLIENTS = st.lists(
    st.tuples(
        st.fixed_dictionaries({}, optional=WRITTEN),
        st.sets(st.sampled_from(TAGS)),
    ),
    min_size=1,
    max_size=5,
)


def file_of(kind: str, chosen: Sequence[Definition]) -> io.BytesIO:
    topics, found = importer.topics(), Client.objects.all()
    header = export.header(topics, chosen, has_tags=True, known=export.choosable_fields())
    rows = export.rows(found, topics, chosen, has_tags=True)
    if kind == "csv":
        return io.BytesIO(b"".join(spreadsheets.stream_csv(header, rows)))
    file = io.BytesIO()
    spreadsheets.write_xlsx(header, rows, file)
    file.seek(0)
    return file


def take(file: io.BytesIO, now: datetime) -> dict[str, int]:
    table, topics, known = open_table(file), importer.topics(), importer.fields()
    layout = columns.arrange(columns.guess(table.header, topics, known), topics, known)
    origin = ImportOrigin("again.csv", ConsentChange.Source.IMPORT)
    with importer.run(table=table, layout=layout, origin=origin, now=now) as done:
        return dict(done.counts)


def everything() -> tuple[list[Any], list[Any]]:
    return list(ClientValues.objects.order_by("pk").values()), sorted(ClientTag.objects.values_list("client", "tag"))


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(people=CLIENTS)
def test_importing_an_export_changes_nothing(now: datetime, kind: str, people: list[Any]) -> None:
    Client.objects.all().delete()
    if not ClientField.objects.exists():
        fields()
        for name in TAGS:
            a_tag(name)
    every = list(definitions.active())
    by_name = {name: tags.named([name])[0][0] for name in TAGS}
    for written, tagged in people:
        chosen = {one: value for one in every if (value := _value(one, written)) is not None}
        given_tags = {by_name[name]: True for name in tagged}
        values.set_values(
            client_id=a_client(phone=None).pk, values=chosen, tags=given_tags, origin=ChangeOrigin(), now=clock.now()
        )
    before, changes = everything(), ValueChange.objects.count()

    counts = take(file_of(kind, every), now)

    assert (counts["rows"], counts["unchanged"]) == (len(people), len(people))
    assert everything() == before
    assert ValueChange.objects.count() == changes


def give(client: Client, value: int) -> None:
    """In the only field that there is."""
    (only,) = definitions.active()
    values.set_values(client_id=client.pk, values={only: value}, origin=ChangeOrigin(), now=clock.now())


def _value(definition: Definition, written: dict[str, str]) -> Any:
    """What a page would keep of what was typed; None where it would keep nothing."""
    if (text := written.get(definition.field.kind)) is None:
        return None
    try:
        return definition.type.read(text)
    except ValueError:
        return None


def test_numbers_and_dates_are_numbers_and_dates_in_a_workbook() -> None:
    made = fields()
    ann = a_client()
    by_kind = {one.field.kind: one for one in definitions.active()}
    chosen: dict[Definition, Any] = {
        by_kind["WHOLE"]: -3,
        by_kind["DECIMAL"]: Decimal("0.000001"),
        by_kind["MONEY"]: Decimal("1200.5"),
        by_kind["DATE"]: date(2025, 12, 31),
        by_kind["TEXT"]: "0012",
        by_kind["YES_NO"]: True,
    }
    values.set_values(client_id=ann.pk, values=chosen, origin=ChangeOrigin(), now=clock.now())

    sheet = openpyxl.load_workbook(file_of("xlsx", list(definitions.active()))).active
    assert sheet is not None
    names = [cell.value for cell in sheet[1]]
    cells = {name: sheet[2][names.index(field.label)] for name, field in made.items()}

    assert {name: cell.value for name, cell in cells.items()} == {
        "TEXT": "0012",
        "WHOLE": -3,
        "DECIMAL": 0.000001,
        "MONEY": 1200.5,
        "DATE": datetime.fromisoformat("2025-12-31"),
        "YES_NO": "yes",
        "CHOICE": None,
        "CHOICES": None,
    }
    assert cells["MONEY"].number_format == "0.00"
    assert cells["DATE"].number_format == "yyyy-mm-dd"


def test_numbers_in_a_text_file_get_no_quote() -> None:
    a_field(kind="WHOLE", label="Balance")
    ann = a_client()
    values.set_values(
        client_id=ann.pk, values={next(iter(definitions.active())): -5}, origin=ChangeOrigin(), now=clock.now()
    )

    text = file_of("csv", list(definitions.active())).read().decode("utf-8-sig")

    assert ",-5," in text


def test_a_date_that_excel_does_not_know_is_text() -> None:
    a_field(kind="DATE", label="Founded")
    ann = a_client()
    chosen = {next(iter(definitions.active())): date(1850, 5, 1)}
    values.set_values(client_id=ann.pk, values=chosen, origin=ChangeOrigin(), now=clock.now())

    sheet = openpyxl.load_workbook(file_of("xlsx", list(definitions.active()))).active

    assert sheet is not None
    assert "1850-05-01" in [cell.value for cell in sheet[2]]


def test_a_client_with_a_retired_option_comes_back_unchanged(now: datetime) -> None:
    field = a_field(kind="CHOICE", label="District", options=["North", "South"])
    ann = a_client()
    values.set_values(
        client_id=ann.pk, values={next(iter(definitions.active())): 1}, origin=ChangeOrigin(), now=clock.now()
    )
    definitions.set_options(field=field, options=[OptionChange(1, "North", is_retired=True)], now=now)

    assert take(file_of("csv", list(definitions.active())), now)["unchanged"] == 1


@pytest.mark.parametrize("label", ["Mobile", "Name", "Tags", "E-mail", "Listings e-mail"])
def test_a_label_that_means_something_else_in_a_file_gives_way_to_the_key(label: str, now: datetime) -> None:
    a_topic(slug="listings")
    a_field(kind="WHOLE", label=label, key="mine")
    ann = a_client()
    values.set_values(
        client_id=ann.pk, values={next(iter(definitions.active())): 7}, origin=ChangeOrigin(), now=clock.now()
    )
    chosen = list(definitions.active())

    assert "field:mine" in export.header(importer.topics(), chosen, has_tags=True, known=chosen)
    assert take(file_of("csv", chosen), now)["unchanged"] == 1


def test_a_retired_field_is_exported_and_not_imported(now: datetime) -> None:
    field = a_field(kind="WHOLE", label="Rooms", key="rooms")
    ann = a_client()
    values.set_values(
        client_id=ann.pk, values={next(iter(definitions.active())): 7}, origin=ChangeOrigin(), now=clock.now()
    )
    definitions.retire(field_id=field.pk, now=now)
    file = file_of("csv", list(definitions.every()))

    assert "Rooms" in file.getvalue().decode("utf-8-sig").splitlines()[0]
    assert take(file, now)["unchanged"] == 1


def test_a_client_with_as_many_tags_as_can_be_comes_back_unchanged(now: datetime) -> None:
    many = [a_tag(f"{number:02} {'x' * 57}") for number in range(tags.MAX_OF_CLIENT)]
    ann = a_client()
    tags.set_for_many(client_ids=[ann.pk], tags=dict.fromkeys(many, True), origin=ChangeOrigin(), now=clock.now())

    counts = take(file_of("csv", []), now)

    assert (counts["unchanged"], counts["failed"]) == (1, 0)
