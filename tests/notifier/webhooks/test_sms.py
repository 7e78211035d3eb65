"""The address that providers deliver to: what is not theirs leaves no trace, and tells nothing."""

from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import OperationalError
from django.http import HttpResponse
from django.test import Client as Browser
from pytest_django.fixtures import Settings

from notifier.consent import sms_answers, sms_replies
from notifier.models import Client, InboundMessage, Suppression, SuppressionChange
from notifier.web.security_headers import Allowance
from notifier.webhooks import sms
from notifier.webhooks.base import Forged
from tests.support.factories import a_client
from tests.support.fakes import answers
from tests.support.fakes.answers import NOTHING, PATH
from tests.support.fakes.sms import sms_url

pytestmark = [pytest.mark.django_db, pytest.mark.both_engines]

PUBLIC = "https://notifier.example.com"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(autouse=True)
def _by_twilio(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.PUBLIC_URL, settings.SMS_URL = PUBLIC, sms_url(443)
    settings.SMS_HELP_ANSWER = "Homes & more. Reply STOP to end."
    settings.SECURE_SSL_REDIRECT = False
    monkeypatch.setattr(sms, "complaints", Allowance(10))


def post(fields: dict[str, str], *, path: str = PATH, signed: str | None = None, **more: Any) -> Any:
    """By a browser that checks CSRF, as all do."""
    signed = answers.signature(PUBLIC + path, fields) if signed is None else signed
    values = {"content_type": FORM, "headers": {"X-Twilio-Signature": signed}} | more
    return Browser(enforce_csrf_checks=True).post(path, urlencode(fields), **values)


def nothing_is_written() -> bool:
    return not any(model.objects.exists() for model in (InboundMessage, Suppression, SuppressionChange))


# --- What is answered -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "outcome"), [("STOP", "STOPPED"), ("Please stop", "KEPT"), ("START", "KEPT"), ("How much?", "KEPT")]
)
def test_what_clients_answer_is_kept_and_nothing_is_sent_back(text: str, outcome: str) -> None:
    answer = post(answers.form(text))

    assert (answer.status_code, answer["Content-Type"], answer.content.decode()) == (200, "text/xml", NOTHING)
    assert InboundMessage.objects.get().outcome == outcome
    assert "no-store" in answer["Cache-Control"]


def test_help_is_answered() -> None:
    answer = post(answers.form("help"))

    assert "<Response><Message>Homes &amp; more. Reply STOP to end.</Message></Response>" in answer.content.decode()
    assert InboundMessage.objects.get().outcome == "HELPED"


@pytest.mark.parametrize(
    ("language", "word", "begins"),
    [
        (None, "HELP", "You are receiving"),
        ("de", "Hilfe", "Sie erhalten"),
        ("fr", "aide", "Vous recevez"),
        ("es", "AYUDA", "Recibe estos"),
        # Their language counts, and not that of the word.
        ("de", "HELP", "Sie erhalten"),
    ],
)
def test_help_is_answered_in_the_language_of_the_client(
    settings: Settings, language: str | None, word: str, begins: str
) -> None:
    settings.SMS_HELP_ANSWER = sms_answers.OUR_HELP
    Client.objects.filter(pk=a_client(phone="+447700900123").pk).update(language=language)

    answer = post(answers.form(word, sender="+447700900123")).content.decode()

    assert f"<Message>{begins}" in answer
    assert "STOP" in answer


def test_an_answer_of_ones_own_is_for_all_but_those_who_have_one_in_their_language(settings: Settings) -> None:
    settings.SMS_HELP_ANSWERS = {"de": "Rufen Sie uns an."}
    ann, bob = a_client(phone="+447700900123"), a_client(phone="+447700900124")
    Client.objects.filter(pk=ann.pk).update(language="de")
    Client.objects.filter(pk=bob.pk).update(language="fr")

    assert "Rufen Sie uns an." in post(answers.form("HELP", sender="+447700900123")).content.decode()
    assert "Homes &amp; more." in post(answers.form("HELP", sender="+447700900124")).content.decode()


@pytest.mark.parametrize(("word", "language", "said"), [("Arrêt", "fr", "ne recevrez plus"), ("BAJA", "es", "Su baja")])
def test_a_local_word_stops_and_is_answered_because_nobody_else_does(word: str, language: str, said: str) -> None:
    Client.objects.filter(pk=a_client(phone="+447700900123").pk).update(language=language)

    answer = post(answers.form(word, sender="+447700900123"))

    assert said in answer.content.decode()
    assert Suppression.objects.get().address == "+447700900123"
    # Where the provider knows the word, it has answered.
    assert post(answers.form(word, sender="+447700900123", OptOutType="STOP")).content.decode() == NOTHING


def test_help_that_twilio_answers_itself_is_not_answered_twice() -> None:
    assert post(answers.form("AIDE", OptOutType="HELP")).content.decode() == NOTHING
    assert InboundMessage.objects.get().outcome == "HELPED"


def test_without_an_answer_to_help_nothing_is_sent_back(settings: Settings) -> None:
    settings.SMS_HELP_ANSWER = ""

    assert post(answers.form("HELP")).content.decode() == NOTHING


