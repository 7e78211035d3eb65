import pytest

from notifier.runtime import foreign_text


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("", ""),
        ("550 no such user\r\n\tat all", "550 no such user\r\n\tat all"),
        ("a\0b", "ab"),
        ("\ud800", "\ufffd"),
        ("🏡 \U0010ffff Ω", "🏡 \U0010ffff Ω"),
        ("\udfff\ud800", "\ufffd\ufffd"),
    ],
)
def test_what_can_be_stored_stays_and_the_rest_goes(text: str, cleaned: str) -> None:
    assert foreign_text.cleaned(text) == cleaned
    foreign_text.cleaned(text).encode()
