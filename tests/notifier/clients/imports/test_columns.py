import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.clients.imports import columns
from notifier.clients.imports.columns import ConsentColumn, MappingError, TopicRef

LISTINGS, OFFERINGS = TopicRef(1, "listings", "Listings"), TopicRef(2, "offerings", "Offerings")
NEW = TopicRef(3, "new-listings", "New listings")
SUBJECTS = [LISTINGS, OFFERINGS, NEW]


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("Name", "name"),
        ("full name", "name"),
        ("First Name", "first_name"),
        ("Nachname", "last_name"),
        ("E-Mail", "email"),
        ("email address", "email"),
        ("EMAIL_ADDRESS", "email"),
        ("Correo electrónico", "email"),
        ("Mobile", "phone"),
        ("Telefon", "phone"),
        ("Téléphone", "phone"),
        ("SMS", "phone"),
        ("Mobile No.", "phone"),
        ("Phone numbers", "phone"),
        ("E-mail no.", ""),
        ("Listings e-mail", "listings.email"),
        ("Listings (E-Mail)", "listings.email"),
        ("listings.sms", "listings.sms"),
        ("Offerings (SMS)", "offerings.sms"),
        ("wants offerings by text", "offerings.sms"),
        ("SMS: Listings", "listings.sms"),
        ("Listings", "listings.both"),
        ("Listings: both/email/sms", "listings.both"),
        ("New listings", "new-listings.both"),
        ("New listings SMS", "new-listings.sms"),
        ("Listings since", ""),
        ("Notes", ""),
        ("Line", ""),
        ("Reason for rejection", ""),
        ("Why it was not taken", ""),
    ],
)
def test_header_names_are_forgiving(name: str, meaning: str) -> None:
    assert columns.guess([name], SUBJECTS) == [meaning]


@pytest.mark.parametrize(
    ("header", "meanings"),
    [
        ("Name,Family name,Email", "first_name,last_name,email"),
        ("Name;Vorname;E-Mail", "last_name,first_name,email"),
        ("Name,Given Name,Family Name,E-mail 1 - Value", "name,first_name,last_name,email"),
        ("Display Name,First Name,Last Name,Home-Email", "name,first_name,last_name,email"),
        ("E-mail 1 - Label,E-mail 1 - Value,E-mail 2 - Value,Phone 1 - Value", ",email,,phone"),
        ("First Name,Last Name,E-mail Address,Home Phone,Mobile Phone", "first_name,last_name,email,,phone"),
        ("First Name,Last Name,E-mail Address,Business Phone", "first_name,last_name,email,phone"),
        ("Phonetic First Name,Name Prefix,Name,Email", ",,name,email"),
    ],
)
def test_the_columns_of_address_books_are_guessed_so_that_they_can_be_imported(header: str, meanings: str) -> None:
    guessed = columns.guess(header.replace(";", ",").split(","), SUBJECTS)

    assert guessed == meanings.split(",")
    columns.arrange(guessed, SUBJECTS)


def test_nothing_is_guessed_twice() -> None:
    assert columns.guess(["E-Mail", "Mail", "Listings", "Listings"], SUBJECTS) == ["email", "", "listings.both", ""]


@pytest.mark.parametrize(
    ("header", "meanings"),
    [
        ("Listings,Listings SMS", "listings.email,listings.sms"),
        ("SMS: Listings,wants Listings", "listings.sms,listings.email"),
        # A column without a channel may be about anything then, and so may one of both.
        ("Listings,Listings e-mail", ",listings.email"),
        ("Listings,Listings e-mail,Listings SMS", ",listings.email,listings.sms"),
        ("Listings both,Listings SMS", ",listings.sms"),
        ("Listings,Offerings SMS", "listings.both,offerings.sms"),
    ],
)
def test_a_column_of_both_channels_gives_way_to_one_that_names_its_channel(header: str, meanings: str) -> None:
    assert columns.guess(header.split(","), SUBJECTS) == meanings.split(",")


_ABOUT_TOPICS = st.tuples(
    st.sampled_from(["", "wants ", "SMS: ", "E-mail "]),
    st.sampled_from(["Listings", "New listings", "offerings", "listings."]),
    st.sampled_from(["", " SMS", " (e-mail)", " both", "email", "sms", "both", " since", " e-mail/SMS"]),
).map("".join)
_NAMES = st.sampled_from(
    ["Name", "Full name", "First name", "Vorname", "Last name", "Surname", "E-mail", "Mobile", "Tel", "Work email"]
)


@given(st.lists(_ABOUT_TOPICS | _NAMES | st.text(max_size=8), min_size=1, max_size=9))
def test_whatever_is_guessed_is_accepted_where_a_column_has_an_address(header: list[str]) -> None:
    guessed = columns.guess([*header, "E-mail address"], SUBJECTS)

    columns.arrange(guessed, SUBJECTS)


def test_a_layout_knows_where_everything_stands() -> None:
    layout = columns.arrange(["", "email", "listings.both", "name", "offerings.sms"], SUBJECTS)

    assert layout.fields == {"email": 1, "name": 3}
    assert layout.consent_columns == [ConsentColumn(1, "email"), ConsentColumn(1, "sms"), ConsentColumn(2, "sms")]


@pytest.mark.parametrize(
    ("meanings", "words"),
    [
        (["name", "listings.both"], "Choose the column with the e-mail address"),
        (["email", "email"], "Two columns are matched to “E-mail address”"),
        (["email", "listings.sms", "listings.sms"], "Two columns are matched to “Listings: by SMS”"),
        (["email", "listings.both", "listings.sms"], "Two columns are about Listings by the same channel"),
        (["email", "name", "last_name"], "or of neither"),
        (["email", "gone.sms"], "“gone.sms” is not something a column can contain"),
    ],
)
def test_columns_that_do_not_go_together_are_refused(meanings: list[str], words: str) -> None:
    with pytest.raises(MappingError, match=words):
        columns.arrange(meanings, SUBJECTS)
