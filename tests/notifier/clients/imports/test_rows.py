from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from notifier.addresses import emails, phones
from notifier.admin.clients.client_form import ClientForm
from notifier.clients.imports import columns
from notifier.clients.imports.columns import ConsentColumn, TopicRef
from notifier.clients.imports.rows import ROW, Parsed, RowReader, read_name
from notifier.models import Client

LISTINGS = TopicRef(1, "listings", "Listings")


def parsed(header: str, *cells: str, region: str | None = None) -> Parsed:
    names = header.split(",")
    layout = columns.arrange(columns.guess(names, [LISTINGS]), [LISTINGS], region=region)
    return RowReader(layout=layout, columns=len(names)).parse(cells)


def test_a_row_says_only_what_stands_in_it() -> None:
    row = parsed("name,email,phone,listings e-mail,listings sms", " Ann ", "Ann@Example.com ", "", "yes", "")

    assert (row.name, row.email, row.phone, row.mistakes) == ("Ann", "ann@example.com", None, [])
    assert row.consents == {ConsentColumn(1, "email"): True}


def test_a_short_row_is_blank_behind_its_end() -> None:
    assert parsed("name,email,phone,listings", "Ann", "a@example.com").mistakes == []


def test_a_row_with_more_cells_than_the_header_is_not_taken() -> None:
    assert parsed("name,email", "Smith", "Ann", "a@example.com").mistakes[0][0] == ROW


def test_first_and_last_name_are_put_together() -> None:
    assert parsed("first name,last name,email", "Ann", "Example", "a@example.com").name == "Ann Example"


def test_a_part_of_a_name_is_no_whole_name() -> None:
    row = parsed("first name,last name,email", "", "Example", "a@example.com")
    alone = parsed("first name,email", "Ann", "a@example.com")

    assert (row.name, row.part_of_name) == (None, "Example")
    assert (alone.name, alone.part_of_name) == (None, "Ann")


@pytest.mark.parametrize(
    "cell", ["-", "–", "—", ".", "?", "\u200b", "\ufeff", "\u3164", "\u2800", "\u200c\u200d", "\u115f -"], ids=ascii
)
def test_a_dash_and_what_nobody_sees_is_a_blank_cell_where_a_name_stands(cell: str) -> None:
    both = parsed("first name,last name,email", "Ann", cell, "a@example.com")
    none = parsed("name,email", cell, "a@example.com")

    assert (both.name, both.part_of_name, both.mistakes) == (None, "Ann", [])
    assert (none.name, none.part_of_name, none.mistakes) == (None, None, [])
    with pytest.raises(ValueError, match="not a name"):
        read_name(cell)  # as the form of a client does


def test_what_is_not_seen_stays_within_a_name() -> None:
    assert parsed("name,email", "علی\u200cرضا", "a@example.com").name == "علی\u200cرضا"


def test_a_cell_of_which_nothing_is_seen_is_blank_and_a_no_is_read_beside_it() -> None:
    row = parsed("email,phone,listings e-mail,listings sms", "a@example.com", "\u200b", "no\u200b", "\ufeff")

    assert (row.phone, row.mistakes) == (None, [])
    assert row.consents == {ConsentColumn(1, "email"): False}


def test_a_row_without_an_address_is_about_nobody() -> None:
    assert parsed("name,email", "Ann", "").mistakes == [(ROW, "There is no e-mail address or phone number.")]


@pytest.mark.parametrize("text", ["yes", "Y", "TRUE", "1", "1.0", "x", "On", "ja", "oui", "sí"])
def test_yes_is_said_in_many_ways(text: str) -> None:
    assert parsed("email,listings sms", "a@example.com", text).consents == {ConsentColumn(1, "sms"): True}


@pytest.mark.parametrize("text", ["no", "N", "False", "0", "0.0", "off", "nein"])
def test_no_is_said_in_many_ways(text: str) -> None:
    assert parsed("email,listings sms", "a@example.com", text).consents == {ConsentColumn(1, "sms"): False}


@pytest.mark.parametrize("text", ["-", "maybe", "yes!", "2"])
def test_anything_else_is_neither(text: str) -> None:
    assert parsed("email,listings sms", "a@example.com", text).mistakes == [(1, f"“{text}” is neither yes nor no.")]


@pytest.mark.parametrize(
    ("text", "email", "sms"),
    [
        ("both", True, True),
        ("E-Mail", True, False),
        ("sms", False, True),
        ("email, SMS", True, True),
        ("e-mail and sms", True, True),
        ("neither", False, False),
        ("None", False, False),
        ("yes", True, True),
        ("Ja", True, True),
        ("x", True, True),
        ("1.0", True, True),
        ("no", False, False),
        ("FALSE", False, False),
        ("opted-out", False, False),
    ],
)
def test_one_cell_may_tell_both_channels(text: str, email: bool, sms: bool) -> None:
    assert parsed("email,listings", "a@example.com", text).consents == {
        ConsentColumn(1, "email"): email,
        ConsentColumn(1, "sms"): sms,
    }


