import pytest

from notifier.audience import hard_readers
from notifier.audience.hard_readers import Extreme
from notifier.models import Channel, ClientValues
from tests.support.factories import a_client, a_field, a_topic

pytestmark = [pytest.mark.both_engines, pytest.mark.django_db]

KEYS = ("first_name", "town", "budget")


def test_one_of_each_kind_is_found_among_those_who_would_get_it() -> None:
    town, budget = a_field(key="town"), a_field(kind="MONEY", key="budget")
    made = {
        first: a_client(first_name=first, listings="email", language=language)
        for first, language in (("Bo", None), ("Maximiliane", None), ("Al", None), ("Noa", "he"), ("Cy", None))
    }
    values = {"Bo": ("York", 1), "Maximiliane": ("Königswinter", 10**10), "Al": ("Ayr", None), "Noa": ("Leeds", 500)}
    for first, (place, amount) in values.items():
        ClientValues.objects.create(
            client=made[first], **{town.column: place, f"f{town.column[1:]}": place.casefold(), budget.column: amount}
        )
    # Each would be skipped, and the last would not even be asked.
    a_client(first_name="Wolfeschlegelsteinhausenbergerdorff", listings="sms")

    found = hard_readers.find(topic=a_topic(), channel=Channel.EMAIL, keys=KEYS, needed=["town"])

    assert {kind: client.first_name for kind, client in found.items()} == {
        Extreme.LONGEST: "Maximiliane",
        Extreme.SHORTEST: "Al",
        Extreme.MISSING: "Al",
        Extreme.RIGHT_TO_LEFT: "Noa",
    }


def test_somebody_who_would_be_skipped_is_shown_where_nobody_reads_a_fallback() -> None:
    a_field(key="town")
    client = a_client(first_name="Ann", listings="email")

    def missing(*needed: str) -> object:
        found = hard_readers.find(topic=a_topic(), channel=Channel.EMAIL, keys=KEYS[:2], needed=needed)
        return found.get(Extreme.MISSING)

    assert (missing(), missing("town")) == (client, client)


@pytest.mark.parametrize("value", ["תל אביב", "القاهرة"])
def test_letters_from_right_to_left_are_found_in_a_value(value: str) -> None:
    town = a_field(key="town")
    for place in ("Leeds", value):
        client = a_client(listings="email")
        ClientValues.objects.create(client=client, **{town.column: place, f"f{town.column[1:]}": place})

    found = hard_readers.find(topic=a_topic(), channel=Channel.EMAIL, keys=["town"], needed=[])

    assert found[Extreme.RIGHT_TO_LEFT] == client


def test_a_text_without_placeholders_is_hard_on_nobody() -> None:
    a_client(listings="email")

    assert hard_readers.find(topic=a_topic(), channel=Channel.EMAIL, keys=(), needed=()) == {}


def test_one_language_has_its_own_and_who_has_none_reads_the_default() -> None:
    for first, language in (
        ("Maximiliane", None),
        ("Al", None),
        ("Konstantin", "de"),
        ("Bo", "de"),
        ("Alejandra", "es"),
    ):
        a_client(first_name=first, listings="email", language=language)

    def found(language: str | None) -> list[str]:
        each = hard_readers.find(topic=a_topic(), channel=Channel.EMAIL, keys=KEYS[:1], needed=(), language=language)
        return [each[kind].first_name for kind in (Extreme.LONGEST, Extreme.SHORTEST)]

    assert found("de") == ["Konstantin", "Bo"]
    assert found("en") == ["Maximiliane", "Al"]
    assert found("es") == ["Alejandra", "Alejandra"]
    assert found(None) == ["Maximiliane", "Al"]
