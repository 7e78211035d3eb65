"""Twilio's signature, by the examples of its documentation and of its library, and what else its form holds."""

from urllib.parse import urlencode

import pytest
from django.http import QueryDict
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from notifier.consent.sms_keywords import Wish
from notifier.consent.sms_replies import SmsReply
from notifier.webhooks.base import Forged, NotAReply
from notifier.webhooks.twilio import Twilio, signature
from tests.support.fakes import answers
from tests.support.fakes.sms import SID, TOKEN, sms_url

FORM = "application/x-www-form-urlencoded"
#: https://www.twilio.com/docs/usage/security and tests/unit/test_request_validator.py of twilio-python.
EXAMPLE = "CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212"
TWICE = "Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234"


@pytest.fixture
def twilio(settings: Settings) -> Twilio:
    settings.PUBLIC_URL = "https://notifier.example.com"
    return Twilio(sms_url(443))


def posted(url: str, fields: str, signed: str | None) -> object:
    """A request for that address, read by a Twilio whose token is that of the examples."""
    headers = {} if signed is None else {"X-Twilio-Signature": signed}
    request = RequestFactory().post(url, fields, content_type=FORM, headers=headers)
    return Twilio("twilio://AC1:12345@api.twilio.com/?from=%2B1").read_reply(request)


