import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.clients.imports import columns, contents
from notifier.clients.imports.columns import TopicRef
from tests.notifier.clients.imports.conftest import a_table

SUBJECTS = [TopicRef(1, "listings", "Listings")]
EMAILS = ["ann@example.com", "bob@example.com"]
NUMBERS = ["+1 202 555 0123", "+44 7400 123456"]
NAMES = ["Ann Example", "Zoë O’Hara"]


def told(sampled: Mapping[str, Sequence[str]], *, region: str | None = None) -> list[str]:
    header = list(sampled)
    meanings = columns.guess(header, SUBJECTS)
    return contents.complete(meanings, header, list(sampled.values()), region=region)


@pytest.mark.parametrize(
    ("name", "cells", "meaning"),
    [
        ("Kontakt", EMAILS, "email"),
        ("Emial", EMAILS, "email"),
        ("Reach on", NUMBERS, "phone"),
        ("Phnoe", NUMBERS, "phone"),
        ("Where", ["Europe/London", "america/new york"], "time_zone"),
        ("Speaks", ["german", "Français", "es"], "language"),
        ("Speaks", ["de-AT", "fr_CA.UTF-8"], "language"),
        # These are countries.
        ("Where", ["DE", "FR", "ES"], ""),
        ("Country", ["de", "fr"], ""),
        ("Speaks", ["Klingon", "Elvish"], ""),
        # Some may be wrong.
        ("Kontakt", [*EMAILS, "bob@"], "email"),
        ("Kontakt", [*EMAILS, "bob@", "?"], ""),
        ("Kontakt", [], ""),
        ("Fax", NUMBERS, ""),
        ("Order", ["2024-01-05", "100000023"], ""),
        ("Notes", ["call +1 202 555 0123 in the evening", "ann@example.com or by phone"], ""),
        ("Kontakt", ["a" * 200 + "@example.com"], ""),
    ],
)
def test_an_address_is_recognised_by_what_it_looks_like(name: str, cells: list[str], meaning: str) -> None:
    assert told({name: cells}) == [meaning]


def test_numbers_without_a_code_are_recognised_where_their_country_is_known() -> None:
    numbers = ["07400 123456", "020 7946 0018"]

    assert told({"Reach on": numbers}) == [""]
    assert told({"Reach on": numbers}, region="GB") == ["phone"]


@pytest.mark.parametrize(
    ("name", "meaning"), [("Fisrt name", "first_name"), ("Nachnmae", "last_name"), ("Full nmae", "name")]
)
def test_a_misspelt_name_is_one_where_names_stand_below_it(name: str, meaning: str) -> None:
    assert told({name: NAMES}) == [meaning]
    assert told({name: ["1", "2"]}) == told({name: EMAILS[:0]}) == [""]
    assert told({name: ["yes", "no"]}) == [""]


def test_what_the_names_tell_goes_first_and_nothing_is_told_twice() -> None:
    assert told({"Other": EMAILS, "E-mail": EMAILS, "Mobile No.": NUMBERS, "Spare": NUMBERS}) == [
        "",
        "email",
        "phone",
        "",
    ]
    assert told({"One": EMAILS, "Two": EMAILS}) == ["email", ""]
    assert told({"Name": NAMES, "Fisrt name": NAMES}) == ["name", ""]


def test_an_address_column_that_says_yes_or_no_is_none_and_no_consent_either() -> None:
    """To what, nobody can tell."""
    assert told({"Email": ["yes", "no"], "Contact address": EMAILS, "SMS": ["0", "1"]}) == ["", "email", ""]


@given(st.lists(st.lists(st.sampled_from(["yes", "no", "x", "both", "sms", *EMAILS, *NUMBERS, "?"])), min_size=1))
def test_consent_is_never_told_by_contents(sampled: list[list[str]]) -> None:
    header = [f"Column {number}" for number in range(len(sampled))]

    found = contents.complete([""] * len(header), header, sampled, region="US")

    assert set(found) <= {"", "email", "phone", "language", "time_zone"}
    assert all(found.count(meaning) == 1 for meaning in found if meaning)


def test_only_the_first_rows_are_looked_at() -> None:
    table = a_table("a,b\n" + "1,\n" * 1_000)
    read = itertools.count()
    counted = replace(table, rows=lambda: (row for row in table.rows() if next(read) >= 0))

    assert [len(cells) for cells in contents.sample(counted)] == [contents.MAX_ROWS, 0]
    assert next(read) == contents.MAX_ROWS


_CELLS = st.lists(st.sampled_from([*EMAILS, *NUMBERS, *NAMES, "yes", "no", "", "Europe/London", "german"]), max_size=4)
_HEADERS = st.sampled_from(
    [
        *("Name", "Fisrt name", "First name", "Lats name", "Last name", "Full nmae", "E-mail", "Phone", "Speaks"),
        *("Listings", "Listings SMS", "Listings e-mail", "Listings both", "Where"),
    ]
)


@given(st.dictionaries(_HEADERS, _CELLS, min_size=1))
def test_whatever_is_told_is_accepted_where_a_column_has_an_address(sampled: dict[str, list[str]]) -> None:
    found = told(sampled)

    if {"email", "phone"} & set(found):
        columns.arrange(found, SUBJECTS)
