from time import monotonic
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from notifier.demo import loading

MAX_CLIENTS = 10_000_000


def whole(name: str, text: str, least: int, most: int) -> int:
    if text.isascii() and text.isdigit() and least <= int(text) <= most:
        return int(text)
    raise CommandError(f"--{name} must be a whole number from {least:,} to {most:,}, not {text!r}.")


class Command(BaseCommand):
    help = "Adds made-up clients, with preferences, and a few notifications. The same seed gives the same clients."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--clients", default="1000", metavar="N", help="how many clients (1000)")
        parser.add_argument("--seed", default="1", metavar="S", help="the random seed, a whole number (1)")

    def handle(self, *args: Any, **options: Any) -> None:
        clients = whole("clients", str(options["clients"]), 1, MAX_CLIENTS)
        seed = whole("seed", str(options["seed"]), 0, 2**63)
        started = monotonic()
        loaded = loading.load(clients=clients, seed=seed, now=timezone.now())
        known = f" {loaded.known:,} already existed or have an address that is in use." if loaded.known else ""
        self.stdout.write(
            f"Added {loaded.clients:,} demo clients and {loaded.notifications} notifications "
            f"in {monotonic() - started:.1f} s.{known}"
        )
