from contextlib import closing
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from notifier.transport import selection
from notifier.transport.base import DeadLetter, Transport, TransportError
from notifier.wording import numbers

#: So many are shown, and so much of one that can't be read: enough to tell whose it is, and nobody's message.
SHOWN = 20
EXCERPT_BYTES = 24


class Command(BaseCommand):
    help = "Shows the tickets that no consumer could read, and discards them once you confirm. No message is lost."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--yes", action="store_true", help="discard them without asking")
        parser.add_argument("--dry-run", action="store_true", help="show them and discard nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with closing(selection.get_transport()) as transport:
                self._handle(transport, yes=options["yes"], dry_run=options["dry_run"])
        except TransportError as error:
            raise CommandError(str(error), returncode=1) from error

    def _handle(self, transport: Transport, *, yes: bool, dry_run: bool) -> None:
        number = transport.dead()
        self.stdout.write(f"{numbers.counted(number, 'dead letter')}.")
        if not number:
            return
        letters = transport.dead_letters(SHOWN)
        for position, letter in enumerate(letters, start=1):
            self.stdout.write(f"{position:4}. {describe(letter)}")
        if number > len(letters):
            self.stdout.write(f"      … and {number - len(letters):,} more")
        self.stdout.write("Their messages are sent again automatically, whether you discard these or not.")
        if dry_run:
            return
        if not yes and not _agreed(number):
            raise CommandError("Nothing was discarded.", returncode=1)
        self.stdout.write(f"Discarded: {numbers.counted(transport.purge_dead(), 'dead letter')}.")


def describe(letter: DeadLetter) -> str:
    """In one line of plain ASCII: a dead letter may hold anything, also what would talk to the terminal."""
    where = letter.channel.in_words if letter.channel else "an unknown channel"
    line = f"{where}, {len(letter.body):,} bytes: {letter.reason}"
    if ticket := letter.ticket:
        deliveries = len(ticket.deliveries)
        return f"{line} (broadcast {ticket.broadcast}, {numbers.counted(deliveries, 'message')})"
    excerpt = ascii(letter.body[:EXCERPT_BYTES])
    return f"{line}; it begins {excerpt}" if letter.body else line


def _agreed(number: int) -> bool:
    try:
        return input(f"Discard {numbers.counted(number, 'dead letter')}? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError as error:
        raise CommandError(
            "Nothing was discarded: there is no terminal to confirm on. Add --yes.", returncode=1
        ) from error
