from typing import Any

import pytest

from notifier.languages import offered


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *[(text, "de") for text in ("de", "DE", "German", "deutsch", "Deutsch ", "de-AT", "de_CH.UTF-8", "deu", "ger")],
        *[(text, "fr") for text in ("fr", "French", "Français", "francais", "FRANÇAIS", "fra", "fr-CA")],
        *[(text, "es") for text in ("es", "Spanish", "español", "Espanol", "castellano", "es-419", "spa")],
        *[(text, "en") for text in ("en", "English", "en-GB", "en_US", "eng")],
    ],
)
def test_a_language_is_known_by_its_code_its_english_and_its_own_name(text: str, code: str) -> None:
    assert offered.read(text) == code


@pytest.mark.parametrize("text", ["", "Klingon", "it", "italiano", "d", "de-", "de--AT", "den", "x" * 5_000])
def test_what_is_no_language_here_is_refused_with_those_that_are(text: str) -> None:
    with pytest.raises(ValueError, match="English, German, French, Spanish") as refused:
        offered.read(text)

    assert len(str(refused.value)) < 150


def test_another_list_of_languages_counts_at_once(settings: Any) -> None:
    settings.CLIENT_LANGUAGES = ("fr", "it")

    assert (offered.default(), offered.of(None), offered.of("it"), offered.of("de")) == ("fr", "fr", "it", "fr")
    assert offered.read("italiano") == "it"
    assert offered.choices() == [("fr", "French"), ("it", "Italian")]
    assert (offered.own_name("fr"), offered.own_name("de"), offered.own_name("xx")) == ("Français", "Deutsch", "Xx")
