from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.module_loading import import_string

from consumers.sender import Sender
from consumers.worker import Consumer
from notifier.models import Channel
from notifier.runtime.migration_check import NotMigrated, require_migrated
from notifier.runtime.shutdown import StopFlag
from notifier.transport import selection
from notifier.transport.base import TransportError


class Command(BaseCommand):
    help = "Sends the messages in one channel’s queue. You can run any number of these."
    requires_system_checks = ["settings"]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("channel", choices=Channel.values)
        parser.add_argument("--until-idle", action="store_true", help="exit once the queue has been empty for a second")
        parser.add_argument(
            "--concurrency",
            type=int,
            help="number of messages sent at the same time (default: EMAIL_CONCURRENCY, SMS_CONCURRENCY)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        channel = Channel(options["channel"])
        concurrency = (
            options["concurrency"] if options["concurrency"] is not None else settings.CONCURRENCY[channel.value]
        )
        if not 1 <= concurrency <= 1000:
            raise CommandError(f"--concurrency must be from 1 to 1000, not {concurrency}.")
        consumer = Consumer(
            channel=channel,
            transport=selection.get_transport(),
            sender=Sender(get_backend=import_string(settings.SEND_BACKENDS[channel.value]), threads=concurrency),
            concurrency=concurrency,
            stop=StopFlag().listen(),
        )
        try:
            if options["until_idle"]:
                require_migrated()
            consumer.run(until_idle=options["until_idle"])
        except (TransportError, NotMigrated) as error:
            raise CommandError(str(error)) from error
