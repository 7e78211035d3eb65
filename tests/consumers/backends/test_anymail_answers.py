"""Every backend of django-anymail that speaks HTTP, against a fake of its provider's interface."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from anymail.exceptions import AnymailAPIError
from pytest_django import Settings

from consumers.backends import anymail_answers
from consumers.backends.base import (
    ChannelDown,
    Hurries,
    NoMessage,
    OutcomeUnknown,
    Outgoing,
    PerhapsDown,
    PermanentFailure,
    SendBackend,
    SendFailure,
    TemporaryFailure,
)
from consumers.backends.email import get_backend
from consumers.backends.progress import Progress
from tests.consumers.backends.patience import HASTY_SECONDS, PATIENT_SECONDS
from tests.support.fakes.mail_api import HttpAnswer, MailApi

# SendGrid's is kept, and no longer looked after.
pytestmark = pytest.mark.filterwarnings("ignore::anymail.exceptions.AnymailNotSupportedWarning")

ANN = "ann@example.com"
MESSAGE = Outgoing(reference="7.42", address=ANN, subject="Three new homes", body="Hello Ann.\n", html="<p>Hello</p>")


@dataclass(frozen=True)
class Provider:
    """What a provider answers that took the message, and one that took the request but not the recipient."""

    keys: dict[str, str]
    taken: HttpAnswer
    #: None where the provider says so with a plain 4xx.
    refused: HttpAnswer | None = None


def said(status: int, body: Any, **headers: str) -> HttpAnswer:
    return HttpAnswer(status, json.dumps(body), headers)


PROVIDERS = {
    "brevo": Provider({"API_KEY": "k"}, said(201, {"messageId": "<id>"})),
    "mailersend": Provider(
        {"API_TOKEN": "k"},
        HttpAnswer(202, "", {"X-Message-Id": "id"}),
        said(
            202, {"warnings": [{"type": "ALL_SUPPRESSED", "recipients": [{"email": ANN, "reason": ["blocklisted"]}]}]}
        ),
    ),
    "mailgun": Provider({"API_KEY": "k"}, said(200, {"id": "<id>", "message": "Queued. Thank you."})),
    "mailjet": Provider(
        {"API_KEY": "k", "SECRET_KEY": "s"},
        said(200, {"Messages": [{"Status": "success", "To": [{"Email": ANN, "MessageID": 1}]}]}),
        said(400, {"Messages": [{"Status": "error", "Errors": [{"StatusCode": 400, "ErrorMessage": "bad"}]}]}),
    ),
    "mailtrap": Provider({"API_TOKEN": "k"}, said(200, {"success": True, "message_ids": ["id"]})),
    "mandrill": Provider(
        {"API_KEY": "k"},
        said(200, [{"email": ANN, "status": "queued", "_id": "id"}]),
        said(200, [{"email": ANN, "status": "rejected", "reject_reason": "hard-bounce", "_id": "id"}]),
    ),
    "postal": Provider(
        {"API_KEY": "k"},
        said(200, {"status": "success", "data": {"message_id": "id", "messages": {ANN: {"id": 1, "token": "t"}}}}),
    ),
    "postmark": Provider(
        {"SERVER_TOKEN": "k"},
        said(200, {"ErrorCode": 0, "Message": "OK", "MessageID": "id", "To": ANN}),
        said(422, {"ErrorCode": 406, "Message": f"Found inactive addresses: {ANN}.\n Inactive recipients are ones …"}),
    ),
    "resend": Provider({"API_KEY": "k"}, said(200, {"id": "id"})),
    "scaleway": Provider(
        {"SECRET_KEY": "k", "PROJECT_ID": "p"},
        said(200, {"emails": [{"id": "id", "mail_rcpt": ANN, "status": "new", "message_id": "<id>"}]}),
    ),
    "sendgrid": Provider({"API_KEY": "k"}, HttpAnswer(202)),
    "sparkpost": Provider(
        {"API_KEY": "k"},
        said(200, {"results": {"total_rejected_recipients": 0, "total_accepted_recipients": 1, "id": "id"}}),
        said(200, {"results": {"total_rejected_recipients": 1, "total_accepted_recipients": 0, "id": "id"}}),
    ),
    "unisender_go": Provider(
        {"API_KEY": "k"},
        said(200, {"status": "success", "job_id": "id", "emails": [ANN], "failed_emails": {}}),
        said(200, {"status": "success", "job_id": "id", "emails": [], "failed_emails": {ANN: "permanent_unavailable"}}),
    ),
}


@pytest.fixture
def api() -> Iterator[MailApi]:
    with MailApi() as api:
        yield api


@pytest.fixture
def use(settings: Settings, api: MailApi) -> Callable[..., SendBackend]:
    def use(name: str, url: str = "") -> SendBackend:
        settings.EMAIL_BACKEND = path_of(name)
        settings.EMAIL_TIMEOUT = 20
        keys = {f"{name.upper()}_{key}": value for key, value in PROVIDERS[name].keys.items()}
        settings.ANYMAIL = {
            **keys,
            f"{name.upper()}_API_URL": url or api.url,
            "IGNORE_UNSUPPORTED_FEATURES": True,
            "REQUESTS_TIMEOUT": settings.EMAIL_TIMEOUT,
        }
        return get_backend()

    return use


def path_of(name: str) -> str:
    return f"anymail.backends.{name}.EmailBackend"


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])


every_provider = pytest.mark.parametrize("name", PROVIDERS)


@every_provider
def test_what_the_provider_took_is_sent(use: Callable[..., SendBackend], api: MailApi, name: str) -> None:
    api.answer = PROVIDERS[name].taken

    use(name).send(MESSAGE)

    assert len(api.requests) == 1


@every_provider
@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (400, PermanentFailure),
        (401, ChannelDown),
        (403, PerhapsDown),
        (404, PermanentFailure),
        (413, PermanentFailure),
        (422, PermanentFailure),
        (429, TemporaryFailure),
        (500, OutcomeUnknown),
        (502, OutcomeUnknown),
        (503, OutcomeUnknown),
    ],
)
def test_each_answer_means_what_it_says(
    use: Callable[..., SendBackend], api: MailApi, name: str, status: int, failure: type[SendFailure]
) -> None:
    body = {"ErrorCode": 10, "Message": f"{ANN} is not wanted", "message": "no", "errors": ["no"]}
    api.answer = said(status, body, **{"Retry-After": "17"})

    with pytest.raises(SendFailure) as caught:
        use(name).send(MESSAGE)

    assert type(caught.value) is failure, caught.value
    assert str(status) in str(caught.value)
    assert ANN not in str(caught.value)
    if isinstance(caught.value, TemporaryFailure):
        assert caught.value.wait == timedelta(seconds=17)


@pytest.mark.parametrize("name", [name for name, provider in PROVIDERS.items() if provider.refused])
def test_a_refused_recipient_is_not_sent(use: Callable[..., SendBackend], api: MailApi, name: str) -> None:
    refused = PROVIDERS[name].refused
    assert refused is not None
    api.answer = refused

    with pytest.raises(PermanentFailure) as caught:
        use(name).send(MESSAGE)

    assert ANN not in str(caught.value)


def test_a_refusal_in_which_the_recipient_is_not_recognised_is_not_sent(
    use: Callable[..., SendBackend], api: MailApi
) -> None:
    """Postmark's answer to what it can't read: the status of our recipient stays unknown, and anymail is content."""
    api.answer = said(422, {"ErrorCode": 300, "Message": "Error parsing 'To': Illegal email address."})

    with pytest.raises(PermanentFailure, match="422"):
        use("postmark").send(MESSAGE)


@every_provider
@pytest.mark.parametrize("answer", [HttpAnswer(drops=True), HttpAnswer(200, "<html>"), HttpAnswer(200, "null")])
def test_an_answer_that_is_lost_or_can_not_be_read_leaves_it_unknown(
    use: Callable[..., SendBackend], api: MailApi, name: str, answer: HttpAnswer
) -> None:
    if name in ("sendgrid", "mailersend") and not answer.drops:
        pytest.skip("says all with its status")
    api.answer = answer

    with pytest.raises(OutcomeUnknown):
        use(name).send(MESSAGE)


@every_provider
@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
def test_a_provider_that_can_not_be_reached_is_the_channels_trouble(
    use: Callable[..., SendBackend], name: str, host: str
) -> None:
    with pytest.raises(ChannelDown):
        use(name, url=f"http://{host}:{free_port()}/").send(MESSAGE)


@every_provider
def test_what_can_not_be_put_into_a_request_was_never_sent(
    use: Callable[..., SendBackend], api: MailApi, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> Any:
        raise TypeError("a fault")

    api.answer = PROVIDERS[name].taken
    backend = use(name)
    backend.send(MESSAGE)
    monkeypatch.setattr(f"{path_of(name)}.build_message_payload", fail)

    with pytest.raises(NoMessage):
        backend.send(MESSAGE)

    assert len(api.requests) == 1


@pytest.mark.parametrize(
    ("token", "url"),
    [("secret\n", ""), ("secret", "api.postmarkapp.com/"), ("secret", "http:///x"), ("schlüssel-→", "")],
)
def test_settings_of_which_no_request_can_be_made_are_the_channels_trouble(
    use: Callable[..., SendBackend], api: MailApi, settings: Settings, token: str, url: str
) -> None:
    api.answer = PROVIDERS["postmark"].taken
    backend = use("postmark", url)
    settings.ANYMAIL = settings.ANYMAIL | {"POSTMARK_SERVER_TOKEN": token}

    with pytest.raises(ChannelDown) as caught:
        backend.send(MESSAGE)

    assert "secret" not in str(caught.value)
    assert api.requests == []


def test_settings_without_a_key_are_the_channels_trouble(use: Callable[..., SendBackend], settings: Settings) -> None:
    backend = use("postmark")
    settings.ANYMAIL = {}

    with pytest.raises(ChannelDown):
        backend.send(MESSAGE)


@pytest.mark.parametrize(
    ("cause", "status", "failure"),
    [
        ("ClientError", 400, PermanentFailure),
        ("ClientError", 403, PerhapsDown),
        ("ClientError", 429, TemporaryFailure),
        ("ClientError", 500, OutcomeUnknown),
        ("EndpointConnectionError", None, ChannelDown),
        ("NoRegionError", None, ChannelDown),
        ("CredentialRetrievalError", None, ChannelDown),
        ("TokenRetrievalError", None, ChannelDown),
        ("UnknownEndpointError", None, ChannelDown),
        ("ParamValidationError", None, NoMessage),
        ("ConnectionClosedError", None, OutcomeUnknown),
        ("ReadTimeoutError", None, OutcomeUnknown),
    ],
)
def test_amazons_answers_mean_the_same(cause: str, status: int | None, failure: type[SendFailure]) -> None:
    """By the names of boto3's errors, which is there only where Amazon SES is used."""
    response = {"Error": {"Code": "x"}, "ResponseMetadata": {"HTTPStatusCode": status}} if status else None
    error = AnymailAPIError("no", response=response)
    error.__cause__ = type(cause, (Exception,), {})("no")

    found = anymail_answers.failure_of(error, None, progress=Progress.WRITING)

    assert type(found) is failure


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        ("ThrottlingException", TemporaryFailure),
        ("Throttling", TemporaryFailure),
        ("TooManyRequestsException", TemporaryFailure),
        ("AccountSuspendedException", ChannelDown),
        ("SendingPausedException", ChannelDown),
        ("LimitExceededException", ChannelDown),
        ("MailFromDomainNotVerifiedException", ChannelDown),
        ("ExpiredToken", ChannelDown),
        ("ExpiredTokenException", ChannelDown),
        ("UnrecognizedClientException", ChannelDown),
        ("RequestExpired", ChannelDown),
        ("MessageRejected", PermanentFailure),
        ("BadRequestException", PermanentFailure),
    ],
)
def test_amazons_codes_tell_what_its_status_does_not(code: str, failure: type[SendFailure]) -> None:
    response = {"Error": {"Code": code, "Message": f"{ANN} no"}, "ResponseMetadata": {"HTTPStatusCode": 400}}

    found = anymail_answers.failure_of(AnymailAPIError("no", response=response), None, progress=Progress.WRITING)

    assert type(found) is failure
    assert code in str(found)
    assert ANN not in str(found)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
        b"\x15\x03\x03\x00\x02\x02\x28",  # alert: handshake_failure
        b"\x15\x03\x03\x00\x02\x02\x50",  # alert: internal_error
        b"",
        None,
    ],
    ids=["plain HTTP", "handshake_failure", "internal_error", "closed", "hangs"],
)
def test_a_handshake_that_fails_is_the_channels_trouble(
    use: Callable[..., SendBackend], settings: Settings, answer: bytes | None
) -> None:
    with _failing_handshakes(answer) as port:
        backend = use("postmark", url=f"https://127.0.0.1:{port}/")
        settings.ANYMAIL = settings.ANYMAIL | {"REQUESTS_TIMEOUT": HASTY_SECONDS if answer is None else 20}

        with pytest.raises(ChannelDown):
            backend.send(MESSAGE)


