"""Clients are found by their names as people type them, by one rule on both engines."""

import sys
import unicodedata
from collections.abc import Iterator

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from notifier.clients import name_search
from notifier.models import Client
from tests.support.factories import a_client

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]


def found(typed: str) -> set[str]:
    condition = name_search.called(typed)
    return set() if condition is None else set(Client.objects.filter(condition).values_list("name", flat=True))


def kept(clients: list[Client]) -> list[str]:
    """What the database has folded of the names of these."""
    first, last = clients[0].pk, clients[-1].pk
    column = "notifier_folded_name(name), id FROM notifier_client"
    if connection.vendor == "sqlite":
        column = "folded, rowid AS id FROM client_name_search"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM (SELECT {column}) kept WHERE id BETWEEN {first} AND {last} ORDER BY id")
        return [folded for folded, _ in cursor.fetchall()]


def letters() -> Iterator[str]:
    """All of Unicode 3.2: what came later may be new to the database, and is in no name that a keyboard types."""
    every = (chr(point) for point in range(1, sys.maxunicode + 1))
    return (char for char in every if unicodedata.ucd_3_2_0.category(char) not in ("Cn", "Cs", "Co"))


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("Pekka Hämäläinen", "Hamalainen"),
        ("Pekka Hämäläinen", "HÄMÄLÄINEN pekka"),
        ("Pekka Hamalainen", "hämäläinen"),
        ("Pekka Hämäläinen", "alai"),
        ("Pekka Ha\u0308ma\u0308la\u0308inen", "hämäl"),
        ("Pekka Hämäläinen", "ha\u0308mal"),
        ("Søren Ærø", "soren aero"),
        ("Łukasz Żółć", "lukasz zolc"),
        ("Lukasz Zolc", "ŁUKASZ"),
        ("Jürgen Weiß", "weiss"),
        ("Jürgen Weiss", "weiß"),
        ("JÜRGEN WEIẞ", "Weiß"),
        ("Buchladen Lange Straße", "Strasse"),
        ("Buchladen Lange Strasse", "straße"),
        ("İpek Işık", "ipek isik"),
        ("Ipek Isik", "İPEK IŞIK"),
        ("ılgaz", "ILGAZ"),
        ("Đặng Thị Hương", "dang thi huong"),
        ("Þór Ðórðarson", "thor dordarson"),
        ("Œuvre d’Art", "oeuvre dart"),
        ("Sean O’Brien", "obrien"),
        ("Sean O’Brien", "o'brien"),
        ("Sean O´Brien", "O’Brien"),
        ("Sean OBrien", "o`brien"),
        ("Sean O’Brien", "brien"),
        ("Karl-Heinz Groß", "heinz gross karl"),
        ("Karl-Heinz Groß", "karl-h"),
        ("Karl Heinz Groß", "Karl\u2010Heinz"),
        ("J.R.R. Tolkien", "tolkien j r"),
        ("J R R Tolkien", "J.R.R."),
        ("Müller, Ann (Dr.)", "dr ann muller"),
        ("3M Deutschland", "3m"),
        ("Studio 54", "54"),
        ("Ann Example", "a ex"),
        ("Ann Example", "e a"),
        ("Ｆｕｌｌ Ｗｉｄｔｈ", "full width"),
        ("Алексей Ёлкин", "елкин АЛЕКСЕЙ"),
        ("Άννα Παπαδοπούλου", "αννα παπαδοπουλου"),
        ("ΑΝΝΑ ΠΑΠΑΔΑΤΟΣ", "παπαδατος"),
        ("王小明", "王小明"),
        ("王小明", "小明"),
        ("王小明", "明"),
        ("さくら ジョン・スミス", "スミス"),
        ("さくら", "くら"),
        ("김철수", "철수"),
        ("김철수", "김"),
        ("محمّد أحمد", "محمد احمد"),
        ("Ann\u00adE\u200bxample", "annexample"),
    ],
)
def test_a_name_is_found_as_people_type_it(name: str, typed: str) -> None:
    a_client(name=name)
    a_client(name="Nobody Else")

    assert found(typed) == {name}


@pytest.mark.parametrize(
    "typed",
    [
        "nn",  # two letters begin a word
        "x",
        "annex",  # no word goes over into the next
        "ann ann example other",
        "xample1",
        "アン",
        "明",
    ],
)
def test_nobody_is_found_by_what_is_not_in_the_name(typed: str) -> None:
    a_client(name="Ann Example")

    assert found(typed) == set()


@pytest.mark.parametrize("typed", ["", " ", "%", "_", "%ann%".replace("ann", ""), "'", "- .", "\u200b", "\u0301"])
def test_what_has_neither_letter_nor_digit_is_no_name(typed: str) -> None:
    assert name_search.called(typed) is None


@pytest.mark.parametrize("typed", ["a%e", "a_n", "Ann%", 'ann"', "ann*", "ann OR eve", "ann\\"])
def test_a_wildcard_is_a_character_as_any_other(typed: str) -> None:
    for name in ("Ann Example", "Alexe", "Aon"):
        a_client(name=name)

    assert found(typed) <= {"Ann Example"}


@given(st.text(max_size=40) | st.text("a é'-王ß", max_size=20))
def test_every_pattern_has_a_trigram_and_nothing_that_like_takes_for_a_wildcard(typed: str) -> None:
    for pattern in name_search.patterns(typed):
        inside = pattern[1:-1]
        assert pattern == f"%{inside}%"
        assert len(inside) >= 3
        assert not set("%_\\") & set(inside)
    assert found(typed) == set()  # nobody is there, and nothing breaks


def test_a_long_text_is_a_search_like_any_other() -> None:
    a_client(name="Ann Example")

    assert found("ann " * 5_000) == {"Ann Example"}
    assert found(" ".join(chr(letter) for letter in range(97, 123)) * 100) == set()


def test_the_database_folds_every_letter_as_this_does() -> None:
    every = list(letters())
    size = 150
    # As they come, and each beside a letter that it must not change.
    names = ["".join(every[at : at + size]) for at in range(0, len(every), size)]
    names += [char.join("aZ") for char in every if unicodedata.normalize("NFKD", char) != char][::7]

    clients = Client.objects.bulk_create(
        Client(name=name, email=f"{number}@x.example") for number, name in enumerate(names)
    )

    for name, folded in zip(names, kept(clients), strict=True):
        if folded != name_search.folded(name):
            differ = [(char, name_search.folded(char)) for char in name if name_search.folded(char)[2:] not in folded]
            pytest.fail(f"{folded!r} is not {name_search.folded(name)!r}: {differ}")


def test_who_is_renamed_is_found_by_the_new_name_alone() -> None:
    client = a_client(name="Åsa Svensson")
    Client.objects.filter(pk=client.pk).update(name="Åsa Ödberg")

    assert found("odberg") == {"Åsa Ödberg"}
    assert found("svensson") == set()

    Client.objects.filter(pk=client.pk).update(email="other@example.com")
    assert found("odberg") == {"Åsa Ödberg"}

    Client.objects.filter(pk=client.pk).delete()
    assert found("odberg") == set()
