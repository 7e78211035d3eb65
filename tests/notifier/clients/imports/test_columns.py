import pytest

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
