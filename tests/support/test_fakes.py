import smtplib
import socket
from collections.abc import Iterator
from contextlib import suppress
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.fakes.rules import LogReader, Rule
from tests.support.fakes.sms import SID, TOKEN, FakeSms, SmsProcess, invalid_number, opted_out
from tests.support.fakes.smtp import FakeSmtp, SmtpProcess
from tests.support.servers.processes import PATIENCE_SECONDS, wait_until

#: The patience of a client whose server is made to say nothing.
SHORT_SECONDS = 1.0


@pytest.fixture
def client(fake_smtp: FakeSmtp) -> Iterator[smtplib.SMTP]:
    client = connect(fake_smtp)
    yield client
    client.close()


def connect(fake: FakeSmtp | SmtpProcess, *, seconds: float = PATIENCE_SECONDS) -> smtplib.SMTP:
    return smtplib.SMTP("127.0.0.1", fake.port, timeout=seconds)


def lose_patience(client: smtplib.SMTP) -> None:
    """From here on an answer is waited for so briefly that a test may wait for it in vain."""
    assert client.sock
    client.sock.settimeout(SHORT_SECONDS)


def a_mail(to: str = "ann@example.com", text: str = "Hello.\n", number: int = 42) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "notifier@example.com", to, "Drei schöne Häuser"
    mail["Message-ID"] = f"<7.{number}@example.com>"
    mail.set_content(text)
    return mail


def test_a_line_that_is_just_being_written_is_left_for_the_next_look(tmp_path: Path) -> None:
    log = tmp_path / "some.log"
    reader = LogReader(log)
    assert reader.read() == []

    log.write_text('{"text": "one\u2028line"}\n{"text": "cut o')
    assert reader.read() == [{"text": "one\u2028line"}]
    with log.open("a") as file:
        file.write('ff"}\n')

    assert reader.read() == [{"text": "one\u2028line"}, {"text": "cut off"}]


def test_a_mail_is_written_down_with_its_delivery(fake_smtp: FakeSmtp, client: smtplib.SMTP) -> None:
    client.send_message(a_mail(text=".\n..dots\n"))

    (entry,) = fake_smtp.accepted()
    assert entry["recipient"] == "ann@example.com"
    assert (entry["message_id"], entry["broadcast"], entry["delivery"]) == ("<7.42@example.com>", 7, 42)
    assert entry["subject"] == "Drei schöne Häuser"
    assert entry["raw"].endswith("\r\n\r\n.\r\n..dots\r\n")
    assert entry["received_at"] > 0


@pytest.mark.parametrize("text", ["", ".", "..", "a\r\n.\r\nb"])
def test_every_text_arrives_as_it_was(fake_smtp: FakeSmtp, client: smtplib.SMTP, text: str) -> None:
    client.sendmail("a@example.com", ["b@example.com"], text)

    assert fake_smtp.accepted()[0]["raw"] == f"{text}\r\n"


def test_a_text_of_nothing_arrives_as_nothing(fake_smtp: FakeSmtp, client: smtplib.SMTP) -> None:
    client.ehlo()
    client.mail("a@example.com")
    client.rcpt("b@example.com")
    client.docmd("DATA")

    assert client.docmd(".")[0] == 250
    assert fake_smtp.accepted()[0]["raw"] == ""


def test_one_connection_takes_many_mails(fake_smtp: FakeSmtp, client: smtplib.SMTP) -> None:
    for number in range(20):
        client.send_message(a_mail(number=number))

    assert [entry["delivery"] for entry in fake_smtp.accepted()] == list(range(20))
    assert fake_smtp.connections == 1


@pytest.mark.parametrize("mechanism", ["auth_plain", "auth_login"])
def test_a_login_is_accepted_or_refused(fake_smtp: FakeSmtp, client: smtplib.SMTP, mechanism: str) -> None:
    client.ehlo()
    client.user, client.password = "ann", "secret"
    method = getattr(client, mechanism)
    assert client.auth(mechanism.removeprefix("auth_").upper(), method)[0] == 235

    fake_smtp.behave(Rule(phase="auth", reply="535 5.7.8 no"))
    with pytest.raises(smtplib.SMTPAuthenticationError):
        client.auth(mechanism.removeprefix("auth_").upper(), method)


