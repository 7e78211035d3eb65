from typing import Any

import httpx
import pytest

from tests.support.fakes.rules import Rule
from tests.support.fakes.sms import SID, TOKEN, FakeSms, SmsProcess, invalid_number, opted_out
from tests.support.servers.processes import PATIENCE_SECONDS

#: The patience of a client whose server is made to say nothing.
SHORT_SECONDS = 1.0


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
