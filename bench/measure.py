"""One pair of engines: fills the database, runs the bare limit and then the product's own processes, prints the table.

Settings come from the environment; bench/__main__.py makes it.
"""

import json
import os
import sys
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client as Browser  # noqa: E402
from django.urls import reverse  # noqa: E402

from bench.bare import Bare, smtp_seconds, timed  # noqa: E402
from notifier.admin.lists import deferred_counts  # noqa: E402
from notifier.broadcasts import lifecycle  # noqa: E402
from notifier.models import Broadcast, Client, Delivery, Notification, Preference, QueuedTicket, Topic  # noqa: E402
from notifier.models import Process as ProcessRow  # noqa: E402
from notifier.runtime import clock  # noqa: E402
from tests.support.fakes.smtp import SmtpProcess  # noqa: E402
from tests.support.servers.processes import Process, wait_until  # noqa: E402
from tests.support.servers.stack import Stack  # noqa: E402

PATIENCE_SECONDS = 1800
UNLIMITED_ROOM = 1_000_000


def main() -> None:
    sizes = json.loads(sys.argv[1])
    call_command("migrate", verbosity=0)
    with tempfile.TemporaryDirectory() as folder:
        forks = sizes["forks"]
        speed(Path(folder), clients=sizes["clients"], forks=forks)
        mail(Path(folder), mails=sizes["mails"], forks=forks)
        if sizes["large"]:
            large(Path(folder), clients=sizes["large"], views=sizes["views"], forks=forks)


def speed(folder: Path, *, clients: int, forks: bool) -> None:
    topic = fill(clients)
    notification = a_notification(topic)
    bare = Bare(broadcast_id=press(notification).pk, topic_id=topic.pk, clients=clients)
    expanded = bare.expand()
    bare.analyze()
    issued = expanded + bare.move()
    finished = issued + bare.claim_and_settle()
    forget_broadcasts()

    stack = a_stack(folder, forks=forks, queue_room=UNLIMITED_ROOM)
    with running(stack, "run_dispatcher"):
        product_issued = until(press(notification), all_tickets_issued)
    forget_broadcasts()
    report("press → all tickets issued", clients / product_issued, clients / issued)

    stack = a_stack(folder, forks=forks)
    crew = [("run_dispatcher",), *(("run_consumer", name, "--concurrency", "100") for name in ("email", "sms"))]
    with running(stack, *crew):
        product_finished = until(press(notification), is_finished)
    report("press → FINISHED", clients / product_finished, clients / finished)
    forget_broadcasts()


def mail(folder: Path, *, mails: int, forks: bool) -> None:
    notification = a_notification(fill(mails, only_email=True))
    with SmtpProcess(folder=folder) as sink:
        bare = smtp_seconds(port=sink.port, mails=mails)
        stack = a_stack(folder, forks=forks, email_url=sink.url)
        with running(stack, ("run_dispatcher",), ("run_consumer", "email", "--concurrency", "10")):
            product = until(press(notification), is_finished)
    forget_broadcasts()
    report("e-mail to a local SMTP sink", mails / product, mails / bare)


def large(folder: Path, *, clients: int, views: int, forks: bool) -> None:
    """Memory and pages, with as many clients, all of whom are sent something."""
    notification = a_notification(fill(clients))
    browser = Browser()
    browser.force_login(User.objects.create_superuser("bench"))
    url = reverse("admin:notifier_notification_broadcast") + f"?ids={notification.pk}"
    page(f"confirm page, {clients:,} clients", browser, url, views=views)
    page("its counts", browser, f"{url}&{deferred_counts.PARAMETER}=1", views=views)
    crew = [("run_dispatcher",), *(("run_consumer", name, "--concurrency", "100") for name in ("email", "sms"))]
    with running(a_stack(folder, forks=forks), *crew) as processes:
        broadcast = press(notification)
        took = until(broadcast, is_finished)
        peaks = ", ".join(f"{' '.join(p.argv[2:4])} {peak_mebibytes(p):.0f}" for p in processes)
    print(f"peak memory at {clients:,} clients, MiB: {peaks} (budget 150); {clients / took:,.0f}/s", flush=True)
    url = reverse("admin:notifier_broadcast_progress", args=[broadcast.pk])
    page(f"progress page, {clients:,} deliveries", browser, url, views=views)