# --- The signature ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("url", "fields", "expected"),
    [
        ("https://mycompany.com/myapp.php?foo=1&bar=2", EXAMPLE, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("https://mycompany.com:443/myapp.php?foo=1&bar=2", EXAMPLE, "kvajT1Ptam85bY51eRf/AJRuM3w="),
        ("http://mycompany.com:80/myapp.php?foo=1&bar=2", EXAMPLE, "0ZXoZLH/DfblKGATFgpif+LLRf4="),
        ("http://mycompany.com:1234/myapp.php?foo=1&bar=2", EXAMPLE, "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
        ("https://mycompany.com/myapp.php?foo=1&bar=2", TWICE, "IK+Dwps556ElfBT0I3Rgjkr1wJU="),
    ],
)
def test_the_signature_is_that_of_twilios_examples(url: str, fields: str, expected: str) -> None:
    assert signature("12345", url, QueryDict(fields)).decode() == expected


@pytest.mark.parametrize(
    ("public", "signed"),
    [
        ("https://mycompany.com", "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("https://mycompany.com", "kvajT1Ptam85bY51eRf/AJRuM3w="),
        ("https://mycompany.com:443", "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("https://mycompany.com:1234", "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("http://mycompany.com", "0ZXoZLH/DfblKGATFgpif+LLRf4="),
        ("http://mycompany.com:1234", "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
    ],
)
def test_a_port_that_twilio_drops_or_adds_does_not_matter(settings: Settings, public: str, signed: str) -> None:
    settings.PUBLIC_URL = public

    with pytest.raises(NotAReply):  # a call, and rightly signed
        posted("/myapp.php?foo=1&bar=2", EXAMPLE, signed)


@pytest.mark.parametrize(
    ("public", "path", "fields", "signed"),
    [
        ("https://mycompany.com", "/myapp.php?foo=1&bar=2", EXAMPLE, None),
        ("https://mycompany.com", "/myapp.php?foo=1&bar=2", EXAMPLE, ""),
        ("https://mycompany.com", "/myapp.php?foo=1&bar=2", EXAMPLE, "RSOYDt4T1cUTdK1PDd93/VVr8B8"),
        ("https://mycompany.com", "/myapp.php?foo=1&bar=2", EXAMPLE, "rsoydt4t1cutdk1pdd93/vvr8b8="),
        ("https://mycompany.com", "/myapp.php?foo=1&bar=2", EXAMPLE, "RSOYDt4T1cUTdK1PDd93/VVr8B8=é"),
        ("https://mycompany.com", "/myapp.php?foo=1&bar=2", f"{EXAMPLE}&Body=STOP", "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("https://mycompany.com", "/myapp.php?foo=1&bar=3", EXAMPLE, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("https://mycompany.com", "/other.php?foo=1&bar=2", EXAMPLE, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("https://another.com", "/myapp.php?foo=1&bar=2", EXAMPLE, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("http://mycompany.com", "/myapp.php?foo=1&bar=2", EXAMPLE, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
    ],
)
def test_anything_else_than_twilios_own_is_forged(
    settings: Settings, public: str, path: str, fields: str, signed: str | None
) -> None:
    settings.PUBLIC_URL = public

    with pytest.raises(Forged):
        posted(path, fields, signed)


def test_without_a_token_nothing_is_believed(settings: Settings) -> None:
    """Whoever signs with nothing would be right otherwise."""
    settings.PUBLIC_URL = "https://notifier.example.com"
    fields = answers.form("STOP")
    signed = answers.signature("https://notifier.example.com/hooks/sms/twilio", fields, token="")
    request = RequestFactory().post(
        answers.PATH, urlencode(fields), content_type=FORM, headers={"X-Twilio-Signature": signed}
    )

    with pytest.raises(Forged):
        Twilio("twilio://AC1@api.twilio.com/?from=%2B1").read_reply(request)


@given(
    fields=st.dictionaries(st.text("abcABC_", min_size=1), st.text(st.characters(codec="utf-8")), max_size=5),
    token=st.text("0123456789abcdef", min_size=1),
)
def test_the_signature_is_that_which_anybody_makes_by_the_documentation(fields: dict[str, str], token: str) -> None:
    url = "https://notifier.example.com/hooks/sms/twilio"

    ours = signature(token, url, QueryDict(urlencode(fields)))

    assert ours.decode() == answers.signature(url, fields, token)


def test_the_address_under_which_a_proxy_asks_us_does_not_matter(twilio: Twilio) -> None:
    """Twilio signs the address that it was given, which is PUBLIC_URL and the path."""
    answer = read(twilio, answers.form("hello"))

    assert answer.text == "hello"


# --- The form ---------------------------------------------------------------------------------------------------------
def read(twilio: Twilio, fields: dict[str, str]) -> SmsReply:
    signed = answers.signature(f"https://notifier.example.com{answers.PATH}", fields, TOKEN)
    request = RequestFactory().post(
        answers.PATH,
        urlencode(fields),
        content_type=FORM,
        headers={"X-Twilio-Signature": signed, "Host": "10.0.0.7:8000"},
    )
    return twilio.read_reply(request)


def test_a_message_is_read(twilio: Twilio) -> None:
    fields = answers.form("Is it free? ünïcode & 100 % + more", sid="SM123", sender="+447700900123")

    assert read(twilio, fields) == SmsReply(
        provider="twilio",
        provider_id="SM123",
        sender="+447700900123",
        text="Is it free? ünïcode & 100 % + more",
    )


@pytest.mark.parametrize(("named", "wish"), [("STOP", Wish.STOP), ("START", Wish.START), ("HELP", Wish.HELP)])
def test_what_twilio_took_it_for_is_known(twilio: Twilio, named: str, wish: Wish) -> None:
    assert read(twilio, answers.form("Arrêt", OptOutType=named)).taken_for is wish


@pytest.mark.parametrize("named", ["", "stop", "MAYBE"])
def test_what_twilio_never_says_means_nothing(twilio: Twilio, named: str) -> None:
    assert read(twilio, answers.form("STOP", OptOutType=named)).taken_for is None


def test_a_picture_without_words_is_told(twilio: Twilio) -> None:
    assert read(twilio, answers.form("", NumMedia="2")).text == "[without words, and with 2 attachments]"
    assert read(twilio, answers.form("", NumMedia="1")).text == "[without words, and with an attachment]"
    assert read(twilio, answers.form("")).text == ""


@pytest.mark.parametrize(
    "without", [{"Body": None}, {"MessageSid": None}, {"From": None}, {"MessageSid": ""}, {"MessageSid": "SM 1\n"}]
)
def test_what_is_no_message_is_none(twilio: Twilio, without: dict[str, str | None]) -> None:
    """Such as the status of an SMS of ours, which was pointed here by mistake."""
    fields = {name: value for name, value in (answers.form("x") | without).items() if value is not None}

    with pytest.raises(NotAReply):
        read(twilio, fields)


# --- The reply --------------------------------------------------------------------------------------------------------
def test_a_reply_is_twiml_and_none_is_empty_twiml(twilio: Twilio) -> None:
    reply = twilio.respond("Tom & Jerry <b>, Reply STOP")

    assert reply["Content-Type"] == "text/xml"
    assert reply.content.decode().endswith(
        "?><Response><Message>Tom &amp; Jerry &lt;b&gt;, Reply STOP</Message></Response>"
    )
    assert twilio.respond("").content.decode() == answers.NOTHING


def test_the_token_of_an_address_may_be_quoted(settings: Settings) -> None:
    settings.PUBLIC_URL = "https://notifier.example.com"
    fields = answers.form("hello")
    signed = answers.signature(f"https://notifier.example.com{answers.PATH}", fields, "to:k/en")
    request = RequestFactory().post(
        answers.PATH, urlencode(fields), content_type=FORM, headers={"X-Twilio-Signature": signed}
    )

    assert Twilio(f"twilio://{SID}:to%3Ak%2Fen@api.twilio.com/?from=%2B1").read_reply(request).text == "hello"