def test_a_handshake_that_fails_where_a_request_was_sent_on_to_leaves_it_unknown(
    use: Callable[..., SendBackend], api: MailApi
) -> None:
    with _failing_handshakes(b"") as port:
        api.answer = HttpAnswer(307, headers={"Location": f"https://127.0.0.1:{port}/"})

        with pytest.raises(OutcomeUnknown):
            use("postmark").send(MESSAGE)

    assert len(api.requests) == 1


@contextmanager
def _failing_handshakes(answer: bytes | None) -> Iterator[int]:
    """A port where every handshake is answered so; None is no answer at all."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(4096)
                    if answer is None:
                        over.wait()
                    else:
                        connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        over.set()


def test_an_answer_lost_over_a_kept_connection_is_unknown(use: Callable[..., SendBackend], api: MailApi) -> None:
    api.answer = PROVIDERS["postmark"].taken
    backend = use("postmark")
    backend.send(MESSAGE)
    api.answer = HttpAnswer(drops=True)

    with pytest.raises(OutcomeUnknown):
        backend.send(MESSAGE)

    assert len(api.requests) == 2


@pytest.mark.parametrize("how", ["slow", "hurried"])
def test_an_answer_that_drips_is_not_waited_for(
    use: Callable[..., SendBackend], api: MailApi, settings: Settings, how: str
) -> None:
    """Each byte comes well before the time-out of `requests`; together they would be an answer, some seconds later."""
    backend = use("postmark")
    settings.EMAIL_TIMEOUT = HASTY_SECONDS if how == "slow" else PATIENT_SECONDS
    api.answer = replace(PROVIDERS["postmark"].taken, drip=0.05)
    if how == "hurried":
        assert isinstance(backend, Hurries)
        backend.hurry(time.monotonic() + HASTY_SECONDS)

    with pytest.raises(OutcomeUnknown, match="answer was lost"):
        backend.send(MESSAGE)