def fill(clients: int, *, only_email: bool = False) -> Topic:
    """So many clients, each with one consent, in turn e-mail and SMS: as many deliveries as clients."""
    forget_broadcasts()
    tables = ("preference", "notification", "client")
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"DELETE FROM notifier_{table}")
        if connection.vendor == "postgresql":
            cursor.execute("ALTER SEQUENCE notifier_client_id_seq RESTART")
        else:
            cursor.execute("DELETE FROM sqlite_sequence WHERE name = 'notifier_client'")
    topic = Topic.objects.get(slug="listings")
    for first in range(1, clients + 1, 10_000):
        made = [a_client(number) for number in range(first, min(first + 10_000, clients + 1))]
        Client.objects.bulk_create(made)
        consents = [(c, only_email or c.pk % 2 == 0) for c in made]
        Preference.objects.bulk_create([Preference(client=c, topic=topic, email=e, sms=not e) for c, e in consents])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return topic


def a_client(number: int) -> Client:
    address = f"client{number}@example.com"
    return Client(pk=number, name=f"Ann Example {number}", email=address, phone=f"+999{number:09d}")


def a_notification(topic: Topic) -> Notification:
    return Notification.objects.create(
        topic=topic, subject="Three new homes", email_body="Hello {{ name }}, have a look.", sms_body="Hello {{ name }}"
    )


def press(notification: Notification) -> Broadcast:
    seen = {notification.pk: notification.updated_at}
    return lifecycle.create(seen=seen, token=uuid.uuid4(), by=None, now=clock.now(), again=True)[0]


def forget_broadcasts() -> None:
    tables = dict.fromkeys(field.related_model._meta.db_table for field in Broadcast._meta.related_objects)
    tables.pop(Broadcast._meta.db_table)  # the last of all
    with connection.cursor() as cursor:
        for table in (QueuedTicket._meta.db_table, *tables, Broadcast._meta.db_table):
            cursor.execute(f"DELETE FROM {table}")
        if connection.vendor == "postgresql":
            cursor.execute("VACUUM ANALYZE")


def a_stack(
    folder: Path, *, forks: bool, email_url: str = "dummymail://", queue_room: int = settings.QUEUE_ROOM
) -> Stack:
    return Stack(
        folder=folder,
        forks=forks,
        email_url=email_url,
        database_url=os.environ["DATABASE_URL"],
        broker_url=settings.BROKER_URL,
        DEFAULT_FROM_EMAIL="bench@example.com",
        QUEUE_ROOM=str(queue_room),
    )


class running:  # noqa: N801  (reads as what it is: `with running(stack, …)`)
    """The product's processes, once each has said that it lives; stopped at the end."""

    def __init__(self, stack: Stack, *commands: Any) -> None:
        self._stack = stack
        self._commands = [(command,) if isinstance(command, str) else command for command in commands]

    def __enter__(self) -> list[Process]:
        ProcessRow.objects.all().delete()
        processes = [self._stack.start(*command) for command in self._commands]
        wait_until(lambda: _all_live(processes), what="every process's sign of life")
        return processes

    def __exit__(self, *_: object) -> None:
        self._stack.stop_all()


def _all_live(processes: list[Process]) -> bool:
    if ended := [process for process in processes if not process.is_running()]:
        raise RuntimeError(ended[0].output())
    return ProcessRow.objects.count() == len(processes)


def until(broadcast: Broadcast, reached: Callable[[Broadcast], bool]) -> float:
    """Seconds from the press, by the database's clock, until `reached`."""
    wait_until(lambda: reached(broadcast), deadline=PATIENCE_SECONDS, what="the end of the run")
    return (clock.now() - broadcast.started_at).total_seconds()  # type: ignore[operator]


def all_tickets_issued(broadcast: Broadcast) -> bool:
    broadcast.refresh_from_db(fields=["cursor"])
    due = Delivery.objects.active().filter(broadcast=broadcast, channel__in=["email", "sms"], state="PENDING")
    return broadcast.cursor >= broadcast.audience_upto and not due.filter(due_at__lte=clock.now()).exists()


def is_finished(broadcast: Broadcast) -> bool:
    broadcast.refresh_from_db(fields=["state"])
    return broadcast.state == Broadcast.State.FINISHED


def report(what: str, rate: float, limit: float) -> None:
    print(f"{what:<32} {rate:>9,.0f}/s   bare {limit:>9,.0f}/s   {rate / limit:>5.0%}", flush=True)


def page(what: str, browser: Browser, url: str, *, views: int) -> None:
    took = []
    for _ in range(max(1, views)):
        with timed() as seconds:
            status = browser.get(url, headers={"host": "localhost"}).status_code
        if status != 200:
            raise RuntimeError(f"{url} answered {status}")
        took.append(seconds())
    print(f"{what:<40} median {sorted(took)[len(took) // 2] * 1000:,.0f} ms", flush=True)


def peak_mebibytes(process: Process) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


if __name__ == "__main__":
    main()
