import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from notifier.messages import placeholders

REPLACEMENTS = placeholders.values(name="Ann Example", first_name="Ann", last_name="Example", topic="Listings")


# --- Placeholders -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("Hello {{ name }}, {{topic}}!", "Hello Ann Example, Listings!"),
        ("{{  first_name\n}}{{ first_name }}", "AnnAnn"),
        ("nothing to replace", "nothing to replace"),
        ("", ""),
        ("{{ un-known }} {{ name.title }} {{ Name }} {{ }}", "{{ un-known }} {{ name.title }} {{ Name }} {{ }}"),
        ("{ name } {% name %} {{ name", "{ name } {% name %} {{ name"),
        ("{{{ name }}}", "{Ann Example}"),
        ("{{ {{ name }} }}", "{{ Ann Example }}"),
        ("{{ na{{ name }}me }}", "{{ naAnn Exampleme }}"),
    ],
)
def test_placeholders_are_replaced_and_nothing_else(text: str, rendered: str) -> None:
    assert placeholders.render(text, REPLACEMENTS) == rendered


@given(name=st.text() | st.sampled_from(["{{ topic }}", "{{ name }}", "{{", "}}", r"\1", "{% if %}"]))
def test_a_value_is_put_in_as_it_is_and_never_read_again(name: str) -> None:
    rendered = placeholders.render("<{{ name }}|{{ topic }}>", {"name": name, "topic": "Listings"})

    assert rendered == f"<{name or '[no name]'}|Listings>"


@given(text=st.text())
def test_a_text_without_braces_stays_as_it_is(text: str) -> None:
    plain = text.replace("{", "(").replace("}", ")")

    assert placeholders.render(plain, REPLACEMENTS) == plain
    assert placeholders.mistakes(plain) == []


@given(text=st.text(alphabet="{} \nnamex%", max_size=40))
def test_what_is_found_right_leaves_no_braces_to_the_reader(text: str) -> None:
    if not placeholders.mistakes(text):
        rendered = placeholders.render(text, dict.fromkeys(placeholders.PLACEHOLDERS, ""))
        assert "{{" not in rendered
        assert "{%" not in rendered


def test_a_text_of_blanks_and_open_braces_is_read_quickly() -> None:
    text = ("{{" + " " * 5_000) * 20

    began = time.process_time()
    placeholders.render(text, REPLACEMENTS)
    placeholders.mistakes(text)

    # By the processor's time, whatever else the machine does; minutes while blanks could be matched in three places.
    assert time.process_time() - began < 30


def test_every_placeholder_of_the_list_has_a_value() -> None:
    assert REPLACEMENTS.keys() == placeholders.PLACEHOLDERS.keys()


# --- Fallbacks --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["Ann Example", "Cher", "Fay, Mrs", "Dr. Amara Okafor"])
def test_a_first_name_is_never_guessed(name: str) -> None:
    assert placeholders.values(name=name, topic="")["first_name"] == ""


@pytest.mark.parametrize("blank", ["", " ", "\u00a0\u2009", "\u200b\ufeff", "\u3164"])
def test_a_value_that_nobody_sees_is_missing(blank: str) -> None:
    values = placeholders.values(name="Cher", first_name=blank, topic="Listings")

    assert placeholders.render('Dear {{ first_name | "friend" }},', values) == "Dear friend,"


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ('Hi {{ first_name | "there" }}!', "Hi there!"),
        ('Hi {{first_name|"there"}}!', "Hi there!"),
        ("Hi {{ first_name | “there” }}!", "Hi there!"),
        ("Hi {{ first_name | «d’ami | e» }}!", "Hi d’ami | e!"),
        ('{{ name | "nobody" }} {{ topic | "x" }}', "Cher Listings"),
        ("Hi {{ first_name }}!", "Hi [no first name]!"),
        # What `mistakes` refuses stays as it stands.
        ("{{ first_name | there }}", "{{ first_name | there }}"),
        ("{{ First name }}", "{{ First name }}"),
        # Of a field, or of none: it never goes out as it stands.
        ('{{ town | "nearby" }}', "nearby"),
        ("{{ town }}", "[no town]"),
    ],
)
def test_where_a_value_is_missing_its_fallback_takes_its_place(text: str, rendered: str) -> None:
    values = placeholders.values(name="Cher", topic="Listings")

    assert placeholders.render(text, values) == rendered
    assert placeholders.Pattern.of(text).fill(values) == rendered