def test_a_refusing_server_takes_no_connection(fake_smtp: FakeSmtp) -> None:
    with fake_smtp.refusing(), pytest.raises(ConnectionRefusedError):
        connect(fake_smtp)

    connect(fake_smtp).quit()


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        (Rule(phase="connect", reply="421 4.3.2 busy", then="drop"), smtplib.SMTPConnectError),
        (Rule(phase="connect", reply="554 5.3.2 no"), smtplib.SMTPConnectError),
        (Rule(phase="connect", reply="wibble \xff\x00"), smtplib.SMTPConnectError),
        (Rule(phase="connect", then="drop"), smtplib.SMTPServerDisconnected),
        (Rule(phase="connect", then="reset"), (smtplib.SMTPServerDisconnected, ConnectionResetError)),
        (Rule(phase="connect", then="hang"), smtplib.SMTPServerDisconnected),
    ],
)
def test_a_bad_greeting(fake_smtp: FakeSmtp, rule: Rule, error: type[Exception]) -> None:
    fake_smtp.behave(rule)

    with pytest.raises(error):
        connect(fake_smtp, seconds=SHORT_SECONDS if rule.then == "hang" else PATIENCE_SECONDS)


def test_after_a_greeting_of_554_nothing_but_quit_is_answered_well(fake_smtp: FakeSmtp) -> None:
    fake_smtp.behave(Rule(phase="connect", reply="554 5.3.2 no"))
    client = smtplib.SMTP(timeout=PATIENCE_SECONDS)

    assert client.connect("127.0.0.1", fake_smtp.port)[0] == 554
    assert client.ehlo()[0] == 503
    assert client.quit()[0] == 221


REPLIES = [
    ("ehlo", "421 4.3.2 later", smtplib.SMTPHeloError),
    ("mail", "552 5.3.4 too large", smtplib.SMTPSenderRefused),
    ("rcpt", "450 4.2.1 busy", smtplib.SMTPRecipientsRefused),
    ("rcpt", "550 5.1.1 nobody", smtplib.SMTPRecipientsRefused),
    ("data", "554 5.6.0 no", smtplib.SMTPDataError),
    ("dot", "451 4.3.0 later", smtplib.SMTPDataError),
    ("dot", "550 5.7.1 spam", smtplib.SMTPDataError),
    ("dot", "wibble \xff\x00", smtplib.SMTPDataError),
]


@pytest.mark.parametrize(("phase", "reply", "error"), REPLIES)
def test_a_bad_reply(fake_smtp: FakeSmtp, client: smtplib.SMTP, phase: str, reply: str, error: type[Exception]) -> None:
    fake_smtp.behave(Rule(phase=phase, reply=reply))

    with pytest.raises(error):
        client.send_message(a_mail())
    assert fake_smtp.accepted() == []


@pytest.mark.parametrize("phase", ["ehlo", "mail", "rcpt", "data", "body", "dot"])
@pytest.mark.parametrize("then", ["hang", "drop", "reset"])
def test_silence_and_broken_connections(fake_smtp: FakeSmtp, client: smtplib.SMTP, phase: str, then: str) -> None:
    fake_smtp.behave(Rule(phase=phase, then=then))
    if then == "hang":
        lose_patience(client)

    # smtplib has one error for all of these, and a bare one where the write fails.
    with pytest.raises((smtplib.SMTPServerDisconnected, OSError)):
        client.send_message(a_mail(text="long\n" * 100_000))
    assert fake_smtp.accepted() == []


@pytest.mark.parametrize("then", ["hang", "drop", "reset"])
def test_an_answer_lost_after_the_mail_was_taken(fake_smtp: FakeSmtp, client: smtplib.SMTP, then: str) -> None:
    fake_smtp.behave(Rule(phase="dot", then=then, taken=True))
    if then == "hang":
        lose_patience(client)

    with pytest.raises(smtplib.SMTPServerDisconnected):
        client.send_message(a_mail())
    assert [entry["delivery"] for entry in fake_smtp.accepted()] == [42]


def test_a_goodbye_lost_after_a_250(fake_smtp: FakeSmtp, client: smtplib.SMTP) -> None:
    fake_smtp.behave(Rule(phase="quit", then="drop"))
    client.send_message(a_mail())

    with pytest.raises(smtplib.SMTPServerDisconnected):
        client.quit()
    assert len(fake_smtp.accepted()) == 1


def test_a_slow_answer_comes_in_the_end(fake_smtp: FakeSmtp, client: smtplib.SMTP) -> None:
    fake_smtp.behave(Rule(phase="dot", delay=SHORT_SECONDS))

    client.send_message(a_mail())

    assert len(fake_smtp.accepted()) == 1


def test_what_was_handed_over_to_a_slow_server_arrives_though_nobody_waits_for_its_answer(
    fake_smtp: FakeSmtp, client: smtplib.SMTP
) -> None:
    fake_smtp.behave(Rule(phase="dot", delay=3 * SHORT_SECONDS))
    lose_patience(client)

    with pytest.raises(smtplib.SMTPServerDisconnected):
        client.send_message(a_mail())
    client.close()

    assert len(wait_until(fake_smtp.accepted, what="the mail")) == 1


