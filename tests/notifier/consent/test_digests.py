from django.test import override_settings

from notifier.consent import digests
from notifier.models import DIGEST, Channel

EMAIL, SMS = Channel.EMAIL, Channel.SMS


def test_an_address_has_one_digest_however_it_is_written() -> None:
    assert digests.digest(EMAIL, "Ann@Example.com ") == digests.digest(EMAIL, "ann@example.com")
    assert digests.digest(EMAIL, "ann@example.com").startswith(DIGEST)
    assert "ann" not in digests.digest(EMAIL, "ann@example.com")


def test_another_address_channel_or_key_has_another() -> None:
    mine = digests.digest(EMAIL, "ann@example.com")

    assert digests.digest(EMAIL, "bob@example.com") != mine
    assert digests.digest(SMS, "ann@example.com") != mine
    with override_settings(CONSENT_KEY="another"):
        assert digests.digest(EMAIL, "ann@example.com") != mine


def test_what_was_written_under_an_earlier_key_is_found() -> None:
    with override_settings(SECRET_KEY="old"):
        written = digests.digest(EMAIL, "ann@example.com")

    with override_settings(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["old"]):
        assert written in digests.digests(EMAIL, "ann@example.com")
    with override_settings(SECRET_KEY="new", SECRET_KEY_FALLBACKS=[]):
        assert written not in digests.digests(EMAIL, "ann@example.com")


def test_a_key_of_its_own_outlives_every_secret_key() -> None:
    with override_settings(SECRET_KEY="old", CONSENT_KEY="kept"):
        written = digests.digest(EMAIL, "ann@example.com")

    with override_settings(SECRET_KEY="new", CONSENT_KEY="kept"):
        assert digests.digest(EMAIL, "ann@example.com") == written


def test_every_spelling_of_a_mailbox_has_one_digest() -> None:
    one = digests.digest(EMAIL, "bob@bücher.example")

    assert digests.digest(EMAIL, "bob@xn--bcher-kva.example") == one
    assert digests.digest(EMAIL, "BOB@bu\u0308cher.example") == one


def test_a_digest_of_before_is_found_by_any_spelling() -> None:
    """It was made of the address as it was written, which nobody can read from it any more."""
    for before in ("bob@xn--bcher-kva.example", "bob@bu\u0308cher.example"):
        written = digests._of(digests._keys()[0], EMAIL, before)

        assert written in digests.digests(EMAIL, "bob@bücher.example")
