import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.fakes.rules import Rule
from tests.support.fakes.sms import FakeSms
from tests.support.fakes.smtp import FakeSmtp
from tests.support.servers.processes import PATIENCE_SECONDS, Process, free_port, wait_until
from tests.support.servers.stack import Stack


@pytest.fixture
def bare_stack(tmp_path: Path) -> Stack:
    """Nothing is there yet, not even a database: for what must be refused before any of it is needed."""
    return Stack(folder=tmp_path)


def a_broadcast(stack: Stack, *, clients: int) -> None:
    """One to invented clients by both channels, its tickets in the queue."""
    stack.manage("load_demo", "--clients", str(clients))
    ((notification,),) = stack.query(
        "SELECT MIN(id) FROM notifier_notification WHERE email_body <> '' AND sms_body <> ''"
    )
    stack.manage("broadcast", str(notification))
    dispatcher = stack.start("run_dispatcher")
    wait_until(
        lambda: stack.query("SELECT COUNT(DISTINCT channel) FROM notifier_queuedticket") == [(2,)], what="tickets"
    )
    assert dispatcher.stop() == 0


def addresses(stack: Stack, channel: str, state: str) -> list[str]:
    found = stack.query(
        "SELECT address FROM notifier_delivery WHERE channel = %s AND state = %s ORDER BY address", channel, state
    )
    return [address for (address,) in found]


def listening(stack: Stack, *argv: str, **settings: str) -> Process:
    """A consumer that has said that it lives."""
    consumer = stack.start("run_consumer", *argv, **settings)
    wait_until(lambda: stack.query("SELECT 1 FROM notifier_process") or not consumer.is_running(), what="a heartbeat")
    assert consumer.is_running(), consumer.output()
    return consumer


def complaint(stack: Stack, *argv: str) -> str:
    """What the command, which must fail, says: all of it on the standard error, and no traceback."""
    done = stack.manage("run_consumer", *argv, check=False)
    assert done.returncode != 0
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr.strip()


# --- What it is told --------------------------------------------------------------------------------------------------
def test_an_unknown_channel_is_refused(bare_stack: Stack) -> None:
    said = complaint(bare_stack, "pigeon")

    assert "argument channel: invalid choice: 'pigeon'" in said.splitlines()[-1]


@pytest.mark.parametrize("number", ["0", "1001"])
def test_a_concurrency_out_of_bounds_is_one_clear_line(bare_stack: Stack, number: str) -> None:
    said = complaint(bare_stack, "email", "--concurrency", number)

    assert said == f"CommandError: --concurrency must be from 1 to 1000, not {number}."


def test_a_concurrency_that_is_no_number_is_refused(bare_stack: Stack) -> None:
    said = complaint(bare_stack, "email", "--concurrency", "many")

    assert "argument --concurrency: invalid int value: 'many'" in said.splitlines()[-1]


@pytest.mark.parametrize(
    "setting",
    [
        {"EMAIL_URL": "pigeon://coop"},
        {"SMS_URL": "twilio://nobody"},
        {"BROKER_URL": "kafka://localhost"},
        {"DATABASE_URL": "mysql://localhost/notifier"},
        {"EMAIL_CONCURRENCY": "many"},
    ],
    ids=lambda setting: next(iter(setting)),
)
def test_a_setting_that_can_not_be_used_is_named_in_a_clear_line(tmp_path: Path, setting: dict[str, str]) -> None:
    stack = Stack(folder=tmp_path)
    stack.env |= setting
    (name,) = setting

    said = complaint(stack, "email", "--until-idle")

    assert any(name in line for line in said.splitlines())
    assert len(said.splitlines()) <= 4


