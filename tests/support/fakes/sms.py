"""An SMS provider that speaks the part of Twilio's REST API that sends a message, and misbehaves on request.

    python -m tests.support.fakes.sms --port 0 --log accepted.jsonl

https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource
"""

import base64
import json
import re
import secrets
import time
from email.utils import format_datetime, formatdate, localtime
from http import HTTPStatus
from urllib.parse import parse_qs

from tests.support.fakes.connection import Connection
from tests.support.fakes.rules import Rule
from tests.support.fakes.running import FakeProcess, ThreadedFake, serve

SID = "AC00000000000000000000000000000001"
TOKEN = "only-for-the-tests"
SENDER = "+15005550006"
MESSAGES = re.compile(r"/2010-04-01/Accounts/([^/]+)/Messages\.json")
BASIC = "Basic " + base64.b64encode(f"{SID}:{TOKEN}".encode()).decode()


def error_body(status: int, code: int, message: str) -> str:
    """An error as Twilio words it."""
    more = f"https://www.twilio.com/docs/errors/{code}"
    return json.dumps({"code": code, "message": message, "more_info": more, "status": status})


def invalid_number(**where: str) -> Rule:
    """21211: the number doesn't exist."""
    body = error_body(400, 21211, "Invalid 'To' Phone Number")
    return Rule(phase="request", status=400, reply=body, **where)  # type: ignore[arg-type]


def opted_out(**where: str) -> Rule:
    """21610: the recipient answered STOP."""
    body = error_body(400, 21610, "Attempt to send to unsubscribed recipient")
    return Rule(phase="request", status=400, reply=body, **where)  # type: ignore[arg-type]


class SmsSession(Connection):
    def advance(self) -> bool:
        head, end, rest = self.buffer.partition(b"\r\n\r\n")
        if not end:
            return False
        request, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0))
        if len(rest) < length:
            return False
        self.buffer = rest[length:]
        self._request(request, headers, rest[:length].decode())
        return True

    def _request(self, request: str, headers: dict[str, str], body: str) -> None:
        method, target, _ = request.split(" ", 2)
        # keep_blank_values, or an empty Body would look like none.
        form = {name: values[0] for name, values in parse_qs(body, keep_blank_values=True).items()}
        to = form.get("To", "")
        sid = "SM" + secrets.token_hex(16)

        def take() -> None:
            self.sink.log.append(
                {
                    "to": to,
                    "from": form.get("From", ""),
                    "body": form.get("Body", ""),
                    "sid": sid,
                    "delivery": headers.get("x-notifier-delivery"),
                    "callback": form.get("StatusCallback", ""),
                    "received_at": time.time(),
                }
            )

        def well() -> None:
            if complaint := _complaint(method, target, headers, form):
                return self._say(*complaint)
            take()
            self._say(201, _message(sid, form))

        self.answer("request", well=well, take=take, recipients=[to])

    def _say(self, status: int, body: str, headers: dict[str, str] | None = None) -> None:
        self.transport.write(_head(status, len(body.encode()), headers or {}) + body.encode())

    def reply_badly(self, rule: Rule) -> bool:
        if not rule.status:
            return False
        body = rule.reply.encode() + b" " * rule.padding
        later = {"Retry-After": formatdate(time.time() + rule.retry_date, usegmt=True)} if rule.retry_date else {}
        head = _head(rule.status, len(body), rule.headers | later)
        if rule.drip and rule.drips_head:
            self.drip(head + body, rule.drip)
        elif rule.drip:
            self.transport.write(head)
            self.drip(body, rule.drip)
        else:
            self.transport.write(head + body)
        return True


def _complaint(method: str, target: str, headers: dict[str, str], form: dict[str, str]) -> tuple[int, str] | None:
    path = MESSAGES.fullmatch(target)
    if path is None or method != "POST":
        return 404, error_body(404, 20404, f"The requested resource {target} was not found")
    if headers.get("authorization") != BASIC or path[1] != SID:
        return 401, error_body(401, 20003, "Authenticate")
    for name, code in (("To", 21604), ("From", 21603), ("Body", 21602)):
        if not form.get(name):
            return 400, error_body(400, code, f"A '{name}' is required")
    if not re.fullmatch(r"\+[1-9]\d{6,14}", form["To"]):
        return 400, error_body(400, 21211, f"Invalid 'To' Phone Number: {form['To']}")
    return None


def _message(sid: str, form: dict[str, str]) -> str:
    now = format_datetime(localtime())
    return json.dumps(
        {
            "sid": sid,
            "account_sid": SID,
            "to": form["To"],
            "from": form["From"],
            "body": form["Body"],
            "status": "queued",
            "direction": "outbound-api",
            "num_segments": "1",
            "error_code": None,
            "error_message": None,
            "date_created": now,
            "uri": f"/2010-04-01/Accounts/{SID}/Messages/{sid}.json",
        }
    )


def _head(status: int, length: int, headers: dict[str, str]) -> bytes:
    phrase = HTTPStatus(status).phrase
    fields = {"Content-Type": "application/json", "Content-Length": str(length)} | headers
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def sms_url(port: int) -> str:
    """The address as SMS_URL takes it."""
    return f"twilio://{SID}:{TOKEN}@127.0.0.1:{port}/?from={SENDER}&insecure=1"


class FakeSms(ThreadedFake):
    session = SmsSession

    @property
    def url(self) -> str:
        return sms_url(self.port)


class SmsProcess(FakeProcess):
    module = "tests.support.fakes.sms"

    @property
    def url(self) -> str:
        return sms_url(self.port)


if __name__ == "__main__":
    serve(SmsSession)
