import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from notifier import clock, progress
from notifier.models import Broadcast


class Command(BaseCommand):
    help = "Shows how far a broadcast is."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("broadcast_id", type=int)
        parser.add_argument("--json", action="store_true", help="print it as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        broadcast = Broadcast.objects.select_related("topic").filter(pk=options["broadcast_id"]).first()
        if broadcast is None:
            raise CommandError(f"There is no broadcast {options['broadcast_id']}.")
        if options["json"]:
            self.stdout.write(json.dumps(progress.as_json(broadcast)))
            return
        books = progress.sheet(broadcast)
        self.stdout.write(f"{broadcast}: {broadcast.get_state_display().lower()}, topic {broadcast.topic}")
        for channel in books.channels:
            counts = ", ".join(f"{number} {state}" for state, number in sorted(channel.counts.items()))
            self.stdout.write(
                f"  {channel.channel.label}: {channel.settled} of {channel.total} done ({counts or 'none yet'})"
            )
        self.stdout.write(f"  the books {'balance' if books.balanced else 'do NOT balance'}: audience {books.audience}")
        for part in progress.health(channels=broadcast.channels, now=clock.now()):
            self.stdout.write(f"  {part.part}: {part.words}")
