"""Which text a client gets, and how far a notification is written in other languages."""

from typing import Any

import pytest

from notifier.messages import variants
from notifier.messages.variants import Texts

OWN = Texts("Hello", "", "Dear you", "Hi")
GERMAN = Texts("Hallo", "Vorab", "Guten Tag", "Hallo!")


def chosen(channel: str, language: str | None, **others: Texts) -> tuple[str, str]:
    found = variants.choose(own=OWN, others=others, channel=channel, language=language)
    return found.language, found.texts.subject if channel == "email" else found.texts.sms_body


@pytest.mark.parametrize("channel", ["email", "sms"])
def test_a_client_gets_the_text_in_their_language(channel: str) -> None:
    assert chosen(channel, "de", de=GERMAN)[0] == "de"
    assert chosen(channel, None, de=GERMAN)[0] == "en"
    assert chosen(channel, "fr", de=GERMAN)[0] == "en"
    assert chosen(channel, "en", de=GERMAN)[0] == "en"


def test_what_is_not_complete_for_the_channel_is_not_sent_on_it() -> None:
    no_sms = Texts("Hallo", "", "Guten Tag")
    no_subject = Texts("", "", "Guten Tag", "Hallo!")

    assert chosen("email", "de", de=no_sms) == ("de", "Hallo")
    assert chosen("sms", "de", de=no_sms) == ("en", "Hi")
    assert chosen("email", "de", de=no_subject) == ("en", "Hello")
    assert chosen("sms", "de", de=no_subject) == ("de", "Hallo!")
    assert chosen("email", "de", de=Texts("Hallo", "Nur vorab", " ")) == ("en", "Hello")


def test_a_language_that_is_no_longer_offered_is_sent_to_nobody(settings: Any) -> None:
    settings.CLIENT_LANGUAGES = ("en", "fr")

    assert chosen("email", "de", de=GERMAN) == ("en", "Hello")


def test_another_default_language_makes_the_own_text_that_of_its_clients(settings: Any) -> None:
    settings.CLIENT_LANGUAGES = ("de", "en")

    assert chosen("email", "de", en=GERMAN, de=GERMAN) == ("de", "Hello")
    assert chosen("email", "en", en=GERMAN) == ("en", "Hallo")


def test_what_is_kept_is_read_back_and_the_same_for_the_same_texts() -> None:
    kept = variants.write({"fr": Texts("Bonjour"), "de": GERMAN})

    assert variants.read(kept) == {"de": GERMAN, "fr": Texts("Bonjour")}
    assert kept == variants.write({"de": GERMAN, "fr": Texts("Bonjour"), "es": Texts()})
    assert variants.write({"de": Texts()}) == variants.write({}) == ""
    assert variants.read("") == {}
    assert variants.read('{"de": {"subject": "Hallo", "of_a_later_release": 1}}') == {"de": Texts("Hallo")}


def test_completeness_counts_the_channels_that_the_notification_has() -> None:
    others = {"de": GERMAN, "fr": Texts("Bonjour", "", "Cher vous")}

    told = {one.name: one.words for one in variants.completeness(own=OWN, others=others)}
    of_sms = {one.name: one.words for one in variants.completeness(own=Texts("Hello", "", "", "Hi"), others=others)}
    partly = variants.completeness(own=OWN, others={"de": Texts("", "", "Guten Tag")})[0]

    assert told == {"German": "complete", "French": "SMS missing", "Spanish": "not written"}
    assert of_sms["French"] == "SMS missing"
    assert partly.words == "subject and SMS missing"
    assert not partly.is_complete
