"""What a template leaves to be filled in, and what only looks like it."""

import pytest

from notifier.messages import fill_ins


def test_what_is_left_open_is_named_once() -> None:
    assert fill_ins.warnings("On [date], at [time]. Until [date].") == ["Still to be filled in: [date], [time]."]


def test_no_more_than_a_few_are_named() -> None:
    text = " ".join(f"[word {letter}]" for letter in "abcdefgh")

    assert fill_ins.warnings(text) == [
        "Still to be filled in: [word a], [word b], [word c], [word d], [word e] and more."
    ]


def test_a_link_of_the_template_is_noticed() -> None:
    (words,) = fill_ins.warnings("[Read more](https://www.example.com/a)")

    assert "still leads to example.com" in words


@pytest.mark.parametrize(
    "text",
    [
        "[words](https://e.example/)",
        "![a mill](https://e.example/)",
        r"\[not this]",
        "[1]",
        "[]",
        "a] and [b",
        "[two\nlines]",
    ],
)
def test_what_is_meant_is_no_gap(text: str) -> None:
    assert fill_ins.warnings(text) == []
