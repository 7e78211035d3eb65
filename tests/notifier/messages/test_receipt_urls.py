import pytest
from django.test import override_settings
from pytest_django.fixtures import Settings

from notifier.messages import receipt_urls, signed_links
from notifier.messages.receipt_urls import BadToken


@pytest.fixture(autouse=True)
def _asked_for(settings: Settings) -> None:
    settings.PUBLIC_URL, settings.SMS_RECEIPTS = "https://notifier.example.com", True


def test_a_url_names_its_delivery() -> None:
    url = receipt_urls.url("7.101", provider="twilio")

    beginning, _, token = url.rpartition("/")
    assert beginning == "https://notifier.example.com/hooks/sms/twilio/receipts"
    assert receipt_urls.read_token(token) == "7.101"


@pytest.mark.parametrize("reference", ["", "test.1", "7", "7.", ".7", "7.0", "0.7", "7.101\n", "7.101.5", "٧.١"])
def test_what_is_no_delivery_has_none(reference: str) -> None:
    assert receipt_urls.url(reference, provider="twilio") == ""
    with pytest.raises(BadToken):
        receipt_urls.read_token(receipt_urls.token(reference))


def test_without_receipts_there_is_none(settings: Settings) -> None:
    settings.SMS_RECEIPTS = False

    assert receipt_urls.url("7.101", provider="twilio") == ""


@pytest.mark.parametrize("change", [("7.101", "7.102"), (":", ""), (":", ":x")])
def test_a_changed_token_is_refused(change: tuple[str, str]) -> None:
    with pytest.raises(BadToken):
        receipt_urls.read_token(receipt_urls.token("7.101").replace(*change))


def test_a_key_of_before_still_reads_and_a_forgotten_one_does_not(settings: Settings) -> None:
    with override_settings(SECRET_KEY="the-key-of-before" * 4):
        token = receipt_urls.token("7.101")

    with pytest.raises(BadToken):
        receipt_urls.read_token(token)
    settings.SECRET_KEY_FALLBACKS = ["the-key-of-before" * 4]
    assert receipt_urls.read_token(token) == "7.101"


def test_a_link_of_a_mail_is_no_token() -> None:
    with pytest.raises(BadToken):
        receipt_urls.read_token(signed_links.token(signed_links.Link(1, 2, 3)))