def test_a_rule_for_one_recipient_and_one_time(fake_smtp: FakeSmtp, client: smtplib.SMTP) -> None:
    fake_smtp.behave(Rule(phase="rcpt", reply="450 4.2.1 busy", recipient="ann@*", times=1))
    client.send_message(a_mail("bob@example.com"))

    with pytest.raises(smtplib.SMTPRecipientsRefused):
        client.send_message(a_mail("ann@example.com"))
    client.send_message(a_mail("ann@example.com"))

    assert [entry["recipient"] for entry in fake_smtp.accepted()] == ["bob@example.com", "ann@example.com"]


@pytest.mark.parametrize(
    ("address", "taken_at_first", "taken_at_last"),
    [
        ("rcpt-550-ann@example.com", 0, 0),
        ("rcpt-450-once-ann@example.com", 0, 1),
        ("body-drop-once-ann@example.com", 0, 1),
        ("dot-451-once-ann@example.com", 0, 1),
        ("dot-taken-drop-once-ann@example.com", 1, 2),
        ("dorothy-550-ann@example.com", 1, 2),
    ],
)
def test_an_address_can_ask_for_trouble_by_its_name(
    fake_smtp: FakeSmtp, address: str, taken_at_first: int, taken_at_last: int
) -> None:
    counts = []
    for _ in range(2):
        with suppress(smtplib.SMTPException, OSError), connect(fake_smtp) as client:
            client.send_message(a_mail(address))
        counts.append(len(fake_smtp.accepted()))

    assert counts == [taken_at_first, taken_at_last]


def test_commands_out_of_order_are_refused(client: smtplib.SMTP) -> None:
    client.ehlo()

    assert client.docmd("RCPT", "TO:<ann@example.com>")[0] == 503
    assert client.docmd("DATA")[0] == 503
    assert client.docmd("VRFY", "ann")[0] == 502
    assert client.docmd("NOOP")[0] == 250
    assert client.rset()[0] == 250


def test_a_mail_server_as_a_process_keeps_rules_and_log_over_a_kill(smtp_process: SmtpProcess) -> None:
    with connect(smtp_process) as client:
        client.send_message(a_mail(number=1))
    smtp_process.behave(Rule(phase="rcpt", reply="550 5.1.1 nobody", recipient="bob@*"))

    smtp_process.kill()
    smtp_process.start()

    with connect(smtp_process) as client:
        client.send_message(a_mail(number=2))
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            client.send_message(a_mail("bob@example.com"))
    assert [entry["delivery"] for entry in smtp_process.accepted()] == [1, 2]


def post(fake: FakeSms | SmsProcess, **changed: Any) -> httpx.Response:
    options: dict[str, Any] = {
        "auth": (SID, TOKEN),
        "data": {"To": "+447700900123", "From": "+15005550006", "Body": "Hé & bye"},
        "timeout": PATIENCE_SECONDS,
    }
    url = f"http://127.0.0.1:{fake.port}/2010-04-01/Accounts/{SID}/Messages.json"
    return httpx.post(url, trust_env=False, **options | changed)


def test_a_text_is_written_down_with_its_id(fake_sms: FakeSms) -> None:
    response = post(fake_sms, headers={"X-Notifier-Delivery": "42"})

    assert response.status_code == 201
    (entry,) = fake_sms.accepted()
    assert (entry["to"], entry["body"], entry["delivery"]) == ("+447700900123", "Hé & bye", "42")
    assert response.json()["sid"] == entry["sid"]


def test_one_connection_takes_many_texts(fake_sms: FakeSms) -> None:
    with httpx.Client(auth=(SID, TOKEN), trust_env=False) as client:
        for number in range(20):
            client.post(
                f"http://127.0.0.1:{fake_sms.port}/2010-04-01/Accounts/{SID}/Messages.json",
                data={"To": "+447700900123", "From": "+15005550006", "Body": str(number)},
            ).raise_for_status()

    assert [entry["body"] for entry in fake_sms.accepted()] == [str(number) for number in range(20)]
    assert fake_sms.connections == 1


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"auth": (SID, "wrong")}, 401, 20003),
        ({"data": {"To": "07700", "From": "+15005550006", "Body": "x"}}, 400, 21211),
        ({"data": {"To": "+447700900123", "From": "+15005550006", "Body": ""}}, 400, 21602),
    ],
)
def test_a_wrong_request_is_refused(fake_sms: FakeSms, changed: dict[str, Any], status: int, code: int) -> None:
    response = post(fake_sms, **changed)

    assert (response.status_code, response.json()["code"]) == (status, code)
    assert fake_sms.accepted() == []


