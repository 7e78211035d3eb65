"""How many receipts a second are taken: by one web process, as Twilio posts them, and without HTTP.

Settings come from the environment; bench/__main__.py makes it. Whoever posts runs on the same machine.
"""

import http.client
import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

SID, TOKEN = "AC00000000000000000000000000000001", "only-for-the-measurements"
# For this process, and for the web process that it starts.
os.environ |= {"SMS_URL": f"twilio://{SID}:{TOKEN}@127.0.0.1:9/?from=+15005550006", "SMS_RECEIPTS": "on"}

import django  # noqa: E402

django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.http import QueryDict  # noqa: E402

from notifier.messages import receipt_urls  # noqa: E402
from notifier.models import Broadcast, Channel, Client, Delivery, Notification, Receipt, Topic  # noqa: E402
from notifier.receipts import counting, taking  # noqa: E402
from notifier.receipts.taking import Told  # noqa: E402
from notifier.runtime import clock  # noqa: E402
from notifier.webhooks.twilio import signature  # noqa: E402
from tests.support.servers import processes  # noqa: E402

PROJECT = Path(__file__).resolve().parent.parent
#: Of a provider that posts at once; each keeps its connection.
CALLERS = 8
BATCH = 100


def main() -> None:
    number = json.loads(sys.argv[1])["receipts"]
    call_command("migrate", verbosity=0)
    rows = sent(number * 2 + number // 10)
    http_rows, batched, single = rows[:number], rows[number : number * 2], rows[number * 2 :]
    rate("receipts posted to one web process", number, lambda: post(http_rows))
    rate("receipts taken one by one", len(single), lambda: take(single, 1))
    rate(f"receipts taken in batches of {BATCH}", number, lambda: take(batched, BATCH))
    assert Receipt.objects.count() == len(rows)
    began = time.monotonic()
    counting.count_due(now=clock.now())
    print(f"count of {len(rows):,} receipts {(time.monotonic() - began) * 1000:,.0f} ms", flush=True)


def rate(what: str, rows: int, act: Callable[[], float | None]) -> None:
    began = time.monotonic()
    took = act() or time.monotonic() - began
    print(f"{what:<50} {rows / took:>10,.0f}/s", flush=True)


def sent(number: int) -> list[Delivery]:
    """Of one broadcast, as its end leaves them."""
    topic = Topic.objects.get(slug="listings")
    notification = Notification.objects.create(topic=topic, subject="x", sms_body="x")
    clients = Client.objects.bulk_create(
        (Client(name="Ann", phone=f"+1202{pk:08d}") for pk in range(number)), batch_size=5_000
    )
    broadcast = Broadcast.objects.create(
        notification=notification,
        topic=notification.topic,
        sms_body="x",
        state=Broadcast.State.FINISHED,
        audience_upto=0,
        request_id=uuid.uuid4(),
        finished_at=clock.now(),
    )
    made = (
        Delivery(
            broadcast=broadcast,
            client=client,
            channel=Channel.SMS,
            address=client.phone,
            state=Delivery.State.SENT,
            settled_at=clock.now(),
        )
        for client in clients
    )
    return Delivery.objects.bulk_create(made, batch_size=5_000)


def take(rows: Sequence[Delivery], size: int) -> None:
    now = clock.now()
    for start in range(0, len(rows), size):
        told = [
            Told(
                reference=f"{row.broadcast_id}.{row.pk}",
                channel=Channel.SMS,
                state=Receipt.State.DELIVERED,
                at=now,
                provider="twilio",
                provider_id=f"SM{row.pk:032x}",
            )
            for row in rows[start : start + size]
        ]
        taking.take(told, now=now)


def post(rows: Sequence[Delivery]) -> float:
    """Seconds for all of them, by CALLERS at once, each signed beforehand."""
    calls = [call(row) for row in rows]
    port = processes.free_port()
    options = ["-b", f"127.0.0.1:{port}", "-w", "1", "--threads", str(CALLERS), "--log-level", "warning"]
    web = subprocess.Popen([sys.executable, "-m", "gunicorn", "config.wsgi", *options], cwd=PROJECT, env=os.environ)
    try:
        processes.wait_until(lambda: answers(port), what="the web process")
        parts = [threading.Thread(target=send, args=(port, calls[start::CALLERS])) for start in range(CALLERS)]
        began = time.monotonic()
        for part in parts:
            part.start()
        for part in parts:
            part.join()
        return time.monotonic() - began
    finally:
        web.terminate()
        web.wait()


def call(row: Delivery) -> tuple[str, bytes, dict[str, str]]:
    url = receipt_urls.url(f"{row.broadcast_id}.{row.pk}", provider="twilio")
    sid = f"SM{row.pk:032x}"
    form = {"AccountSid": SID, "MessageSid": sid, "MessageStatus": "delivered", "To": row.address, "From": "+1"}
    body = urlencode(form)
    signed = signature(TOKEN, url, QueryDict(body)).decode()
    headers = {"X-Twilio-Signature": signed, "Content-Type": "application/x-www-form-urlencoded"}
    path = quote(url.removeprefix(settings.PUBLIC_URL), safe="/:.")
    return path, body.encode(), {**headers, "Host": settings.PUBLIC_HOST}


def send(port: int, calls: Sequence[tuple[str, bytes, dict[str, str]]]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for path, body, headers in calls:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        response.read()
        if response.status != 204:
            raise SystemExit(f"a receipt was answered {response.status}")
    connection.close()


def answers(port: int) -> bool:
    connection: Any = http.client.HTTPConnection("127.0.0.1", port)
    try:
        connection.request("GET", "/healthz", headers={"Host": settings.PUBLIC_HOST})
        return bool(connection.getresponse().status == 200)
    except OSError:
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    main()
