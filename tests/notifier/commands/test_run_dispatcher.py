import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from notifier.models import Broadcast, Process, QueuedTicket
from tests.support.factories import a_broadcast, a_client
from tests.support.servers.processes import free_port, wait_until
from tests.support.servers.stack import Stack

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@pytest.fixture
def own_signals() -> Iterator[None]:
    """The command listens for signals; the test process wants its own back."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.both_engines
@pytest.mark.django_db
@pytest.mark.usefixtures("own_signals")
def test_until_idle_it_does_what_there_is_and_ends() -> None:
    a_client(listings="neither")
    finished, paused = a_broadcast(), a_broadcast(state=Broadcast.State.PAUSED)

    call_command("run_dispatcher", "--until-idle")

    finished.refresh_from_db()
    paused.refresh_from_db()
    assert (finished.state, paused.state) == (Broadcast.State.FINISHED, Broadcast.State.PAUSED)
    assert not Process.objects.exists()
    assert not QueuedTicket.objects.exists()


@pytest.mark.both_engines
@pytest.mark.django_db
@pytest.mark.usefixtures("own_signals")
def test_until_idle_a_broker_that_is_away_is_told_in_one_line(settings: Settings) -> None:
    settings.BROKER_URL = f"amqp://guest:secret@127.0.0.1:{free_port()}/"
    a_client(listings="email")
    a_broadcast()

    with pytest.raises(CommandError, match=r"^RabbitMQ at 127\.0\.0\.1 can’t be used: .*") as caught:
        call_command("run_dispatcher", "--until-idle")

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_the_process_in_order(make_stack: Callable[..., Stack], number: int) -> None:
    stack = make_stack()
    process = stack.start("run_dispatcher")
    wait_until(lambda: stack.query("SELECT id FROM notifier_process"), what="its first heartbeat")

    status = process.stop(number=number)

    assert status == 0, process.output()
    assert stack.query("SELECT id FROM notifier_process") == []
    assert "Traceback" not in process.output()


def test_with_its_broker_away_the_process_goes_on_and_still_ends_in_order(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(broker_url=f"amqp://guest:secret@127.0.0.1:{free_port()}/")
    process = stack.start("run_dispatcher")
    wait_until(
        lambda: stack.query("SELECT detail FROM notifier_process WHERE state = %s", "WAITING"), what="it to say so"
    )

    assert process.is_running()
    assert process.stop() == 0
    assert process.output().count("Broadcasts wait") == 1
    assert "secret" not in process.output()


def test_until_idle_the_process_fails_when_its_broker_is_away(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack(broker_url=f"amqp://guest:secret@127.0.0.1:{free_port()}/")

    ended = stack.manage("run_dispatcher", "--until-idle", check=False)

    assert ended.returncode == 1
    assert "CommandError: RabbitMQ at 127.0.0.1 can’t be used" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "secret" not in ended.stderr


def test_until_idle_the_process_fails_where_the_tables_are_missing(tmp_path: Path) -> None:
    ended = Stack(folder=tmp_path).manage("run_dispatcher", "--until-idle", check=False)

    assert ended.returncode == 1
    assert re.fullmatch(
        r"CommandError: The database is missing \d+ migrations\. Run `python manage.py migrate` first\.",
        ended.stderr.strip(),
    )


def test_without_until_idle_it_waits_for_the_tables(tmp_path: Path) -> None:
    stack = Stack(folder=tmp_path)
    process = stack.start("run_dispatcher")
    wait_until(lambda: "next try in" in process.output(), what="it to say that the tables are missing")

    stack.migrate()
    wait_until(lambda: stack.query("SELECT 1 FROM notifier_process"), what="its first heartbeat")

    assert process.stop() == 0