@pytest.mark.parametrize(
    "text",
    [
        "{{ first_name | there }}",
        "{{ first_name | 'there' }}",
        '{{ first_name | "there }}',
        "{{ first_name | }}",
        '{{ first_name | "" }}',
        '{{ first_name | " \u200b" }}',
        '{{ first_name | "a\nb" }}',
        '{{ first_name | "a" "b" }}',
    ],
)
def test_a_fallback_that_says_nothing_or_can_not_be_read_is_refused(text: str) -> None:
    assert placeholders.mistakes(text) == [
        "The fallback of {{ first_name }} can’t be read. Write it in quotation marks and in one line: "
        '{{ first_name | "there" }}.'
    ]


def test_what_a_text_needs_is_what_stands_somewhere_without_a_fallback() -> None:
    texts = ('{{ first_name | "you" }} {{ last_name }}', "{{ first_name }} {{ topic }}", '{{ name | "x" }}')

    assert placeholders.used(*texts) == ("name", "first_name", "last_name")
    assert placeholders.needed(*texts) == ("first_name", "last_name")
    assert placeholders.needed(texts[0]) == ("last_name",)


@given(
    text=st.lists(
        st.sampled_from(
            ['{{ first_name | "you" }}', "{{ name }}", "{{ last_name|“ł”}}", "{{ topic }}", "{", '"', "|", " x "]
        )
    ).map("".join),
    name=st.text(min_size=1),
    first=st.text(),
    last=st.text(),
)
def test_who_has_what_a_text_needs_reads_neither_a_gap_nor_braces_of_ours(
    text: str, name: str, first: str, last: str
) -> None:
    values = placeholders.values(name=name, first_name=first, last_name=last, topic="Listings")
    plain = {key: "".join(char for char in value if char not in "{}[]") for key, value in values.items()}
    assume(not placeholders.mistakes(text))
    assume(all(plain[key].strip() for key in placeholders.needed(text)))

    read = placeholders.render(text, placeholders.values(**plain))

    assert "{{" not in read
    assert "[no " not in read
    assert read == placeholders.Pattern.of(text).fill(placeholders.values(**plain))


@pytest.mark.parametrize(
    "text", ["", "Hello", "{{ name }} {{topic}} {{ first_name }}", "{ name }", "100 % {", "{ { name } }"]
)
def test_what_staff_may_write_is_not_complained_of(text: str) -> None:
    assert placeholders.mistakes(text) == []


def test_an_unknown_placeholder_is_named_with_those_that_there_are() -> None:
    (said,) = placeholders.mistakes("{{ nmae }} and {{ nmae }}")

    assert said == (
        "There is no placeholder {{ nmae }}. Use one of {{ name }}, {{ first_name }}, {{ last_name }}, {{ topic }}."
    )


def test_fields_are_placeholders_unless_they_were_retired() -> None:
    fields = placeholders.Fields(active=["town", "budget"], retired=["branch"])

    assert placeholders.mistakes("{{ town }} {{ budget | “some” }}", fields) == []
    (said,) = placeholders.mistakes("{{ branch }}", fields)
    assert said == (
        "{{ branch }} can’t be used any more, because the field was retired. Take it out of the text, or restore the "
        "field."
    )
    (said,) = placeholders.mistakes("{{ twon }}", fields)
    assert said.endswith("{{ topic }}, {{ town }}, {{ budget }}.")


def test_of_many_fields_the_first_are_named() -> None:
    fields = placeholders.Fields(active=[f"field_{number}" for number in range(20)])

    (said,) = placeholders.mistakes("{{ x }}", fields)

    assert said.endswith("{{ field_3 }} and 16 more.")


