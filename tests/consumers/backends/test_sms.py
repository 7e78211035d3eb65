import base64
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from pytest_django import Settings

from consumers.backends import twilio
from consumers.backends.base import (
    ChannelDown,
    Hurries,
    NoMessage,
    OutcomeUnknown,
    Outgoing,
    PerhapsDown,
    PermanentFailure,
    RecipientRefused,
    SendBackend,
    SendFailure,
    TemporaryFailure,
)
from consumers.backends.sms import get_backend
from notifier.consent.suppressions import Evidence, Source
from notifier.messages import receipt_urls
from tests.consumers.backends.patience import HASTY_SECONDS, PATIENT_SECONDS
from tests.support.fakes.rules import Rule
from tests.support.fakes.sms import SENDER, SID, TOKEN, FakeSms, error_body, invalid_number, opted_out

MESSAGE = Outgoing(reference="7.42", address="+12025550123", subject="", body="Hello Ann, ünïcode & 100 % + more")


@pytest.fixture
def provider(fake_sms: FakeSms, settings: Settings, monkeypatch: pytest.MonkeyPatch, answer_seconds: float) -> FakeSms:
    settings.SMS_URL = fake_sms.url
    monkeypatch.setattr(twilio, "ANSWER_SECONDS", answer_seconds)
    monkeypatch.setattr(twilio, "CONNECT_SECONDS", answer_seconds)
    return fake_sms


@pytest.fixture
def make_backend(settings: Settings) -> Iterator[Callable[[str], SendBackend]]:
    backends: list[SendBackend] = []

    def make(url: str) -> SendBackend:
        settings.SMS_URL = url
        backends.append(get_backend())
        return backends[-1]

    yield make
    for backend in backends:
        backend.close()


@pytest.fixture
def backend(provider: FakeSms, make_backend: Callable[[str], SendBackend]) -> SendBackend:
    return make_backend(provider.url)


def answers(status: int, reply: str = "{}", *, retry_after: str = "") -> Rule:
    headers = {"Retry-After": retry_after} if retry_after else {}
    return Rule(phase="request", status=status, reply=reply, headers=headers)


# --- What Twilio receives ---------------------------------------------------------------------------------------------
def test_a_message_arrives_and_its_id_comes_back(provider: FakeSms, backend: SendBackend) -> None:
    sid = backend.send(MESSAGE)

    (entry,) = provider.accepted()
    assert (entry["to"], entry["from"], entry["body"]) == (MESSAGE.address, SENDER, MESSAGE.body)
    assert (entry["sid"], entry["delivery"]) == (sid, "7.42")
    assert entry["callback"] == ""


def test_twilio_is_told_where_to_report_what_becomes_of_it(
    settings: Settings, provider: FakeSms, backend: SendBackend
) -> None:
    settings.PUBLIC_URL, settings.SMS_RECEIPTS = "https://notifier.example.com", True

    backend.send(MESSAGE)
    backend.send(replace(MESSAGE, reference="test.1"))

    message, test_message = provider.accepted()
    url, _, retries = message["callback"].partition("#")
    assert url.startswith("https://notifier.example.com/hooks/sms/twilio/receipts/7.42:")
    assert receipt_urls.read_token(url.rpartition("/")[2]) == "7.42"
    assert retries == "rc=5&rp=5xx,ct,rt"
    assert test_message["callback"] == ""


def test_one_text_that_can_not_be_written_does_not_stop_the_channel(provider: FakeSms, backend: SendBackend) -> None:
    with pytest.raises(NoMessage):
        backend.send(replace(MESSAGE, body="Hello \ud800"))

    assert provider.accepted() == []


