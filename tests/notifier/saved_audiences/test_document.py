import json
import random
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.saved_audiences import document as documents
from notifier.saved_audiences.document import BadDocument, Document, Group, Line

GOOD: dict[str, Any] = {
    "version": 1,
    "join": "all",
    "parts": [
        {"about": "field", "id": 7, "is": "one_of", "values": ["Bonn", "Köln"]},
        {
            "join": "any",
            "not": True,
            "lines": [
                {"about": "tag", "id": 3, "is": "has"},
                {"about": "consent", "id": 1, "is": "email", "not": True},
                {"about": "time_zone", "is": "one_of", "values": ["Europe/Berlin"]},
                {"about": "created", "is": "less", "values": [20261231]},
                {"about": "messages", "is": "none_for", "values": [30]},
            ],
        },
    ],
}


def test_what_is_written_is_read_again() -> None:
    document = documents.parse(GOOD)

    assert documents.as_json(document) == GOOD
    assert isinstance(document.parts[1], Group)
    assert document.named("tag") == {3}
    assert documents.parse(json.loads(json.dumps(documents.as_json(document)))) == document


def changed(**line: Any) -> dict[str, Any]:
    found = deepcopy(GOOD)
    found["parts"] = [{"about": "field", "id": 7, "is": "one_of", "values": ["Bonn"]} | line]
    return found


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (GOOD | {"version": 2}, "version 2"),
        (GOOD | {"version": True}, "version true"),
        ({**GOOD, "version": None}, "version null"),
        (GOOD | {"join": "none"}, "joined by"),
        (GOOD | {"join": ["all"]}, "joined by"),
        (GOOD | {"parts": []}, "at least one condition"),
        (GOOD | {"parts": {}}, "not a list"),
        (GOOD | {"parts": GOOD["parts"][:1] * 21}, "can have 20"),
        (GOOD | {"parts": [{"join": "any", "lines": []}, GOOD["parts"][0]]}, "group needs"),
        (GOOD | {"parts": [{"join": "any", "lines": GOOD["parts"][:1]}] * 6}, "can have 5 groups"),
        (GOOD | {"parts": [{"join": "any", "lines": [GOOD["parts"][1]]}]}, "does not know"),
        (GOOD | {"except": 3}, "except"),
        (changed(about="shoe size"), "shoe size"),
        (changed(about=["field"]), "does not know"),
        (changed(**{"is": "sounds_like"}), "sounds_like"),
        (changed(id=0), "not the number"),
        (changed(id=True), "not the number"),
        (changed(id=2**63), "not the number"),
        (changed(values=[]), "no value"),
        (changed(values=["x"] * 51), "can have 50 values"),
        (changed(values=[1.5]), "neither a number nor a text"),
        (changed(values=[True]), "neither a number nor a text"),
        (changed(values=[2**63]), "neither a number nor a text"),
        (changed(values=["x" * 501]), "longer than 500"),
        (changed(values=["a\0b"]), "empty or longer"),
        (changed(extra=1), "extra"),
        (changed(**{"not": 1}), "negated by"),
        (changed(about="tag"), "does not know"),
        (changed(about="tag", **{"is": "has"}), "can have 0 values"),
        (changed(about="created", id=0, **{"is": "less"}, values=[20260230]), "not a day"),
        (changed(about="messages", id=0, **{"is": "none_for"}, values=[0]), "number of days"),
        (changed(about="messages", id=0, **{"is": "none_for"}, values=["30"]), "number of days"),
        (changed(about="time_zone", id=0, values=["Mars/Olympus"]), "not a time zone"),
        (changed(values=["a\ud800b"]), "character that can’t be read"),
        (changed(about="\ud800"), "character that can’t be read"),
        (GOOD | {"version": "\udfff"}, "character that can’t be read"),
        ("all", "not in the form"),
        (None, "not in the form"),
    ],
)
def test_what_is_not_understood_is_an_error_in_words(wrong: Any, says: str) -> None:
    with pytest.raises(BadDocument, match=says):
        documents.parse(wrong)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_any_json_is_read_or_refused(given_json: Any) -> None:
    with pytest.raises(BadDocument):
        documents.parse(given_json)


@given(st.integers(), JSON)
def test_a_document_with_anything_in_one_place_is_read_or_refused(seed: int, other: Any) -> None:
    """Never with another error, and never as something that it did not say."""
    broken = deepcopy(GOOD)
    places = [(broken, "version"), (broken, "join"), (broken["parts"], 0), (broken["parts"], 1)]
    for line in (broken["parts"][0], *broken["parts"][1]["lines"]):
        places += [(line, key) for key in line]
    where, key = random.Random(seed).choice(places)
    where[key] = other

    try:
        document = documents.parse(broken)
    except BadDocument:
        return
    assert documents.as_json(document) == documents.as_json(documents.parse(documents.as_json(document)))


def test_all_conditions_come_in_order() -> None:
    one, two, three = (Line("tag", "has", number) for number in (1, 2, 3))

    assert list(Document((one, Group((two, three))))) == [one, two, three]