@pytest.mark.parametrize("text", ["no sms", "sms, no", "yes, sms", "neither, e-mail", "nothing by sms", "maybe"])
def test_a_channel_beside_a_no_is_no_yes_to_it(text: str) -> None:
    found = parsed("email,listings", "a@example.com", text)

    assert found.mistakes == [(1, f"“{text}” must be one of: both, e-mail, SMS, neither, yes, no.")]
    assert found.consents == {}
    assert found.unreadable == {ConsentColumn(1, "email"), ConsentColumn(1, "sms")}


@pytest.mark.parametrize(
    "text",
    [
        "a\0b",
        "two\nlines",
        "x" * 201,
        "Ann\u202eevE",
        "\u2066Ann",
        "a\x85b",
        "a\x9ab",
        "a\u2028b",
        "a\u2029b",
        "a\x0bb",
    ],
)
def test_a_name_is_one_line_of_a_length_that_fits(text: str) -> None:
    assert [column for column, _ in parsed("name,email", text, "a@example.com").mistakes] == [0]


def test_a_number_without_its_country_wants_one_or_the_setting() -> None:
    assert parsed("phone,name", "020 7946 0018", "Ann").mistakes[0][1].endswith("for the United States.")
    assert parsed("phone,name", "020 7946 0018", "Ann", region="GB").phone == "+442079460018"


@pytest.mark.parametrize("text", ["nan", "NaN", "NULL", "#N/A", "#REF!", "#DIV/0!", "<NA>", "None"])
def test_what_a_program_writes_for_nothing_is_no_name(text: str) -> None:
    assert "is not a name" in parsed("name,email", text, "a@example.com").mistakes[0][1]


@pytest.mark.parametrize("text", ["Nan", "Null", "Nan Example"])
def test_what_only_looks_like_it_is_a_name(text: str) -> None:
    assert parsed("name,email", text, "a@example.com").name == text


@pytest.mark.parametrize("zone", ["localtime", "Factory", "factory"])
def test_a_zone_that_is_no_place_is_refused(zone: str) -> None:
    assert "is not a time zone" in parsed("email,time zone", "a@example.com", zone).mistakes[0][1]


# --- The same rules as the client's page ------------------------------------------------------------------------------
class Form(ClientForm):
    class Meta:
        model = Client
        fields = ("name", "email", "phone")


def by_the_form(**values: str) -> dict[str, Any]:
    form = Form(values)
    form.full_clean()
    return {name: str(value) for name, value in form.cleaned_data.items() if value}


PHONES = st.text("+0123456789 ()-/.x", max_size=18) | st.builds(
    "{}{}".format,
    st.sampled_from(["+1202555", "+4420794", "0044", "+39 06 ", "tel:"]),
    st.text("0123456789 ", max_size=9),
)
EMAILS = st.emails() | st.text(max_size=20) | st.builds("{}@{}".format, st.text(max_size=5), st.text(max_size=8))


@pytest.mark.django_db
@settings(max_examples=200, deadline=None)
@given(PHONES)
@example("+1 202 555 0123")
@example("+39 06 698 12345")
@example("+393471234567.0")
@example("+448719871234")
def test_a_phone_number_is_what_the_form_makes_of_it(text: str) -> None:
    try:
        ours = phones.read(text, region=None).number if text.strip() else None
    except ValueError:
        ours = None

    assert ours == by_the_form(name="Ann", phone=text).get("phone")


@pytest.mark.django_db
@settings(max_examples=150, deadline=None)
@given(EMAILS)
def test_an_e_mail_address_is_what_the_form_makes_of_it(text: str) -> None:
    try:
        ours = emails.read(text) if text.strip() else None
    except ValueError:
        ours = None

    assert ours == by_the_form(name="Ann", email=text).get("email")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=30), max_size=7))
def test_no_row_is_too_odd_to_be_told_about(cells: list[str]) -> None:
    row = parsed("name,email,phone,listings", *cells)

    assert row.mistakes or row.email or row.phone
    assert all(ROW <= column < 4 and text.endswith((".", ".")) for column, text in row.mistakes)


@pytest.mark.parametrize("text", ["Europe/London", "europe/london", "EUROPE/LONDON "])
def test_a_time_zone_is_read_however_it_is_capitalised(text: str) -> None:
    assert parsed("email,time zone", "a@example.com", text).time_zone == "Europe/London"


def test_what_is_no_time_zone_is_named_with_its_cell() -> None:
    row = parsed("email,time zone", "a@example.com", "London")

    assert row.mistakes == [(1, "“London” is not a time zone. Use a name like Europe/London.")]
    assert parsed("email,time zone", "a@example.com", "").mistakes == []
