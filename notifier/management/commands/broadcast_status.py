import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from notifier.broadcasts import lifecycle
from notifier.models import Broadcast
from notifier.overview import process_health
from notifier.progress import sheets
from notifier.runtime import clock
from notifier.wording import wall_clocks


class Command(BaseCommand):
    help = "Shows the progress of a broadcast."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("broadcast_id", type=int)
        parser.add_argument("--json", action="store_true", help="print it as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        broadcast = Broadcast.objects.select_related("topic", "created_by").filter(pk=options["broadcast_id"]).first()
        if broadcast is None:
            raise CommandError(f"There is no broadcast {options['broadcast_id']}.")
        if options["json"]:
            self.stdout.write(json.dumps(sheets.as_json(broadcast)))
            return
        books = sheets.sheet(broadcast)
        self.stdout.write(f"{broadcast}: {lifecycle.state_in_words(broadcast)}, topic {broadcast.topic}")
        for line in _times(broadcast):
            self.stdout.write(f"  {line}")
        for channel in books.channels:
            counts = ", ".join(f"{number} {state}" for state, number in sorted(channel.counts.items()))
            self.stdout.write(
                f"  {channel.channel.label}: {channel.settled} of {channel.total} processed ({counts or 'none yet'})"
            )
        warning = "" if books.balanced else f". The numbers don’t add up: {books.total} counted"
        self.stdout.write(f"  Audience: {books.audience}{warning}")
        for part in process_health.health(channels=broadcast.channels, now=clock.now()):
            self.stdout.write(f"  {part.part}: {part.words}")


def _times(broadcast: Broadcast) -> list[str]:
    """What its state does not tell: whose word it waits for, until when it may send, and why it was cancelled."""
    lines = []
    if broadcast.state == Broadcast.State.AWAITING_APPROVAL:
        who = broadcast.created_by.get_username() if broadcast.created_by else "the command line"
        lines.append(f"created by {who}, {wall_clocks.with_zone(broadcast.created_at)}: someone else has to approve it")
    if broadcast.state in Broadcast.BEFORE_START and broadcast.scheduled_for:
        lines.append(f"starts {wall_clocks.with_zone(broadcast.scheduled_for)}")
    if broadcast.expires_at:
        lines.append(f"expires {wall_clocks.with_zone(broadcast.expires_at)}")
    if broadcast.ended_because:
        lines.append(f"{broadcast.get_state_display().lower()}: {broadcast.ended_because}")
    return lines