def test_stop_and_start_end_and_bring_back() -> None:
    post(answers.form("Stop.", sender="+447700900123"))
    assert Suppression.objects.get().address == "+447700900123"

    post(answers.form("START", sender="+447700900123"))
    assert not Suppression.objects.exists()


def test_what_is_delivered_twice_is_taken_once_and_answered_alike() -> None:
    for text in ("STOP", "HELP"):
        fields = answers.form(text)

        first, second = post(fields), post(fields)

        assert (first.status_code, first.content) == (second.status_code, second.content)
    assert InboundMessage.objects.count() == 2
    assert SuppressionChange.objects.count() == 1


# --- What is refused --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("signed", ["", "AAAA", "é", "RSOYDt4T1cUTdK1PDd93/VVr8B8="])
def test_without_the_right_signature_nothing_is_written_and_nothing_is_told(signed: str) -> None:
    answer = post(answers.form("STOP"), signed=signed)

    assert (answer.status_code, answer.content) == (403, b"")
    assert nothing_is_written()


def test_the_signature_of_another_token_path_or_text_is_not_right() -> None:
    fields = answers.form("START")
    for signed in (
        answers.signature(PUBLIC + PATH, fields, token="another"),
        answers.signature(PUBLIC + PATH + "/", fields),
        answers.signature(PUBLIC + PATH, fields | {"Body": "STOP"}),
        answers.signature(PUBLIC + PATH, fields | {"From": "+447700900123"}),
    ):
        assert post(fields, signed=signed).status_code == 403
    assert nothing_is_written()


def test_a_missing_signature_is_told_in_the_log_some_times_a_minute_without_a_word_of_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for _ in range(15):
        post(answers.form("call me", sender="+447700900123"), signed="")

    assert caplog.text.count("PUBLIC_URL is not the address") == 10
    assert "+447700900123" not in caplog.text
    assert "call me" not in caplog.text


@pytest.mark.parametrize("sms", ["console://", "null://", "file:///sms.log"])
def test_where_no_provider_is_configured_there_is_no_such_page(settings: Settings, sms: str) -> None:
    settings.SMS_URL = sms

    assert post(answers.form("STOP")).status_code == 404
    assert nothing_is_written()


@pytest.mark.parametrize("name", ["console", "other", "twilio2", "TWILIO"])
def test_another_providers_page_is_not_there(name: str) -> None:
    assert post(answers.form("STOP"), path=f"/hooks/sms/{name}").status_code == 404
    assert nothing_is_written()


@pytest.mark.parametrize("method", ["get", "head", "put", "delete", "options", "patch"])
def test_only_a_post_is_answered(method: str) -> None:
    answer = getattr(Browser(), method)(PATH, headers={"X-Twilio-Signature": answers.signature(PUBLIC + PATH, {})})

    assert answer.status_code == 405


def test_what_is_too_large_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    def unread(*_: Any) -> Any:
        raise AssertionError("it was read")

    monkeypatch.setattr(sms_replies, "receive", unread)
    fields = answers.form("x" * sms.MAX_BYTES)

    assert post(fields).status_code == 403


def test_the_longest_text_that_twilio_takes_fits() -> None:
    assert post(answers.form("字" * 1600)).status_code == 200
    assert InboundMessage.objects.get().text == "字" * 1600


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x", "text/plain", ""])
def test_what_is_no_form_is_refused(kind: str) -> None:
    assert post(answers.form("STOP"), content_type=kind).status_code == 403
    assert nothing_is_written()


def test_what_is_signed_and_no_message_is_not_kept() -> None:
    fields = answers.form("x")
    del fields["Body"]

    assert post(fields).status_code == 400
    assert nothing_is_written()


def test_while_the_database_is_away_the_provider_is_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(**_: Any) -> Any:
        raise OperationalError("the connection was refused")

    monkeypatch.setattr(sms_replies, "receive", away)

    assert post(answers.form("STOP")).status_code == 503


# --- Another provider -------------------------------------------------------------------------------------------------
class Pigeon:
    """All that it takes."""

    def __init__(self, sms_url: str) -> None:
        self.secret = sms_url.rpartition("/")[2]

    def read_reply(self, request: Any) -> sms_replies.SmsReply:
        if request.headers.get("X-Pigeon") != self.secret:
            raise Forged
        return sms_replies.SmsReply("pigeon", request.POST["id"], request.POST["by"], request.POST["note"])

    def respond(self, text: str) -> Any:
        return HttpResponse(f"carry back: {text}")


def test_another_provider_is_one_small_class(settings: Settings) -> None:
    settings.SMS_URL = "pigeon://loft/feather"
    settings.INBOUND_SMS = {"pigeon": f"{__name__}.Pigeon"}
    fields = {"id": "7", "by": "+12025550123", "note": "help"}

    stone, feather = (
        post(fields, path="/hooks/sms/pigeon", headers={"X-Pigeon": secret}) for secret in ("stone", "feather")
    )

    assert stone.status_code == 403
    assert feather.content.decode() == "carry back: Homes & more. Reply STOP to end."
    assert InboundMessage.objects.get().provider == "pigeon"
