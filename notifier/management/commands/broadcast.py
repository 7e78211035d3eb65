import json
import time
import uuid
from argparse import ArgumentTypeError
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from notifier.broadcasts import lifecycle
from notifier.broadcasts.send_options import SendOptions
from notifier.models import Broadcast, Delivery, Notification, SavedAudience
from notifier.overview import process_health
from notifier.progress import sheets
from notifier.runtime import clock
from notifier.saved_audiences.document import BrokenAudience
from notifier.values.texts import folded
from notifier.wording import wall_clocks

POLL_SECONDS = 0.5
#: How long a dispatcher or broker that is away is waited for.
PATIENCE_SECONDS = 30
BAR_WIDTH = 30


class Command(BaseCommand):
    help = "Broadcasts a notification, like the button in the back office. From the command line no approval is needed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("notification_id", type=int)
        parser.add_argument(
            "--wait", action="store_true", help="wait until it has finished; exit 1 if anything failed or is unknown"
        )
        parser.add_argument("--json", action="store_true", help="print the result as JSON")
        parser.add_argument(
            "--again", action="store_true", help="send even if it is being sent or was sent within the last hour"
        )
        parser.add_argument(
            "--critical", action="store_true", help="ignore quiet hours and frequency caps; consent still applies"
        )
        parser.add_argument("--audience", metavar="NAME", help="send only to this saved audience")
        shape = f"as in {wall_clocks.examples()}"
        parser.add_argument("--at", metavar="TIME", type=_moment, help=f"start at this time, {shape}")
        parser.add_argument(
            "--expires", metavar="TIME", type=_moment, help=f"anything not sent by then is cancelled, {shape}"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        send_options = SendOptions(
            scheduled_for=options["at"], expires_at=options["expires"], is_critical=options["critical"]
        )
        broadcast = self._create(
            options["notification_id"], again=options["again"], options=send_options, audience=options["audience"]
        )
        if options["wait"]:
            self._wait(broadcast, show=self.stderr.isatty())
        if options["json"]:
            self.stdout.write(json.dumps(sheets.as_json(broadcast)))
        else:
            self.stdout.write(_sentence(broadcast))
        books = sheets.sheet(broadcast)
        failed, unknown = books.count(Delivery.State.FAILED), books.count(Delivery.State.UNKNOWN)
        if failed or unknown:
            raise CommandError(f"{failed} failed, {unknown} unknown.", returncode=1)
        if options["wait"] and broadcast.state != Broadcast.State.FINISHED:
            because = f": {broadcast.ended_because}" if broadcast.ended_because else ""
            words = broadcast.get_state_display().lower()
            raise CommandError(f"It was {words} before it was finished{because}.", returncode=1)

    def _create(self, notification_id: int, *, again: bool, options: SendOptions, audience: str | None) -> Broadcast:
        notification = Notification.objects.filter(pk=notification_id).first()
        if notification is None:
            raise CommandError(f"There is no notification {notification_id}.")
        seen = {notification.pk: notification.updated_at}
        try:
            made = lifecycle.create(
                seen=seen,
                token=uuid.uuid4(),
                by=None,
                now=clock.now(),
                again=again,
                options=options,
                audience=_audience(audience) if audience is not None else None,
            )
            return made[0]
        except lifecycle.SentRecently as error:
            raise CommandError(f"{error}. Add --again to send it once more.") from error
        except (lifecycle.BroadcastError, BrokenAudience) as error:
            raise CommandError(str(error)) from error

    def _wait(self, broadcast: Broadcast, *, show: bool) -> None:
        troubled_since: float | None = None
        while True:
            broadcast.refresh_from_db()
            if show:
                self.stderr.write(f"\r{_bar(broadcast)}", ending="")
            if broadcast.finished_at or broadcast.state == Broadcast.State.PAUSED:
                break
            trouble = _trouble(broadcast)
            troubled_since = (troubled_since or time.monotonic()) if trouble else None
            if troubled_since and time.monotonic() - troubled_since > PATIENCE_SECONDS:
                raise CommandError(f"Broadcast {broadcast.pk} is saved and continues later. {trouble}", returncode=2)
            time.sleep(POLL_SECONDS)
        if show:
            self.stderr.write("")


def _moment(text: str) -> datetime:
    """Raises what argparse shows as it is; of a ValueError it shows the name of this function."""
    try:
        return wall_clocks.read(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error


def _audience(name: str) -> lifecycle.AudienceSeen:
    found = SavedAudience.objects.filter(folded=folded(name.strip())).first()
    if found is None:
        raise CommandError(f"There is no audience “{name}”.")
    return lifecycle.AudienceSeen(found.pk, found.updated_at)


def _trouble(broadcast: Broadcast) -> str:
    parts = process_health.health(channels=broadcast.channels, now=clock.now())
    return " ".join(part.words for part in parts if not part.ok)


def _bar(broadcast: Broadcast) -> str:
    books = sheets.sheet(broadcast)
    share = books.expanded_share * (books.settled / books.total if books.total else 1.0)
    filled = int(BAR_WIDTH * share)
    return f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {books.settled}/{books.total} at {books.rate:.0f}/s"


def _sentence(broadcast: Broadcast) -> str:
    counts = "; ".join(
        f"{channel.channel.label}: "
        + (", ".join(f"{number} {state}" for state, number in channel.counts.items()) or "-")
        for channel in sheets.sheet(broadcast).channels
    )
    expires = f" It expires {wall_clocks.with_zone(broadcast.expires_at)}." if broadcast.expires_at else ""
    return f"Broadcast {broadcast.pk} is {lifecycle.state_in_words(broadcast)}.{expires} {counts}."
