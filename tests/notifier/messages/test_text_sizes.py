"""One rendering tells the size of all texts whose values are equally long, and of no other."""

from hypothesis import given
from hypothesis import strategies as st

from notifier.messages import placeholders, sms_segments
from notifier.messages.text_sizes import Sizes

STOP = "Reply STOP to end"
VALUES = st.text(alphabet="ab €[é中ł😀", max_size=12).map(str.strip)
PIECES = st.sampled_from(
    ["{{ town }}", '{{ town | "you €" }}', "{{ name }}", "{{ topic }}", "€", "😀", "ł", "a" * 60, "b" * 152, "x ", STOP]
)


@given(
    text=st.lists(PIECES, min_size=1, max_size=7).map("".join),
    clients=st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=12),
    ending=st.sampled_from(["", STOP]),
)
def test_it_tells_what_each_rendered_text_measures(text: str, clients: list[tuple[str, str]], ending: str) -> None:
    sizes = Sizes(text=text, topic="Homes", ending=ending)

    for town, name in clients:
        values = {"town": town, "name": name}
        sent = placeholders.sms(text, placeholders.values(topic="Homes", **values), ending=ending)
        assert sizes.segments(values) == sms_segments.measure(sent).segments


def test_where_a_letter_of_two_units_stands_may_make_a_segment_more() -> None:
    sizes = Sizes(text="{{ town }}" + "x" * 150 + "€{{ name }}" + "x" * 151, topic="Homes", ending="")

    # 306 units each. The € begins the second segment of the one, which leaves a unit of the first unused.
    assert [sizes.segments({"town": town, "name": name}) for town, name in (("n", "nn"), ("nn", "n"))] == [2, 3]


def test_values_of_the_same_length_are_rendered_once() -> None:
    sizes = Sizes(text="Hi {{ name }} from {{ town }}" + "x" * 200, topic="Homes", ending="")

    for number in range(100):
        sizes.segments({"name": "n" * (number % 10), "town": "t" * (20 - number % 10)})

    # With and without a name, which has no fallback: of both together there are twenty letters each time.
    assert len(sizes._known) == 2