def test_the_request_is_the_one_that_twilio_documents(make_backend: Callable[[str], SendBackend]) -> None:
    request = b""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            nonlocal request
            connection, _ = listener.accept()
            with connection:
                while b"Body=" not in request:
                    request += connection.recv(65_536)
                connection.sendall(b'HTTP/1.1 201 Created\r\nContent-Length: 14\r\n\r\n{"sid": "SM1"}')

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        port = listener.getsockname()[1]
        backend = make_backend(f"twilio://AC1:to%40ken@127.0.0.1:{port}/?insecure=1&from=%2B15005550006")
        sid = backend.send(replace(MESSAGE, body="Hello"))
        thread.join(10)

    head, _, body = request.decode().partition("\r\n\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:])
    assert sid == "SM1"
    assert head.startswith("POST /2010-04-01/Accounts/AC1/Messages.json HTTP/1.1\r\n")
    assert headers["content-type"] == "application/x-www-form-urlencoded"
    assert headers["authorization"] == f"Basic {base64.b64encode(b'AC1:to@ken').decode()}".lower()
    assert parse_qs(body) == {"To": ["+12025550123"], "From": ["+15005550006"], "Body": ["Hello"]}


def test_many_messages_go_over_one_connection(provider: FakeSms, backend: SendBackend) -> None:
    for _ in range(5):
        backend.send(MESSAGE)

    assert (len(provider.accepted()), provider.connections) == (5, 1)


@pytest.mark.parametrize("status", [400, 429, 500])
def test_after_a_refused_message_the_same_connection_goes_on(
    provider: FakeSms, backend: SendBackend, status: int
) -> None:
    provider.behave(replace(answers(status, error_body(status, 20001, "no")), times=1))

    with pytest.raises(SendFailure):
        backend.send(MESSAGE)
    backend.send(MESSAGE)

    assert (len(provider.accepted()), provider.connections) == (1, 1)


def test_a_connection_that_the_provider_closed_meanwhile_is_opened_anew(
    provider: FakeSms, backend: SendBackend
) -> None:
    backend.send(MESSAGE)
    with provider.refusing():
        pass

    backend.send(MESSAGE)

    assert len(provider.accepted()) == 2


# --- Every class of answer and what it means --------------------------------------------------------------------------
def test_too_many_requests_may_pass(provider: FakeSms, backend: SendBackend) -> None:
    provider.behave(answers(429))

    with pytest.raises(TemporaryFailure, match="429") as caught:
        backend.send(MESSAGE)

    assert caught.value.wait is None


@pytest.mark.parametrize(
    ("asked", "wait"),
    [
        ("0", timedelta()),
        ("17", timedelta(seconds=17)),
        ("86400", timedelta(hours=1)),
        ("9" * 400, timedelta(hours=1)),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("٣", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", timedelta()),
        ("Fri, 31 Dec 9999 23:59:59 GMT", timedelta(hours=1)),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
        ("Thu, 01 Jan 2026 00:00:00 -0000", None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_the_provider_may_ask_for_a_wait_within_reason(
    provider: FakeSms, backend: SendBackend, status: int, asked: str, wait: timedelta | None
) -> None:
    provider.behave(answers(status, retry_after=asked.encode().decode("latin-1")))

    with pytest.raises(TemporaryFailure) as caught:
        backend.send(MESSAGE)

    assert caught.value.wait == wait


def test_the_provider_may_ask_for_a_wait_until_a_date(provider: FakeSms, backend: SendBackend) -> None:
    until = datetime.now(UTC) + timedelta(minutes=10)
    provider.behave(answers(429, retry_after=format_datetime(until, usegmt=True)))

    with pytest.raises(TemporaryFailure) as caught:
        backend.send(MESSAGE)

    assert caught.value.wait is not None
    assert timedelta(minutes=9) < caught.value.wait <= timedelta(minutes=10)


@pytest.mark.parametrize("status", [500, 503])
def test_trouble_inside_the_provider_may_pass(provider: FakeSms, backend: SendBackend, status: int) -> None:
    provider.behave(answers(status))

    with pytest.raises(TemporaryFailure, match=str(status)):
        backend.send(MESSAGE)


@pytest.mark.parametrize("status", [502, 504])
def test_a_gateways_answer_leaves_the_outcome_unknown(provider: FakeSms, backend: SendBackend, status: int) -> None:
    provider.behave(replace(answers(status), taken=True))

    with pytest.raises(OutcomeUnknown, match=str(status)):
        backend.send(MESSAGE)


@pytest.mark.parametrize(
    ("rule", "code"),
    [(invalid_number(), "21211"), (answers(400, error_body(400, 21617, "Too long")), "21617")],
)
def test_a_message_that_twilio_refuses_fails_for_good_and_says_why(
    provider: FakeSms, backend: SendBackend, rule: Rule, code: str
) -> None:
    provider.behave(rule)

    with pytest.raises(PermanentFailure) as caught:
        backend.send(MESSAGE)

    assert str(caught.value) == f"400: {code} {json.loads(rule.reply)['message']}"
    assert caught.value.suppress is None


def test_who_opted_out_at_twilio_has_refused_by_their_own_word(provider: FakeSms, backend: SendBackend) -> None:
    provider.behave(opted_out())

    with pytest.raises(RecipientRefused) as caught:
        backend.send(MESSAGE)

    assert str(caught.value) == "400: 21610 Attempt to send to unsubscribed recipient"
    assert caught.value.suppress == Evidence(Source.CLIENT, str(caught.value))


@pytest.mark.parametrize(
    "text",
    [
        "The 'To' number +12025550123 is not a valid phone number.",
        "Invalid 'To' Phone Number: 12025550123",
        "Permission to send to (202) 555-0123 has not been enabled",
        "Invalid 'To' Phone Number: +1 202 555 0123",
    ],
)
def test_the_error_never_holds_the_address(provider: FakeSms, backend: SendBackend, text: str) -> None:
    provider.behave(answers(400, error_body(400, 21211, text)))

    with pytest.raises(PermanentFailure) as caught:
        backend.send(MESSAGE)

    said = str(caught.value)
    assert said.startswith("400: 21211 ")
    assert "5550123" not in "".join(character for character in said if character.isdigit()), said
    assert any(word in said for word in ("Number", "number", "Permission"))


@pytest.mark.parametrize("reply", ["", "<h1>Bad Request</h1>", "[]", "null", "{}", "[" * 60_000, "x" * 100_000])
def test_a_refusal_that_can_not_be_read_fails_for_good(provider: FakeSms, backend: SendBackend, reply: str) -> None:
    provider.behave(answers(400, reply))

    with pytest.raises(PermanentFailure, match="400: the SMS provider rejected the message"):
        backend.send(MESSAGE)


@pytest.mark.parametrize("status", [401, 403, 404, 405, 422])
def test_a_provider_that_refuses_us_is_the_channels_trouble(
    provider: FakeSms, backend: SendBackend, status: int
) -> None:
    provider.behave(answers(status, error_body(status, 20003, f"Authenticate {MESSAGE.address}")))

    with pytest.raises(ChannelDown, match=f"{status}.*SMS_URL") as caught:
        backend.send(MESSAGE)

    assert MESSAGE.address not in str(caught.value)


@pytest.mark.parametrize("status", [403, 404, 410, 451])
def test_a_refusal_that_may_be_of_this_number_alone_is_told_from_one_of_us(
    provider: FakeSms, backend: SendBackend, status: int
) -> None:
    provider.behave(answers(status, error_body(status, 21408, f"Permission not enabled for {MESSAGE.address}")))

    with pytest.raises(PerhapsDown, match=f"{status}: 21408 Permission not enabled.*SMS_URL") as caught:
        backend.send(MESSAGE)

    assert MESSAGE.address not in str(caught.value)


@pytest.mark.parametrize("wrong", [(SID, "AC00000000000000000000000000000009"), (TOKEN, "not-the-token")])
def test_wrong_credentials_are_the_channels_trouble(
    provider: FakeSms, make_backend: Callable[[str], SendBackend], wrong: tuple[str, str]
) -> None:
    backend = make_backend(provider.url.replace(*wrong))

    with pytest.raises(ChannelDown, match="401") as caught:
        backend.send(MESSAGE)

    assert wrong[1] not in str(caught.value)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_and_is_the_channels_trouble(
    provider: FakeSms, backend: SendBackend, status: int
) -> None:
    path = f"/2010-04-01/Accounts/{SID}/Messages.json"
    provider.behave(Rule(phase="request", status=status, headers={"Location": path}, times=1))

    with pytest.raises(ChannelDown, match=f"{status}.*SMS_URL"):
        backend.send(MESSAGE)

    assert provider.accepted() == []


# --- An answer that never comes ---------------------------------------------------------------------------------------
def test_a_provider_that_refuses_connections_is_the_channels_trouble(provider: FakeSms, backend: SendBackend) -> None:
    with provider.refusing(), pytest.raises(ChannelDown, match="can’t be reached"):
        backend.send(MESSAGE)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "[::1]", "a..b"])
def test_a_host_that_can_not_be_reached_is_the_channels_trouble(
    provider: FakeSms, make_backend: Callable[[str], SendBackend], host: str
) -> None:
    backend = make_backend(provider.url.replace("127.0.0.1", host))

    with pytest.raises(ChannelDown):
        backend.send(MESSAGE)


@pytest.mark.usefixtures("in_vain")
def test_a_provider_without_tls_gets_nothing_in_the_clear(
    provider: FakeSms, make_backend: Callable[[str], SendBackend]
) -> None:
    backend = make_backend(provider.url.replace("&insecure=1", ""))

    with pytest.raises(ChannelDown):
        backend.send(MESSAGE)

    assert provider.accepted() == []


def test_certificates_are_read_where_the_connection_has_tls_and_nowhere_else(
    provider: FakeSms, make_backend: Callable[[str], SendBackend], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[bool] = []
    monkeypatch.setattr("httpx.create_ssl_context", lambda **_: read.append(True))

    make_backend(provider.url).send(MESSAGE)
    without = len(read)
    make_backend(provider.url.replace("&insecure=1", ""))

    assert (without, len(read)) == (0, 1)
    assert len(provider.accepted()) == 1


@pytest.mark.parametrize("taken", [True, False])
@pytest.mark.parametrize("then", ["hang", "drop", "reset"])
def test_an_answer_that_never_comes_leaves_the_outcome_unknown(
    provider: FakeSms, backend: SendBackend, then: str, taken: bool
) -> None:
    provider.behave(Rule(phase="request", then=then, taken=taken, times=1))

    with pytest.raises(OutcomeUnknown) as caught:
        backend.send(MESSAGE)

    assert len(provider.accepted()) == taken
    assert MESSAGE.address not in str(caught.value)
    assert backend.send(MESSAGE)
    assert provider.connections == 2


@pytest.mark.parametrize(
    "reply",
    ["", "OK", "[]", "{}", "null", '{"sid": null}', '{"sid": ""}', '{"sid": 7}', '{"sid"', "[" * 60_000, "\xff"],
    ids=lambda reply: reply[:12],
)
@pytest.mark.parametrize("status", [200, 201])
def test_an_acceptance_that_names_no_message_leaves_the_outcome_unknown(
    provider: FakeSms, backend: SendBackend, status: int, reply: str
) -> None:
    provider.behave(replace(answers(status, reply), taken=True))

    with pytest.raises(OutcomeUnknown, match="accepted"):
        backend.send(MESSAGE)


def test_an_answer_without_end_is_not_read_to_its_end(provider: FakeSms, backend: SendBackend) -> None:
    huge = '{"sid": "SM1", "padding": "' + "x" * twilio.LONGEST_ANSWER_BYTES + '"}'
    provider.behave(replace(answers(201, huge), times=1))

    with pytest.raises(OutcomeUnknown, match="can’t be read"):
        backend.send(MESSAGE)

    assert backend.send(MESSAGE)


def test_an_answer_that_trickles_is_not_waited_for(
    provider: FakeSms, backend: SendBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each byte comes well before the time-out; all of them together would be an answer, some seconds later.
    monkeypatch.setattr(twilio, "ANSWER_SECONDS", HASTY_SECONDS)
    trickle = Rule(phase="request", status=201, reply='{"sid": "SM1"}' + " " * 30, drip=0.05, taken=True, times=1)
    provider.behave(trickle)

    with pytest.raises(OutcomeUnknown, match="can’t be read"):
        backend.send(MESSAGE)

    monkeypatch.setattr(twilio, "ANSWER_SECONDS", PATIENT_SECONDS)
    assert backend.send(MESSAGE)


@pytest.mark.parametrize("how", ["slow", "hurried"])
def test_a_head_that_trickles_has_the_time_of_one_answer_and_less_where_the_process_stops(
    provider: FakeSms, backend: SendBackend, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    provider.behave(
        Rule(phase="request", status=201, reply='{"sid": "SM1"}', drip=0.02, drips_head=True, taken=True, times=1)
    )
    assert isinstance(backend, Hurries)
    if how == "slow":
        monkeypatch.setattr(twilio, "ANSWER_SECONDS", HASTY_SECONDS)
    else:
        monkeypatch.setattr(twilio, "ANSWER_SECONDS", PATIENT_SECONDS)
        backend.hurry(time.monotonic() + HASTY_SECONDS)

    with pytest.raises(OutcomeUnknown, match="lost"):
        backend.send(MESSAGE)


def test_every_address_of_the_provider_is_tried(
    provider: FakeSms, backend: SendBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(twilio, "addresses_of", lambda host, port: ["127.0.0.99", "127.0.0.1"])

    assert backend.send(MESSAGE)


def test_an_answer_whose_head_trickles_is_not_waited_for(
    provider: FakeSms, make_backend: Callable[[str], SendBackend], settings: Settings
) -> None:
    settings.LEASE_SECONDS = 1
    backend = make_backend(provider.url)
    trickle = Rule(phase="request", status=201, reply='{"sid": "SM1"}', drip=0.05, drips_head=True, taken=True, times=1)
    provider.behave(trickle)

    with pytest.raises(OutcomeUnknown, match="lost"):
        backend.send(MESSAGE)

    assert backend.send(MESSAGE)
    assert provider.connections == 2


def test_a_send_may_never_take_as_long_as_its_lease(
    make_backend: Callable[[str], SendBackend], settings: Settings
) -> None:
    url = f"twilio://{SID}:{TOKEN}@127.0.0.1/?from={SENDER}"
    usual = make_backend(url).longest_send_seconds
    settings.LEASE_SECONDS = 50

    assert (usual, make_backend(url).longest_send_seconds) == (80, 45)


# --- What stands in for a provider ------------------------------------------------------------------------------------
def test_the_console_shows_one_line_a_message(
    make_backend: Callable[[str], SendBackend], capsys: pytest.CaptureFixture[str]
) -> None:
    backend = make_backend("console://")

    assert backend.send(replace(MESSAGE, body="Hello,\nAnn")) == ""

    assert capsys.readouterr().out == "SMS to +12025550123: Hello, Ann\n"


def test_nothing_takes_everything(
    make_backend: Callable[[str], SendBackend], capsys: pytest.CaptureFixture[str]
) -> None:
    backend = make_backend("null://")

    assert backend.send(MESSAGE) == ""

    assert capsys.readouterr().out == ""


def test_the_file_gets_a_line_of_json_a_message(make_backend: Callable[[str], SendBackend], tmp_path: Path) -> None:
    backend = make_backend(f"file://{tmp_path}/texts%20sent.jsonl")

    backend.send(MESSAGE)
    backend.send(replace(MESSAGE, reference="7.43", body="two\nlines"))

    lines = (tmp_path / "texts sent.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"reference": "7.42", "to": "+12025550123", "text": MESSAGE.body},
        {"reference": "7.43", "to": "+12025550123", "text": "two\nlines"},
    ]


def test_many_threads_share_the_file(make_backend: Callable[[str], SendBackend], tmp_path: Path) -> None:
    backends = [make_backend(f"file://{tmp_path}/sms.jsonl") for _ in range(4)]
    text = "x" * 20_000

    threads = [
        threading.Thread(target=lambda b=b: [b.send(replace(MESSAGE, body=text)) for _ in range(25)]) for b in backends
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    lines = (tmp_path / "sms.jsonl").read_text().splitlines()
    assert [json.loads(line)["text"] for line in lines] == [text] * 100


def test_a_file_that_can_not_be_written_is_the_channels_trouble(
    make_backend: Callable[[str], SendBackend], tmp_path: Path
) -> None:
    backend = make_backend(f"file://{tmp_path}/no-such-folder/sms.jsonl")

    with pytest.raises(ChannelDown, match="No such file or directory"):
        backend.send(MESSAGE)


# --- Where they may go ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("number", "why"),
    [
        ("+447400123456", ""),
        ("+353850123456", ""),
        ("+12025550123", "numbers of US"),
        ("+881612345678", "a satellite or machine number"),
        ("+449012345678", "a premium-rate number"),
    ],
)
def test_sms_go_to_the_countries_of_the_setting_alone(
    provider: FakeSms, settings: Settings, number: str, why: str
) -> None:
    settings.SMS_COUNTRIES = ("GB", "IE")
    backend = get_backend()

    if why:
        with pytest.raises(NoMessage, match=f"SMS may not be sent to {why}") as caught:
            backend.send(replace(MESSAGE, address=number))
        assert number not in str(caught.value)
    else:
        assert backend.send(replace(MESSAGE, address=number))
    assert len(provider.accepted()) == (0 if why else 1)
    backend.close()