# --- A broker that is away --------------------------------------------------------------------------------------------
def test_a_broker_that_is_away_is_one_clear_line_where_the_queue_was_to_be_emptied(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(broker_url=f"amqp://guest:guest@127.0.0.1:{free_port()}/")

    said = complaint(stack, "email", "--until-idle")

    assert len(said.splitlines()) == 1
    assert said.startswith("CommandError: ")
    assert "RabbitMQ at 127.0.0.1 can’t be used" in said
    assert stack.query("SELECT * FROM notifier_process") == []


def test_a_broker_that_is_away_is_waited_for_and_said_to_be_until_it_is_told_to_stop(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(broker_url=f"amqp://guest:guest@127.0.0.1:{free_port()}/")
    consumer = stack.start("run_consumer", "email", LOG_LEVEL="DEBUG")

    wait_until(lambda: consumer.output().count("Next try in") >= 3, what="a third try")
    ((state, detail),) = stack.query("SELECT state, detail FROM notifier_process")
    status = consumer.stop()

    assert (status, state) == (0, "WAITING")
    assert "RabbitMQ at 127.0.0.1 can’t be used" in detail
    assert consumer.output().count("ERROR") == 1
    assert "Traceback" not in consumer.output()


@pytest.mark.parametrize("broker", ["database://", f"amqp://guest:guest@127.0.0.1:{free_port()}/"], ids=["own", "amqp"])
def test_a_database_without_tables_is_said_in_plain_words(tmp_path: Path, broker: str) -> None:
    said = complaint(Stack(folder=tmp_path, broker_url=broker), "email", "--until-idle")

    assert re.fullmatch(
        r"CommandError: The database is missing \d+ migrations\. Run `python manage.py migrate` first\.", said
    )


# --- Until idle -------------------------------------------------------------------------------------------------------
def test_the_queues_are_emptied_and_everyone_is_reached_once(
    make_stack: Callable[..., Stack], fake_smtp: FakeSmtp, fake_sms: FakeSms
) -> None:
    stack = make_stack(email_url=fake_smtp.url, sms_url=fake_sms.url)
    a_broadcast(stack, clients=60)

    email = stack.manage("run_consumer", "email", "--until-idle", "--concurrency", "3")
    sms = stack.manage("run_consumer", "sms", "--until-idle")

    assert (email.stdout, email.stderr, sms.stdout, sms.stderr) == ("", "", "", "")
    mailed, texted = addresses(stack, "email", "SENT"), addresses(stack, "sms", "SENT")
    assert len(mailed) > 10
    assert len(texted) > 10
    assert sorted(entry["recipient"] for entry in fake_smtp.accepted()) == mailed
    assert sorted(entry["to"] for entry in fake_sms.accepted()) == texted
    assert fake_smtp.connections <= 3
    assert not {"PENDING", "SENDING"} & {state for _, state in stack.states()}


def test_nothing_to_do_is_no_failure(make_stack: Callable[..., Stack]) -> None:
    done = make_stack().manage("run_consumer", "sms", "--until-idle")

    assert (done.stdout, done.stderr) == ("", "")


# --- Signals ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_an_idle_consumer_ends_in_order_at_the_first_signal(
    make_stack: Callable[..., Stack], number: signal.Signals
) -> None:
    stack = make_stack()
    consumer = listening(stack, "email")

    assert consumer.stop(number=number) == 0

    assert consumer.output() == ""
    assert stack.query("SELECT * FROM notifier_process") == []


def test_asked_to_stop_while_sending_it_ends_the_window_gives_the_rest_back_and_exits_in_order(
    make_stack: Callable[..., Stack], fake_smtp: FakeSmtp
) -> None:
    stack = make_stack(email_url=fake_smtp.url)
    a_broadcast(stack, clients=60)
    fake_smtp.behave(Rule(phase="dot", delay=1.0))
    consumer = stack.start("run_consumer", "email", "--concurrency", "2")
    wait_until(lambda: addresses(stack, "email", "SENDING"), what="a window under way")

    assert consumer.stop() == 0

    reached = sorted(entry["recipient"] for entry in fake_smtp.accepted())
    assert len(reached) == 2
    assert addresses(stack, "email", "SENT") == reached
    assert addresses(stack, "email", "SENDING") == []
    assert len(addresses(stack, "email", "PENDING")) > 10
    assert stack.query("SELECT * FROM notifier_queuedticket WHERE channel = 'email'") == []


@pytest.mark.parametrize("how", [{"then": "hang"}, {"reply": "220 " + " " * 5000, "drip": 0.5}], ids=["hangs", "drips"])
def test_asked_to_stop_it_waits_for_no_connection(
    make_stack: Callable[..., Stack], fake_smtp: FakeSmtp, how: dict[str, Any]
) -> None:
    """Either would last much longer than anybody waits."""
    stack = make_stack(
        email_url=fake_smtp.url,
        EMAIL_TIMEOUT=str(10 * int(PATIENCE_SECONDS)),
        LEASE_SECONDS=str(100 * int(PATIENCE_SECONDS)),
    )
    a_broadcast(stack, clients=5)
    everyone = addresses(stack, "email", "PENDING")
    fake_smtp.behave(Rule(phase="connect", **how))
    consumer = stack.start("run_consumer", "email", "--concurrency", "2")
    wait_until(lambda: fake_smtp.connections, what="a connection")

    assert consumer.stop() == 0

    assert addresses(stack, "email", "PENDING") == everyone != []


def test_a_second_signal_ends_it_at_once_though_a_send_hangs(
    make_stack: Callable[..., Stack], fake_smtp: FakeSmtp
) -> None:
    stack = make_stack(email_url=fake_smtp.url, EMAIL_TIMEOUT="60")
    a_broadcast(stack, clients=20)
    fake_smtp.behave(Rule(phase="dot", taken=True, then="hang"))
    consumer = stack.start("run_consumer", "email", "--concurrency", "1")
    wait_until(fake_smtp.accepted, what="a mail that was taken without an answer")

    def signal_again() -> bool:
        consumer.ask_to_stop()
        return not consumer.is_running()

    began = time.monotonic()
    wait_until(signal_again, what="the second signal to count")
    took = time.monotonic() - began

    assert consumer.returncode() == 1
    assert took > 1  # a terminal and a supervisor may both pass on one Ctrl-C
    assert len(fake_smtp.accepted()) == 1
    assert addresses(stack, "email", "SENDING") == [fake_smtp.accepted()[0]["recipient"]]