def test_fields_come_after_what_is_built_in() -> None:
    assert placeholders.used("{{ town }} {{ budget }} {{ last_name }} {{ topic }}") == ("last_name", "budget", "town")


def test_each_unknown_placeholder_has_a_sentence() -> None:
    assert len(placeholders.mistakes("{{ a }} {{ b }} {{ name }} {{ a }}")) == 2


@pytest.mark.parametrize(
    "text", ["{{ name", "name }}", "{{ name }} }}", "{% if name %}", "{{ {{ name }} }}", "{{ name } }"]
)
def test_an_unclosed_placeholder_or_a_template_tag_is_refused(text: str) -> None:
    (said,) = placeholders.mistakes(text)

    assert said.startswith("A placeholder is incomplete")


# --- The last line of an SMS ------------------------------------------------------------------------------------------
STOP = "Reply STOP to end"


@pytest.mark.parametrize(
    ("text", "line", "sent"),
    [
        ("Hi {{ first_name }}", STOP, f"Hi Ann\n{STOP}"),
        ("Hi\n", STOP, f"Hi\n{STOP}"),
        ("Hi {{ first_name }}", "", "Hi Ann"),
        (f"Hi\n{STOP}", STOP, f"Hi\n{STOP}"),
        (f"Hi. {STOP} ", STOP, f"Hi. {STOP} "),
        (f"{STOP}!", STOP, f"{STOP}!\n{STOP}"),
        ("Hi", "{{ name }}: STOP", "Hi\n{{ name }}: STOP"),
        ("", STOP, ""),
        (" \n", STOP, " \n"),
    ],
)
def test_an_sms_ends_with_the_line_that_says_how_to_end_them(
    settings: Settings, text: str, line: str, sent: str
) -> None:
    settings.SMS_STOP_LINE = line

    assert placeholders.sms(text, REPLACEMENTS) == sent


def test_how_it_would_be_with_another_line_can_be_asked(settings: Settings) -> None:
    settings.SMS_STOP_LINE = STOP

    assert placeholders.sms("Hi", REPLACEMENTS, ending="") == "Hi"
    assert placeholders.sms("Hi", REPLACEMENTS, ending="STOP ends it") == "Hi\nSTOP ends it"


def test_a_text_is_tidied_of_what_browsers_do_to_its_lines() -> None:
    assert placeholders.tidied(" a\r\nb\rc\n\n") == "a\nb\nc"


def test_an_sms_that_no_provider_takes_is_complained_of() -> None:
    assert placeholders.sms_mistakes("a" * 1600) == []

    (said,) = placeholders.sms_mistakes("a" * 1601)

    assert "1,600 characters" in said


def test_for_staff_each_placeholder_is_named_in_its_place() -> None:
    text = "Hi {{ first_name }}, {{topic}} for {{ name }} and {{ other }} {{ Other }}"

    assert placeholders.named(text) == "Hi [first name], [topic] for [name] and [other] {{ Other }}"


@pytest.mark.parametrize(
    ("language", "line"),
    [
        (None, "Reply STOP to end"),
        ("en", "Reply STOP to end"),
        ("de", "Abmelden: STOP"),
        ("fr", "STOP pour ne plus recevoir"),
        ("es", "Responda STOP para darse de baja"),
        ("tlh", "Reply STOP to end"),
    ],
)
def test_our_own_line_about_stop_is_in_the_language_of_the_reader(
    settings: Settings, language: str | None, line: str
) -> None:
    settings.SMS_STOP_LINE = "Reply STOP to end"

    assert placeholders.sms("Hi", REPLACEMENTS, reader=language) == f"Hi\n{line}"


def test_a_line_of_ones_own_is_for_all_but_those_who_have_one_in_their_language(settings: Settings) -> None:
    settings.SMS_STOP_LINE, settings.SMS_STOP_LINES = "STOP to 36111", {"de": "STOP an 36111"}

    assert [placeholders.stop_line(one) for one in ("en", "de", "fr")] == [
        "STOP to 36111",
        "STOP an 36111",
        "STOP to 36111",
    ]
    settings.SMS_STOP_LINE = ""
    assert placeholders.stop_line("fr") == ""
