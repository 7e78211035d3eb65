from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from notifier.delivery.dispatcher import Dispatcher
from notifier.runtime.migration_check import NotMigrated, require_migrated
from notifier.runtime.shutdown import StopFlag
from notifier.transport import selection
from notifier.transport.base import TransportError


class Command(BaseCommand):
    help = "Turns broadcasts into messages and queues them for sending. You can run any number of these."
    requires_system_checks = ["settings"]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--until-idle", action="store_true", help="exit once every broadcast is finished or paused")

    def handle(self, *args: Any, **options: Any) -> None:
        dispatcher = Dispatcher(transport=selection.get_transport(), stop=StopFlag().listen())
        try:
            if options["until_idle"]:
                # Otherwise the tables may still come: a migration may run at this moment.
                require_migrated()
            dispatcher.run(until_idle=options["until_idle"])
        except (TransportError, NotMigrated) as error:
            raise CommandError(str(error)) from error
