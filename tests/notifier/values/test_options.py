import pytest

from notifier.values.base import ValueType
from notifier.values.options import ChoicesType, ChoiceType, Option

OPTIONS = [Option(3, "Bed, breakfast"), Option(1, "Half board"), Option(2, "Lunch", is_retired=True)]
ONE, SEVERAL = ChoiceType(OPTIONS), ChoicesType(OPTIONS)


def test_an_option_is_found_by_its_label_however_it_is_capitalised() -> None:
    assert ONE.read(" half BOARD ") == 1
    assert SEVERAL.read("HALF BOARD") == (1,)


def test_several_are_separated_by_what_no_label_has() -> None:
    assert SEVERAL.read("Half board; Bed, breakfast") == SEVERAL.read("bed, breakfast|half board") == (1, 3)
    assert SEVERAL.read("Bed, breakfast") == (3,)
    assert SEVERAL.read(";;") is None


def test_they_are_shown_in_the_order_of_the_field() -> None:
    assert SEVERAL.show((1, 3)) == "Bed, breakfast, Half board"
    assert SEVERAL.write((1, 3)) == "Bed, breakfast; Half board"


@pytest.mark.parametrize("value_type", [ONE, SEVERAL])
def test_what_is_no_option_or_was_retired_is_refused(value_type: ValueType) -> None:
    with pytest.raises(ValueError, match=r"“Dinner” is not one of the options: Bed, breakfast, Half board\."):
        value_type.read("Dinner")
    with pytest.raises(ValueError, match="“Lunch” was retired"):
        value_type.read("Lunch")


def test_a_client_keeps_an_option_that_was_retired() -> None:
    assert ONE.show(2) == "Lunch"
    assert [option.label for option in ONE.offered()] == ["Bed, breakfast", "Half board"]
    assert [option.number for option in ONE.offered([2])] == [3, 1, 2]
