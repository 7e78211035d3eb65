import io
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from notifier.management.commands.purge_dead_letters import describe
from notifier.models import Channel, QueuedTicket
from notifier.runtime import clock
from notifier.transport.amqp.transport import AmqpTransport
from notifier.transport.base import DeadLetter, Ticket, encode
from tests.notifier.transport.carriers import BAD_BODIES, RabbitCarrier, settles
from tests.support.servers.processes import free_port
from tests.support.servers.stack import Stack

pytestmark = pytest.mark.django_db

EMAIL, SMS = Channel.EMAIL, Channel.SMS


def put_aside(*bodies: bytes, channel: Channel = EMAIL, dead: bool = True) -> None:
    for body in bodies:
        QueuedTicket.objects.create(channel=channel, body=body, available_at=clock.now(), dead=dead)


def run(*argv: str) -> str:
    said = io.StringIO()
    call_command("purge_dead_letters", *argv, stdout=said)
    return said.getvalue()


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """`asked = answer("y")`: what the person at the keyboard says, and what they were asked."""

    def set_to(text: str) -> list[str]:
        asked: list[str] = []

        def hear(question: str) -> str:
            asked.append(question)
            return text

        monkeypatch.setattr("builtins.input", hear)
        return asked

    return set_to


# --- Showing ----------------------------------------------------------------------------------------------------------
@pytest.mark.both_engines
def test_without_a_dead_letter_it_says_so_and_asks_nothing() -> None:
    put_aside(b"waits", dead=False)

    assert run() == "0 dead letters.\n"
    assert QueuedTicket.objects.count() == 1


@pytest.mark.both_engines
def test_it_says_of_each_what_is_wrong_and_that_the_deliveries_come_due_anyway() -> None:
    put_aside(b"hello")
    put_aside(encode(Ticket(broadcast=7, channel=EMAIL, deliveries=(1, 2))), channel=SMS)

    said = run("--dry-run").splitlines()

    assert said == [
        "2 dead letters.",
        "   1. e-mail, 5 bytes: JSON is malformed: invalid character (byte 0); it begins b'hello'",
        "   2. SMS, 58 bytes: it is for the channel email and came through sms (broadcast 7, 2 messages)",
        "Their messages are sent again automatically, whether you discard these or not.",
    ]
    assert QueuedTicket.objects.count() == 2


def test_it_shows_the_first_twenty_and_counts_the_rest() -> None:
    put_aside(*[b"junk %d" % number for number in range(25)])

    said = run("--dry-run")

    assert "25 dead letters." in said
    assert "20. e-mail, 7 bytes" in said
    assert "21." not in said
    assert "… and 5 more" in said


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
def test_whatever_it_holds_it_is_told_in_one_short_line_of_ascii(body: bytes) -> None:
    line = describe(DeadLetter(body, EMAIL))

    assert line.isascii()
    assert line.isprintable()
    assert len(line) < 240


def test_what_would_talk_to_the_terminal_is_escaped_and_of_a_long_one_only_the_beginning_is_shown() -> None:
    line = describe(DeadLetter(b"\x1b[2J\r\n" + b"a" * 18 + b"ann@example.com", None))

    assert line.startswith("an unknown channel, 39 bytes: ")
    assert r"it begins b'\x1b[2J\r\naaaaaaaaaaaaaaaaaa'" in line
    assert "ann@" not in line


# --- Discarding -------------------------------------------------------------------------------------------------------
@pytest.mark.both_engines
@pytest.mark.parametrize("word", ["y", "Yes "])
def test_it_asks_and_then_discards_the_dead_and_nothing_else(answer: Callable[[str], list[str]], word: str) -> None:
    asked = answer(word)
    put_aside(b"hello", b"again")
    put_aside(b"waits", dead=False)

    assert run().splitlines()[-1] == "Discarded: 2 dead letters."

    assert asked == ["Discard 2 dead letters? [y/N] "]
    assert [bytes(row.body) for row in QueuedTicket.objects.all()] == [b"waits"]


@pytest.mark.parametrize("word", ["", "n", "what?"])
def test_any_other_answer_discards_nothing_and_is_no_success(answer: Callable[[str], list[str]], word: str) -> None:
    answer(word)
    put_aside(b"hello")

    with pytest.raises(CommandError, match=r"^Nothing was discarded\.$") as caught:
        run()

    assert caught.value.returncode == 1
    assert QueuedTicket.objects.count() == 1


def test_yes_discards_without_asking(answer: Callable[[str], list[str]]) -> None:
    asked = answer("n")
    put_aside(b"hello")

    assert run("--yes").splitlines()[-1] == "Discarded: 1 dead letter."

    assert asked == []
    assert not QueuedTicket.objects.exists()


def test_a_dry_run_discards_nothing_whatever_else_is_said() -> None:
    put_aside(b"hello")

    assert "Discarded" not in run("--dry-run", "--yes")

    assert QueuedTicket.objects.count() == 1


# --- With RabbitMQ, and without anything ------------------------------------------------------------------------------
@pytest.fixture
def rabbit(amqp_url: str, settings: Settings) -> Iterator[RabbitCarrier]:
    settings.BROKER_URL = amqp_url
    with closing(AmqpTransport(amqp_url)) as transport:
        transport.dead()  # declares the queues
        yield RabbitCarrier(amqp_url)


def test_with_rabbitmq_it_shows_and_discards_them_too(rabbit: RabbitCarrier) -> None:
    with rabbit.channel() as link:
        link.confirm_delivery()
        link.basic_publish("notifier", "dead", b"hello", mandatory=True)

    assert settles(lambda: "1. an unknown channel, 5 bytes" in run("--dry-run"), True)
    assert run("--yes").splitlines()[-1] == "Discarded: 1 dead letter."

    assert run() == "0 dead letters.\n"


def test_a_broker_that_is_away_is_told_in_one_line(settings: Settings) -> None:
    settings.BROKER_URL = f"amqp://guest:secret@127.0.0.1:{free_port()}/"

    with pytest.raises(CommandError, match=r"^RabbitMQ at 127\.0\.0\.1 can’t be used: .*") as caught:
        run("--yes")

    assert caught.value.returncode == 1
    assert "secret" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_as_a_process_where_nobody_answers_it_discards_nothing_and_says_what_to_add(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack()
    stack.query(
        "INSERT INTO notifier_queuedticket (channel, body, available_at, dead) "
        "VALUES ('email', x'78', '2026-01-01 00:00:00', true) RETURNING id"
    )

    refused = stack.manage("purge_dead_letters", check=False)
    done = stack.manage("purge_dead_letters", "--yes")

    assert refused.returncode == 1
    assert "Nothing was discarded: there is no terminal to confirm on. Add --yes." in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "Discarded: 1 dead letter." in done.stdout