@pytest.mark.parametrize(
    ("rule", "status", "text"),
    [
        (Rule(phase="request", status=429, headers={"Retry-After": "3"}), 429, ""),
        (Rule(phase="request", status=503, reply="down"), 503, "down"),
        (Rule(phase="request", status=200, reply="<html>junk"), 200, "<html>junk"),
        (Rule(phase="request", status=307, headers={"Location": "http://127.0.0.1:1/"}), 307, ""),
        (Rule(phase="request", status=200, reply="x" * 5_000_000), 200, "x" * 5_000_000),
    ],
)
def test_a_bad_answer(fake_sms: FakeSms, rule: Rule, status: int, text: str) -> None:
    fake_sms.behave(rule)

    response = post(fake_sms)

    assert (response.status_code, response.text) == (status, text)
    assert rule.headers.items() <= {name.title(): value for name, value in response.headers.items()}.items()
    assert fake_sms.accepted() == []


def test_twilios_own_errors_by_recipient(fake_sms: FakeSms) -> None:
    fake_sms.behave(invalid_number(recipient="+44*"), opted_out(recipient="+1*"))

    assert post(fake_sms).json()["code"] == 21211
    assert post(fake_sms, data={"To": "+12015550100", "From": "+1", "Body": "x"}).json()["code"] == 21610


@pytest.mark.parametrize("taken", [False, True])
@pytest.mark.parametrize(
    ("then", "error"),
    [("hang", httpx.ReadTimeout), ("drop", httpx.RemoteProtocolError), ("reset", httpx.ReadError)],
)
def test_an_answer_that_never_comes(fake_sms: FakeSms, then: str, error: type[Exception], taken: bool) -> None:
    fake_sms.behave(Rule(phase="request", then=then, taken=taken))

    with pytest.raises(error):
        post(fake_sms, timeout=SHORT_SECONDS if then == "hang" else PATIENCE_SECONDS)
    assert len(fake_sms.accepted()) == taken


def test_an_answer_that_drips_in(fake_sms: FakeSms) -> None:
    fake_sms.behave(Rule(phase="request", status=201, reply="slow", drip=SHORT_SECONDS / 2, taken=True))

    # Longer as a whole than the patience for one read.
    assert post(fake_sms, timeout=1.5 * SHORT_SECONDS).text == "slow"


def test_a_provider_as_a_process_takes_rules_while_it_runs(sms_process: SmsProcess) -> None:
    assert post(sms_process).status_code == 201

    sms_process.behave(Rule(phase="request", status=503, times=1))
    assert [post(sms_process).status_code for _ in range(2)] == [503, 201]

    assert len(sms_process.accepted()) == 2


def test_a_rule_with_a_name_keeps_its_count_while_others_change(sms_process: SmsProcess) -> None:
    once = Rule(phase="request", status=503, times=1, name="busy once")
    sms_process.behave(once)
    assert post(sms_process).status_code == 503

    sms_process.behave(once, Rule(phase="request", status=429, times=1))
    first = [post(sms_process).status_code for _ in range(2)]
    sms_process.behave(once, Rule(phase="request", status=429, times=1))
    second = [post(sms_process).status_code for _ in range(2)]

    assert (first, second) == ([429, 201], [429, 201])


def test_every_harm_done_is_written_down(smtp_process: SmtpProcess) -> None:
    smtp_process.behave(
        Rule(phase="rcpt", reply="550 5.1.1 nobody", recipient="bob@*", name="no such person"),
        Rule(phase="dot", delay=0.01),
    )

    with connect(smtp_process) as client:
        client.send_message(a_mail())
        with suppress(smtplib.SMTPRecipientsRefused):
            client.send_message(a_mail(to="bob@example.com"))

    (strike,) = smtp_process.strikes()
    assert (strike["phase"], strike["name"], strike["recipients"]) == ("rcpt", "no such person", ["bob@example.com"])
    assert strike["struck_at"] > 0


def test_fakes_listen_on_loopback_only(fake_smtp: FakeSmtp, sms_process: SmsProcess) -> None:
    for port in (fake_smtp.port, sms_process.port):
        with socket.socket() as elsewhere:
            elsewhere.settimeout(SHORT_SECONDS)
            # Another address of this machine, which a server on all of them would answer at.
            assert elsewhere.connect_ex(("127.0.0.2", port)) != 0
